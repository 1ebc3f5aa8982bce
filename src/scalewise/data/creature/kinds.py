"""The ten kinds of creature of the Russian Wildlife set, as builds and coats.

Each individual is drawn from its kind. `TWINS` are kinds that look alike on purpose: their
individuals are moved towards each other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalewise.data.creature import animals, coats
from scalewise.data.creature.animals import NIGHT, Build, Part
from scalewise.data.creature.coats import Coat, coat, rgb
from scalewise.data.creature.outlines import Point, ellipse, facet, limb

Array = NDArray[np.float64]

TWINS = (("amur_leopard", "amur_tiger"), ("black_bear", "brown_bear"), ("roe_deer", "sika_deer"))

# fmt: off
BUILDS = {
    "amur_leopard": Build(
        leg=.42, leg_width=.07, hip=.19, shoulder=.2, neck=.16, neck_angle=.5, neck_width=.14,
        head=.16, muzzle=.06, muzzle_width=.06, ear=.06, ear_kind="round", tail=.85,
        tail_angle=-2.6, tail_curl=1.3, tail_width=.05, snout=rgb("d2bc90")),
    "amur_tiger": Build(
        leg=.42, leg_width=.08, hip=.21, shoulder=.23, neck=.16, neck_angle=.4, neck_width=.17,
        head=.185, muzzle=.07, muzzle_width=.075, ear=.06, ear_kind="round", tail=.75,
        tail_angle=-2.5, tail_curl=1.1, tail_width=.05, snout=rgb("e2cfae")),
    "black_bear": Build(
        leg=.36, leg_width=.115, hip=.29, shoulder=.29, neck=.14, neck_angle=.3, neck_width=.2,
        head=.19, muzzle=.15, muzzle_width=.08, ear=.085, ear_kind="round", snout=rgb("80694e"),
        marking="crescent"),
    "brown_bear": Build(
        leg=.36, leg_width=.125, hip=.29, shoulder=.31, neck=.14, neck_angle=.1, neck_width=.22,
        head=.21, muzzle=.15, muzzle_width=.09, ear=.065, ear_kind="round", hump=.1),
    "roe_deer": Build(
        leg=.62, leg_width=.048, hip=.17, shoulder=.165, neck=.4, neck_angle=1., neck_width=.08,
        head=.1, muzzle=.13, muzzle_width=.045, ear=.17, ear_kind="leaf", rump=.1, antlers=.2),
    "sika_deer": Build(
        leg=.56, leg_width=.052, hip=.19, shoulder=.195, neck=.38, neck_angle=.9, neck_width=.1,
        head=.105, muzzle=.15, muzzle_width=.05, ear=.14, ear_kind="leaf", rump=.13, tail=.14,
        antlers=.5, tines=2),
    "wild_boar": Build(
        leg=.3, leg_width=.06, hip=.24, shoulder=.31, neck=.08, neck_angle=-.1, neck_width=.25,
        head=.2, muzzle=.28, muzzle_width=.075, muzzle_angle=.5, ear=.13, ear_kind="pointed",
        tail=.28, tail_angle=-1.9, tail_width=.02, bristles=.12, marking="tusk"),
}
HOUNDS = (
    Build(
        leg=.42, leg_width=.055, hip=.16, shoulder=.19, neck=.24, neck_angle=.9, neck_width=.1,
        head=.14, muzzle=.15, muzzle_width=.06, ear=.13, ear_kind="pointed", tail=.42,
        tail_angle=-4., tail_curl=1.6, tail_width=.055),
    Build(
        leg=.36, leg_width=.06, hip=.18, shoulder=.2, neck=.2, neck_angle=.8, neck_width=.11,
        head=.14, muzzle=.16, muzzle_width=.065, ear=.15, ear_kind="hanging", tail=.4,
        tail_angle=-3.7, tail_curl=.5, tail_width=.035),
)
# fmt: on
COATS = {
    "amur_leopard": (coat("c9a468", "e2d5b8", "2a2018", "spots", 0.95),),
    "amur_tiger": (coat("cf8438", "ecdcc0", "221812", "stripes", 0.95),),
    "black_bear": (coat("2a2827", "1e1c1c"), coat("3a322d", "2a2422")),
    "brown_bear": (coat("6e4a2c", "4c3421"), coat("87633f", "5c4630")),
    "roe_deer": (coat("a8683a", "c09a70"), coat("8c7358", "a89880")),
    "sika_deer": (coat("9a6238", "b8946c", "f2e8d2", "dapples", 0.9),),
    "wild_boar": (coat("4a4038", "3a322c"), coat("5e5348", "463e36")),
}
HOUND_COATS = (
    coat("c9a878", "e8dcc4"),
    coat("4a4238", "c8a070"),
    coat("e0dcd4", "f0ece4", "3c2c20", "patches", 0.95),
    coat("2c2a28", "e0dcd4"),
    coat("9a928a", "dcd8d0"),
    coat("8a5430", "a87048"),
)
PLUMAGES = tuple(
    (rgb(body), rgb(breast), rgb(wing))
    for body, breast, wing in (
        ("4c5a6a", "d8d2c6", "303a46"),
        ("6c5238", "c8a87c", "463424"),
        ("1c1c20", "2a2a30", "121216"),
        ("3c6a98", "e0c070", "28466c"),
        ("8a8a86", "d06038", "5e5e5a"),
        ("20242a", "ecece8", "3a4048"),
        ("5c7048", "d0c898", "3c4c30"),
    )
)
CLOTHES = ("3c4a34", "5a5f3c", "27405e", "8a2f2a", "c46a22", "20242c", "777c80", "6a4a34", "d8c23a")
SKIN = ("e8c4a0", "d0a480", "b08060", "f0d4b8")
BEAKS = ("d89a30", "3a3630", "c85a2a")


@dataclass(frozen=True)
class Creature:
    """One individual: how it is put together in any pose, and what it wears.

    Attributes:
        body: from a pose to its parts, from the back to the front.
        coat: what parts without a colour show.
        torso: [2] heights of its belly and back.
    """

    body: Callable[[animals.Pose], list[Part]]
    coat: Coat
    torso: Array


def individual(rng: np.random.Generator, name: str, likeness: float) -> Creature:
    """One creature of a kind.

    Args:
        rng: the generator.
        name: one of `species.CLASSES`.
        likeness: how far twins go towards each other, 0 not at all, 1 at most to the middle.
    """
    if name == "birds":
        return _bird(rng)
    if name == "people":
        return _person(rng)
    build, given = _kind(rng, name)
    if twin := _twin(name):
        share = rng.uniform(0, 0.5 * likeness)
        other, worn = _kind(rng, twin)
        build, given = animals.between(build, other, share), coats.between(given, worn, share)
    build = animals.varied(rng, build, 0.09)
    return Creature(
        lambda pose: animals.quadruped(build, pose),
        coats.varied(rng, given, 0.05),
        animals.torso_of(build),
    )


def _kind(rng: np.random.Generator, name: str) -> tuple[Build, Coat]:
    if name == "dog":
        coat_at = int(rng.integers(len(HOUND_COATS)))
        return HOUNDS[int(rng.integers(len(HOUNDS)))], HOUND_COATS[coat_at]
    return BUILDS[name], COATS[name][int(rng.integers(len(COATS[name])))]


def _twin(name: str) -> str | None:
    pairs = {one: other for pair in TWINS for one, other in (pair, pair[::-1])}
    return pairs.get(name)


def _bird(rng: np.random.Generator) -> Creature:
    """A bird that stands or, one time in four, flies; its body is one unit long."""
    body, breast, wing = PLUMAGES[int(rng.integers(len(PLUMAGES)))]
    beak = rgb(BEAKS[int(rng.integers(len(BEAKS)))])
    tilt, plump, leg = rng.uniform(0.2, 0.8), rng.uniform(0.22, 0.32), rng.uniform(0.12, 0.4)
    bill, tail, flies = rng.uniform(0.1, 0.3), rng.uniform(0.25, 0.6), rng.random() < 0.25
    heights = np.array([leg, leg + 2 * plump])

    def parts(pose: animals.Pose) -> list[Part]:
        lean = tilt + 0.4 * pose.nod
        middle = (0.0, leg + plump)
        along = np.array([np.cos(lean), np.sin(lean)])
        across = np.array([-along[1], along[0]])
        head = middle + 0.45 * along + (0.1 + 0.1 * pose.nod) * across
        rear = middle - 0.38 * along
        tip = _off(head, 0.13 + bill, -0.02)
        feather = rear - tail * along
        legs = (
            []
            if flies
            else [
                Part(limb((u, leg + 0.08), (u + 0.06 * np.sin(pose.phase), 0), 0.025), beak)
                for u in (-0.06, 0.08)
            ]
        )
        return [
            *legs,
            *([_wing(middle, lean + 1.9 + pose.wag, 0.9, 0.7 * wing)] if flies else []),
            Part(facet([rear + 0.1 * across, rear - 0.1 * across, feather - 0.07 * across,
                        feather + 0.07 * across]), wing),
            Part(ellipse(middle, (0.48, plump), lean)),
            Part(ellipse(tuple(head), (0.17, 0.155))),
            Part(facet([_off(head, 0.1, 0.06), _off(head, 0.1, -0.07), tip]), beak),
            Part(ellipse(_off(head, 0.06, 0.04), (0.03, 0.03)), NIGHT),
            _wing(middle, lean + 1.2 + pose.wag, 0.8, wing) if flies else
            Part(ellipse(tuple(middle - 0.12 * along), (0.36, 0.6 * plump), lean - 0.12), wing),
        ]  # fmt: skip

    return Creature(parts, coats.varied(rng, Coat(body, breast, body), 0.08), heights)


def _off(point: Array, forwards: float, upwards: float) -> Point:
    return (float(point[0] + forwards), float(point[1] + upwards))


def _wing(root: Point, angle: float, length: float, colour: Array) -> Part:
    end = np.add(root, [length * np.cos(angle), length * np.sin(angle)])
    side = 0.2 * np.array([-np.sin(angle), np.cos(angle)])
    return Part(facet([np.add(root, side), np.subtract(root, side), end - side / 2]), colour)


def _person(rng: np.random.Generator) -> Creature:
    """Somebody upright, 1.8 units tall, in a jacket and trousers, at times with hat and pack."""
    pick = [rgb(CLOTHES[n]) for n in rng.integers(len(CLOTHES), size=4)]
    jacket, trousers, hat, pack = (np.clip(c * rng.uniform(0.8, 1.15), 0, 255) for c in pick)
    skin = rgb(SKIN[int(rng.integers(len(SKIN)))])
    wide, hatted, packed = rng.uniform(0.17, 0.25), rng.random() < 0.6, rng.random() < 0.4

    def parts(pose: animals.Pose) -> list[Part]:
        hip, neck = (0.0, 0.85), (0.03, 1.38)
        head = (0.05 + 0.05 * pose.nod, 1.62)
        swing = pose.stride * np.sin(pose.phase)
        bag = [Part(limb((-0.2, 1.0), (-0.2, 1.32), 0.13), pack)]
        crown = [Part(ellipse((head[0], head[1] + 0.08), (0.17, 0.1)), hat)]
        return [
            _arm(neck, -swing - 0.1, wide, 0.75 * jacket, skin),
            _leg(hip, -swing, 0.7 * trousers),
            *(bag if packed else []),
            _leg(hip, swing, trousers),
            Part(limb(hip, neck, 0.8 * wide, wide), jacket),
            Part(ellipse(head, (0.135, 0.165)), skin),
            *(
                crown
                if hatted
                else [Part(ellipse((head[0] - 0.03, head[1] + 0.08), (0.14, 0.11)), 0.4 * skin)]
            ),
            _arm(neck, swing + 0.1, wide, 0.9 * jacket, skin),
        ]

    return Creature(parts, Coat(jacket, jacket, jacket), np.array([0.85, 1.4]))


def _leg(hip: Point, swing: float, colour: Array) -> Part:
    foot = (hip[0] + 0.8 * np.sin(swing), hip[1] - 0.8 * np.cos(swing))
    return Part(limb(hip, foot, 0.12, 0.08), colour)


def _arm(neck: Point, swing: float, wide: float, colour: Array, skin: Array) -> Part:
    root = (neck[0], neck[1] - 0.02)
    hand = (root[0] + 0.62 * np.sin(swing), root[1] - 0.62 * np.cos(swing))
    return Part(limb(root, hand, 0.085, 0.06), colour)
