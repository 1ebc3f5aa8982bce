"""Predictions of another git revision, DVC experiment or the workspace, as DVC has them."""

import json
from pathlib import Path
from typing import Any

from scalewise.errors import InputError

WORKSPACE = "workspace"  # the files as they lie here


def read_json(path: str, revision: str, root: str | Path = ".") -> Any:
    """Read a JSON file that the pipeline made.

    Args:
        path: as in dvc.yaml, relative to `root`.
        revision: a branch, tag, commit or name of an experiment; `workspace` for the file here.
        root: the project.

    Raises:
        InputError: no such revision, not a DVC project, DVC is not installed, or the file is in
            neither git nor the cache; with the command that fetches it.
    """
    content = _here(path, root) if revision == WORKSPACE else _cached(path, revision, root)
    try:
        return json.loads(content)
    except ValueError as error:
        raise InputError(f"{named(path, revision)}: expected JSON, but {error}") from None


def named(path: str, revision: str) -> str:
    """How messages call the file."""
    return path if revision == WORKSPACE else f"{revision}:{path}"


def _here(path: str, root: str | Path) -> bytes:
    try:
        return (Path(root) / path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror} in the workspace{_detectors(root)}; make it with: dvc "
            "repro, or get it with: dvc pull"
        ) from None


def _cached(path: str, revision: str, root: str | Path) -> bytes:
    try:
        import dvc.api
        from dvc.exceptions import DvcException, FileMissingError, PathMissingError
        from dvc.scm import RevError
        from dvc_data.index import DataIndexDirError
    except ImportError:
        raise InputError(
            "compare --rev reads the DVC cache, but dvc is not installed; pip install dvc, or "
            "compare files: scalewise compare TRUTH A B"
        ) from None
    try:
        return dvc.api.read(path, repo=str(root), rev=revision, mode="rb")
    except RevError:
        raise InputError(
            f"--rev {revision}: no such branch, tag, commit or experiment; see git log and dvc exp "
            "show"
        ) from None
    except (PathMissingError, FileMissingError, DataIndexDirError):
        raise InputError(
            f"{named(path, revision)}: not in the DVC cache{_detectors(root)}; get it with: dvc "
            "fetch --all-commits (dvc exp pull for an experiment), or make it anew with dvc repro "
            "at that revision"
        ) from None
    except (DvcException, OSError) as error:
        raise InputError(f"{named(path, revision)}: cannot be read by DVC: {error}") from None


def _detectors(root: str | Path) -> str:
    folder = Path(root) / "predictions"
    names = sorted(path.name for path in folder.glob("*") if path.is_dir())
    return f" (detectors with predictions here: {', '.join(names)})" if names else ""
