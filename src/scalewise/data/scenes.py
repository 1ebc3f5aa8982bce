"""Scenes of circles, squares and triangles: what is where, before anything is drawn.

Points and boxes are in pixels, y downwards. No shape crosses its image's border.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalewise import boxes as box_ops
from scalewise.data import drawing
from scalewise.errors import InputError

Array = NDArray[np.float64]

CLASSES = ("circle", "square", "triangle")
OUTLINES = {  # corners in a square of side 1 around the origin, clockwise, y downwards
    "square": np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]),
    "triangle": np.array([[0.0, -0.5], [0.5, 0.5], [-0.5, 0.5]]),
}
GRID = 16  # places and sizes are whole 16ths of a pixel, which JSON and floats hold exactly
SPOTS = 50  # places tried for an object
SCENES = 100  # scenes tried until one holds enough objects

CLASSIC_SIZE = 224
CLASSIC_OBJECTS = (2, 5)
CLASSIC_SIDES = np.array([(16, 32), (48, 96), (96, 192)])
CLASSIC_IOU = 0.3


@dataclass(frozen=True)
class Item:
    """One object, later ones drawn over earlier ones.

    Attributes:
        category: position in `CLASSES`.
        cell: [4] xyxy pixels of the upright square around its box; they share the centre, and
            its side is the box's longer one.
        tilt: rotation in radians, clockwise.
    """

    category: int
    cell: Array
    tilt: float = 0.0


def outline(item: Item) -> Array:
    """Corners of a square or triangle, [V, 2] xy pixels, clockwise as seen."""
    sine, cosine = np.sin(item.tilt), np.cos(item.tilt)
    turned = OUTLINES[CLASSES[item.category]] @ np.array([[cosine, sine], [-sine, cosine]])
    low, high = turned.min(axis=0), turned.max(axis=0)
    unit = (turned - (low + high) / 2) / (high - low).max()
    return _centre(item) + _side(item) * unit


def box_of(item: Item) -> Array:
    """The tight box, [4] xyxy pixels, right to a 32nd of a pixel."""
    if CLASSES[item.category] == "circle":
        return item.cell
    corners = outline(item)
    return _on_grid(np.concatenate([corners.min(axis=0), corners.max(axis=0)]))


def area_of(item: Item) -> float:
    """Pixels squared inside the outline."""
    if CLASSES[item.category] == "circle":
        return np.pi * _side(item) ** 2 / 4
    x, y = outline(item).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def patch_of(item: Item, size: int) -> drawing.Patch:
    """What the item covers of an image of `size` x `size` pixels."""
    if CLASSES[item.category] == "circle":
        return drawing.disc(_centre(item), _side(item) / 2, size)
    return drawing.polygon(outline(item), size)


def _centre(item: Item) -> Array:
    return (item.cell[:2] + item.cell[2:]) / 2


def _side(item: Item) -> float:
    return float(item.cell[2] - item.cell[0])


def visibility(patches: Sequence[drawing.Patch], size: int) -> Array:
    """[N] share in [0, 1] of each patch's pixels that no later patch covers."""
    top = np.full((size, size), -1)
    for n, patch in enumerate(patches):
        top[patch.rows, patch.columns][patch.mask] = n
    seen = np.bincount(top[top >= 0], minlength=len(patches))
    return seen / np.array([patch.mask.sum() for patch in patches])


def varied(
    rng: np.random.Generator,
    size: int,
    objects: tuple[int, int],
    side: tuple[float, float],
    tilt: float,
    overlap: float,
) -> tuple[Item, ...]:
    """A scene in which class, size and place are drawn independently.

    The number of objects and log(side) are uniform; an object for which no place is found is
    left out, so that the largest are a little rarer and the counts a little lower than drawn.

    Args:
        rng: the generator.
        size: the image's side, px.
        objects: fewest and most objects.
        side: shortest and longest side of the cells, px.
        tilt: largest rotation of squares and triangles either way, degrees.
        overlap: largest share of a cell that other cells may reach into.

    Raises:
        InputError: the fewest objects do not fit.
    """
    count = rng.integers(*objects, endpoint=True)
    for _ in range(SCENES):
        sides = np.exp(rng.uniform(*np.log(side), count))
        cells = _cells(rng, _on_grid(sides), size, overlap)
        if len(cells) >= objects[0]:
            return _tilted(rng, cells, tilt)
    raise InputError(
        f"varied.objects: no place for {objects[0]} objects of side {side[0]:g}-{side[1]:g} px "
        f"in {size} px at overlap {overlap:g}; expected fewer or smaller ones, or more overlap"
    )


def _tilted(rng: np.random.Generator, cells: Array, tilt: float) -> tuple[Item, ...]:
    """Classes come after sizes and places, and nothing of theirs depends on them."""
    tilts = np.radians(tilt) * rng.uniform(-1, 1, len(cells))
    categories = rng.integers(len(CLASSES), size=len(cells))
    return tuple(map(Item, categories.tolist(), cells, tilts.tolist()))


def _cells(rng: np.random.Generator, sides: Array, size: int, overlap: float) -> Array:
    """Places for squares of the given sides, [N, 4] xyxy; those without a place are left out.

    From large to small: that finds the most places, and a small one is never behind a large one.
    """
    placed = np.empty((0, 4))
    for side in np.sort(sides)[::-1]:
        corners = _on_grid(rng.uniform(0, size - side, (SPOTS, 2)))
        spots = np.concatenate([corners, corners + side], axis=1)
        fits = _fitting(spots, placed, overlap)
        if fits.any():
            placed = np.vstack([placed, spots[np.argmax(fits)]])
    return placed


def _fitting(spots: Array, placed: Array, overlap: float) -> NDArray[np.bool_]:
    """[S] whether neither the spot nor any placed cell would share more than `overlap`."""
    shared = box_ops.intersection(spots[:, None], placed[None])  # [S, P]
    among = box_ops.intersection(placed[:, None], placed[None]).sum(axis=1)  # with itself too
    areas = box_ops.area(placed)
    own = shared.sum(axis=1) <= overlap * box_ops.area(spots)
    return own & (among + shared <= (1 + overlap) * areas).all(axis=1)


def classic(rng: np.random.Generator) -> tuple[Item, ...]:
    """A scene of the homework, in an image of `CLASSIC_SIZE`.

    An object keeps its side while its place is redrawn, and takes a random place when none is
    free. (Redrawing the side too gives a tenth of the overlapping pairs in the homework's data.)
    """
    count = rng.integers(*CLASSIC_OBJECTS, endpoint=True)
    items: list[Item] = []
    for category in rng.integers(len(CLASSES), size=count).tolist():
        side = rng.integers(*CLASSIC_SIDES[category], endpoint=True)
        corners = rng.integers(CLASSIC_SIZE - side, size=(SPOTS, 2), endpoint=True)
        spots = np.concatenate([corners, corners + side], axis=1).astype(np.float64)
        placed = np.array([item.cell for item in items]).reshape(-1, 4)
        apart = (box_ops.iou(spots, placed) <= CLASSIC_IOU).all(axis=1)
        items.append(Item(category, spots[np.argmax(apart)]))
    return tuple(items)


def _on_grid(pixels: Array) -> Array:
    return np.rint(pixels * GRID) / GRID
