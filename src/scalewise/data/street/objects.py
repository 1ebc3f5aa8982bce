"""What stands and walks in a street: people, riders, trees, signs; each a list of faces.

Around the origin: x to either side of 0, standing on y = 0, the nearer end at z = 0. Metres.
"""

import numpy as np

from scalewise.data.street.faces import (
    Array,
    Colour,
    Face,
    across,
    box,
    disc,
    face,
)

Rng = np.random.Generator

TYRE = (26, 26, 28)
METAL = (66, 70, 68)
SKIN = np.array([(224, 178, 150), (198, 150, 120), (120, 84, 62)])
CLOTHES = np.array(
    [(34, 36, 48), (60, 62, 70), (150, 40, 40), (40, 60, 120), (90, 80, 66), (176, 170, 160)]
)
PAINT = np.array(
    [(176, 26, 30), (32, 60, 150), (200, 202, 206), (58, 62, 70), (20, 20, 24), (150, 158, 168),
     (24, 92, 62), (222, 222, 216), (120, 30, 44)]
)  # fmt: skip
BRIGHT = np.array([(250, 220, 40), (240, 110, 30), (240, 60, 120)])


def pick(rng: Rng, colours: Array, spread: float = 10) -> Array:
    """One of the colours [N, 3], a little changed."""
    return np.clip(colours[rng.integers(len(colours))] + rng.normal(0, spread, 3), 4, 250)


def person(rng: Rng, kind: str = "Pedestrian", height: float = 1.75) -> list[Face]:
    """Somebody on foot, in mid-step."""
    coat, trousers, skin = pick(rng, CLOTHES), pick(rng, CLOTHES[:2]), pick(rng, SKIN, 6)
    if kind == "Child":
        coat = pick(rng, BRIGHT)
    step, width = rng.uniform(0.04, 0.2), rng.uniform(0.2, 0.26)
    legs = [
        [(-0.14 - step, 0), (-step, 0), (0.0, 0.5), (-0.15, 0.5)],
        [(step, 0), (0.14 + step, 0), (0.15, 0.5), (0.0, 0.5)],
    ]
    torso = [(-0.16, 0.46), (0.16, 0.46), (width, 0.78), (0.1, 0.85), (-0.1, 0.85), (-width, 0.78)]
    arms = [
        [(s * width, 0.8), (s * (width + 0.1), 0.45), (s * (width + 0.02), 0.43), (s * 0.15, 0.7)]
        for s in (-1, 1)
    ]
    return [
        *(_flat(kind, trousers, leg, height) for leg in legs),
        *(_flat(kind, coat * 0.85, arm, height) for arm in arms),
        _flat(kind, coat, torso, height),
        disc(kind, skin, (0, 0.925 * height), 0.075 * height),
        disc(kind, trousers * 0.6 + 10, (0, 0.96 * height), 0.058 * height),
    ]


def _flat(kind: str, colour: Colour, outline: list[tuple[float, float]], height: float) -> Face:
    """A face towards the camera from a body's outline; x in metres, y in shares of the height."""
    return face(kind, colour, [(x, y * height, 0) for x, y in outline])


def rider(rng: Rng, kind: str = "Bicyclist") -> list[Face]:
    """Somebody on a bicycle or motorcycle, along the road."""
    motor = kind == "MotorcycleScooter"
    coat = pick(rng, CLOTHES[:2] if motor else BRIGHT if rng.random() < 0.5 else CLOTHES)
    width = 0.16 if motor else 0.05
    legs = pick(rng, CLOTHES[:2])
    torso = [(-0.17, 0.95), (0.17, 0.95), (0.24, 1.4), (0.12, 1.52), (-0.12, 1.52), (-0.24, 1.4)]
    bike = [
        across(kind, TYRE, (-width, width), (0, 0.68)),
        across(kind, (150, 150, 150), (-0.3, 0.3), (0.98, 1.04)),
        _flat(kind, legs, [(-0.2, 0.3), (-0.08, 0.22), (-0.02, 0.98), (-0.18, 0.98)], 1),
        _flat(kind, legs * 0.9, [(0.06, 0.38), (0.18, 0.42), (0.18, 0.98), (0.02, 0.98)], 1),
    ]
    if motor:
        bike += [across(kind, (170, 24, 28), (-0.3, 0.3), (0.45, 0.95))]
        bike += [disc(kind, (250, 240, 200), (0, 0.8), 0.09)]
    helmet = (20, 20, 24) if motor else (235, 235, 230)
    return [
        *bike,
        _flat(kind, coat, torso, 1),
        disc(kind, pick(rng, SKIN, 6), (0, 1.64), 0.12),
        disc(kind, helmet, (0, 1.7), 0.14 if motor else 0.1),
    ]


