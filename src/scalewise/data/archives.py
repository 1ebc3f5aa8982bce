"""Zip and tar archives from strangers, read member by member and never unpacked.

Refused before anything is read: a name that leads out of the archive, links, devices, encrypted
members, a name that is there twice, and members that say they are too large. No member gives
more bytes than it said.
"""

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scalewise.errors import InputError

LARGEST = 4 << 30  # bytes of a member: it must fit into memory
MOST = 256 << 30  # bytes of all members together
CHUNK = 1 << 20
OUTSIDE = re.compile(r"^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$)|[\x00-\x1f]")
ZIP = b"PK"
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
# What the standard library raises on damaged, encrypted and unusual archives.
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, tarfile.TarError,
              zlib.error, lzma.LZMAError)  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """The files of an archive or folder.

    Attributes:
        path: where it is.
        sizes: bytes of each file by its name, which is relative, with forward slashes.
        folders: names of the folders that are members themselves; empty ones are known by this.
    """

    path: Path
    sizes: dict[str, int]
    folders: frozenset[str]
    _content: Callable[[str], bytes]

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: there is none of that name, or it is damaged.
        """
        if name not in self.sizes:
            raise InputError(f"{self.path}: no file '{name}' among {len(self.sizes):,}")
        with _told(self.path, name):
            data = self._content(name)
            if len(data) != self.sizes[name]:
                raise EOFError(f"{len(data):,} of {self.sizes[name]:,} bytes")
        return data

    def located(self, names: Iterable[str]) -> dict[str, str]:
        """The file for each name: the one called so, or the only one that ends in `/<name>`.

        Names without a file are left out.

        Raises:
            InputError: several files end in the name.
        """
        by_last = defaultdict(list)
        for there in self.sizes:
            by_last[there.rpartition("/")[2]].append(there)
        found = {}
        for name in names:
            files = [t for t in by_last[name.rpartition("/")[2]] if f"/{t}".endswith(f"/{name}")]
            if name in files or len(files) == 1:
                found[name] = name if name in files else files[0]
            elif files:
                raise InputError(f"{self.path}: '{name}' may be {' or '.join(sorted(files)[:3])}")
        return found


@contextmanager
def opened(path: str | Path, largest: int = LARGEST, most: int = MOST) -> Iterator[Archive]:
    """Open a zip, a tar (plain, gzip, bzip2, xz), or a folder as if it were one.

    Args:
        path: where it is.
        largest: bytes that one file may have.
        most: bytes that all files may have together.

    Raises:
        InputError: it is none of them, damaged, or holds what may not be in it.
    """
    path = Path(path)
    with ExitStack() as stack:
        with _told(path):
            if path.is_dir():
                archive = _folder(path)
            else:
                source, kind = stack.enter_context(_seekable(path, most))
                archive = _zip(path, source) if kind == ZIP else _tar(path, source)
        _check_sizes(archive, largest, most)
        yield archive


@contextmanager
def _told(path: Path, name: str = "") -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except UNREADABLE as error:
        what = f"'{name}' in it cannot be read" if name else "cannot be read as a zip or tar"
        raise InputError(f"{path}: {what} ({error})") from None


@contextmanager
def _seekable(path: Path, most: int) -> Iterator[tuple[IO[bytes], bytes]]:
    """The file, or what comes out of a compressed tar, and the file's first two bytes."""
    with path.open("rb") as file:
        kind = file.read(2)
        file.seek(0)
        if kind not in COMPRESSED:
            yield file, kind
            return
        with tempfile.TemporaryFile() as plain, COMPRESSED[kind](file) as inner:
            while chunk := inner.read(CHUNK):
                plain.write(chunk)
                if plain.tell() > most:
                    raise InputError(f"{path}: more than {most:,} bytes come out of it")
            plain.seek(0)
            yield plain, kind


def _folder(path: Path) -> Archive:
    inside = {inner.relative_to(path).as_posix(): inner for inner in path.rglob("*")}
    files = {name: inner for name, inner in inside.items() if inner.is_file()}
    folders = frozenset(name for name, inner in inside.items() if inner.is_dir())
    sizes = {name: file.stat().st_size for name, file in files.items()}
    return Archive(path, sizes, folders, lambda name: files[name].read_bytes())


def _zip(path: Path, source: IO[bytes]) -> Archive:
    archive = zipfile.ZipFile(source)
    members: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for info in archive.infolist():
        if info.is_dir():
            folders.add(_checked(path, info.filename, ()))
            continue
        if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
            raise _unplain(path, info.filename)
        members[_checked(path, info.filename, members)] = info
    sizes = {name: info.file_size for name, info in members.items()}
    # Reading checks the CRC and ends at the size that the member declares.
    return Archive(path, sizes, frozenset(folders) - {""}, lambda name: archive.read(members[name]))


def _tar(path: Path, source: IO[bytes]) -> Archive:
    archive = tarfile.TarFile(fileobj=source)
    members: dict[str, tarfile.TarInfo] = {}
    folders = set()
    for info in archive:
        if info.isdir():
            folders.add(_checked(path, info.name, ()))
            continue
        if not info.isreg() or info.issparse():
            raise _unplain(path, info.name)
        members[_checked(path, info.name, members)] = info
    sizes = {name: info.size for name, info in members.items()}
    return Archive(
        path,
        sizes,
        frozenset(folders) - {""},
        lambda name: archive.extractfile(members[name]).read(),
    )


def _unplain(path: Path, name: str) -> InputError:
    return InputError(f"{path}: '{name}' is a link, device or the like, expected plain files")


def _checked(path: Path, name: str, known: Container[str]) -> str:
    """A member's name without dots in its path, once it is known to be harmless."""
    if OUTSIDE.search(name):
        raise InputError(f"{path}: '{name}' leads out of the archive, expected relative names")
    plain = "/".join(part for part in name.split("/") if part not in {"", "."})
    if plain in known:
        raise InputError(f"{path}: '{plain}' is there twice")
    return plain


def _check_sizes(archive: Archive, largest: int, most: int) -> None:
    for name, size in archive.sizes.items():
        if size > largest:
            raise InputError(
                f"{archive.path}: '{name}' has {size:,} bytes, expected at most {largest:,}"
            )
    if (total := sum(archive.sizes.values())) > most:
        raise InputError(f"{archive.path}: {total:,} bytes in it, expected at most {most:,}")
