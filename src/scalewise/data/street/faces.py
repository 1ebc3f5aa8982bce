"""Flat faces in metres, of which street scenes are built, and the simplest solids.

x is to the right, y up, z ahead; the road is the plane y = 0 and things stand with their nearer
end at z = 0. A solid's faces come in an order in which later ones may hide earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalewise.data.camvid_classes import CAMVID

Array = NDArray[np.float64]

KIND = {name: n for n, name in enumerate(CAMVID.names)}
LEFT, RIGHT, NEAR, TOP = (-1.0, 0, 0), (1.0, 0, 0), (0, 0, -1.0), (0, 1.0, 0)
NOWHERE = (0.0, 0, 0)
ROUND = np.linspace(0, 2 * np.pi, 12, endpoint=False)

Range = tuple[float, float]
Facing = tuple[float, float, float]
Colour = Sequence[float] | Array


@dataclass(frozen=True)
class Face:
    """One flat polygon of one class and colour.

    Attributes:
        kind: class position in CamVid's list.
        colour: [3] levels 0..255 in even light.
        points: [V, 3] metres.
        facing: the direction it is seen from; `NOWHERE` for one seen from all.
        grain: strength of the texture on it, a share of its brightness.
        ground: whether shadows fall on it.
    """

    kind: int
    colour: Array
    points: Array
    facing: Facing = NOWHERE
    grain: float = 0.05
    ground: bool = False


def face(kind: str, colour: Colour, points: Sequence[Sequence[float]] | Array, **more: Any) -> Face:
    """A face of a class given by name."""
    return Face(KIND[kind], np.asarray(colour, float), np.asarray(points, float), **more)


def moved(faces: Sequence[Face], x: float, z: float, y: float = 0.0) -> list[Face]:
    """The faces somewhere else."""
    by = np.array([x, y, z])
    return [replace(face, points=face.points + by) for face in faces]


def across(kind: str, colour: Colour, x: Range, y: Range, z: float = 0.0, **more: Any) -> Face:
    """An upright rectangle that faces the camera."""
    corners = [(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)]
    return face(kind, colour, corners, **more)


def along(kind: str, colour: Colour, x: float, y: Range, z: Range, **more: Any) -> Face:
    """An upright rectangle along the road."""
    corners = [(x, y[0], z[0]), (x, y[0], z[1]), (x, y[1], z[1]), (x, y[1], z[0])]
    return face(kind, colour, corners, **more)


def level(kind: str, colour: Colour, x: Range, z: Range, y: float = 0.0, **more: Any) -> Face:
    """A rectangle that lies."""
    corners = [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])]
    return face(kind, colour, corners, **more)


def box(kind: str, colour: Colour, x: Range, y: Range, z: Range, grain: float = 0.05) -> list[Face]:
    """The four faces of a box that may be seen from the road."""
    return [
        along(kind, colour, x[0], y, z, facing=LEFT, grain=grain),
        along(kind, colour, x[1], y, z, facing=RIGHT, grain=grain),
        level(kind, colour, x, z, y[1], facing=TOP, grain=grain),
        across(kind, colour, x, y, z[0], facing=NEAR, grain=grain),
    ]


def disc(
    kind: str,
    colour: Colour,
    centre: tuple[float, float],
    radius: float,
    z: float = 0.0,
    **more: Any,
) -> Face:
    """A disc that faces the camera, around (x, y)."""
    x, y = (np.array([np.cos(ROUND), np.sin(ROUND)]) * radius) + np.array(centre)[:, None]
    return face(kind, colour, np.stack([x, y, np.full(len(x), z)], axis=1), **more)


def wheel(
    kind: str, colour: Colour, x: float, centre: tuple[float, float], radius: float, **more: Any
) -> Face:
    """A disc along the road, around (y, z)."""
    y, z = (np.array([np.sin(ROUND), np.cos(ROUND)]) * radius) + np.array(centre)[:, None]
    return face(kind, colour, np.stack([np.full(len(y), x), y, z], axis=1), **more)
