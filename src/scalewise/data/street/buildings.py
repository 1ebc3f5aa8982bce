"""Houses along a street: walls, roofs, windows, doors, shops; each a list of faces.

Around the origin as in street_objects, on the right side of the road: the front is the plane
x = 0 and runs from z = 0 ahead, the house lies behind it at x > 0. `mirrored` makes it a left one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scalewise.data.street.faces import LEFT, NEAR, Array, Face, across, along, face, level

Rng = np.random.Generator

DEPTH = 9.0  # metres from front to back
STOREY = 3.0
WALLS = np.array(
    [(150, 92, 74), (176, 150, 116), (196, 184, 164), (128, 104, 90), (168, 120, 92),
     (206, 200, 190), (140, 132, 124)]
)  # fmt: skip
ROOFS = np.array([(92, 66, 58), (78, 78, 84), (110, 80, 66)])
GLASS = np.array([62, 74, 88])
SIGNS = np.array([(24, 70, 50), (150, 24, 30), (28, 44, 110), (30, 30, 32), (226, 190, 60)])


@dataclass(frozen=True)
class House:
    """What a house is like.

    Attributes:
        length: of its front, metres.
        storeys: how many.
        pitched: whether its roof is, else flat.
        shop: whether its ground floor is one.
        arch: whether a gateway leads through it.
        wall: [3] colour of its walls.
    """

    length: float
    storeys: int
    pitched: bool
    shop: bool
    arch: bool
    wall: Array


def house(rng: Rng, plan: House) -> list[Face]:
    """The faces of a house."""
    height = STOREY * plan.storeys + 0.4
    front = along("Building", plan.wall, 0, (0, height), (0, plan.length), facing=LEFT, grain=0.09)
    gable = across(
        "Building", plan.wall * 0.96, (0, DEPTH), (0, height), 0, facing=NEAR, grain=0.09
    )
    faces = [front, gable, *_roof(rng, plan, height), *_windows(rng, plan), *_gable_windows(plan)]
    if plan.shop:
        return faces + _shop(rng, plan)
    if plan.arch:
        return faces + _arch(plan)
    return faces + _doors(rng, plan)


def mirrored(faces: Sequence[Face]) -> list[Face]:
    """The faces on the other side of the road."""
    flip = np.array([-1.0, 1, 1])
    return [
        replace(f, points=f.points * flip, facing=(-f.facing[0], f.facing[1], f.facing[2]))
        for f in faces
    ]


def _roof(rng: Rng, plan: House, height: float) -> list[Face]:
    z = plan.length
    if not plan.pitched:
        ledge = along(
            "Building", plan.wall * 0.8, -0.02, (height - 0.35, height), (0, z), facing=LEFT
        )
        return [ledge]
    tiles = ROOFS[rng.integers(len(ROOFS))] * rng.uniform(0.85, 1.15)
    ridge, half = height + rng.uniform(1.8, 3.0), DEPTH / 2
    slope = [(-0.3, height, 0), (-0.3, height, z), (half, ridge, z), (half, ridge, 0)]
    end = [(0, height, 0), (DEPTH, height, 0), (half, ridge, 0)]
    at, top = rng.uniform(0.2, 0.7) * z, ridge + 0.9
    chimney = [
        along(
            "Building", plan.wall * 0.9, half - 0.4, (ridge - 0.6, top), (at, at + 1.2), grain=0.09
        ),
        across("Building", plan.wall * 0.8, (half - 0.4, half + 0.4), (ridge - 0.6, top), at),
    ]
    return [
        *chimney,
        face("Building", tiles, slope, facing=(-0.6, 0.8, 0), grain=0.12),
        face("Building", plan.wall * 0.93, end, facing=NEAR, grain=0.09),
    ]


def _windows(rng: Rng, plan: House) -> list[Face]:
    """Panes in pale frames on every floor of the front but that of a shop or gateway."""
    columns = max(1, int(plan.length / rng.uniform(2.4, 3.4)))
    pitch = plan.length / columns
    wide, tall = 0.42 * pitch, rng.uniform(1.3, 1.7)
    frame = np.array([228, 226, 218]) * rng.uniform(0.6, 1.0)
    faces = []
    for floor in range(1 if plan.shop or plan.arch else 0, plan.storeys):
        low = STOREY * floor + 0.9
        for column in range(columns):
            middle = pitch * (column + 0.5)
            pane = GLASS * rng.uniform(0.7, 1.5)
            for margin, depth, colour in ((0.12, -0.02, frame), (0.0, -0.03, pane)):
                z = (middle - wide / 2 - margin, middle + wide / 2 + margin)
                y = (low - margin, low + tall + margin)
                faces.append(along("Building", colour, depth, y, z, facing=LEFT, grain=0.03))
    return faces


def _gable_windows(plan: House) -> list[Face]:
    faces = []
    for floor in range(plan.storeys):
        low = STOREY * floor + 0.9
        for x in (2.0, 5.6):
            faces.append(
                across("Building", GLASS, (x, x + 1.1), (low, low + 1.4), -0.02, facing=NEAR)
            )
    return faces


def _doors(rng: Rng, plan: House) -> list[Face]:
    colour = SIGNS[rng.integers(len(SIGNS))] * rng.uniform(0.7, 1.2)
    at = rng.uniform(0.3, 0.6) * plan.length
    return [
        along("Building", colour, -0.04, (0, 2.2), (at, at + 1.0), facing=LEFT),
        level("Building", plan.wall * 0.7, (-0.5, 0), (at - 0.1, at + 1.1), 0.15),
    ]


def _shop(rng: Rng, plan: House) -> list[Face]:
    """A shop window under a board with words on it."""
    board = SIGNS[rng.integers(len(SIGNS))] * rng.uniform(0.9, 1.2)
    ink = (240, 236, 220) if board.mean() < 130 else (40, 30, 30)
    z = (0.06 * plan.length, 0.94 * plan.length)
    faces = [
        along("Building", GLASS * 0.8, -0.03, (0.4, 2.5), z, facing=LEFT, grain=0.1),
        along("Misc_Text", board, -0.06, (2.65, 3.5), z, facing=LEFT, grain=0.02),
    ]
    for at in np.arange(z[0], z[1], rng.uniform(2.6, 3.4)):
        faces.append(along("Building", board * 0.6, -0.05, (0, 2.6), (at, at + 0.2), facing=LEFT))
    letters = rng.uniform(0.25, 0.6, int((z[1] - z[0]) / 0.9) - 1)
    for n, size in enumerate(letters):
        at = z[0] + 0.6 + 0.8 * n
        y = (2.85, 3.3)
        faces.append(along("Misc_Text", ink, -0.08, y, (at, at + size), facing=LEFT, grain=0))
    return faces


def _arch(plan: House) -> list[Face]:
    """A gateway: a round arch of pale stone around a dark passage."""
    middle = plan.length / 2
    turn = np.linspace(0, np.pi, 9)
    faces = []
    for width, top, colour, depth in (
        (2.6, 4.6, (206, 190, 160), -0.04), (1.9, 3.9, (44, 38, 34), -0.06)
    ):  # fmt: skip
        z = np.concatenate([[middle + width], middle + width * np.cos(turn), [middle - width]])
        y = np.concatenate([[0], top - width + width * np.sin(turn), [0]])
        points = np.stack([np.full(len(z), depth), y.clip(min=0), z], axis=1)
        faces.append(face("Archway", colour, points, facing=LEFT, grain=0.06))
    return faces
