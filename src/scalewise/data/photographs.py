"""Photographs of any kind brought into one form: 8-bit RGB or grey, upright, not too large.

What needs no change keeps its encoded bytes.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageOps

from scalewise.data.store import UNREADABLE

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm",
     ".pgm", ".avif", ".jp2")
)  # fmt: skip
PLAIN = {"RGB", "L"}  # grey stays: every reader here turns it into RGB without loss


class Unreadable(Exception):
    """Why an image cannot be used."""


@dataclass(frozen=True)
class Photograph:
    """An encoded image.

    Attributes:
        data: its bytes.
        kind: jpg or png where it was encoded anew; empty where the bytes are the given ones.
        size: width and height in pixels, upright.
    """

    data: bytes
    kind: str
    size: tuple[int, int]


@contextmanager
def reading() -> Iterator[None]:
    """Silence PIL's warnings of odd files; a picture too large to be true is an error.

    Around all threads that develop photographs, for filters of warnings are the process's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def developed(data: bytes, largest: int | None) -> Photograph:
    """Bring a photograph into the common form.

    A palette, CMYK or 16-bit picture becomes 8-bit RGB; what is transparent lies over white, as
    on a page; of an animation the first picture counts; the EXIF rotation is applied. What was
    changed is encoded anew: from JPEG as JPEG of quality 95, else as PNG.

    Args:
        data: the encoded bytes.
        largest: longer side to which larger ones are shrunk, px; None for as they are.

    Raises:
        Unreadable: nothing there, damaged, of no known format, or of a mode without colours.
    """
    if not data:
        raise Unreadable("0 bytes")
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _developed(image, data, largest)
    except (*UNREADABLE, Image.DecompressionBombWarning, EOFError, struct.error) as error:
        raise Unreadable(str(error) or type(error).__name__) from None


def _developed(image: Image.Image, data: bytes, largest: int | None) -> Photograph:
    size, target = image.size, _shrunk(image.size, largest)
    if target != size:
        image.draft(None, target)  # JPEG decodes at a half, a quarter or an eighth
    image.load()
    turned = _orientation(image) != 1
    if image.mode in PLAIN and "transparency" not in image.info and target == size and not turned:
        return Photograph(data, "", size)
    rgb = _coloured(image)
    if target != size:
        rgb = rgb.resize(target, Image.Resampling.LANCZOS)
    if turned:
        rgb.getexif()[ExifTags.Base.Orientation] = _orientation(image)
        rgb = ImageOps.exif_transpose(rgb)
    kind = "jpg" if image.format in {"JPEG", "MPO"} else "png"
    return Photograph(_encoded(rgb, kind), kind, rgb.size)


def _shrunk(size: tuple[int, int], largest: int | None) -> tuple[int, int]:
    if largest is None or max(size) <= largest:
        return size
    width, height = (max(round(side * largest / max(size)), 1) for side in size)
    return width, height


def _orientation(image: Image.Image) -> int:
    """EXIF's number for how the picture is turned; 1, upright, where it says nothing sound."""
    try:
        number = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (*UNREADABLE, EOFError, struct.error):
        return 1
    return number if number in range(1, 9) else 1


def _coloured(image: Image.Image) -> Image.Image:
    """The picture in RGB, a copy without any notes."""
    if image.mode.startswith("I"):  # 16 bits in an integer of 16 or 32
        levels = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        image = Image.fromarray(((levels + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("mode F: numbers without a range are no colours")
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        paper = Image.new("RGBA", shown.size, "white")
        image = Image.alpha_composite(paper, shown)
    pixels = np.asarray(image.convert("RGB"))
    return Image.fromarray(pixels)


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "jpg":
        image.save(buffer, "JPEG", quality=95, subsampling=0)
    else:
        image.save(buffer, "PNG")
    return buffer.getvalue()
