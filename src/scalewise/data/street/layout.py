"""How a random street is laid out: ground, marks, houses, what stands on the sidewalks."""

import numpy as np

from scalewise.data.street import buildings, objects, traffic
from scalewise.data.street.faces import Array, Face, Range, across, along, face, level, moved
from scalewise.data.street.scenes import (
    BACK,
    FRONT,
    GROUND,
    KERB,
    MARKS,
    SIGHT,
    SKYLINE,
    WALK,
    Street,
    light,
)

Rng = np.random.Generator

SIDES = (-1, 1)
BEHIND = -12.0  # metres: where things begin, so that the first frame is full
ASPHALT, PAVING, KERBSTONE = (94, 94, 98), (158, 150, 140), (182, 180, 174)
WHITE, YELLOW = (226, 226, 222), (212, 176, 60)
GRASS, GRAVEL = (104, 120, 62), (146, 114, 72)
STONES = np.array([(148, 100, 82), (160, 148, 132), (124, 116, 108)])
LEAVES = np.array([(70, 92, 40), (92, 104, 50), (54, 74, 44), (128, 100, 44), (100, 84, 60)])


def street(rng: Rng, seconds: float) -> Street:
    """A random street, long enough to drive along for this time."""
    speed = rng.uniform(4, 9)
    made = Street(
        light=light(rng),
        half=rng.uniform(3.0, 4.2),
        speed=speed,
        bend=float(np.clip(rng.normal(0, 4e-4), -9e-4, 9e-4)),
        length=seconds * speed + SIGHT,
        bonnet=rng.random() < 0.2,
    )
    walks = rng.uniform(2.0, 4.2, 2)
    bays = 2.1 * (rng.random(2) < 0.35)
    kerbs = made.half + bays
    leaf = LEAVES[rng.integers(len(LEAVES))] * rng.uniform(0.85, 1.2)
    dense = rng.random() < 0.5
    rare = {name for name, share in traffic.SHARES.items() if rng.random() < share}
    lively = rng.integers(2)
    _lay_ground(rng, made, kerbs, walks)
    _paint_marks(rng, made, bays)
    _add_skyline(rng, made, leaf)
    for n, side in enumerate(SIDES):
        close = dense or rng.random() < 0.25
        setback = rng.uniform(0, 0.4) if close else rng.uniform(2.0, 5.0)
        edges = (kerbs[n], kerbs[n] + walks[n], kerbs[n] + walks[n] + setback)
        arch = "Archway" in rare and n == lively
        _line_with_houses(rng, made, side, edges[2], dense, arch)
        _line_side(rng, made, side, edges, leaf)
        traffic.people(rng, made, side, (edges[0] + 0.5, edges[1] - 0.3))
        if n == lively:
            traffic.on_the_walk(rng, made, rare, side, edges[:2])
        if bays[n]:
            traffic.park(rng, made, side, made.half + 0.5 * bays[n])
    traffic.drive(rng, made, rare)
    if "Bridge" in rare:
        traffic.bridge(rng, made, kerbs)
    return made


def _line_side(
    rng: Rng, made: Street, side: int, edges: tuple[float, float, float], leaf: Array
) -> None:
    """What stands between the road and the houses; `edges` are kerb, gardens and houses."""
    kerb, gardens, houses = edges
    if houses - gardens > 1:
        _line_front(rng, made, side, gardens, leaf)
        _plant(rng, made, side, (gardens + houses) / 2, (9, 22), leaf)
    if rng.random() < 0.5:
        _plant(rng, made, side, kerb + 0.25 * (gardens - kerb), (11, 26), leaf)
    _furnish(rng, made, side, kerb)


def strip(kind: str, colour: Array | tuple[int, int, int], x: Range, grain: float) -> Face:
    """A band of ground as far as is seen, which the camera takes along; it bends with the road."""
    z = np.concatenate([np.geomspace(1, SIGHT + 1, 40) - 1])
    ahead = np.stack([np.full(len(z), x[0]), np.zeros(len(z)), z], axis=1)
    back = np.stack([np.full(len(z), x[1]), np.zeros(len(z)), z[::-1]], axis=1)
    return face(kind, colour, np.concatenate([ahead, back]), grain=grain, ground=True)


