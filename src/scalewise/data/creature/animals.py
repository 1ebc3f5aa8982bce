"""Four-legged bodies, put together from simple parts.

Units are torso lengths: the hip stands at u = -.5, the shoulder at u = .5, the ground is v = 0.
Angles are in radians upwards from u, unless said otherwise.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from scalewise.data.creature.coats import rgb
from scalewise.data.creature.outlines import Outline, Point, ellipse, facet, limb

Array = NDArray[np.float64]

BONE, NIGHT, IVORY = rgb("8a7a5c"), rgb("161412"), rgb("e8e2d0")


@dataclass(frozen=True)
class Part:
    """One part of a body, later ones in front of earlier ones.

    Attributes:
        outline: what it covers.
        colour: [3] levels; None for the pelt.
        shade: what the pelt is multiplied with.
    """

    outline: Outline
    colour: Array | None = None
    shade: float = 1.0


@dataclass(frozen=True)
class Build:
    """The shape of a kind of four-legged animal, in torso lengths and radians.

    Attributes:
        leg: from the belly to the ground.
        leg_width: radius of the upper leg.
        hip: radius of the torso behind.
        shoulder: radius of the torso before.
        hump: height of a hump over the shoulder.
        neck: length of the neck.
        neck_angle: of the neck.
        neck_width: its radius.
        head: radius of the skull.
        muzzle: from the skull to the nose.
        muzzle_width: radius of the nose's end.
        muzzle_angle: downwards.
        ear: length of an ear.
        ear_kind: round, pointed, leaf or hanging.
        tail: its length.
        tail_angle: where it starts.
        tail_curl: how much it turns up to its end.
        tail_width: its radius.
        antlers: length of the antlers of those who have them; 0 for none.
        tines: branches of an antler.
        bristles: height of the mane along the back.
        rump: radius of a white patch behind.
        snout: [3] colour of the muzzle, None for the pelt's.
        marking: tusk, crescent (on the chest) or an empty text.
    """

    leg: float
    leg_width: float
    hip: float
    shoulder: float
    neck: float
    neck_angle: float
    neck_width: float
    head: float
    muzzle: float
    muzzle_width: float
    ear: float
    ear_kind: str
    muzzle_angle: float = 0.35
    hump: float = 0.0
    tail: float = 0.0
    tail_angle: float = -2.2
    tail_curl: float = 0.0
    tail_width: float = 0.045
    antlers: float = 0.0
    tines: int = 0
    bristles: float = 0.0
    rump: float = 0.0
    snout: Array | None = None
    marking: str = ""


@dataclass(frozen=True)
class Pose:
    """How a body stands in one picture; radians.

    Attributes:
        stride: largest swing of a leg.
        phase: where in its stride it is.
        nod: the head and neck upwards.
        wag: the tail upwards.
    """

    stride: float
    phase: float
    nod: float
    wag: float


def random_pose(rng: np.random.Generator) -> Pose:
    """A pose like any other: walking, standing, at times with the head at the ground."""
    nod = rng.uniform(-0.25, 0.2) - (rng.uniform(0.5, 0.9) if rng.random() < 0.15 else 0)
    return Pose(rng.uniform(0.05, 0.5), rng.uniform(0, 2 * np.pi), nod, rng.uniform(-0.3, 0.4))


def between(one: Build, other: Build, share: float) -> Build:
    """A build whose measures are on the way to another's; what is no measure stays its own."""
    measures = [f.name for f in fields(Build) if isinstance(getattr(one, f.name), float)]
    moved = {m: (1 - share) * getattr(one, m) + share * getattr(other, m) for m in measures}
    kept = {"antlers": one.antlers} if not one.antlers or not other.antlers else {}
    return replace(one, **moved | kept)


