"""Where a dataset's files come from: the disk, or the network by way of a folder of downloads.

Downloads are kept in `.downloads/`, or in the folder that `SCALEWISE_DOWNLOADS` names, and not
among a stage's outputs, which DVC deletes before each run: what is there is not fetched again,
and a transfer that broke off goes on.
"""

import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import Field

from scalewise.data.fetching.download import PATIENCE, Patience, fetch
from scalewise.errors import InputError
from scalewise.params import Record


class Source(Record):
    """One file or folder. `size` and `sha256` hold for a download, not for a path."""

    url: str = Field(min_length=1)
    """http(s) URL, file:// URL, or the path of a file or folder."""
    size: int | None = Field(None, ge=0)
    """Bytes of what the URL serves; null where that is not known."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """SHA-256 of what the URL serves, in lower case; null where that is not known."""


def obtain(source: Source, patience: Patience = PATIENCE) -> Path:
    """The path of a source: the file or folder it names, or the verified download of its URL.

    Raises:
        InputError: nothing is there, or it cannot be fetched; see `download.fetch`.
    """
    path = local(source.url)
    if path is None:
        return fetch(source.url, place(source.url), source.size, source.sha256, patience)
    if not path.exists():
        raise InputError(f"{path}: expected a file or folder (or an http(s) URL), found nothing")
    return path


def local(url: str) -> Path | None:
    """The path that a plain path or file:// URL names; None for an http(s) URL."""
    if "://" not in url:
        return Path(url).expanduser()
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return Path(url2pathname(parts.path))
    if parts.scheme in {"http", "https"} and parts.hostname:
        return None
    raise InputError(f"{url}: expected an http(s) or file:// URL, or a path")


def place(url: str) -> Path:
    """Where the download of a URL is kept: `<downloads>/<host>/<path>`."""
    parts = urlsplit(url)
    names = [name for name in parts.path.split("/") if name not in {"", ".", ".."}] or ["index"]
    if parts.query:
        names[-1] = f"{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}-{names[-1]}"
    host = parts.netloc.rpartition("@")[2].replace(":", "_")
    folder = Path(os.environ.get("SCALEWISE_DOWNLOADS") or ".downloads").expanduser()
    return folder.joinpath(host, *names)
