"""One HTTP request for what is still missing of a file.

The bytes so far wait beside the file's place as `<name>.part`, with a note that says of which
version of which file they are a part; without it, or with another's, they are forgotten.
"""

import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from requests import Response
from tqdm import tqdm

from scalewise.errors import InputError
from scalewise.files import read_json, write_json

CHUNK = 1 << 16  # bytes read at a time
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # statuses that may be others in a moment


class Broken(Exception):
    """An attempt that failed and is worth another, after `wait` seconds if the server says so."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Part:
    """The bytes of a file so far.

    Attributes:
        url: where the rest is.
        path: the place of the whole file.
        size: bytes it must have, if known.
        file: the bytes so far.
        note: `url`, `validator` (what tells this version of the file from others) and `total`
            (bytes by what the server said), as JSON.
    """

    def __init__(self, url: str, path: Path, size: int | None = None) -> None:
        self.url, self.path, self.size = url, path, size
        self.file = path.with_name(f"{path.name}.part")
        self.note = path.with_name(f"{path.name}.part.json")

    def length(self) -> int:
        """Bytes so far."""
        return self.file.stat().st_size if self.file.is_file() else 0

    def begin(self, validator: str | None, total: int | None) -> None:
        """Forget the bytes so far, and note what those to come are a part of."""
        self.discard()
        write_json(self.note, {"url": self.url, "validator": validator, "total": total})

    def trusted(self) -> dict[str, Any]:
        """The note, if one can go on from the bytes so far; else they are forgotten."""
        note: Any = None
        if self.length() and self.note.is_file():
            with suppress(InputError):
                note = read_json(self.note)
        own = isinstance(note, dict) and note.get("url") == self.url
        if own and (note.get("validator") or note.get("total") == self.length()):
            return note
        self.discard()
        return {}

    def discard(self) -> None:
        """Forget the bytes so far."""
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the bytes in the file's place."""
        self.file.chmod(0o644)
        self.file.replace(self.path)
        self.note.unlink(missing_ok=True)

    def failure(self, reason: str) -> InputError:
        """What to tell the user when there is no way on, with the ways out."""
        return InputError(
            f"{self.url}: {reason}; put the file at {self.path} yourself, or use another dataset"
        )


def go_on(part: Part, stall: float) -> int:
    """Append what is missing; returns how many of the bytes before are still there.

    Args:
        part: the bytes so far.
        stall: seconds without a byte after which the connection is given up.

    Raises:
        Broken, requests.RequestException: another attempt may do better.
        InputError: none will.
    """
    note = part.trusted()
    start = part.length()
    if start and start == note.get("total"):  # the process was killed between the last byte and now
        return start
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": note["validator"]}
    with requests.get(part.url, headers=headers, stream=True, timeout=stall) as response:
        start = _accepted(response, part, start, note.get("validator"))
        total = _total(response, start)
        if None not in (total, part.size) and total != part.size:
            part.discard()
            raise part.failure(f"the server offers {total:,} bytes, expected {part.size:,}")
        if not start:
            part.begin(_validator(response), total)
        _receive(response, part, total)
    return start


def _accepted(response: Response, part: Part, start: int, validator: str | None) -> int:
    """The position in the file at which the answer begins; other answers are raised."""
    status, span = response.status_code, response.headers.get("Content-Range", "")
    if status == 200:  # to a range too: the file has changed, or the server knows no ranges
        return 0
    known = _validator(response) == validator  # else If-Range is ignored
    if status == 206 and start and known and span.startswith(f"bytes {start}-"):
        return start
    if status in {206, 416}:
        part.discard()
        raise Broken("the server has another part than the one asked for")
    if status in TRANSIENT:
        asked = response.headers.get("Retry-After", "")
        raise Broken(f"status {status}", float(asked) if asked.isdecimal() else 0.0)
    raise part.failure(f"the server answers {status} {response.reason}".rstrip())


def _encoded(response: Response) -> bool:
    """Whether what is received is longer than what is sent, though nobody asked for that."""
    return response.headers.get("Content-Encoding", "identity") != "identity"


def _validator(response: Response) -> str | None:
    tag = response.headers.get("ETag", "")
    strong = tag if tag.startswith('"') else response.headers.get("Last-Modified")
    return None if _encoded(response) else strong


def _total(response: Response, start: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() and not _encoded(response) else None


def _receive(response: Response, part: Part, total: int | None) -> None:
    start = length = part.length()
    total = part.size if total is None else total
    missing, free = (total or start) - start, shutil.disk_usage(part.file.parent).free
    if missing > free:
        raise part.failure(f"{missing:,} bytes are to come, {free:,} are free on the disk")
    options = {"unit": "B", "unit_scale": True, "leave": False, "disable": not sys.stderr.isatty()}
    with part.file.open("ab") as file, tqdm(None, part.path.name, total, **options) as bar:
        bar.update(start)
        for data in response.iter_content(CHUNK):
            length += file.write(data)
            bar.update(len(data))
            if part.size is not None and length > part.size:
                return  # it is another file, and may have no end
    if total is not None and length < total:
        raise Broken(f"the transfer ended after {length:,} of {total:,} bytes")