def varied(rng: np.random.Generator, build: Build, share: float) -> Build:
    """One individual's build: every length off by a normal share; antlers on about half."""
    lengths = [
        f.name
        for f in fields(Build)
        if isinstance(getattr(build, f.name), float) and not f.name.endswith(("angle", "curl"))
    ]
    factors = np.exp(rng.normal(0, share, len(lengths))).tolist()
    changed = {n: getattr(build, n) * f for n, f in zip(lengths, factors, strict=True)}
    if rng.random() < 0.5:
        changed["antlers"] = 0.0
    return replace(build, **changed)


def quadruped(build: Build, pose: Pose) -> list[Part]:
    """The parts of a four-legged body, from the back to the front."""
    base = build.leg + min(build.hip, build.shoulder)
    hip, shoulder = (-0.5 + build.hip / 2, base), (0.5 - build.shoulder / 2, base)
    return [
        *_legs(build, pose, hip, shoulder, far=True),
        *_tail(build, pose, hip),
        *_torso(build, hip, shoulder),
        *_legs(build, pose, hip, shoulder, far=False),
        *_head(build, pose, shoulder),
    ]


def torso_of(build: Build) -> Array:
    """[2] heights of the belly and of the back."""
    return np.array([build.leg, build.leg + build.hip + build.shoulder])


def _legs(build: Build, pose: Pose, hip: Point, shoulder: Point, far: bool) -> list[Part]:
    parts = []
    for n, (joint, bend) in enumerate(((hip, -0.35), (shoulder, 0.15))):
        swing = pose.stride * np.sin(pose.phase + np.pi * n + (np.pi if far else 0))
        top = (joint[0] + (0.05 if far else 0), joint[1] - 0.08)
        knee = _from(top, top[1] / 2, -np.pi / 2 + swing + bend)
        foot = _from(knee, top[1] / 2 - build.leg_width / 2, -np.pi / 2 + swing / 2 - bend / 2)
        shade = 0.68 if far else 0.92
        thin = build.leg_width * 0.55
        parts += [
            Part(limb(top, knee, build.leg_width * 1.5, build.leg_width * 0.8), shade=shade),
            Part(limb(knee, foot, build.leg_width * 0.75, thin), shade=shade),
            Part(limb(foot, (foot[0] + thin * 1.3, foot[1]), thin * 0.9), shade=0.8 * shade),
        ]
    return parts


def _torso(build: Build, hip: Point, shoulder: Point) -> list[Part]:
    parts = [Part(limb(hip, shoulder, build.hip, build.shoulder))]
    if build.hump > 0.02:
        top = (shoulder[0] - 0.02, shoulder[1] + build.shoulder - 0.12 + build.hump)
        parts.append(Part(ellipse(top, (0.24, 0.13), -0.1)))
    if build.bristles > 0.02:
        parts += _bristles(build, hip, shoulder)
    if build.rump > 0.02:
        place = (hip[0] - 0.75 * build.hip, hip[1] + 0.15 * build.hip)
        parts.append(Part(ellipse(place, (0.6 * build.rump, build.rump), 0.3), IVORY))
    return parts


def _bristles(build: Build, hip: Point, shoulder: Point) -> list[Part]:
    parts = []
    for share in np.linspace(0.1, 1.1, 8):
        radius = build.hip + share * (build.shoulder - build.hip)
        u = hip[0] + share * (shoulder[0] - hip[0])
        v = hip[1] + 0.93 * radius
        tip = (u - 0.06, v + build.bristles * (0.4 + 0.6 * share))
        parts.append(Part(facet([(u - 0.06, v), (u + 0.06, v), tip]), shade=0.6))
    return parts


def _tail(build: Build, pose: Pose, hip: Point) -> list[Part]:
    if build.tail < 0.02:
        return []
    parts, pieces = [], 4
    start = (hip[0] - 0.8 * build.hip, hip[1] + 0.45 * build.hip)
    for n in range(pieces):
        angle = build.tail_angle - pose.wag - build.tail_curl * (n / (pieces - 1)) ** 2
        end = _from(start, build.tail / pieces, angle)
        parts.append(Part(limb(start, end, build.tail_width), shade=0.9 if n < 3 else 0.7))
        start = end
    return parts


