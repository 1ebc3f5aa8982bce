"""A camera in a street: what it sees, as an image and as the class of every pixel.

Faces are drawn from far to near into one plane of face numbers, twice as fine as the image and
with a sample at the centre of each of its pixels. That sample's class is the label, so labels are
exact and hard-edged; the colours around it, weighted by nearness, are the pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scalewise.data import drawing
from scalewise.data.street.faces import KIND, Array
from scalewise.data.street.scenes import BACK, SIGHT, Light, Street, Thing

Rng = np.random.Generator
Ints = NDArray[np.int64]
Numbers = NDArray[np.int32]
Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8]

NEAR = 0.6  # metres ahead from which things are seen
EYE = 1.4  # the camera's height, metres
FOCAL = 1.15  # focal length, in widths of the image
HORIZON = 0.46  # height of the horizon from above, in heights of the image
OUTSIDE = 30_000  # samples; farther corners are drawn there


@dataclass(frozen=True)
class Model:
    """F faces of a street in arrays, with P corners.

    Attributes:
        points: [P, 3] metres, in the first frame.
        start: [F + 1] where each face's corners begin.
        kind: [F] class.
        colour: [F, 3] levels, shaded by the sun.
        grain: [F] strength of the texture.
        facing: [F, 3] the direction it is seen from, or zeros.
        ground: [F] whether shadows fall on it.
        layer: [F] of its thing.
        depth: [F] of its thing, z in the first frame.
        speed: [F] metres ahead in a second.
    """

    points: Array
    start: Ints
    kind: Ints
    colour: Array
    grain: Array
    facing: Array
    ground: NDArray[np.bool_]
    layer: Ints
    depth: Array
    speed: Array


@dataclass(frozen=True)
class Pose:
    """Where the camera is at one moment.

    Attributes:
        x: metres from the road's middle.
        z: metres driven.
        yaw: how far it looks to the right, radians.
        horizon: height of the horizon from above, in heights of the image.
        seconds: since the first frame.
    """

    x: float
    z: float
    yaw: float
    horizon: float
    seconds: float


def model(things: Sequence[Thing], light: Light) -> Model:
    """Bring the faces of things into arrays, shaded by the sun."""
    pairs = [(thing, face) for thing in things for face in thing.faces]
    facing = np.array([face.facing for _, face in pairs])
    colour = np.array([face.colour for _, face in pairs])
    return Model(
        points=np.concatenate([face.points for _, face in pairs]),
        start=np.cumsum([0, *(len(face.points) for _, face in pairs)]),
        kind=np.array([face.kind for _, face in pairs]),
        colour=colour * _shade(facing, light)[:, None],
        grain=np.array([face.grain for _, face in pairs]),
        facing=facing,
        ground=np.array([face.ground for _, face in pairs]),
        layer=np.array([thing.layer for thing, _ in pairs]),
        depth=np.array([thing.depth for thing, _ in pairs]),
        speed=np.array([thing.speed for thing, _ in pairs]),
    )


def _shade(facing: Array, light: Light) -> Array:
    """Brightness of faces by how they are turned to the sun; 1 for those that face nowhere."""
    hard = 1 - light.shadow
    lit = 1 - 0.5 * hard + 0.75 * hard * (facing @ light.sun).clip(min=0)
    return np.where((facing != 0).any(axis=1), lit, 1.0)


def pose(rng: Rng, street: Street, seconds: float) -> Pose:
    """Where the camera is after this time: in the middle of its lane, a little shaken."""
    return Pose(
        x=-street.half / 2 + rng.normal(0, 0.08),
        z=street.speed * seconds,
        yaw=rng.normal(0, 0.012),
        horizon=HORIZON + rng.normal(0, 0.006),
        seconds=seconds,
    )


class View:
    """One frame's plane of samples, [2 H + 1, 2 W + 1], and how metres come onto it."""

    def __init__(self, street: Street, pose: Pose, size: tuple[int, int]) -> None:
        self.street, self.pose = street, pose
        self.width, self.height = size
        self.columns, self.rows = 2 * self.width + 1, 2 * self.height + 1
        self.focal = 2 * FOCAL * self.width
        self.horizon = 2 * self.height * pose.horizon

    def seen(self, model: Model) -> Array:
        """[P, 3] the corners from the camera, metres; the road bends away from it."""
        points = model.points.copy()
        driven = model.speed * self.pose.seconds - self.pose.z
        points[:, 2] += np.repeat(driven, np.diff(model.start))
        points[:, 0] += self.street.bend * points[:, 2] * np.abs(points[:, 2]) - self.pose.x
        return points

    def project(self, points: Array) -> Ints:
        """[..., 2] column and row of the samples at points [..., 3] that lie ahead."""
        z = points[..., 2].clip(min=NEAR)
        column = self.width + self.focal * (points[..., 0] / z - self.pose.yaw)
        row = self.horizon + self.focal * (EYE - points[..., 1]) / z
        flat = np.stack([column, row], axis=-1).clip(-OUTSIDE, OUTSIDE)
        return np.rint(flat).astype(np.int64)

    def ground(self) -> Plane:
        """[rows, 1] how far away the ground is in each row, metres."""
        below = np.arange(self.rows, dtype=np.float32)[:, None] - np.float32(self.horizon)
        return np.float32(self.focal * EYE) / np.maximum(below, 1)

    def draw(self, model: Model) -> Numbers:
        """[rows, columns] the face that is seen at each sample; F where there is none."""
        points = self.seen(model)
        flat = self.project(points)
        start, nearest = model.start, np.minimum.reduceat(points[:, 2], model.start[:-1])
        order = self._order(model, points, flat)
        image = Image.new("I", (self.columns, self.rows), len(model.kind))
        pen = ImageDraw.Draw(image)
        corners, begins = flat.ravel().tolist(), (2 * start).tolist()
        clipped = nearest < NEAR
        for n in order.tolist():
            outline = corners[begins[n] : begins[n + 1]]
            if clipped[n]:
                outline = self.project(ahead(points[start[n] : start[n + 1]])).ravel().tolist()
            pen.polygon(outline, fill=n)
        return np.array(image)

    def _order(self, model: Model, points: Array, flat: Ints) -> Ints:
        """The faces that may be seen, those first that others may hide."""
        start, first = model.start, points[model.start[:-1]]
        low, high = (f.reduceat(flat, start[:-1]) for f in (np.minimum, np.maximum))
        far = np.maximum.reduceat(points[:, 2], start[:-1])
        nearest = np.minimum.reduceat(points[:, 2], start[:-1])
        inside = ((high >= 0) & (low < (self.columns, self.rows))).all(axis=1)
        towards = (model.facing * (np.array([0, EYE, 0]) - first)).sum(axis=1)
        turned = (towards > 0) | (model.facing == 0).all(axis=1)
        seen = inside & turned & (far > NEAR) & (nearest < SIGHT + 1)
        depth = model.depth + model.speed * self.pose.seconds
        bridges = np.array(self.street.bridges)
        beyond = (bridges[:, None] < depth).sum(axis=0) * (model.layer >= BACK)
        order = np.lexsort((-depth, model.layer, -beyond, model.layer >= BACK))
        return order[seen[order]]


