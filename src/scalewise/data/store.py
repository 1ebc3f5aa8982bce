"""A dataset on disk: `data/<name>/` holds `images.tar` or `images/` and one JSON a split."""

import io
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scalewise.errors import InputError
from scalewise.files import replacing

Pixels = NDArray[np.uint8]


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
    """[H, W] or [H, W, 3] uint8 to PNG bytes; fast rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Store:
    """Encoded images by name, from `<folder>/images.tar` or `<folder>/images/`."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.archive = self.folder / "images.tar"
        self.directory = self.folder / "images"
        self._spans: dict[str, tuple[int, int]] = {}
        if self.archive.is_file():
            self._spans = _spans(self.archive)
        elif not self.directory.is_dir():
            raise InputError(f"{self.folder}: expected images.tar or a folder images/ there")

    def bytes_of(self, name: str) -> bytes:
        """The encoded image called `name`."""
        if self._spans:
            if name not in self._spans:
                raise InputError(f"{self.archive}: no image '{name}' among {len(self._spans):,}")
            start, size = self._spans[name]
            with self.archive.open("rb") as file:
                file.seek(start)
                return file.read(size)
        try:
            return (self.directory / name).read_bytes()
        except OSError as error:
            raise InputError(f"{self.directory / name}: {error.strerror}") from None

    def pixels(self, name: str, mode: str = "RGB") -> Pixels:
        """Decode one image: [H, W, 3] for mode RGB, [H, W] for L."""
        data = self.bytes_of(name)
        try:
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(image.convert(mode))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            where = self.archive if self._spans else self.directory
            raise InputError(f"{where}: image '{name}' cannot be decoded ({error})") from None

    def many(self, names: Iterable[str], mode: str = "RGB") -> list[Pixels]:
        """Decode images in parallel, in the order given."""
        with ThreadPoolExecutor() as pool:  # PIL decodes outside the interpreter lock
            return list(pool.map(lambda name: self.pixels(name, mode), names))


def _spans(archive: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of each file in a tar."""
    try:
        with tarfile.open(archive, "r:") as tar:
            return {m.name: (m.offset_data, m.size) for m in tar if m.isfile()}
    except (tarfile.TarError, OSError) as error:
        raise InputError(f"{archive}: not a readable tar archive ({error})") from None
