"""A folder of results that takes its place piece by piece when all of it is made."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scalewise.errors import InputError
from scalewise.files import read_json, write_json

CONTENTS = "contents.json"  # the files of the last run: the only ones that are ever removed


@contextmanager
def delivered(out: str | Path) -> Iterator[Path]:
    """Yield an empty scratch folder beside `out`, whose files move there when the block succeeds.

    A failed or killed block leaves `out` as it was. Files in `out` that an earlier run did not
    make are neither replaced nor removed; those it made and this one does not are removed.

    Raises:
        InputError: `out` is a file, cannot be written, or holds somebody else's file under a
            name that is needed; for index.html that is told before the block runs.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder to write to, found a file")
    _check_foreign(out, ["index.html"])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
    try:
        yield scratch
        _move(scratch, out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move(scratch: Path, out: Path) -> None:
    made = sorted(path.name for path in scratch.iterdir())
    _check_foreign(out, made)
    write_json(scratch / CONTENTS, made)
    out.mkdir(exist_ok=True)
    gone = _earlier(out) - set(made)
    for name in [*made, CONTENTS]:
        (scratch / name).replace(out / name)
    for name in gone:
        (out / name).unlink(missing_ok=True)


def _check_foreign(out: Path, names: Iterable[str]) -> None:
    foreign = [n for n in names if (out / n).exists() and n not in _earlier(out)]
    if foreign:
        raise InputError(
            f"{out / foreign[0]}: not made by this command, so it is not replaced; choose another "
            "folder with --out"
        )


def _earlier(out: Path) -> set[str]:
    """What the last run left here: plain names only, whatever the list says."""
    try:
        names = read_json(out / CONTENTS)
    except InputError:
        return set()
    if not isinstance(names, list):
        return set()
    return {n for n in names if isinstance(n, str) and (out / n).parent == out and n}
