"""Files that are either whole or not there."""

import json
import math
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalewise.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

METRIC_DIGITS = 6  # finer digits differ between machines and say nothing


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a scratch path beside `path` that takes its place when the block succeeds.

    A failed or killed block leaves `path` as it was. Parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        scratch.chmod(0o644)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write compact JSON with sorted keys; NaN and infinity are refused."""
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(value, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file (plain or gzip).

    Raises:
        InputError: the file is missing, unreadable or not JSON.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            import gzip

            data = gzip.decompress(data)
        return json.loads(data)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    except (ValueError, RecursionError) as error:  # JSON and text encoding, or too deep
        raise InputError(f"{path}: expected JSON, but {error}") from None


def write_metrics(path: str | Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics for `dvc metrics`: indented, sorted, rounded; what is not defined is absent.

    Args:
        path: the JSON file.
        metrics: numbers, or mappings of them; None and NaN entries are left out.
    """
    with replacing(path) as scratch:
        text = json.dumps(_defined(metrics), sort_keys=True, indent=2, allow_nan=False)
        scratch.write_text(text + "\n")


def _defined(metrics: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            if inner := _defined(value):
                kept[name] = inner
        elif isinstance(value, str | bool | int):
            kept[name] = value
        elif value is not None and not math.isnan(value):
            kept[name] = round(float(value), METRIC_DIGITS)
    return kept


def write_table(path: str | Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV with six significant digits; what is not defined stays empty."""
    with replacing(path) as scratch:
        table.to_csv(scratch, index=False, float_format="%.6g")
