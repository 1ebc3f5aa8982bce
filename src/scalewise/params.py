"""params.yaml -> frozen typed records.

A section of params.yaml is named after the module that reads it; that module holds the
section's record, a subclass of `Record` with one documented field a line.
"""

import json
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scalewise.errors import InputError

PARAMS = Path("params.yaml")
R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """A section of params.yaml: frozen; unknown keys, loose types and NaN are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def read(section: str, record: type[R], path: str | Path = PARAMS) -> R:
    """Read one section of params.yaml.

    Args:
        section: its name; a dot descends (`multiscale.training`).
        record: the section's type.
        path: the file; YAML 1.2, as DVC reads it.

    Raises:
        InputError: a missing section, unknown key, wrong type or impossible combination;
            the message names every offending key and the choices.
    """
    values = _sections(Path(path))
    if isinstance(values, dict):
        _check_sections(values, path)
    for name in section.split("."):
        if not isinstance(values, dict) or name not in values:
            raise InputError(f"{path}: section '{section}' is missing{_hint(name, values)}")
        values = values[name]
    return parse(record, values, f"{path}: {section}")


def detectors(path: str | Path = PARAMS) -> tuple[str, ...]:
    """The list `detectors`: names of what is diagnosed, each once, at least one."""
    values = _sections(Path(path))
    names = values.get("detectors") if isinstance(values, dict) else None
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise InputError(f"{path}: detectors: expected a list of names, each once, got {names!r}")
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"{path}: detectors: expected names, got {wrong[0]!r}")
    return tuple(names)


def plain(section: str, path: str | Path = PARAMS) -> Any:
    """A section's values as they stand in the file, unchecked; None when it is absent."""
    values = _sections(Path(path))
    return values.get(section) if isinstance(values, dict) else None


def known_sections() -> set[str]:
    """Names a section may have: those of modules with a record, and three of no single module."""
    files = Path(__file__).parent.rglob("*.py")
    modules = {path.stem for path in files if "(Record)" in path.read_text()}
    return modules | {"detectors", "evaluation", "prediction"}


def _check_sections(values: dict[str, Any], path: str | Path) -> None:
    for name in values.keys() - known_sections():
        close = get_close_matches(str(name), known_sections(), n=1)
        meant = f"; did you mean '{close[0]}'?" if close else ""
        raise InputError(f"{path}: unknown section '{name}': no module has this name{meant}")


def parse(record: type[R], values: Any, where: str) -> R:
    """Check plain values against a record; `where` starts each message."""
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected {_names(record)}, got {values!r}")
    try:
        text = json.dumps(values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}: expected numbers, texts, lists and mappings ({error}); quote dates"
        ) from None
    try:
        # JSON mode is strict about scalars ('3' is no number) and takes lists for tuples.
        return record.model_validate_json(text, strict=True)
    except ValidationError as error:
        lines = [_line(record, problem, where) for problem in error.errors()]
        raise InputError("\n".join(lines)) from None


def _sections(path: Path) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    except (YAMLError, ValueError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def _line(record: type[BaseModel], problem: Any, where: str) -> str:
    location = [part for part in problem["loc"] if not _is_branch(part)]
    key = ".".join([where, *map(str, location)])
    if problem["type"] == "extra_forbidden":
        owner = _owner(record, location[:-1])
        return f"{key}: unknown key{_hint(str(location[-1]), owner.model_fields)}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    expected = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {expected}"
    return f"{key}: {expected[0].lower() + expected[1:]}, got {problem['input']!r}"


def _is_branch(part: str | int) -> bool:
    """Whether pydantic added this part to name a member of a union, which no user wrote."""
    return isinstance(part, str) and ("[" in part or part in {"int", "float", "str", "bool"})


def _owner(record: type[BaseModel], location: list[str | int]) -> type[BaseModel]:
    for part in location:
        if isinstance(part, str):
            record = _record_in(record.model_fields[part].annotation) or record
    return record


def _record_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple, dict):
        return next(filter(None, map(_record_in, get_args(annotation))), None)
    return None


def _names(record: type[BaseModel]) -> str:
    return "a mapping with the keys " + ", ".join(record.model_fields)


def _hint(name: str, known: Any) -> str:
    names = list(map(str, known)) if isinstance(known, dict | list) else []
    close = get_close_matches(name, names, n=1)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    return f"{meant} (choices: {', '.join(names)})" if names else meant
