"""Stick figures with five keypoints: head, hands and feet, in grey images.

Style `varied` is a task that has an answer: the figure's left arm and leg are light and the rest of
it is dark, on a ground between the two. Only that tells left from right, for a figure is seen from
the front as often as from behind; so the names stay when such an image is mirrored. Style `classic`
is the figure of a graduate homework, black on white, whose hands nothing tells apart: for
comparison with published numbers.

`make` brings either into the common form. In the JSON a figure's `bbox` is around all that is drawn
of it, and `area` is that of the `bbox`: a figure of lines has next to none of its own. In style
`varied` a keypoint is hidden (v = 1) where less than half of the pixels of its own end, the head or
the limb within a line's width of the keypoint, are on top; in style `classic` all are seen (v = 2).

Section `figures` of params.yaml.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import Field, model_validator

from scalewise import boxes as box_ops
from scalewise import coco_keypoints
from scalewise.data import drawing, poses, store, workers
from scalewise.data.poses import KEYPOINTS, Pose
from scalewise.files import write_json
from scalewise.params import Record

Array = NDArray[np.float64]

SPLITS = ("train", "val", "test")
MOST_IMAGES = 1_000_000  # a split's image ids are its position times this, and counting


class Varied(Record):
    """What style `varied` looks like; style `classic` has nothing to set."""

    scale: tuple[float, float] = (0.7, 1.5)
    """Smallest and largest figure, uniform between; at 1 it has the homework's lengths."""
    rotation: float = Field(45, ge=0, le=180)
    """Largest rotation of the figure either way, degrees."""
    front: float = Field(0.5, ge=0, le=1)
    """Share of figures seen from the front, whose left is the image's right."""
    arms: tuple[float, float] = (20, 130)
    """Each arm's angle from straight down, outwards positive, degrees."""
    legs: tuple[float, float] = (10, 40)
    """Each leg's angle from straight down, outwards positive, degrees."""
    line: tuple[float, float] = (2, 4)
    """Thinnest and thickest line of a figure, px."""
    ground: tuple[float, float] = (70, 185)
    """Darkest and lightest level of the ground, before texture and noise, and of the patches."""
    contrast: float = Field(45, ge=0, le=127)
    """How much darker than that the figure is, and how much lighter its left limbs, levels."""
    texture: float = Field(10, ge=0, le=128)
    """Standard deviation of the ground's blotches, in levels."""
    noise: float = Field(8, ge=0, le=128)
    """Standard deviation of the noise in every pixel, in levels."""
    lines: int = Field(4, ge=0, le=100)
    """Most distractor lines behind the figure, of any level."""
    discs: int = Field(2, ge=0, le=100)
    """Most distractor discs behind the figure, of any level."""
    covers: int = Field(2, ge=0, le=100)
    """Most patches in front of the figure, each around a random point of it."""
    cover: tuple[float, float] = (8, 18)
    """Shortest and longest side of such a patch on a figure of scale 1, px."""

    @model_validator(mode="after")
    def _checked(self) -> "Varied":
        for name, least in (("scale", 0.25), ("line", 2), ("cover", 1), ("ground", 0)):
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ValueError(f"{name} must be rising and at least {least}, got [{low}, {high}]")
        for name in ("arms", "legs"):
            low, high = getattr(self, name)
            if not -180 <= low <= high <= 180:
                raise ValueError(f"{name} must be rising within -180..180, got [{low}, {high}]")
        if self.contrast > min(self.ground[0], drawing.LEVELS - self.ground[1]):
            raise ValueError(
                f"ground {list(self.ground)} leaves less than contrast {self.contrast:g} to 0 or "
                f"{drawing.LEVELS}"
            )
        return self


