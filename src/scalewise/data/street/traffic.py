"""Who is out in a random street: people, parked and moving vehicles, and the rare ones."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from scalewise.data.street import objects, vehicles
from scalewise.data.street.faces import NEAR, Array, Face, Range, across, box, level
from scalewise.data.street.scenes import BACK, KERB, PARKED, TRAFFIC, WALK, Street

Rng = np.random.Generator

NAMES = ("hatchback", "saloon", "estate", "suv", "van")
WEIGHTS = (0.36, 0.26, 0.2, 0.1, 0.08)
# The share of sequences that have them: what is rare in a street is rare here.
SHARES = {
    "Animal": 0.12,
    "Archway": 0.2,
    "Bridge": 0.12,
    "CartLuggagePram": 0.15,
    "Child": 0.15,
    "MotorcycleScooter": 0.12,
    "OtherMoving": 0.12,
    "ParkingBlock": 0.2,
    "TrafficCone": 0.15,
    "Truck_Bus": 0.3,
}


def people(rng: Rng, made: Street, side: int, walk: Range) -> None:
    """People on a sidewalk between two distances from the road's middle, and bicycles."""
    at = rng.uniform(0, 20)
    while at < made.length:
        for _ in range(rng.integers(1, 3)):
            x, height = side * rng.uniform(*walk), rng.uniform(1.6, 1.88)
            speed = rng.choice([-1, 1]) * rng.uniform(0.6, 1.5)
            made.add(objects.person(rng, height=height), WALK, x, at, speed)
            made.shade((x - 0.2, x + 0.2), (at, at + 0.3), height, speed)
            at += rng.uniform(0.4, 1.2)
        at += rng.uniform(5, 35)
    if rng.random() < 0.4:
        at = rng.uniform(5, 60)
        for n in range(rng.integers(2, 6)):
            made.add(objects.bicycle(rng), WALK, side * (walk[1] - 0.3), at + 0.7 * n)


def park(rng: Rng, made: Street, side: int, x: float) -> None:
    """A row of parked cars with gaps."""
    at = -8.0
    while at < made.length:
        name = str(rng.choice(NAMES, p=WEIGHTS))
        if rng.random() < 0.7:
            faces = vehicles.vehicle(rng, name, "front" if side > 0 else "rear")
            made.add(faces, PARKED, side * x, at)
            _shade(made, name, side * x, at, 0)
        at += vehicles.BUILDS[name].size[2] + rng.uniform(0.7, 1.6)


def drive(rng: Rng, made: Street, rare: set[str]) -> None:
    """Vehicles ahead and coming towards, and riders at the kerb."""
    lane = made.half / 2
    for at in spots(rng, 9, made.length, (16, 70)):
        x = -lane + rng.normal(0, 0.15)
        if "OtherMoving" in rare:
            rare.remove("OtherMoving")
            made.add(vehicles.trailer(rng), TRAFFIC, x, at, made.speed)
            continue
        _put(rng, made, str(rng.choice(NAMES, p=WEIGHTS)), x, at, "rear")
    for at in spots(rng, 6, 2.2 * made.length, (16, 70)):
        name = str(rng.choice(NAMES, p=WEIGHTS))
        if "Truck_Bus" in rare and at > 40:
            rare.remove("Truck_Bus")
            name = str(rng.choice(["bus", "decker", "lorry"]))
        _put(rng, made, name, lane + rng.normal(0, 0.15), at, "front")
    for side, speed in ((-1, 0.75 * made.speed), (1, -0.6 * made.speed)):
        for at in spots(rng, 8, made.length, (15, 60)):
            kind = "MotorcycleScooter" if "MotorcycleScooter" in rare else "Bicyclist"
            rare.discard(kind)
            _ride(rng, made, kind, side * (made.half - rng.uniform(0.3, 0.8)), at, speed)


def _put(
    rng: Rng, made: Street, name: str, x: float, z: float, end: Literal["rear", "front"]
) -> None:
    """Put a vehicle on its lane, as fast as the camera, away from it or towards it."""
    speed = made.speed if end == "rear" else -made.speed
    made.add(vehicles.vehicle(rng, name, end), TRAFFIC, x, z, speed)
    _shade(made, name, x, z, speed)


def _shade(made: Street, name: str, x: float, z: float, speed: float) -> None:
    width, height, length = vehicles.BUILDS[name].size
    made.shade((x - width / 2, x + width / 2), (z, z + length), 0.9 * height, speed)


def _ride(rng: Rng, made: Street, kind: str, x: float, z: float, speed: float) -> None:
    made.add(objects.rider(rng, kind), TRAFFIC, x, z, speed)
    made.shade((x - 0.15, x + 0.15), (z, z + 1.6), 1.2, speed)


def on_the_walk(rng: Rng, made: Street, rare: set[str], side: int, walk: Range) -> None:
    """The rare ones of a sidewalk, each where the first frames see it."""
    x, at = side * (walk[0] + walk[1]) / 2, rng.uniform(12, 35, 5)
    if "Animal" in rare:
        made.add(objects.dog(rng), WALK, x, at[0], 1.0)
    if "Child" in rare:
        for step in range(rng.integers(1, 4)):
            child = objects.person(rng, "Child", rng.uniform(1.0, 1.3))
            made.add(child, WALK, x + 0.5 * step, at[1] + step, 0.8)
    if "CartLuggagePram" in rare:
        made.add(objects.pram(rng), WALK, x, at[2], 1.0)
        made.add(objects.person(rng), WALK, x + 0.7, at[2] - 0.1, 1.0)
    if "ParkingBlock" in rare:
        for k in range(12):
            made.add(objects.block(), KERB, side * (walk[0] - 0.3), at[3] + 3 * k)
    if "TrafficCone" in rare:
        for k in range(6):
            made.add(objects.cone(), TRAFFIC, side * (made.half - 0.4), at[4] + 3 * k)


def bridge(rng: Rng, made: Street, kerbs: Array) -> None:
    """A bridge over the street, on two abutments."""
    left, right, stone = -kerbs[0] - 2, kerbs[1] + 2, np.array([150, 146, 138.0])
    deck, at = (5.2, 6.6), rng.uniform(40, 90)
    steel = np.array([84, 104, 92.0])
    faces: list[Face] = [
        *box("Bridge", stone, (left, left + 1.2), (0, deck[0]), (0, 7), 0.12),
        *box("Bridge", stone, (right - 1.2, right), (0, deck[0]), (0, 7), 0.12),
        level("Bridge", steel * 0.4, (left, right), (0, 7), deck[0]),
        across("Bridge", steel, (left, right), deck, facing=NEAR),
        *(
            across("Bridge", steel * 0.7, (x, x + 0.2), deck, -0.02)
            for x in np.arange(left, right, 1.6)
        ),
    ]
    made.add(faces, BACK, 0, at)
    made.bridges.append(at)
    made.shade((left, right), (at, at + 7), deck[1])


def spots(rng: Rng, start: float, end: float, gap: Range) -> Iterator[float]:
    """Places from start to end, apart by a random distance within `gap`, metres."""
    at = start + rng.uniform(0, gap[1])
    while at < end:
        yield at
        at += rng.uniform(*gap)