def _lay_ground(rng: Rng, made: Street, kerbs: Array, walks: Array) -> None:
    asphalt = np.array(ASPHALT) * rng.uniform(0.75, 1.2)
    paving = np.array(PAVING) * rng.uniform(0.85, 1.15)
    bare = rng.random(2) < 0.12
    parts = [strip("VegetationMisc", GRASS, (-90, 90), 0.16)]
    for n, side in enumerate(SIDES):
        kind, colour = ("RoadShoulder", GRAVEL) if bare[n] else ("Sidewalk", paving)
        edge, end = kerbs[n], kerbs[n] + walks[n] + 0.6
        parts.append(strip(kind, colour, (side * edge, side * end), 0.07))
        parts.append(strip(kind, np.array(KERBSTONE), (side * edge, side * (edge + 0.16)), 0.04))
    parts.append(strip("Road", asphalt, (-kerbs[0], kerbs[1]), 0.06))
    made.add(parts, GROUND, 0, 0, made.speed)
    for at in traffic.spots(rng, 0, made.length, (10, 50)):
        x, tone = rng.uniform(-1, 1) * made.half, asphalt * rng.uniform(0.7, 0.92)
        wide, long = rng.uniform(0.6, 2.0), rng.uniform(1, 8)
        patch = level("Road", tone, (-wide / 2, wide / 2), (0, long), grain=0.05, ground=True)
        made.add([patch], GROUND, np.clip(x, -made.half + 1, made.half - 1), at)


def _paint_marks(rng: Rng, made: Street, bays: Array) -> None:
    colour = np.array(WHITE) * rng.uniform(0.85, 1.05)
    dash, gap = [(2.0, 4.0), (4.0, 2.0), (3.0, 6.0)][rng.integers(3)]
    for at in np.arange(BEHIND, made.length, dash + gap):
        made.add([_mark(colour, (-0.07, 0.07), (0, dash))], MARKS, 0, at)
    edges = []
    for n, side in enumerate(SIDES):
        inner = made.half - 0.25
        if bays[n]:
            edges.append((side * (made.half - 0.05), side * (made.half + 0.07), WHITE))
        elif rng.random() < 0.8:
            paint = YELLOW if rng.random() < 0.6 else WHITE
            edges += [(side * x, side * (x + 0.1), paint) for x in (inner, inner - 0.2)]
    lines = [strip("LaneMkgsDriv", np.array(paint), (a, b), 0.04) for a, b, paint in edges]
    made.add(lines, MARKS, 0, 0, made.speed)
    if rng.random() < 0.35:
        _paint_crossing(rng, made, colour)


def _mark(colour: Array, x: Range, z: Range, kind: str = "LaneMkgsDriv") -> Face:
    return level(kind, colour, x, z, grain=0.04, ground=True)


def _paint_crossing(rng: Rng, made: Street, colour: Array) -> None:
    bars = [
        _mark(colour, (x, x + 0.6), (0, 3.2), "LaneMkgsNonDriv")
        for x in np.arange(-made.half + 0.3, made.half - 0.6, 1.2)
    ]
    for at in traffic.spots(rng, 8, made.length, (50, 110)):
        made.add(bars, MARKS, 0, at)
        for side in SIDES:
            lamp = objects.lamp_post(side, 2.6)[:2]
            globe = objects.disc("SignSymbol", (255, 190, 40), (0, 2.8), 0.3)
            made.add([*lamp, globe], KERB, side * (made.half + 2.4), at)


def _add_skyline(rng: Rng, made: Street, leaf: Array) -> None:
    """Far roofs and trees where the street ends, always as far away."""
    faces = []
    for x in np.arange(-120, 120, 9.0):
        top, wide = rng.uniform(4, 11), rng.uniform(9, 16)
        if rng.random() < 0.5:
            faces.append(across("Building", (140, 120, 108), (x, x + wide), (0, top), SIGHT))
        else:
            crown = objects.bush(rng, "Tree", wide, 1.3 * top, leaf)
            faces += moved(crown, x, SIGHT)
    made.add(faces, SKYLINE, 0, 0, made.speed)


def _line_with_houses(rng: Rng, made: Street, side: int, x: float, dense: bool, arch: bool) -> None:
    high = rng.integers(2, 5)
    wall = buildings.WALLS[rng.integers(len(buildings.WALLS))]
    at = BEHIND
    while at < made.length:
        if rng.random() < 0.5:
            wall = buildings.WALLS[rng.integers(len(buildings.WALLS))]
        plan = buildings.House(
            length=rng.uniform(7, 18),
            storeys=max(2, int(high + rng.integers(-1, 2))),
            pitched=rng.random() < 0.65,
            shop=dense and rng.random() < 0.4 and not (arch and at > 12),
            arch=arch and at > 12,
            wall=wall * rng.uniform(0.85, 1.1),
        )
        arch = arch and not plan.arch
        _put_house(rng, made, side, x, at, plan)
        at += plan.length + (0 if dense and rng.random() < 0.8 else rng.uniform(2, 12))


