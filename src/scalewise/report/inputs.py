"""Tables and metrics that earlier stages wrote; a missing one names the command that makes it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scalewise.coco import Truth
from scalewise.diagnosis.matching import outside
from scalewise.errors import InputError
from scalewise.files import read_json
from scalewise.scales import Scales

MAIN_ERRORS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")  # TIDE's, as in tide.json
SPECIAL_ERRORS = ("FP", "FN")
SETTINGS = {"iou": "IoU", "bins": "bins", "floor": "score floor"}
NAME_COLUMNS = ("group", "level", "scale", "type")  # texts even where they look like numbers


def table(path: str | Path, columns: Sequence[str], command: str) -> pd.DataFrame:
    """Read a CSV of an earlier stage.

    Args:
        path: the file.
        columns: those it must have; further ones are kept.
        command: what makes the file, for the message.

    Raises:
        InputError: no such file, not a CSV, or a column is missing.
    """
    path = _existing(path, command)
    names = dict.fromkeys(NAME_COLUMNS, str)
    try:
        read = pd.read_csv(path, dtype=names, keep_default_na=False, na_values=["", "nan"])
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{path}: expected CSV, but {error}") from None
    missing = [column for column in columns if column not in read.columns]
    if missing:
        raise InputError(
            f"{path}: column {', '.join(missing)} is missing; found: {', '.join(read.columns)}"
        )
    return read


def metrics(path: str | Path, command: str) -> dict[str, Any]:
    """Read a metrics JSON of an earlier stage.

    Raises:
        InputError: no such file, or not a JSON object.
    """
    path = _existing(path, command)
    read = read_json(path)
    if not isinstance(read, dict):
        raise InputError(f"{path}: expected an object of metrics, got {type(read).__name__}")
    return read


def if_there(path: Path) -> dict[str, Any]:
    """The metrics of a file, or none where it is absent."""
    return metrics(path, "") if path.is_file() else {}


def object_counts(truth: Truth, scales: Scales) -> dict[str, int]:
    """How many objects there are to find, for `all` and each scale, by COCO's inclusive ranges."""
    wanted = ~(truth.ignore | outside(truth.areas, scales))
    return dict(zip(scales.groups, wanted.sum(axis=1).tolist(), strict=True))


def settings(calibration: Mapping[str, Any]) -> str:
    """The settings that decide calibration's numbers, in words; empty where none is known."""
    known = [f"{SETTINGS[key]} {calibration[key]:g}" for key in SETTINGS if key in calibration]
    return ", ".join(known)


def ends(intervals: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Low and high of the statistic `name`, such as `tide.small.Cls`; None where not known."""
    at: Any = intervals
    for part in name.split("."):
        at = at.get(part) if isinstance(at, Mapping) else None
    known = isinstance(at, Mapping) and "low" in at and "high" in at
    return (at["low"], at["high"]) if known else None


def _existing(path: str | Path, command: str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with: {command}")
    return path
