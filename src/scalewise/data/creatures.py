"""Creatures: a drawn stand-in for the Russian Wildlife photographs, in the same layout.

`make` packs `<class>/<frame>_p_crop<number>_<class>.png`: ten classes with the real ones' names
and shares. Several crops are cut from one frame, which show the same individual in the same place
and light, as in the real set: a split that tears frames apart flatters. Pairs of kinds
(`kinds.TWINS`) look alike on purpose.

Section `creatures` of params.yaml.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scalewise.data import drawing, store, workers
from scalewise.data.creature import animals, coats, kinds, outlines, places
from scalewise.data.species import CLASSES, TOTALS
from scalewise.params import Record

Crop = tuple[int, int, int]  # position of the class, frame of that class, crop of that frame


class Parameters(Record):
    """Section `creatures` of params.yaml."""

    seed: int = Field(0, ge=0)
    """A crop depends on this, its class, frame and number alone, not on how many there are."""
    images: int = Field(1300, ge=20, le=1_000_000)
    """All crops, shared out among the classes as in the real set."""
    image_size: int = Field(64, ge=16, le=1024)
    """Side of the square crops, px."""
    crops: tuple[int, int] = (1, 4)
    """Fewest and most crops of one frame; 1, 1 leaves nothing to leak."""
    likeness: float = Field(0.5, ge=0, le=1)
    """How far kinds that look alike are moved towards each other; at 1 some meet."""
    fill: tuple[float, float] = (0.75, 1.15)
    """Share of a crop's side that a creature takes, least and most; above 1 is cut off."""
    infrared: float = Field(0.15, ge=0, le=1)
    """Share of frames without colours."""
    blur: tuple[float, float] = (0.3, 1.0)
    """Least and most standard deviation of the lens's blur, in 64ths of a side."""
    noise: float = Field(6, ge=0, le=128)
    """Standard deviation of the noise in every pixel, in levels."""
    growth: int = Field(4, ge=0, le=100)
    """Most blades of grass in front."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        if not 1 <= self.crops[0] <= self.crops[1] <= 100:
            raise ValueError(f"crops must be rising, from 1 to 100, got {list(self.crops)}")
        if not 0.1 <= self.fill[0] <= self.fill[1] <= 4:
            raise ValueError(f"fill must be rising, from 0.1 to 4, got {list(self.fill)}")
        if not 0 <= self.blur[0] <= self.blur[1] <= 16:
            raise ValueError(f"blur must be rising, from 0 to 16, got {list(self.blur)}")
        return self


def make(parameters: Parameters, folder: str | Path) -> None:
    """Write images.tar into `folder`.

    The bytes depend on the parameters alone, not on the number of worker processes.
    """
    crops = listed(parameters)
    jobs = [(parameters, crop) for crop in crops]

    def members() -> Iterator[tuple[str, bytes]]:
        yield from zip(
            map(file_name, crops), workers.mapped(_drawn, jobs, "creatures"), strict=True
        )

    store.pack(Path(folder) / "images.tar", members())


def counts(images: int) -> NDArray[np.int64]:
    """[10] crops of each class: the real set's shares of `images`, at least one each."""
    totals = np.array(list(TOTALS.values()))
    exact = totals * images / totals.sum()
    whole = np.maximum(exact.astype(np.int64), 1)
    missing = images - whole.sum()
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return whole


def listed(parameters: Parameters) -> list[Crop]:
    """Every crop, class by class and frame by frame; the last frame of a class may lack some."""
    return [
        crop
        for category, count in enumerate(counts(parameters.images).tolist())
        for crop in islice(_endless(parameters, category), count)
    ]


def _endless(parameters: Parameters, category: int) -> Iterator[Crop]:
    frame = 0
    while True:
        number = np.random.default_rng([parameters.seed, category, frame, 0])
        for crop in range(number.integers(*parameters.crops, endpoint=True)):
            yield category, frame, crop
        frame += 1


def file_name(crop: Crop) -> str:
    """The name of a crop in the archive; frames are numbered through all classes in turn."""
    category, frame, number = crop
    name = CLASSES[category]
    return f"{name}/{frame * len(CLASSES) + category:04d}_p_crop{number:02d}_{name}.png"


def draw(parameters: Parameters, crop: Crop) -> bytes:
    """One crop, as PNG."""
    category, frame, number = crop
    shared = np.random.default_rng([parameters.seed, category, frame, 1])
    own = np.random.default_rng([parameters.seed, category, frame, 2, number])
    size = parameters.image_size
    seen = places.place(shared, size, parameters.blur, parameters.infrared)
    creature = kinds.individual(shared, CLASSES[category], parameters.likeness)
    left, marks = shared.random() < 0.5, int(shared.integers(2**31))
    canvas = places.window(own, seen, size)
    turned = own.random() < 0.15
    _stand(own, canvas, creature, marks, left != turned, parameters.fill)
    places.grow(own, canvas, seen.growth, parameters.growth)
    return store.encode_png(
        drawing.to_pixels(places.photograph(own, canvas, seen, parameters.noise))
    )


def _stand(
    rng: np.random.Generator,
    canvas: drawing.Canvas,
    creature: kinds.Creature,
    marks: int,
    left: bool,
    fill: tuple[float, float],
) -> None:
    """Draw a creature in some pose; `marks` seeds its pattern. Changes the canvas."""
    parts = creature.body(animals.random_pose(rng))
    boxes = np.array([part.outline.box for part in parts])
    box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    stretch = np.exp(rng.normal(0, 0.15)) * (-1 if left else 1)
    shift, tilt = rng.normal(0, 0.06, 2), rng.normal(0, 0.06)
    view = outlines.looking_at(canvas, box, rng.uniform(*fill), shift, tilt, stretch)
    pattern = np.random.default_rng(marks)
    pelt = coats.pelt(pattern, creature.coat, view.u, view.v, creature.torso)
    for part in parts:
        colour = pelt if part.colour is None else part.colour[:, None, None]
        view.fill(part.outline, np.float32(part.shade) * colour.astype(np.float32))


def _drawn(job: tuple[Parameters, Crop]) -> bytes:
    return draw(*job)
