"""A dataset on disk: `data/<name>/` holds `images.tar` or `images/` and one JSON a split."""

import io
import tarfile
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scalewise.errors import InputError
from scalewise.files import replacing

Pixels = NDArray[np.uint8]
# What PIL raises on damaged files of its many formats.
UNREADABLE = (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError)


def pack(path: str | Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write encoded images into an uncompressed tar whose bytes depend on them alone.

    Args:
        path: the archive.
        members: name and encoded bytes of each image, in the order to be stored.
    """
    with replacing(path) as scratch, tarfile.open(scratch, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)  # mtime, owner and mode are constants by default
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def encode_png(pixels: Pixels) -> bytes:
    """[H, W] or [H, W, 3] uint8 to PNG bytes."""
    buffer = io.BytesIO()
    # Looking for runs only is faster and smaller here: noise holds no longer repeats.
    Image.fromarray(pixels).save(buffer, "PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


class Store:
    """Encoded images by name, from `<folder>/images.tar` or `<folder>/images/`."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.archive = self.folder / "images.tar"
        self.directory = self.folder / "images"
        self._spans: dict[str, tuple[int, int]] | None = None
        if self.archive.is_file():
            self._spans = _spans(self.archive)
        elif not self.directory.is_dir():
            raise InputError(f"{self.folder}: expected images.tar or a folder images/ there")

    def files(self) -> list[Path]:
        """What is on disk: the archive, or every file of the folder."""
        if self._spans is not None:
            return [self.archive]
        return sorted(path for path in self.directory.rglob("*") if path.is_file())

    @classmethod
    def over(cls, path: str | Path) -> "Store":
        """The images of any uncompressed tar, dataset folder or plain folder of images.

        Raises:
            InputError: there is neither a file nor a folder, or the file is no such tar.
        """
        path, store = Path(path), cls.__new__(cls)
        if (path / "images.tar").is_file() or (path / "images").is_dir():
            return cls(path)
        if not path.exists():
            raise InputError(f"{path}: expected a folder of images or a tar, found nothing")
        store.folder = store.archive = store.directory = path
        store._spans = _spans(path) if path.is_file() else None
        return store

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the names that have no image here."""
        if self._spans is not None:
            return [name for name in names if name not in self._spans]
        return [name for name in names if not (self.directory / name).is_file()]

    def bytes_of(self, name: str) -> bytes:
        """The encoded image called `name`."""
        if not name:
            raise InputError(f"{self.folder}: an image's record has no file_name")
        if self._spans is not None:
            if name not in self._spans:
                raise InputError(f"{self.archive}: no image '{name}' among {len(self._spans):,}")
            start, size = self._spans[name]
            with self.archive.open("rb") as file:
                file.seek(start)
                return file.read(size)
        try:
            return (self.directory / name).read_bytes()
        except (OSError, ValueError) as error:  # names with a null or half a character
            raise InputError(
                f"{self.directory}: image {name!r}: {getattr(error, 'strerror', error)}"
            ) from None

    def pixels(self, name: str, mode: str = "RGB") -> Pixels:
        """Decode one image: [H, W, 3] for mode RGB, [H, W] for L; transparency is dropped."""
        data = self.bytes_of(name)
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.info.pop("transparency", None)  # some kinds warn on conversion
                if image.mode in {"I", "F"} or image.mode.startswith("I;"):
                    raise ValueError(f"mode {image.mode}, expected 8 bits a channel")
                return np.asarray(image.convert(mode))
        except UNREADABLE as error:
            where = self.directory if self._spans is None else self.archive
            raise InputError(f"{where}: image '{name}' cannot be decoded ({error})") from None

    def many(self, names: Iterable[str], mode: str = "RGB") -> list[Pixels]:
        """Decode images in parallel, in the order given."""
        with ThreadPoolExecutor() as pool:  # PIL decodes outside the interpreter lock
            return list(pool.map(lambda name: self.pixels(name, mode), names))


def _spans(archive: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of each file in a tar."""
    try:
        with tarfile.open(archive, "r:") as tar:
            return {m.name.removeprefix("./"): (m.offset_data, m.size) for m in tar if m.isfile()}
    except (tarfile.TarError, OSError) as error:
        raise InputError(f"{archive}: not a readable tar archive ({error})") from None