def _head(build: Build, pose: Pose, shoulder: Point) -> list[Part]:
    angle = build.neck_angle + pose.nod
    root = (shoulder[0] + 0.3 * build.shoulder, shoulder[1] + 0.3 * build.shoulder)
    skull = _from(root, build.neck + 0.5 * build.head, angle)
    down = -build.muzzle_angle + 0.6 * pose.nod
    bridge = _from(skull, 0.5 * build.head, down)
    nose = _from(skull, 0.7 * build.head + build.muzzle, down)
    eye = _from(skull, 0.45 * build.head, down + 0.9)
    chest = (shoulder[0] + 0.7 * build.shoulder, shoulder[1] - 0.25 * build.shoulder)
    crescent = [Part(ellipse(chest, (0.045, 0.13), 0.5), IVORY)]
    tusk = _from(nose, 0.3 * build.muzzle, down + np.pi)
    ivory = [Part(limb(tusk, (tusk[0] + 0.02, tusk[1] + 0.11), 0.025, 0.01), IVORY)]
    return [
        Part(limb(root, skull, build.neck_width * 1.25, build.neck_width), shade=0.97),
        *(crescent if build.marking == "crescent" else []),
        *_ears(build, skull, down, far=True),
        *_antlers(build, skull, down),
        Part(ellipse(skull, (build.head, build.head * 0.9), down)),
        Part(
            limb(bridge, nose, max(0.5 * build.head, build.muzzle_width), build.muzzle_width),
            build.snout,
        ),
        *_ears(build, skull, down, far=False),
        Part(ellipse(nose, (0.6 * build.muzzle_width, 0.6 * build.muzzle_width)), NIGHT),
        Part(ellipse(eye, (0.028, 0.028)), NIGHT),
        *(ivory if build.marking == "tusk" else []),
    ]


def _ears(build: Build, skull: Point, down: float, far: bool) -> list[Part]:
    angle = down + (1.45 if far else 2.1)
    root, shade = _from(skull, 0.85 * build.head, angle), 0.6 if far else 0.8
    if build.ear_kind == "round":
        return [Part(ellipse(root, (build.ear, build.ear)), shade=shade)]
    if build.ear_kind == "hanging":
        end = _from(root, build.ear, -1.7 if far else -1.9)
        return [] if far else [Part(limb(root, end, 0.045, 0.06), shade=0.6)]
    tip = _from(root, build.ear, angle if build.ear_kind == "pointed" else angle + 0.35)
    if build.ear_kind == "leaf":
        middle = ((root[0] + tip[0]) / 2, (root[1] + tip[1]) / 2)
        lean = float(np.arctan2(tip[1] - root[1], tip[0] - root[0]))
        return [Part(ellipse(middle, (0.6 * build.ear, 0.26 * build.ear), lean), shade=shade)]
    one, other = _from(root, 0.06, down), _from(root, 0.06, down + np.pi)
    return [Part(facet([one, tip, other]), shade=shade)]


def _antlers(build: Build, skull: Point, down: float) -> list[Part]:
    if build.antlers < 0.02:
        return []
    parts = []
    for lean in (1.2, 1.75):
        root = _from(skull, 0.8 * build.head, down + 1.7)
        bend = _from(root, 0.55 * build.antlers, lean + 0.4)
        tip = _from(bend, 0.45 * build.antlers, lean - 0.2)
        parts += [
            Part(limb(root, bend, 0.032, 0.028), BONE),
            Part(limb(bend, tip, 0.028, 0.015), BONE),
        ]
        for n in range(build.tines):
            share = 0.25 + 0.5 * n
            beam = (root[0] + share * (bend[0] - root[0]), root[1] + share * (bend[1] - root[1]))
            end = _from(beam, 0.38 * build.antlers, lean - 0.75)
            parts.append(Part(limb(beam, end, 0.025, 0.012), BONE))
    return parts


def _from(point: Point, length: float, angle: float) -> Point:
    return (float(point[0] + length * np.cos(angle)), float(point[1] + length * np.sin(angle)))
