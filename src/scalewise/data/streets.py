"""Streets: made driving scenes in CamVid's layout, for segmentation.

Sequences of neighbouring frames, in which the camera drives on and things keep their identity.
With `by: image` the frames of one sequence come into different splits, as in CamVid's common split,
which shows what scores owe to that.

`make` packs images, colour labels and class_dict.csv into one images.tar, in the layout and under
the kind of names in which CamVid is handed on (`train/0003TR_000240.png` and
`train_labels/0003TR_000240_L.png`); data/camvid.py brings it into the common form.

Section `streets` of params.yaml.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from scalewise import palettes
from scalewise.data import store, workers
from scalewise.data.camvid_classes import CAMVID
from scalewise.data.street import layout, view
from scalewise.data.street.scenes import Street
from scalewise.params import Record

SPLITS = ("train", "val", "test")
LETTERS = {"train": "TR", "val": "VL", "test": "TS", "all": "ST"}  # of sequences, by where they go
RATE = 30  # frames a second that the numbers count, as CamVid's


class Parameters(Record):
    """Section `streets` of params.yaml."""

    seed: int = Field(0, ge=0)
    """Frame k of a split depends on this, the split and k alone, unless `by` is image."""
    size: tuple[int, int] = (320, 240)
    """Width and height of the frames, px; CamVid's are 960 by 720."""
    train: int = Field(720, ge=1)
    """Frames to train on."""
    val: int = Field(60, ge=1)
    """Frames to select and tune on."""
    test: int = Field(120, ge=1)
    """Frames to report on."""
    frames: int = Field(3, ge=1, le=1000)
    """Frames of a sequence."""
    gap: int = Field(30, ge=1, le=900)
    """From one frame to the next, in 30ths of a second; CamVid's is mostly 30."""
    by: Literal["sequence", "image"] = "sequence"
    """What is dealt to the splits: whole sequences, or frames of all of them at random."""
    noise: float = Field(5, ge=0, le=128)
    """Standard deviation of the noise in every pixel, levels."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        if not all(16 <= side <= 4096 for side in self.size):
            raise ValueError(f"size must be 16 to 4096 px either way, got {list(self.size)}")
        return self


@dataclass(frozen=True)
class Frame:
    """One frame to make.

    Attributes:
        split: where it goes.
        pool: whose sequence it is of: a split's, or that of `all`.
        sequence: which one.
        position: which frame of it.
    """

    split: str
    pool: str
    sequence: int
    position: int


def make(parameters: Parameters, folder: str | Path) -> None:
    """Write images.tar into `folder`.

    The bytes depend on the parameters alone, not on the number of worker processes.
    """
    jobs = [(parameters, frame) for frame in frames(parameters)]

    def members() -> Iterator[tuple[str, bytes]]:
        yield "class_dict.csv", palettes.text_of(CAMVID).encode()
        drawn = workers.mapped(_drawn, jobs, "streets")
        for (_, frame), (image, label) in zip(jobs, drawn, strict=True):
            name = frame_name(parameters, frame)
            yield f"{frame.split}/{name}.png", image
            yield f"{frame.split}_labels/{name}_L.png", label

    store.pack(Path(folder) / "images.tar", members())


def frames(parameters: Parameters) -> list[Frame]:
    """The frames of all splits, split by split, each in the order of its sequences."""
    counts = {split: getattr(parameters, split) for split in SPLITS}
    if parameters.by == "sequence":
        return [
            Frame(split, split, *divmod(k, parameters.frames))
            for split in SPLITS
            for k in range(counts[split])
        ]
    rng = np.random.default_rng([parameters.seed, len(SPLITS)])
    dealt = rng.permutation(np.repeat(SPLITS, list(counts.values())))
    return [
        Frame(split, "all", *divmod(int(k), parameters.frames))
        for split in SPLITS
        for k in np.flatnonzero(dealt == split)
    ]


def frame_name(parameters: Parameters, frame: Frame) -> str:
    """A name such as CamVid's `0006R0_f01920`: the sequence, then the number of the frame."""
    number = parameters.gap * (1 + frame.position)
    return f"{frame.sequence:04d}{LETTERS[frame.pool]}_{number:06d}"


def draw(parameters: Parameters, frame: Frame) -> tuple[store.Pixels, store.Pixels]:
    """A frame's image [H, W, 3] uint8 and the class position of each pixel [H, W] uint8."""
    key = (parameters.seed, list(LETTERS).index(frame.pool), frame.sequence)
    step = parameters.gap / RATE
    street, faces, shadows = _street(key, parameters.frames * step)
    rng = np.random.default_rng([*key, 1 + frame.position])
    pose = view.pose(rng, street, frame.position * step)
    camera = view.View(street, pose, parameters.size)
    return view.render(rng, camera, faces, shadows, parameters.noise)


def _drawn(job: tuple[Parameters, Frame]) -> tuple[bytes, bytes]:
    image, label = draw(*job)
    return store.encode_png(image), store.encode_png(palettes.to_colours(CAMVID, label))


@lru_cache(maxsize=2)
def _street(key: tuple[int, int, int], seconds: float) -> tuple[Street, view.Model, view.Model]:
    """A sequence's street, its faces and shadows: the frames of one come one after the other."""
    street = layout.street(np.random.default_rng([*key, 0]), seconds)
    lit, dark = (view.model(part, street.light) for part in (street.things, street.shadows))
    return street, lit, dark
