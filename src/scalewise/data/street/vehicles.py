"""Vehicles of a street: cars, vans, buses, lorries, trailers; each a list of faces.

Around the origin as in street_objects: the nearer end at z = 0. Metres.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scalewise.data.street.faces import (
    LEFT,
    NEAR,
    RIGHT,
    Array,
    Face,
    Facing,
    Range,
    across,
    box,
    face,
    level,
    wheel,
)
from scalewise.data.street.objects import PAINT, TYRE, pick

Rng = np.random.Generator

GLASS = (52, 60, 70)


@dataclass(frozen=True)
class Build:
    """The measures of a vehicle, metres.

    Attributes:
        kind: its class.
        size: width, height, length.
        waist: height of the windows' lower edge.
        cabin: where the roof begins and ends, z.
        slope: how far the windscreens lean, z.
        inset: how far the sides lean in, x.
        radius: of the wheels.
    """

    kind: str
    size: tuple[float, float, float]
    waist: float
    cabin: tuple[float, float]
    slope: float
    inset: float = 0.14
    radius: float = 0.33


BUILDS = {
    "saloon": Build("Car", (1.75, 1.45, 4.4), 0.92, (1.0, 3.0), 0.55),
    "hatchback": Build("Car", (1.7, 1.5, 3.8), 0.95, (0.35, 2.4), 0.3),
    "estate": Build("Car", (1.75, 1.5, 4.5), 0.95, (0.35, 3.1), 0.3),
    "suv": Build("SUVPickupTruck", (1.95, 1.95, 4.6), 1.15, (0.25, 3.3), 0.2, 0.1, 0.42),
    "van": Build("SUVPickupTruck", (2.0, 2.2, 5.0), 1.2, (0.1, 4.0), 0.08, 0.06, 0.38),
    "bus": Build("Truck_Bus", (2.5, 3.0, 10.5), 1.2, (0.05, 10.4), 0.05, 0.02, 0.5),
    "decker": Build("Truck_Bus", (2.5, 4.2, 10.5), 1.2, (0.05, 10.4), 0.05, 0.02, 0.5),
    "lorry": Build("Truck_Bus", (2.5, 3.6, 8.5), 2.9, (0.05, 8.4), 0.05, 0.02, 0.5),
}


def vehicle(rng: Rng, name: str, end: Literal["rear", "front"]) -> list[Face]:
    """A car, van, bus or lorry of `BUILDS`, with this end towards the camera."""
    build = BUILDS[name]
    paint = pick(rng, PAINT)
    if build.kind == "Truck_Bus":
        paint = pick(rng, np.array([(190, 40, 36), (40, 80, 150), (232, 232, 226)]), 14)
    width, _, length = build.size
    half, floor = width / 2, build.radius * 0.75
    body = box(build.kind, paint, (-half, half), (floor, build.waist), (0, length), 0.03)
    return [
        level(build.kind, (14, 14, 16), (-half, half), (0, length), 0.12, grain=0),
        across(build.kind, TYRE, (-half + 0.05, -half + 0.28), (0, floor + 0.05), 0.3),
        across(build.kind, TYRE, (half - 0.28, half - 0.05), (0, floor + 0.05), 0.3),
        *body,
        *_wheels(build),
        *_cabin(build, paint),
        *_lamps(build, end, paint),
    ]


def _wheels(build: Build) -> list[Face]:
    half, length, r = build.size[0] / 2 + 0.01, build.size[2], build.radius
    return [
        wheel(build.kind, colour, x, (r, z), radius, facing=LEFT if x < 0 else RIGHT)
        for x in (-half, half)
        for z in (0.19 * length, 0.8 * length)
        for colour, radius in ((TYRE, r), ((120, 122, 124), 0.55 * r))
    ]


def _cabin(build: Build, paint: Array) -> list[Face]:
    """What is above the waist: sides and end, roof, and windows unless it is a load."""
    kind, (_, height, _) = build.kind, build.size
    high = build.size[0] / 2 - build.inset
    rise = height - build.waist
    shell = [
        face(kind, paint, points, facing=facing, grain=0.03)
        for points, facing in _panes(build, (0, 1), 0)
    ]
    roof = level(kind, paint * 1.05, (-high, high), build.cabin, height, grain=0.03)
    bands = [] if build.waist > 2 else [(0.1, 0.8)] if rise < 2.5 else [(0.04, 0.36), (0.56, 0.88)]
    glass = [
        face(kind, GLASS, points, facing=facing, grain=0.02)
        for band in bands
        for points, facing in _panes(build, band, 0.1)
    ]
    return [*shell, roof, *glass]


def _panes(build: Build, band: Range, margin: float) -> list[tuple[Array, Facing]]:
    """The left, right and near side of the cabin, with the direction each faces.

    Args:
        build: the vehicle.
        band: lower and upper edge, in shares of the cabin's height.
        margin: how far to stay off the corners, metres.
    """
    share, (start, end) = np.array(band), build.cabin
    y = build.waist + share * (build.size[1] - build.waist)
    x = build.size[0] / 2 - share * build.inset
    near, far = start - (1 - share) * build.slope, end + 2 * (1 - share) * build.slope
    z = [near[0] + margin, far[0] - margin, far[1] - margin, near[1] + margin]
    corners = np.stack([x[[0, 0, 1, 1]] + 0.01, y[[0, 0, 1, 1]], z], axis=1)
    wide, back = x - margin, near - 0.005
    end_on = [(-wide[0], y[0], back[0]), (wide[0], y[0], back[0]),
              (wide[1], y[1], back[1]), (-wide[1], y[1], back[1])]  # fmt: skip
    return [(corners * (-1, 1, 1), LEFT), (corners, RIGHT), (np.array(end_on), NEAR)]


def _lamps(build: Build, end: str, paint: Array) -> list[Face]:
    kind, half, waist = build.kind, build.size[0] / 2, min(build.waist, 1.3)
    lamp = (200, 24, 20) if end == "rear" else (250, 246, 224)
    plate = (222, 190, 60) if end == "rear" else (228, 228, 224)
    at = (0.62 * waist, 0.86 * waist)
    faces = [
        across(kind, lamp, (-half + 0.06, -half + 0.36), at, -0.01, grain=0),
        across(kind, lamp, (half - 0.36, half - 0.06), at, -0.01, grain=0),
        across(kind, plate, (-0.27, 0.27), (0.44 * waist, 0.58 * waist), -0.01, grain=0),
        across(kind, paint * 0.55, (-half, half), (0.26, 0.4), -0.02, grain=0.02),
    ]
    if end == "front":
        faces.append(across(kind, (30, 30, 32), (-0.4, 0.4), (0.62 * waist, 0.78 * waist), -0.01))
    return faces


def trailer(rng: Rng) -> list[Face]:
    """A sweeper or trailer, which no class of vehicle covers."""
    paint = pick(rng, np.array([(240, 140, 20), (230, 200, 40)]))
    kind = "OtherMoving"
    return [
        across(kind, TYRE, (-0.7, -0.45), (0, 0.5), 0.2),
        across(kind, TYRE, (0.45, 0.7), (0, 0.5), 0.2),
        *box(kind, paint, (-0.75, 0.75), (0.35, 1.7), (0, 2.4)),
        *(
            across(kind, colour, (x, x + 0.3), (0.45, 0.7), -0.01)
            for x, colour in zip(
                (-0.75, -0.45, -0.15, 0.15, 0.45),
                ((200, 30, 30), (240, 240, 240)) * 3,
                strict=False,
            )
        ),
    ]
