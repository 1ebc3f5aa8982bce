"""Classes and their colours: from a colour-coded label to class positions and back.

A list of classes is a CSV `name,r,g,b`, as CamVid's class_dict.csv, or a text with one name a line;
the order gives the positions 0..C-1, which are the values of an index mask.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalewise.errors import InputError

Pixels = NDArray[np.uint8]
Labels = NDArray[np.uint8]

UNLISTED = 255  # the position of a colour that no class has
MOST_CLASSES = 255
COLUMNS = ("name", "r", "g", "b")


@dataclass(frozen=True)
class Palette:
    """C classes, from 1 to 255.

    Attributes:
        source: where they came from, for messages.
        names: C names, each once.
        colours: [C, 3] uint8 RGB, each once.
        void: position of the class that stands for what has no class; None if none does.
    """

    source: str
    names: tuple[str, ...]
    colours: Pixels
    void: int | None

    def __len__(self) -> int:
        return len(self.names)


def build(source: str, names: Sequence[str], colours: Any, void: str = "") -> Palette:
    """Check and join what makes a palette; `void` is a class's name, and may be none of them.

    Raises:
        InputError: no class or more than 255, an empty name, a name or colour twice, a value that
            is no whole number in 0..255; the message names class and value.
    """
    rows = [list(colour) for colour in colours]
    if not 1 <= len(names) <= MOST_CLASSES or len(rows) != len(names):
        raise InputError(
            f"{source}: {len(names)} classes with {len(rows)} colours, expected 1 to "
            f"{MOST_CLASSES} classes, each with its colour"
        )
    for name, row in zip(names, rows, strict=True):
        if len(row) != 3 or not all(type(v) is int and 0 <= v <= 255 for v in row):
            shown = ",".join(map(str, row))
            raise InputError(
                f"{source}: the colour of '{name}' is {shown}, expected three whole numbers 0..255"
            )
    _check_once(source, names, rows)
    position = names.index(void) if void in names else None
    return Palette(source, tuple(names), np.array(rows, np.uint8), position)


def _check_once(source: str, names: Sequence[str], rows: Sequence[list[int]]) -> None:
    place: dict[str, int] = {}
    owner: dict[tuple[int, ...], str] = {}
    for n, (name, row) in enumerate(zip(names, rows, strict=True)):
        if not name:
            raise InputError(f"{source}: class {n} has no name")
        if name in place:
            raise InputError(f"{source}: '{name}' is there twice, as classes {place[name]} and {n}")
        colour = tuple(row)
        if colour in owner:
            shown = ",".join(map(str, row))
            raise InputError(f"{source}: '{owner[colour]}' and '{name}' have one colour, {shown}")
        place[name], owner[colour] = n, name


def parse(text: str, source: str, void: str = "") -> Palette:
    """Read a list of classes: CSV with the columns name, r, g, b, or one name a line.

    Classes without colours get such as differ well, by `spread`.

    Raises:
        InputError: no header, a column missing, a row too short or long, or what `build` refuses.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        rows = [(lines.line_num, [cell.strip() for cell in row]) for row in lines if any(row)]
    except csv.Error as error:
        raise InputError(f"{source}: cannot be read as CSV ({error})") from None
    if not rows:
        raise InputError(f"{source}: expected a list of classes, found nothing")
    if all(len(row) == 1 for _, row in rows) and rows[0][1] != ["name"]:
        names = [row[0] for _, row in rows]
        return build(source, names, spread(len(names)).tolist(), void)
    header = [cell.lower() for cell in rows[0][1]]
    if not set(COLUMNS) <= set(header):
        raise InputError(
            f"{source}: expected a header with the columns {', '.join(COLUMNS)}, "
            f"got '{','.join(rows[0][1])}'"
        )
    cells = [_cells(header, row, f"{source}: line {line}") for line, row in rows[1:]]
    return build(source, [cell[0] for cell in cells], [cell[1:] for cell in cells], void)


def _cells(header: list[str], row: list[str], where: str) -> list[Any]:
    """Name, r, g, b of one row."""
    if len(row) != len(header):
        raise InputError(f"{where}: {len(row)} values, expected {len(header)}")
    name, *texts = (row[header.index(column)] for column in COLUMNS)
    for text in texts:
        if not (text.isascii() and text.isdecimal() and int(text) <= 255):
            raise InputError(f"{where}: '{name}': '{text}' is not a whole number in 0..255")
    return [name, *map(int, texts)]


def text_of(palette: Palette) -> str:
    """The palette as CSV: what `parse` reads."""
    rows = zip(palette.names, palette.colours.tolist(), strict=True)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([COLUMNS, *([n, *c] for n, c in rows)])
    return buffer.getvalue()


def spread(count: int) -> Pixels:
    """[count, 3] colours that differ, up to 256: bits of the position, highest first, over r, g, b.

    The colours of PASCAL VOC's masks; 0 is black.
    """
    positions = np.arange(count)[:, None]
    bits = sum(((positions >> (3 * n + np.arange(3))) & 1) << (7 - n) for n in range(3))
    return np.asarray(bits, np.uint8).reshape(count, 3)


def to_classes(palette: Palette, pixels: Pixels) -> Labels:
    """Positions [...] of colours [..., 3]; `UNLISTED` where no class has the colour."""
    return _table(palette.colours.tobytes())[packed(pixels)]


def to_colours(palette: Palette, labels: NDArray[np.integer[Any]]) -> Pixels:
    """Colours [..., 3] of positions [...], which must be below C."""
    return palette.colours[labels]


def packed(pixels: Pixels) -> NDArray[np.int32]:
    """Each colour [..., 3] as one number of 24 bits, red highest."""
    wide = pixels.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def unlisted(pixels: Pixels, labels: Labels) -> Mapping[tuple[int, int, int], int]:
    """How many pixels [..., 3] there are of each colour that `labels` [...] says has no class."""
    values, counts = np.unique(packed(pixels[labels == UNLISTED]), return_counts=True)
    return {
        (value >> 16, value >> 8 & 255, value & 255): count
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
    }


@lru_cache(maxsize=4)
def _table(colours: bytes) -> Labels:
    """[2^24] the class of every colour there is: 16 MB, made once for a palette."""
    table = np.full(2**24, UNLISTED, np.uint8)
    rows = np.frombuffer(colours, np.uint8).reshape(-1, 3)
    table[packed(rows)] = np.arange(len(rows))
    return table
