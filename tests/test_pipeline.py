"""The house holds together: imports go one way, and each stage declares what it really reads."""

import ast
import re
import runpy
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from scalewise import params

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "scalewise"
# A module may import rooms to its left, and its own.
ROOMS = ["ground", "data", "examples", "models", "training", "prediction", "theory", "diagnosis",
         "evaluation", "report", "cli"]  # fmt: skip
ROOM_OF = {"checkpoint": "training", "inspection": "prediction"}
WITHOUT_TORCH = ["diagnosis", "evaluation", "report"]
# Stages that find a module by the names they get, and where: one room for all, or one for each.
BY_NAME = {
    "prepare": "data",
    "adopt": "data",
    "train": "models",
    "predict": ("prediction", "models"),
    "features": "models",
    "snapshots": "models",
    "augmentation": "models",
    "theory": "models",
}


def stages(folder: Path = ROOT) -> dict[str, dict]:
    """Every stage of a folder's dvc.yaml with `foreach` unrolled and its values filled in."""
    values = YAML(typ="safe").load((folder / "params.yaml").read_text())
    unrolled = {}
    for name, stage in YAML(typ="safe").load((folder / "dvc.yaml").read_text())["stages"].items():
        if "foreach" not in stage:
            unrolled[name] = _filled(stage, values)
            continue
        items = _filled(stage["foreach"], values)
        named = items.items() if isinstance(items, dict) else [(i, i) for i in items]
        for key, item in named:
            unrolled[f"{name}@{key}"] = _filled(stage["do"], {**values, "key": key, "item": item})
    return unrolled


def _filled(value, values):
    if isinstance(value, dict):
        return {_filled(key, values): _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\$\{([\w.]+)\}", value):
        return _look_up(values, whole[1])
    return re.sub(r"\$\{([\w.]+)\}", lambda match: str(_look_up(values, match[1])), value)


def _look_up(values, dotted):
    for part in dotted.split("."):
        values = values[part]
    return values


@cache
def imports(path: Path) -> frozenset[Path]:
    """The project's modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {_module(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(_module(node.module))
            found |= {_module(f"{node.module}.{alias.name}") for alias in node.names}
    return frozenset(found - {None})


def _module(dotted: str) -> Path | None:
    first, *rest = dotted.split(".")
    path = SOURCE.joinpath(*rest).with_suffix(".py")
    return path if first == "scalewise" and rest and path.is_file() else None


def closure(*start: Path) -> set[Path]:
    reached, waiting = set(), list(start)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imports(path)
    return reached


def room(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    named = ROOM_OF.get(first, first)
    return named if named in ROOMS else "ground"


MODULES = sorted(p for p in SOURCE.rglob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_one_way(path):
    for imported in imports(path):
        assert ROOMS.index(room(imported)) <= ROOMS.index(room(path)), imported


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=lambda p: p.parent.name)
def test_packages_are_empty(path):
    """A package that imported its rooms would make every stage depend on all of them."""
    assert len(ast.parse(path.read_text()).body) == 1


@pytest.mark.parametrize("room_name", WITHOUT_TORCH)
def test_what_only_counts_and_draws_never_imports_torch(room_name):
    for path in closure(*(SOURCE / room_name).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not any(str(n).split(".")[0] in {"torch", "torchvision"} for n in names), path


@pytest.mark.parametrize("name", stages())
def test_stage_declares_the_code_it_imports(name):
    stage = stages()[name]
    script, *arguments = re.search(r"python (stages/.*)", stage["cmd"])[1].split()
    start = [ROOT / script]
    if rooms := BY_NAME.get(Path(script).stem):
        rooms = [rooms] * len(arguments) if isinstance(rooms, str) else rooms
        named = zip(rooms, arguments, strict=True)
        start += [SOURCE / room_name / f"{name}.py" for room_name, name in named]
    needed = {str(path.relative_to(ROOT)) for path in closure(*start)}
    if SOURCE / "report" / "page.py" in closure(*start):
        needed.add("src/scalewise/report/page.html.jinja")
    declared = {dep for dep in stage["deps"] if dep.startswith(("src/", "stages/"))}
    declared = {file for dep in declared for file in _files(dep)}
    assert declared == needed, "\n".join(f"        - {dep}" for dep in sorted(needed))


@pytest.mark.parametrize("name", stages(ROOT / "studies"))
def test_a_study_declares_the_code_of_the_stages_it_runs(name):
    stage = stages(ROOT / "studies")[name]
    _, script, *arguments = re.search(r"(python) (studies/\S+)(.*)", stage["cmd"])[0].split()
    start = [ROOT / script]
    if script == "studies/run.py":
        study, variant = arguments
        values = YAML(typ="safe").load((ROOT / "studies" / "params.yaml").read_text())
        model = values[study][variant]["model"]
        task = runpy.run_path(str(ROOT / "studies" / "run.py"))["TASKS"][study]
        if study != task:  # its splits are dealt anew
            start += [ROOT / "stages" / "adopt.py", SOURCE / "data" / f"{study}.py"]
        start += [ROOT / "stages" / f"{part}.py" for part in ("train", "predict", task)]
        start += [SOURCE / "prediction" / f"{task}.py"]
        start += [SOURCE / "models" / f"{model}.py"]
    needed = {str(path.relative_to(ROOT)) for path in closure(*start)}
    declared = {dep for dep in stage["deps"] if dep.endswith(".py")}
    assert declared == needed, "\n".join(f"        - {dep}" for dep in sorted(needed))


def _files(dependency: str) -> set[str]:
    """The dependency itself, or the modules of a folder, which its stage then needs all of."""
    folder = ROOT / dependency
    if not folder.is_dir():
        return {dependency}
    modules = (path for path in folder.glob("*.py") if path.name != "__init__.py")
    return {str(path.relative_to(ROOT)) for path in modules}


@pytest.mark.parametrize("name", stages())
def test_stage_is_named_like_its_script_and_is_thin(name):
    stage = stages()[name]
    script = re.search(r"python (stages/\w+\.py)", stage["cmd"])[1]
    assert Path(script).stem == name.split("@")[0].replace("-", "_")
    code = [line for line in (ROOT / script).read_text().splitlines() if line.strip()]
    assert len(code) <= 45


def test_every_section_of_params_is_read_by_a_stage():
    sections = set(YAML(typ="safe").load((ROOT / "params.yaml").read_text()))
    read = {p.split(".")[0] for stage in stages().values() for p in stage.get("params", [])}
    assert sections - read - {"detectors"} == set()
    assert sections <= params.known_sections()