def _put_house(
    rng: Rng, made: Street, side: int, x: float, z: float, plan: buildings.House
) -> None:
    faces = buildings.house(rng, plan)
    made.add(buildings.mirrored(faces) if side < 0 else faces, BACK, side * x, z)
    ends = sorted((side * x, side * (x + buildings.DEPTH)))
    height = buildings.STOREY * plan.storeys
    made.shade((ends[0], ends[1]), (z, z + plan.length), height)


def _line_front(rng: Rng, made: Street, side: int, x: float, leaf: Array) -> None:
    """Garden walls, fences and hedges at the back of the sidewalk."""
    at = BEHIND
    while at < made.length:
        long, kind = rng.uniform(6, 22), rng.choice(["wall", "fence", "hedge"], p=[0.5, 0.3, 0.2])
        make = {"wall": _wall, "fence": _fence, "hedge": _hedge}[kind]
        faces = make(rng, long, leaf)
        made.add(buildings.mirrored(faces) if side < 0 else faces, FRONT, side * x, at)
        at += long + (rng.uniform(1, 4) if rng.random() < 0.6 else 0)


def _wall(rng: Rng, long: float, leaf: Array) -> list[Face]:
    stone, high = STONES[rng.integers(len(STONES))] * rng.uniform(0.85, 1.1), rng.uniform(0.9, 2.0)
    return [
        along("Wall", stone, 0, (0, high), (0, long), facing=(-1.0, 0, 0), grain=0.12),
        across("Wall", stone, (0, 0.4), (0, high), grain=0.12),
        level("Wall", stone * 1.15, (-0.05, 0.4), (0, long), high, grain=0.06),
    ]


def _fence(rng: Rng, long: float, leaf: Array) -> list[Face]:
    paint = np.array([(52, 84, 66), (138, 92, 50), (206, 206, 200)])[rng.integers(3)]
    high = rng.uniform(1.0, 1.6)
    bars = [
        along("Fence", paint, -0.02, (0, high), (z, z + 0.09), grain=0.05)
        for z in np.arange(0, long, 0.42)
    ]
    rails = [
        along("Fence", paint * 0.9, -0.03, (y, y + 0.08), (0, long)) for y in (0.2, high - 0.2)
    ]
    ground = 0.5 * np.array(paint) + 0.5 * np.array([110, 108, 96])
    return [along("Fence", ground, 0, (0, high), (0, long), grain=0.12), *bars, *rails]


def _hedge(rng: Rng, long: float, leaf: Array) -> list[Face]:
    green, high = leaf * (0.75, 0.95, 0.7), rng.uniform(1.0, 2.0)
    faces = [
        along("VegetationMisc", green, 0, (0, high), (0, long), facing=(-1.0, 0, 0), grain=0.3),
        across("VegetationMisc", green * 0.9, (0, 1), (0, high), grain=0.3),
    ]
    for z in np.arange(long, 0, -1.4):
        for part in objects.bush(rng, "VegetationMisc", 1.5, 0.8, green)[:6]:
            faces += moved([part], 0.4, z, high - 0.4)
    return faces


def _plant(rng: Rng, made: Street, side: int, x: float, gap: Range, leaf: Array) -> None:
    for at in traffic.spots(rng, BEHIND, made.length, gap):
        height = rng.uniform(5, 9)
        crown = objects.tree(rng, height, leaf * rng.uniform(0.85, 1.15))
        made.add(crown, WALK, side * x, at)
        made.shade((side * x - 1.4, side * x + 1.4), (at - 1.2, at + 1.2), 0.75 * height)


def _furnish(rng: Rng, made: Street, side: int, kerb: float) -> None:
    """Lamps, signs, traffic lights and bins along the kerb."""
    x, height = side * (kerb + 0.45), rng.uniform(5.5, 8)
    for at in traffic.spots(rng, BEHIND, made.length, (18, 34)):
        made.add(objects.lamp_post(side, height), KERB, x, at)
        made.shade((x - 0.08, x + 0.08), (at, at + 0.16), height)
    for at in traffic.spots(rng, BEHIND, made.length, (18, 55)):
        made.add(objects.sign(rng), KERB, x, at)
    if rng.random() < 0.55:
        for at in traffic.spots(rng, 10, made.length, (45, 90)):
            made.add(objects.traffic_light(rng), KERB, x, at)
    if rng.random() < 0.2:
        for at in traffic.spots(rng, 0, made.length, (3, 5)):
            made.add([across("Column_Pole", (40, 42, 44), (-0.06, 0.06), (0, 0.95))], KERB, x, at)
    for at in traffic.spots(rng, BEHIND, made.length, (60, 150)):
        made.add(objects.bin_(rng), WALK, x, at)
