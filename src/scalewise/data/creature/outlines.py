"""Outlines as signed distances, for bodies put together from simple parts.

Points are (u, v) in the body's own units: u forwards, v upwards. An outline says how far each
point is outside it (negative inside) and in which box it lies; a view lays it on a canvas.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalewise.data.drawing import Canvas

Array = NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True)
class Outline:
    """What a part covers.

    Attributes:
        distance: of points u, v of one shape, to the edge; negative inside.
        box: [4] lowest u and v, highest u and v.
    """

    distance: Callable[[Canvas, Canvas], Canvas]
    box: Array


def ellipse(centre: Point, radii: Point, tilt: float = 0) -> Outline:
    """An ellipse; `tilt` turns its first radius upwards from u, radians.

    The distance is exact on the edge alone, which is where it shows.
    """
    cosine, sine, least = np.float32(np.cos(tilt)), np.float32(np.sin(tilt)), min(radii)

    def distance(u: Canvas, v: Canvas) -> Canvas:
        u, v = u - np.float32(centre[0]), v - np.float32(centre[1])
        along, across = (cosine * u + sine * v) / radii[0], (cosine * v - sine * u) / radii[1]
        return (np.hypot(along, across) - 1) * np.float32(least)

    reach = np.hypot([radii[0] * cosine, radii[0] * sine], [radii[1] * sine, radii[1] * cosine])
    return Outline(distance, np.concatenate([centre - reach, centre + reach]))


def limb(start: Point, end: Point, radius: float, end_radius: float | None = None) -> Outline:
    """A line with round ends that tapers from one radius to another."""
    last = radius if end_radius is None else end_radius
    step = np.subtract(end, start)
    length = max(float(step @ step), 1e-9)

    def distance(u: Canvas, v: Canvas) -> Canvas:
        u, v = u - np.float32(start[0]), v - np.float32(start[1])
        share = np.clip((u * step[0] + v * step[1]) / length, 0, 1).astype(np.float32)
        gap = np.hypot(u - share * np.float32(step[0]), v - share * np.float32(step[1]))
        return gap - (np.float32(radius) + share * np.float32(last - radius))

    ends, radii = np.array([start, end]), np.array([[radius], [last]])
    return Outline(
        distance, np.concatenate([(ends - radii).min(axis=0), (ends + radii).max(axis=0)])
    )


def facet(corners: Sequence[Point]) -> Outline:
    """A convex polygon, its corners in either direction of turning."""
    points = np.array(corners, np.float64)
    edges = np.roll(points, -1, axis=0) - points
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    inwards = (normals * (points.mean(axis=0) - points)).sum(axis=1) > 0
    normals[inwards] *= -1
    offsets = (normals * points).sum(axis=1)

    def distance(u: Canvas, v: Canvas) -> Canvas:
        sides = [
            np.float32(nu) * u + np.float32(nv) * v - np.float32(offset)
            for (nu, nv), offset in zip(normals, offsets, strict=True)
        ]
        return np.maximum.reduce(sides)

    return Outline(distance, np.concatenate([points.min(axis=0), points.max(axis=0)]))


@dataclass(frozen=True)
class View:
    """A canvas seen in a body's units.

    Attributes:
        canvas: [3, S, S], what is painted on.
        u: [S, S] float32, forwards, at each pixel's centre.
        v: [S, S] float32, upwards.
        scale: pixels a unit.
    """

    canvas: Canvas
    u: Canvas
    v: Canvas
    scale: float

    def fill(self, outline: Outline, colour: Canvas) -> None:
        """Lay a colour, [3, 1, 1] or one a pixel [3, S, S], over the canvas. Changes it."""
        ramp = np.float32(0.5) - outline.distance(self.u, self.v) * np.float32(self.scale)
        canvas = self.canvas
        canvas += np.clip(ramp, 0, 1) * (colour - canvas)


def looking_at(
    canvas: Canvas, box: Array, fill: float, shift: Array, tilt: float, stretch: float
) -> View:
    """The view in which a box of a body's units stands in the middle of a canvas.

    Args:
        canvas: [3, S, S].
        box: [4] lowest u and v, highest u and v.
        fill: share of the canvas's side that the box's longer side takes; above 1 is cut off.
        shift: [2] of the box's middle to the right and down, in sides of the canvas.
        tilt: the body's rotation upwards, radians.
        stretch: how much wider than high things look; negative faces the body to the left.
    """
    size = canvas.shape[1]
    wide = np.sqrt(abs(stretch))
    sides = (box[2:] - box[:2]) * [wide, 1 / wide]
    scale = fill * size / sides.max()
    places = np.arange(size, dtype=np.float32) + 0.5
    x = (places[None, :] - (0.5 + shift[0]) * size) / (scale * wide * np.sign(stretch))
    y = ((0.5 + shift[1]) * size - places[:, None]) / (scale / wide)
    cosine, sine = np.cos(tilt), np.sin(tilt)
    middle = (box[:2] + box[2:]) / 2
    u, v = cosine * x + sine * y + middle[0], cosine * y - sine * x + middle[1]
    return View(canvas, u.astype(np.float32), v.astype(np.float32), float(scale))
