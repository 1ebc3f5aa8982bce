"""Label images of any kind, colours or indices, as positions of classes."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scalewise import palettes
from scalewise.data.store import UNREADABLE
from scalewise.errors import InputError
from scalewise.palettes import UNLISTED, Labels, Palette

Meaning = Literal["colours", "indices"]
Unlisted = Mapping[tuple[int, int, int], int]

EXACT = frozenset(("PNG", "BMP", "TIFF", "GIF", "PPM"))
COLOURED = frozenset(("RGB", "RGBA"))
NUMBERED = frozenset(("1", "L", "LA", "I", "I;16", "I;16B"))


@dataclass(frozen=True)
class Label:
    """A decoded label.

    Attributes:
        classes: [H, W] positions of classes, whole numbers, if not checked any number.
        meaning: what its values were.
        palette: whether the file is a palette image.
        unlisted: how many pixels there are of each colour that no class has; they became void.
    """

    classes: NDArray[np.integer]
    meaning: Meaning
    palette: bool = False
    unlisted: Unlisted = field(default_factory=dict)


def read(data: bytes, classes: Palette, wanted: Meaning | None, where: str) -> Label:
    """Decode a label.

    RGB and RGBA hold colours (what is transparent counts as if it were not), grey images indices. A
    palette image may hold either: colours, if half or more of those it uses are some class's.

    Args:
        data: the encoded image.
        classes: the classes and their colours.
        wanted: what the values are, if that is to be told and not found out.
        where: file and name, which starts each message.

    Raises:
        InputError: it cannot be decoded, is of a lossy format or of a mode that holds no label, is
            not what was wanted, or has an unlisted colour where no class is void.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind, mode = image.format, image.mode
            if kind not in EXACT:
                raise InputError(f"{where}: {kind} does not keep colours; expected PNG")
            values = np.asarray(image.convert("RGB") if mode in COLOURED else _plain(image))
            table = _colours(image) if mode == "P" else None
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{where}: cannot be decoded ({error})") from None
    if table is not None:
        return _of_palette(values, table, classes, wanted, where)
    meaning: Meaning = "colours" if mode in COLOURED else "indices"
    if mode not in COLOURED | NUMBERED or (wanted and wanted != meaning):
        held = f"of mode {mode}" + (f", which holds {meaning}" if wanted else "")
        expected = wanted or "RGB colours, a palette or 8-bit indices"
        raise InputError(f"{where}: {held}; expected {expected}")
    if meaning == "indices":
        return Label(values.astype(np.int64), meaning)
    found = palettes.to_classes(classes, values)
    unlisted = palettes.unlisted(values, found)
    return Label(_voided(found, unlisted, classes, where), meaning, unlisted=unlisted)


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("L") if image.mode == "LA" else image


def _colours(image: Image.Image) -> palettes.Pixels:
    """[256, 3] the colours of a palette image, black where it has none."""
    table = np.zeros((256, 3), np.uint8)
    given = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    table[: len(given)] = given
    return table


def _of_palette(
    values: Labels, table: palettes.Pixels, classes: Palette, wanted: Meaning | None, where: str
) -> Label:
    counts = np.bincount(values.ravel(), minlength=256)
    used = np.flatnonzero(counts)
    found = palettes.to_classes(classes, table)
    unknown = used[found[used] == UNLISTED]
    meaning: Meaning = wanted or ("colours" if 2 * len(unknown) <= len(used) else "indices")
    if meaning == "indices":
        return Label(values.astype(np.int64), meaning, palette=True)
    unlisted: dict[tuple[int, int, int], int] = {}
    for index in unknown.tolist():
        colour = (int(table[index, 0]), int(table[index, 1]), int(table[index, 2]))
        unlisted[colour] = unlisted.get(colour, 0) + int(counts[index])
    return Label(_voided(found[values], unlisted, classes, where), meaning, True, unlisted)


def _voided(found: Labels, unlisted: Unlisted, classes: Palette, where: str) -> Labels:
    """The classes, void where there is none."""
    if unlisted and classes.void is None:
        colour, count = max(unlisted.items(), key=lambda item: item[1])
        raise InputError(
            f"{where}: colour {','.join(map(str, colour))} of {count:,} pixels is no class's in "
            f"{classes.source}, and none of them is void"
        )
    return np.where(found == UNLISTED, classes.void, found) if unlisted else found
