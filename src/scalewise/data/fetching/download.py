"""A file from the network: whole and verified at its place, or not there.

A transfer that breaks off goes on where it was, in the next run too (transfer.py).
"""

import hashlib
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from requests import RequestException, exceptions

from scalewise.data.fetching.transfer import Broken, Part, go_on
from scalewise.errors import InputError

STRIDE = 1 << 20  # bytes that count as progress
HOPELESS = (exceptions.InvalidURL, exceptions.InvalidSchema, exceptions.TooManyRedirects)


@dataclass(frozen=True)
class Patience:
    """How long a transfer is tried.

    Attributes:
        attempts: failures in a row of which none got a `STRIDE` further than all before.
        first: seconds waited after the first of them; each wait is twice the one before, less
            up to half of it by chance, so that many clients do not come back at once.
        longest: seconds of the longest wait, whatever the server asks for.
        stall: seconds without a byte after which a connection is given up.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0
    stall: float = 30.0


PATIENCE = Patience()


def fetch(
    url: str,
    path: str | Path,
    size: int | None = None,
    sha256: str | None = None,
    patience: Patience = PATIENCE,
) -> Path:
    """Have the file of a URL at `path`; what is there already is verified and kept.

    Proxies come from the environment (`HTTPS_PROXY` and the like). Without `size` and `sha256`
    only the length that the server states is verified.

    Args:
        url: http or https.
        path: where the file goes; its folder is made.
        size: bytes it must have.
        sha256: its hash, 64 lower-case hexadecimal digits.
        patience: how long to try.

    Raises:
        InputError: no network, no such file, another file than expected, there or at `path`, or
            no room for it. Nothing is at `path` then that was not there before.
    """
    path = Path(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # of two that want the same file, one waits
            if not path.is_file():
                _fetch(Part(url, path, size), sha256, patience)
            elif problem := _problem(path, size, sha256):
                raise InputError(f"{path}: {problem}; remove it to have it fetched from {url}")
    return path


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def _problem(path: Path, size: int | None, sha256: str | None) -> str:
    """What is wrong with a file, in words; empty if nothing."""
    there = path.stat().st_size
    if size is not None and there != size:
        return f"{there:,} bytes, expected {size:,}"
    if sha256 is not None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            return f"SHA-256 {digest}, expected {sha256}"
    return ""


def _fetch(part: Part, sha256: str | None, patience: Patience) -> None:
    start = time.monotonic()
    furthest, failed = 0, 0
    _say(part, f"from {part.url}")
    while True:
        try:
            _attempt(part, sha256, patience.stall)
            break
        except HOPELESS as error:
            raise part.failure(str(error)) from None
        except (RequestException, Broken) as error:
            length, reason = part.length(), _reason(error, patience.stall)
            failed = 1 if length >= furthest + STRIDE else failed + 1
            furthest = max(furthest, length)
            if failed >= patience.attempts:
                raise part.failure(f"{reason} ({failed} attempts)") from None
            wait = _wait(error, failed, patience)
            _say(part, f"{reason}; again in {wait:.0f} s")
            time.sleep(wait)
    _say(part, f"{part.path.stat().st_size / 1e6:,.1f} MB in {time.monotonic() - start:.1f} s")


def _attempt(part: Part, sha256: str | None, stall: float) -> None:
    """One request; the file is at its place afterwards."""
    before = go_on(part, stall)
    if not (problem := _problem(part.file, part.size, sha256)):
        return part.finish()
    part.discard()
    if before:  # the old bytes may be to blame
        raise Broken(problem)
    raise part.failure(f"the server sends another file ({problem})")


def _wait(error: Exception, failed: int, patience: Patience) -> float:
    own = min(patience.first * 2 ** (failed - 1), patience.longest) * random.uniform(0.5, 1)
    asked = error.wait if isinstance(error, Broken) else 0.0
    return max(own, min(asked, patience.longest))


def _reason(error: Exception, stall: float) -> str:
    """What happened, in words; the library's own are a line of nested objects."""
    if isinstance(error, Broken):
        return str(error)
    if isinstance(error, exceptions.ChunkedEncodingError):
        return "the transfer broke off"
    if isinstance(error, exceptions.Timeout) or "timed out" in str(error):
        return f"nothing came for {stall:g} s"
    if isinstance(error, exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, exceptions.SSLError):
        return "no trusted connection"
    return "no connection"


def _say(part: Part, what: str) -> None:
    print(f"{part.path.name}: {what}", file=sys.stderr, flush=True)