def bicycle(rng: Rng) -> list[Face]:
    """A bicycle that leans on something, seen from the side."""
    paint = pick(rng, PAINT)
    frame = [(-0.5, 0.34), (-0.2, 0.85), (0.3, 0.85), (0.5, 0.34), (0.42, 0.34), (0.2, 0.72),
             (-0.12, 0.72), (-0.4, 0.3)]  # fmt: skip
    wheels = [
        disc("Bicyclist", colour, (x, 0.34), radius)
        for x in (-0.5, 0.5)
        for colour, radius in ((TYRE, 0.34), ((92, 94, 96), 0.26))
    ]
    return [*wheels, _flat("Bicyclist", paint, frame, 1),
            across("Bicyclist", TYRE, (-0.3, -0.12), (0.9, 0.96)),
            across("Bicyclist", TYRE, (0.2, 0.42), (0.95, 1.02))]  # fmt: skip


def tree(rng: Rng, height: float, leaf: Array, blobs: int = 34) -> list[Face]:
    """A trunk and a crown of clusters, lit from above; `leaf` [3] is its colour."""
    radius, top = 0.36 * height * rng.uniform(0.8, 1.1), 0.66 * height
    bark = np.array([74, 62, 50]) * rng.uniform(0.8, 1.2)
    trunk = [(-0.17, 0, 0), (0.17, 0, 0), (0.1, top, 0), (-0.1, top, 0)]
    return [
        face("Tree", bark, trunk, grain=0.15),
        *_clusters(rng, "Tree", leaf, (0, top), (radius, 0.9 * radius), blobs),
    ]


def bush(rng: Rng, kind: str, width: float, height: float, leaf: Array) -> list[Face]:
    """A rounded bush without a trunk."""
    return _clusters(rng, kind, leaf, (0, height / 2), (width / 2, height / 2), 14)


def _clusters(
    rng: Rng,
    kind: str,
    leaf: Array,
    centre: tuple[float, float],
    radii: tuple[float, float],
    n: int,
) -> list[Face]:
    """Ragged discs that fill an ellipse, darker ones below and first."""
    angle, out = rng.uniform(0, 2 * np.pi, n), np.sqrt(rng.uniform(0, 1, n))
    x, y = out * np.cos(angle), out * np.sin(angle)
    faces = []
    for k in np.argsort(y + rng.normal(0, 0.4, n)):
        size = rng.uniform(0.28, 0.42) * min(radii)
        rim = size * rng.uniform(0.7, 1.15, 9)
        turn = np.linspace(0, 2 * np.pi, 9, endpoint=False)
        points = [
            centre[0] + 0.8 * radii[0] * x[k] + rim * np.cos(turn),
            centre[1] + 0.8 * radii[1] * y[k] + rim * np.sin(turn),
            np.zeros(9),
        ]
        light = 0.78 + 0.24 * y[k] + rng.uniform(-0.14, 0.14)
        faces.append(face(kind, leaf * light, np.stack(points, axis=1), grain=0.3))
    return faces


def lamp_post(side: int, height: float) -> list[Face]:
    """A street light on the side -1 or 1, its arm over the road."""
    arm = sorted((0.0, -1.5 * side))
    head = sorted((-1.1 * side, -1.7 * side))
    return [
        across("Column_Pole", METAL, (-0.1, 0.1), (0, 1.4), grain=0.03),
        across("Column_Pole", METAL, (-0.07, 0.07), (1.4, height), grain=0.03),
        across("Column_Pole", METAL, (arm[0], arm[1]), (height - 0.12, height), grain=0.03),
        across("Column_Pole", (210, 210, 200), (head[0], head[1]), (height - 0.3, height - 0.1)),
    ]