class Parameters(Record):
    """Section `figures` of params.yaml."""

    style: Literal["varied", "classic"] = "varied"
    """Which distribution."""
    seed: int = Field(0, ge=0)
    """Image k of a split depends on this, the split and k alone, not on how many there are."""
    image_size: int = Field(128, ge=32, le=4096)
    """Side of the square images, px; style `classic` has 128."""
    train: int = Field(1000, ge=1, lt=MOST_IMAGES)
    """Images to train on."""
    val: int = Field(200, ge=1, lt=MOST_IMAGES)
    """Images to select and tune on."""
    test: int = Field(400, ge=1, lt=MOST_IMAGES)
    """Images to report on."""
    varied: Varied = Varied()
    """What style `varied` looks like."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        if self.style == "classic" and self.image_size != poses.CLASSIC_SIZE:
            raise ValueError(
                f"image_size must be {poses.CLASSIC_SIZE} for style classic, got {self.image_size}"
            )
        largest = self.varied.scale[1] * poses.REACH + self.varied.line[1] + 1
        if self.style == "varied" and largest > self.image_size:
            raise ValueError(
                f"varied.scale goes up to {self.varied.scale[1]:g}, a figure of up to "
                f"{largest:.0f} px, which is more than image_size {self.image_size}"
            )
        return self


@dataclass(frozen=True)
class Figure:
    """What is in one image.

    Attributes:
        keypoints: [5, 2] xy pixels, in the order of `poses.KEYPOINTS`.
        visibility: [5] 1 hidden, 2 seen.
        box: [4] xyxy pixels around all that is drawn of it.
    """

    keypoints: Array
    visibility: NDArray[np.int64]
    box: Array


def make(parameters: Parameters, folder: str | Path) -> None:
    """Write images.tar, train.json, val.json and test.json into `folder`.

    The bytes depend on the parameters alone, not on the number of worker processes.
    """
    folder = Path(folder)
    jobs = [(parameters, s, k) for s in SPLITS for k in range(getattr(parameters, s))]
    figures: dict[str, list[Figure]] = {split: [] for split in SPLITS}

    def members() -> Iterator[tuple[str, bytes]]:
        drawn = workers.mapped(_drawn, jobs, "figures")
        for (_, split, index), (png, figure) in zip(jobs, drawn, strict=True):
            figures[split].append(figure)
            yield file_name(split, index), png

    store.pack(folder / "images.tar", members())
    for split in SPLITS:
        truth = truth_of(parameters, split, figures[split])
        write_json(folder / f"{split}.json", coco_keypoints.truth_document(truth))


def file_name(split: str, index: int) -> str:
    """The name of image `index` of a split in the archive."""
    return f"{split}/{index:06d}.png"


def pose(parameters: Parameters, split: str, index: int) -> Pose:
    """The figure in image `index` of a split, without drawing it."""
    return _pose(_generator(parameters, split, index), parameters)


def draw(parameters: Parameters, split: str, index: int) -> tuple[bytes, Figure]:
    """Image `index` of a split, as PNG in grey, and what is in it."""
    rng = _generator(parameters, split, index)
    figure = _pose(rng, parameters)
    if parameters.style == "classic":
        pixels, visibility = classic_pixels(figure), np.full(len(KEYPOINTS), coco_keypoints.SEEN)
    else:
        pixels, visibility = _varied_pixels(rng, parameters, figure)
    content = Figure(figure.keypoints, visibility, poses.box_of(figure))
    return store.encode_png(pixels), content


def _drawn(job: tuple[Parameters, str, int]) -> tuple[bytes, Figure]:
    return draw(*job)


def _generator(parameters: Parameters, split: str, index: int) -> np.random.Generator:
    return np.random.default_rng([parameters.seed, SPLITS.index(split), index])


def _pose(rng: np.random.Generator, parameters: Parameters) -> Pose:
    if parameters.style == "classic":
        return poses.classic(rng)
    v = parameters.varied
    scale, turn, line = rng.uniform(*v.scale), v.rotation * rng.uniform(-1, 1), rng.uniform(*v.line)
    front = rng.random() < v.front
    joints = poses.standing(rng.uniform(*v.arms, 2), rng.uniform(*v.legs, 2), front)
    return poses.placed(rng, joints, parameters.image_size, scale, turn, line)


def classic_pixels(figure: Pose) -> store.Pixels:
    """[128, 128] black on white, drawn by the library that the homework draws with."""
    image = Image.new("L", (poses.CLASSIC_SIZE, poses.CLASSIC_SIZE), drawing.LEVELS)
    brush = ImageDraw.Draw(image)
    joints = np.floor(figure.joints).astype(int)  # the indices of the pixels
    reach = int(figure.radius)
    head = (*(joints[poses.HEAD] - reach).tolist(), *(joints[poses.HEAD] + reach).tolist())
    brush.ellipse(head, outline=0, width=poses.CLASSIC_LINE)
    for start, end in (poses.TRUNK, *poses.LIMBS.values()):
        brush.line([*joints[start].tolist(), *joints[end].tolist()], 0, poses.CLASSIC_LINE)
    return np.asarray(image)


def _varied_pixels(
    rng: np.random.Generator, parameters: Parameters, figure: Pose
) -> tuple[store.Pixels, NDArray[np.int64]]:
    v, size = parameters.varied, parameters.image_size
    canvas = _ground(rng, v, size)
    dark = rng.uniform(0, v.ground[0] - v.contrast, 1)
    light = rng.uniform(v.ground[1] + v.contrast, drawing.LEVELS, 1)
    parts = _parts(figure, size)
    for part, patch in parts.items():
        drawing.paint(canvas, patch, light if part in poses.LEFT else dark)
    covers = [_cover(rng, v, figure, size) for _ in range(rng.integers(v.covers + 1))]
    for patch in covers:
        drawing.paint(canvas, patch, rng.uniform(*v.ground, 1))
    canvas += np.float32(v.noise) * rng.standard_normal(canvas.shape, dtype=np.float32)
    return drawing.to_pixels(canvas)[..., 0], _visibility(figure, parts, covers, size)


def _ground(rng: np.random.Generator, varied: Varied, size: int) -> drawing.Canvas:
    """[1, size, size]: a gradient in the ground's levels, blotches, lines and discs."""
    low, high = varied.ground
    shares = drawing.gradient(rng, size) / np.float32(drawing.LEVELS)
    canvas = np.float32(low) + np.float32(high - low) * shares
    drawing.add_texture(rng, canvas, varied.texture)
    for _ in range(rng.integers(varied.lines + 1)):
        drawing.add_line(rng, canvas)
    for _ in range(rng.integers(varied.discs + 1)):
        disc = drawing.disc(rng.uniform(0, size, 2), rng.uniform(0.02, 0.08) * size, size)
        drawing.paint(canvas, disc, rng.uniform(0, drawing.LEVELS, 3))
    return canvas[:1]


