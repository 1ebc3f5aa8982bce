"""Shapes: circles, squares and triangles on a plane, for the study of object scale.

Style `varied` draws class, size and colour independently, so that what depends on size can be
told from what depends on class. Style `classic` is the distribution of a graduate homework in
multi-scale detection, in which the three are one: for comparison with published numbers.

`make` brings either into the common form. In the JSON an object's `area` is that of its whole
outline, whatever covers it; `visibility` is the share of its pixels that no later object covers,
and `ignore` is 1 where that is below `min_visibility`.

Section `shapes` of params.yaml.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scalewise import boxes as box_ops
from scalewise import coco
from scalewise.data import drawing, scenes, store, workers
from scalewise.data.scenes import CLASSES, Item
from scalewise.files import write_json
from scalewise.params import Record

Array = NDArray[np.float64]

SPLITS = ("train", "val", "test")
MOST_IMAGES = 1_000_000  # a split's image ids are its position times this, and counting
CLASSIC_COLOURS = np.array([(255.0, 0, 0), (0, 255, 0), (0, 0, 255)])


class Varied(Record):
    """What style `varied` looks like; style `classic` has nothing to set."""

    objects: tuple[int, int] = (2, 8)
    """Fewest and most objects in an image; fewer than drawn where no place is left."""
    side: tuple[float, float] = (10, 180)
    """Shortest and longest side, log-uniform between: the longer side of an object's box, px."""
    tilt: float = Field(10, ge=0, le=45)
    """Largest rotation of squares and triangles either way, degrees; boxes stay exact."""
    overlap: float = Field(0.25, ge=0, le=0.35)
    """Largest share of an object's square that others may reach into; .35 hides no triangle."""
    contrast: float = Field(55, ge=0, le=120)
    """Distance of an object's colour from what lies under it: RMS over RGB, in 0-255 levels."""
    texture: float = Field(12, ge=0, le=128)
    """Standard deviation of the background's blotches, in levels."""
    noise: float = Field(5, ge=0, le=128)
    """Standard deviation of the noise in every pixel, in levels."""
    lines: int = Field(6, ge=0, le=100)
    """Most distractor lines behind the objects."""

    @model_validator(mode="after")
    def _checked(self) -> "Varied":
        if not 1 <= self.objects[0] <= self.objects[1]:
            raise ValueError(f"objects must be rising and at least 1, got {list(self.objects)}")
        if not 4 <= self.side[0] <= self.side[1]:
            raise ValueError(f"side must be rising and at least 4 px, got {list(self.side)}")
        return self


