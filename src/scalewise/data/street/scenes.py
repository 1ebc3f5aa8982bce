"""A street: what stands where along it, how it moves, and the light, before anything is drawn.

A street is straight in its own metres (the view bends it): the road's middle is x = 0, traffic
keeps to the left, as CamVid's does, and the camera starts at z = 0 and drives ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import ConvexHull

from scalewise.data.street.faces import Array, Face, Range, face, moved

SIGHT = 110.0  # metres that are seen
# Later ones hide earlier ones.
GROUND, MARKS, SKYLINE, BACK, FRONT, WALK, KERB, PARKED, TRAFFIC = range(9)


@dataclass(frozen=True)
class Thing:
    """Faces that move together.

    Attributes:
        faces: at their place in the first frame, metres.
        layer: things of a later layer hide those of an earlier one.
        depth: z that orders things within a layer, farther ones first.
        speed: metres ahead in a second.
    """

    faces: Sequence[Face]
    layer: int
    depth: float
    speed: float = 0.0


@dataclass(frozen=True)
class Light:
    """One sequence's light and sky.

    Attributes:
        sun: [3] where it stands, a unit vector.
        strength: brightness of everything.
        tint: [3] colour of the light, around 1.
        high: [3] the sky above, levels.
        low: [3] the sky over the horizon, and the haze, levels.
        clouds: how much they stand out, levels.
        haze: metres after which a third of a thing's own colour is left.
        shadow: brightness left in a shadow.
    """

    sun: Array
    strength: float
    tint: Array
    high: Array
    low: Array
    clouds: float
    haze: float
    shadow: float


@dataclass
class Street:
    """A street and all that is in it.

    Attributes:
        light: its light.
        half: half of the road's width, metres.
        speed: the camera's, metres a second.
        bend: how far the road swerves, metres aside for each square metre ahead.
        length: up to where it is furnished, metres.
        bonnet: whether the camera sees its own car's.
        things: what is drawn.
        shadows: what lies under it.
        bridges: z of what spans the street, metres.
    """

    light: Light
    half: float
    speed: float
    bend: float
    length: float
    bonnet: bool
    things: list[Thing] = field(default_factory=list)
    shadows: list[Thing] = field(default_factory=list)
    bridges: list[float] = field(default_factory=list)

    def add(
        self, faces: Sequence[Face], layer: int, x: float, z: float, speed: float = 0.0
    ) -> None:
        """Put something at its place."""
        self.things.append(Thing(moved(faces, x, z), layer, z, speed))

    def shade(self, x: Range, z: Range, height: float, speed: float = 0.0) -> None:
        """Let what stands on this ground plan throw its shadow, away from the sun."""
        low = np.array([(x[0], z[0]), (x[1], z[0]), (x[1], z[1]), (x[0], z[1])])
        sun = self.light.sun
        both = np.concatenate([low, low - height * sun[[0, 2]] / sun[1]])
        outline = np.insert(both[ConvexHull(both).vertices], 1, 0, axis=1)
        self.shadows.append(Thing([face("Void", (0, 0, 0), outline)], GROUND, z[0], speed))


def light(rng: np.random.Generator) -> Light:
    """Sunny, grey or late."""
    mood = rng.choice(3, p=[0.45, 0.4, 0.15])
    direction = np.array([rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), 0, rng.uniform(-0.4, 0.5)])
    direction[1] = rng.uniform(0.7, 1.1)
    high, low, clouds = [
        ((96, 152, 222), (214, 228, 240), 20),
        ((188, 194, 202), (226, 228, 230), 14),
        ((150, 160, 186), (236, 214, 190), 16),
    ][mood]
    return Light(
        sun=direction / np.linalg.norm(direction),
        strength=rng.uniform(*[(0.92, 1.1), (0.78, 0.95), (0.58, 0.7)][mood]),
        tint=1 + np.array([0.04, 0, -0.05]) * rng.normal(0.3, 0.8),
        high=np.array(high) + rng.normal(0, 8) + rng.normal(0, 3, 3),
        low=np.array(low) + rng.normal(0, 5) + rng.normal(0, 2, 3),
        clouds=clouds * rng.uniform(0.3, 1.4),
        haze=rng.uniform(140, 320),
        shadow=[0.52, 0.85, 0.9][mood],
    )