def _parts(figure: Pose, size: int) -> dict[int, drawing.Patch]:
    """What each part covers, from the rearmost: the trunk, head, right limbs, left limbs."""
    joints, line = figure.joints, figure.line
    parts = {
        poses.NECK: drawing.segment(*joints[list(poses.TRUNK)], line, size),
        poses.HEAD: drawing.disc(joints[poses.HEAD], figure.radius, size),
    }
    for end, limb in poses.LIMBS.items():
        parts[end] = drawing.segment(*joints[list(limb)], line, size)
    return parts


def _cover(rng: np.random.Generator, varied: Varied, figure: Pose, size: int) -> drawing.Patch:
    """A rectangle, turned any way, around some point of the way from the trunk to a keypoint."""
    end = int(rng.integers(len(KEYPOINTS)))
    start, _ = poses.LIMBS.get(end, poses.TRUNK)
    middle = figure.joints[start] + rng.random() * (figure.joints[end] - figure.joints[start])
    angle = rng.uniform(0, np.pi)
    sides = rng.uniform(*varied.cover, 2) * figure.radius / poses.RADIUS
    along = np.array([np.cos(angle), np.sin(angle)]) * sides[0] / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * sides[1] / 2
    corners = [-along - across, along - across, along + across, across - along]
    return drawing.polygon(middle + np.array(corners), size)


def _visibility(
    figure: Pose, parts: dict[int, drawing.Patch], covers: Sequence[drawing.Patch], size: int
) -> NDArray[np.int64]:
    """[5] whether at least half of each keypoint's own end is on top."""
    top = np.full((size, size), -1)
    for part, patch in (*parts.items(), *((len(figure.joints), cover) for cover in covers)):
        top[patch.rows, patch.columns][patch.mask] = part
    seen = np.empty(len(KEYPOINTS), bool)
    for part, keypoint in enumerate(figure.keypoints):
        own = _mask(parts[part], size)
        if part != poses.HEAD:
            own &= _mask(drawing.disc(keypoint, figure.line, size), size)
        seen[part] = (top[own] == part).mean() >= 0.5
    return np.where(seen, coco_keypoints.SEEN, coco_keypoints.HIDDEN)


def _mask(patch: drawing.Patch, size: int) -> NDArray[np.bool_]:
    whole = np.zeros((size, size), bool)
    whole[patch.rows, patch.columns] = patch.mask
    return whole


def truth_of(parameters: Parameters, split: str, figures: Sequence[Figure]) -> coco_keypoints.Truth:
    """The truth of a split's images, one figure each."""
    count, boxes = len(figures), np.array([figure.box for figure in figures])
    return coco_keypoints.Truth(
        source=split,
        image_ids=SPLITS.index(split) * MOST_IMAGES + 1 + np.arange(count),
        file_names=tuple(file_name(split, index) for index in range(count)),
        sizes=np.full((count, 2), parameters.image_size),
        names=KEYPOINTS,
        skeleton=poses.SKELETON,
        swaps=coco_keypoints.swaps(KEYPOINTS),
        category_id=1,
        category_name="figure",
        ids=1 + np.arange(count),
        image=np.arange(count),
        boxes=boxes,
        keypoints=np.array([figure.keypoints for figure in figures]),
        visibility=np.array([figure.visibility for figure in figures]),
        areas=box_ops.area(boxes),
        ambiguous=poses.CLASSIC_ALIKE if parameters.style == "classic" else (),
    )