class Parameters(Record):
    """Section `shapes` of params.yaml."""

    style: Literal["varied", "classic"] = "varied"
    """Which distribution."""
    seed: int = Field(0, ge=0)
    """Image k of a split depends on this, the split and k alone, not on how many there are."""
    image_size: int = Field(224, ge=16, le=4096)
    """Side of the square images, px; style `classic` has 224."""
    train: int = Field(1000, ge=1, lt=MOST_IMAGES)
    """Images to train on."""
    val: int = Field(200, ge=1, lt=MOST_IMAGES)
    """Images to select and tune on."""
    test: int = Field(400, ge=1, lt=MOST_IMAGES)
    """Images to report on."""
    min_visibility: float = Field(0.1, ge=0, le=1)
    """Visible share below which an object is neither to be found nor to be missed."""
    varied: Varied = Varied()
    """What style `varied` looks like."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        if self.style == "classic" and self.image_size != scenes.CLASSIC_SIZE:
            raise ValueError(
                f"image_size must be {scenes.CLASSIC_SIZE} for style classic, got {self.image_size}"
            )
        if self.style == "varied" and self.varied.side[1] > self.image_size:
            raise ValueError(
                f"varied.side goes up to {self.varied.side[1]:g} px, which is more than "
                f"image_size {self.image_size}"
            )
        return self


@dataclass(frozen=True)
class Objects:
    """What is in one image: N objects.

    Attributes:
        categories: [N] positions in `CLASSES`.
        boxes: [N, 4] xyxy pixels, tight around each outline.
        areas: [N] pixels squared inside each outline, covered by others or not.
        visibility: [N] share of each object's pixels that no later one covers.
    """

    categories: NDArray[np.int64]
    boxes: Array
    areas: Array
    visibility: Array


def make(parameters: Parameters, folder: str | Path) -> None:
    """Write images.tar, train.json, val.json and test.json into `folder`.

    The bytes depend on the parameters alone, not on the number of worker processes.

    Raises:
        InputError: `varied.objects` do not fit into the images.
    """
    folder = Path(folder)
    jobs = [(parameters, s, k) for s in SPLITS for k in range(getattr(parameters, s))]
    objects: dict[str, list[Objects]] = {split: [] for split in SPLITS}

    def members() -> Iterator[tuple[str, bytes]]:
        drawn = workers.mapped(_drawn, jobs, "shapes")
        for (_, split, index), (png, content) in zip(jobs, drawn, strict=True):
            objects[split].append(content)
            yield file_name(split, index), png

    store.pack(folder / "images.tar", members())
    for split in SPLITS:
        write_json(folder / f"{split}.json", document(parameters, split, objects[split]))


def file_name(split: str, index: int) -> str:
    """The name of image `index` of a split in the archive."""
    return f"{split}/{index:06d}.png"


def scene(parameters: Parameters, split: str, index: int) -> tuple[Item, ...]:
    """The objects of image `index` of a split, in drawing order, without drawing them."""
    return _scene(_generator(parameters, split, index), parameters)


def draw(parameters: Parameters, split: str, index: int) -> tuple[bytes, Objects]:
    """Image `index` of a split, as PNG, and what is in it."""
    rng = _generator(parameters, split, index)
    items = _scene(rng, parameters)
    patches = [scenes.patch_of(item, parameters.image_size) for item in items]
    if parameters.style == "classic":
        pixels = _classic_pixels(items, patches)
    else:
        pixels = _varied_pixels(rng, parameters, patches)
    content = Objects(
        categories=np.array([item.category for item in items]),
        boxes=np.array([scenes.box_of(item) for item in items]),
        areas=np.array([scenes.area_of(item) for item in items]),
        visibility=scenes.visibility(patches, parameters.image_size),
    )
    return store.encode_png(pixels), content


def _drawn(job: tuple[Parameters, str, int]) -> tuple[bytes, Objects]:
    return draw(*job)


def _generator(parameters: Parameters, split: str, index: int) -> np.random.Generator:
    return np.random.default_rng([parameters.seed, SPLITS.index(split), index])


def _scene(rng: np.random.Generator, parameters: Parameters) -> tuple[Item, ...]:
    if parameters.style == "classic":
        return scenes.classic(rng)
    v = parameters.varied
    return scenes.varied(rng, parameters.image_size, v.objects, v.side, v.tilt, v.overlap)


def _classic_pixels(items: Sequence[Item], patches: Sequence[drawing.Patch]) -> store.Pixels:
    canvas = np.full((3, scenes.CLASSIC_SIZE, scenes.CLASSIC_SIZE), drawing.LEVELS, np.float32)
    for item, patch in zip(items, patches, strict=True):
        drawing.paint(canvas, patch.hard(), CLASSIC_COLOURS[item.category])
    return drawing.to_pixels(canvas)


def _varied_pixels(
    rng: np.random.Generator, parameters: Parameters, patches: Sequence[drawing.Patch]
) -> store.Pixels:
    varied = parameters.varied
    canvas = drawing.gradient(rng, parameters.image_size)
    drawing.add_texture(rng, canvas, varied.texture)
    for _ in range(rng.integers(varied.lines + 1)):
        drawing.add_line(rng, canvas)
    for patch in patches:
        ground = canvas[:, patch.rows, patch.columns]
        drawing.paint(canvas, patch, drawing.contrasting(rng, ground, varied.contrast))
    canvas += np.float32(varied.noise) * rng.standard_normal(canvas.shape, dtype=np.float32)
    return drawing.to_pixels(canvas)


def document(parameters: Parameters, split: str, images: Sequence[Objects]) -> dict[str, Any]:
    """The COCO document of a split, with each object's `visibility`."""
    seen = np.concatenate([objects.visibility for objects in images])
    truth = _truth(split, images, parameters.image_size, seen < parameters.min_visibility)
    result = coco.truth_document(truth)
    for annotation, share in zip(result["annotations"], seen.tolist(), strict=True):
        annotation["visibility"] = round(share, 4)
    return result


def _truth(
    split: str, images: Sequence[Objects], size: int, ignore: NDArray[np.bool_]
) -> coco.Truth:
    counts = [len(objects.categories) for objects in images]
    boxes = np.concatenate([objects.boxes for objects in images])
    return coco.Truth(
        source=split,
        image_ids=SPLITS.index(split) * MOST_IMAGES + 1 + np.arange(len(images)),
        file_names=tuple(file_name(split, index) for index in range(len(images))),
        sizes=np.full((len(images), 2), size),
        category_ids=1 + np.arange(len(CLASSES)),
        category_names=CLASSES,
        ids=1 + np.arange(len(boxes)),
        image=np.repeat(np.arange(len(images)), counts),
        category=np.concatenate([objects.categories for objects in images]),
        boxes=boxes,
        areas=np.concatenate([objects.areas for objects in images]).round(2),
        box_areas=box_ops.area(boxes),
        crowd=np.zeros(len(boxes), bool),
        ignore=ignore,
    )