def ahead(points: Array) -> Array:
    """The part of a polygon [V, 3] that lies at least `NEAR` ahead, [W, 3]."""
    parts = []
    for here, there in zip(points, np.roll(points, -1, axis=0), strict=True):
        if here[2] >= NEAR:
            parts.append(here)
        if (here[2] >= NEAR) != (there[2] >= NEAR):
            share = (NEAR - here[2]) / (there[2] - here[2])
            parts.append(here + share * (there - here))
    return np.array(parts)


def render(
    rng: Rng, view: View, faces: Model, shadows: Model, noise: float
) -> tuple[Pixels, Pixels]:
    """One frame: its image [H, W, 3] uint8 and the class of each pixel [H, W] uint8.

    Args:
        rng: for texture and noise.
        view: where from.
        faces: what there is.
        shadows: dark places on the ground.
        noise: standard deviation in every pixel, levels.
    """
    numbers = view.draw(faces)
    if view.street.bonnet:
        numbers[_bonnet(view)] = len(faces.kind) + 1
    kind = np.append(faces.kind, (KIND["Sky"], KIND["Void"]))
    shaded = view.draw(shadows) < len(shadows.kind)
    canvas = _softened(_coloured(rng, view, faces, numbers, shaded))
    labels = kind[numbers[1::2, 1::2]].astype(np.uint8)
    light = view.street.light
    canvas *= (light.strength * light.tint * _vignette(view)).transpose(2, 0, 1).astype(np.float32)
    canvas += np.float32(noise) * rng.standard_normal(canvas.shape, dtype=np.float32)
    return drawing.to_pixels(canvas), labels