def sign(rng: Rng) -> list[Face]:
    """A road sign on its pole: a ring, a triangle or a blue disc or board."""
    height, r = rng.uniform(2.2, 2.8), rng.uniform(0.36, 0.48)
    pole = across("Column_Pole", METAL, (-0.05, 0.05), (0, height + r), grain=0.03)
    red, white, blue = (200, 24, 30), (240, 240, 236), (24, 72, 168)
    shape = rng.integers(4)
    at = (0.0, height)
    if shape == 0:
        parts = [disc("SignSymbol", red, at, r), disc("SignSymbol", white, at, 0.7 * r)]
    elif shape == 1:
        parts = [
            _flat("SignSymbol", colour, [(-s, height - 0.6 * s), (s, height - 0.6 * s),
                                         (0, height + 1.1 * s)], 1)
            for colour, s in ((red, r), (white, 0.6 * r))
        ]  # fmt: skip
    elif shape == 2:
        parts = [disc("SignSymbol", blue, at, r), _flat(
            "SignSymbol", white, [(-0.1, height - 0.2), (0.1, height - 0.2), (0, height + 0.22)], 1
        )]  # fmt: skip
    else:
        parts = [
            across("SignSymbol", blue, (-1.5 * r, 1.5 * r), (height - 0.8 * r, height + 0.8 * r)),
            across("SignSymbol", white, (-1.1 * r, 1.1 * r), (height - 0.12, height + 0.12)),
        ]
    return [pole, *parts]


def traffic_light(rng: Rng) -> list[Face]:
    """Three lamps in a dark box on a pole; one of them is on."""
    on = rng.integers(3)
    lamps = [(255, 50, 40), (255, 190, 40), (60, 240, 110)]
    return [
        across("Column_Pole", METAL, (-0.07, 0.07), (0, 2.6), grain=0.03),
        across("TrafficLight", (16, 18, 16), (-0.28, 0.28), (2.3, 3.5), grain=0),
        *(
            disc("TrafficLight", lamps[n] if n == on else (52, 50, 46), (0, 3.28 - 0.38 * n), 0.15)
            for n in range(3)
        ),
    ]


def cone() -> list[Face]:
    """A traffic cone."""
    orange, white = (250, 96, 24), (240, 240, 240)
    body = [(-0.22, 0.06), (0.22, 0.06), (0.05, 0.8), (-0.05, 0.8)]
    band = [(-0.15, 0.3), (0.15, 0.3), (0.1, 0.52), (-0.1, 0.52)]
    return [
        across("TrafficCone", orange, (-0.3, 0.3), (0, 0.06)),
        _flat("TrafficCone", orange, body, 1),
        _flat("TrafficCone", white, band, 1),
    ]


def dog(rng: Rng) -> list[Face]:
    """A large dog from the side."""
    fur = pick(rng, np.array([(120, 84, 50), (40, 36, 34), (196, 168, 124)]))
    body = [(-0.5, 0.4), (0.35, 0.36), (0.48, 0.7), (-0.48, 0.72)]
    head = [(0.35, 0.66), (0.75, 0.68), (0.72, 0.82), (0.55, 0.98), (0.4, 0.92)]
    tail = [(-0.48, 0.66), (-0.75, 0.95), (-0.68, 0.98), (-0.42, 0.72)]
    legs = [across("Animal", fur * 0.8, (x, x + 0.12), (0, 0.5)) for x in (-0.48, -0.3, 0.15, 0.33)]
    return [*legs, *(_flat("Animal", fur, part, 1) for part in (tail, body, head))]


def pram(rng: Rng) -> list[Face]:
    """A pram, pushed by nobody yet."""
    hood = pick(rng, PAINT)
    kind = "CartLuggagePram"
    shell = [(-0.35, 0.5), (0.35, 0.5), (0.45, 0.85), (0.1, 0.9), (-0.1, 1.15), (-0.5, 0.9)]
    wheels = [disc(kind, TYRE, (x, 0.16), 0.16) for x in (-0.3, 0.3)]
    handle = across(kind, METAL, (0.4, 0.75), (1.0, 1.06))
    return [
        *wheels,
        across(kind, METAL, (-0.3, 0.3), (0.3, 0.36)),
        _flat(kind, hood, shell, 1),
        handle,
    ]


def bin_(rng: Rng) -> list[Face]:
    """A litter bin, which has no class of its own."""
    colour = pick(rng, np.array([(24, 60, 40), (30, 30, 34)]))
    return [*box("Void", colour, (-0.28, 0.28), (0, 1.0), (0, 0.5)),
            across("Void", (10, 10, 10), (-0.18, 0.18), (0.72, 0.86), -0.01)]  # fmt: skip


def block() -> list[Face]:
    """A kerb block of a parking bay, 1.6 m long."""
    return box("ParkingBlock", (186, 184, 176), (-0.16, 0.16), (0, 0.32), (0, 1.6), 0.1)
