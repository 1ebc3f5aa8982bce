"""A variant of a model, trained from several seeds: `run.py <study> <variant>`.

The stages themselves run, in a project of their own under .scratch/ whose params.yaml has the
variant's changes. A study named after a dataset deals its splits anew with every seed. Writes
studies/results/<study>/<variant>.json: for each seed the metrics that are single numbers.
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
TASKS = {  # of each study
    "keypoints": "keypoints",
    "classification": "classification",
    "segmentation": "segmentation",
    "wildlife": "classification",
    "camvid": "segmentation",
}
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
    if study not in TASKS:
        raise InputError(f"no study '{study}' (choices: {', '.join(TASKS)})")
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
    model, changes = variant.model, variant.changes | {f"{variant.model}.training.seed": seed}
    task, dealt = TASKS[study], study != TASKS[study]
    if dealt:
        changes |= {f"{study}.seed": seed}
    _make(project, changes, study if dealt else "")
    if dealt:
        _stage(project, "adopt", study)
    _stage(project, "train", model)
    found = {}
    for label, further in {name: {}, **variant.then}.items():
        _write_params(project, changes | further)
        _stage(project, "predict", task, model)
        _stage(project, task, model)
        metrics = read_json(project / "metrics" / model / f"{task}.json")
        numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
        found[label] = numbers | {"seed": seed}
    return found


def _make(project: Path, changes: Changes, own: str) -> None:
    """A project with the real stages and datasets, but for its own, and changed parameters."""
    (project / "data").mkdir(parents=True, exist_ok=True)
    _link(project / "stages", ROOT / "stages")
    for entry in (ROOT / "data").iterdir():
        if entry.name != own:
            _link(project / "data" / entry.name, entry)
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
