"""A variant of a model, trained from several seeds: `run.py <study> <variant>`.

The stages themselves run, in a project of their own under .scratch/ whose params.yaml has the
variant's changes. Writes studies/results/<study>/<variant>.json: the metrics of each seed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from ruamel.yaml import YAML

from scalewise import params
from scalewise.errors import InputError, run
from scalewise.files import read_json, write_json
from scalewise.params import Record

HERE = Path(__file__).parent
ROOT = HERE.parent
PARAMS = HERE / "params.yaml"
STUDIES = ("keypoints", "classification")
Changes = dict[str, Any]


class Variant(Record):
    """One entry of a study in studies/params.yaml."""

    model: str
    """What is trained."""
    changes: Changes = Field(default_factory=dict)
    """Values of params.yaml, by dotted name."""
    then: dict[str, Changes] = Field(default_factory=dict)
    """Further variants of the trained model, by what is changed after the training."""


def main(study: str, name: str) -> None:
    """Train a variant from every seed, write its metrics."""
    if study not in STUDIES:
        raise InputError(f"no study '{study}' (choices: {', '.join(STUDIES)})")
    variants = params.plain(study, PARAMS) or {}
    if name not in variants:
        choices = ", ".join(variants)
        raise InputError(f"studies/params.yaml: {study}: no variant '{name}' (choices: {choices})")
    variant = params.parse(Variant, variants[name], f"studies/params.yaml: {study}.{name}")
    found: dict[str, list[Any]] = {}
    for seed in params.plain("seeds", PARAMS):
        project = ROOT / ".scratch" / f"study-{study}-{name}-{seed}"
        for label, metrics in _trained(project, study, name, variant, seed).items():
            found.setdefault(label, []).append(metrics)
        shutil.rmtree(project)
    write_json(HERE / "results" / study / f"{name}.json", found)


def _trained(project: Path, study: str, name: str, variant: Variant, seed: int) -> dict[str, Any]:
    """The metrics of one seed: of the variant and, under their own names, of what is done then."""
    model, log = variant.model, {f"{variant.model}.training.seed": seed}
    _make(project, variant.changes | log)
    _stage(project, "train", model)
    found = {}
    for label, changes in {name: {}, **variant.then}.items():
        _write_params(project, variant.changes | log | changes)
        _stage(project, "predict", study, model)
        _stage(project, study, model)
        found[label] = read_json(project / "metrics" / model / f"{study}.json")
    return found


def _make(project: Path, changes: Changes) -> None:
    """A project with the real stages and data, and changed parameters."""
    project.mkdir(parents=True, exist_ok=True)
    for name in ("stages", "data"):
        _link(project / name, ROOT / name)
    _write_params(project, changes)


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target)


def _write_params(project: Path, changes: Changes) -> None:
    values = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        section: Any = values
        for part in path:
            section = section.get(part) if isinstance(section, Mapping) else None
        if not isinstance(section, Mapping) or last not in section:
            raise InputError(f"studies/params.yaml: '{dotted}' is not in params.yaml")
        section[last] = value
    with (project / "params.yaml").open("w") as file:
        YAML(typ="safe").dump(values, file)


def _stage(project: Path, name: str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, f"stages/{name}.py", *arguments]
    if subprocess.run(command, cwd=project, env=environment, check=False).returncode:
        raise InputError(f"{project}: {' '.join(command[1:])} failed; see above")


if __name__ == "__main__":
    run(main)