def _bonnet(view: View) -> NDArray[np.bool_]:
    """[rows, columns] where the camera's own car is seen."""
    across = np.linspace(-1, 1, view.columns)[None]
    return np.arange(view.rows)[:, None] > view.rows * (0.94 + 0.05 * across**2)


def _vignette(view: View) -> Array:
    """[H, W, 1] brightness, less towards the corners."""
    x, y = (np.linspace(-1, 1, n) for n in (view.width, view.height))
    return 1.03 - 0.11 * (x[None, :, None] ** 2 + y[:, None, None] ** 2)


def _coloured(
    rng: Rng, view: View, faces: Model, numbers: Numbers, shaded: NDArray[np.bool_]
) -> Plane:
    """[3, rows, columns] levels in even light: colour, texture, shadow, haze, sky."""
    light = view.street.light
    count = len(faces.kind)
    colour = np.concatenate([faces.colour, np.zeros((1, 3)), [(34, 36, 40)]]).astype(np.float32)
    grain = np.append(faces.grain, (0, 0.02)).astype(np.float32)[numbers]
    on_ground = np.append(faces.ground, (False, False))[numbers]
    blotches = _blotches(rng, numbers.shape, 60)
    texture = 1 + grain * (0.7 * rng.standard_normal(numbers.shape, dtype=np.float32) + blotches)
    texture[on_ground & shaded] *= np.float32(light.shadow)
    distance = np.where(on_ground, view.ground(), _distance(view, faces)[numbers])
    clear = np.exp(-distance / np.float32(light.haze))
    haze = light.low.astype(np.float32)[:, None, None]
    canvas = haze + clear * (colour.T[:, numbers] * texture - haze)
    clouds = _blotches(rng, numbers.shape, 20)
    return np.where(numbers == count, _sky(view, clouds), canvas)


def _distance(view: View, faces: Model) -> Plane:
    """[F + 2] mean distance of each face, of the sky and of the bonnet, metres."""
    z = view.seen(faces)[:, 2].clip(min=0)
    mean = np.add.reduceat(z, faces.start[:-1]) / np.diff(faces.start)
    return np.append(mean, (0, 0)).astype(np.float32)


def _sky(view: View, clouds: Plane) -> Plane:
    """[3, rows, columns] paler towards the horizon, with clouds."""
    light = view.street.light
    up = 1 - np.arange(view.rows) / view.horizon
    share = up.clip(0, 1)[:, None].astype(np.float32) ** np.float32(0.7)
    high, low = (c.astype(np.float32)[:, None, None] for c in (light.high, light.low))
    # The eye and the camera see the sky of a dull day less dark than the street.
    bright = np.float32(light.strength**-0.6)
    return bright * (low + share * (high - low) + np.float32(light.clouds) * share * clouds)


def _blotches(rng: Rng, shape: tuple[int, int], cells: int) -> Plane:
    """[rows, columns] smooth noise, standard deviation about 1: coarse, and in `cells` rows."""
    total = np.zeros(shape, np.float32)
    for rows in (7, cells):
        coarse = rng.standard_normal((rows, rows * 4 // 3), dtype=np.float32)
        total += np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))
    return total


def _softened(canvas: Plane) -> Plane:
    """[3, H, W]: each pixel's centre sample and its neighbours, weighted 1, 2, 1 both ways."""
    rows = 0.25 * (canvas[:, :-2:2] + canvas[:, 2::2]) + 0.5 * canvas[:, 1:-1:2]
    return 0.25 * (rows[:, :, :-2:2] + rows[:, :, 2::2]) + 0.5 * rows[:, :, 1:-1:2]
