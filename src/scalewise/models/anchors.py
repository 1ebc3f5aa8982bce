"""Anchors of the multi-scale detector: what the choice of sizes can reach, before any training.

Section `anchors` of params.yaml. Numpy alone, so that the anchors stage starts without torch.
One order of anchors holds everywhere (targets, predictions, decoding): level, row, column,
scale, ratio.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from scalewise import boxes as box_ops
from scalewise.coco import Truth
from scalewise.errors import InputError
from scalewise.params import Record
from scalewise.scales import Scales

Floats = NDArray[np.float64]
Sides = tuple[tuple[float, ...], ...]

STRIDES = (4, 8, 16)  # pixels between neighbouring cells of the three maps
PRESETS: dict[str, Sides] = {
    # Neighbours differ by 1.2 to 1.4: fine steps, and nothing above 90 pixels is reached.
    "small": ((8, 10, 12), (16, 20, 26), (34, 46, 64)),
    # Each side is sqrt(2) times the one before: every square from 10 to 190 pixels is reached.
    "balanced": ((10, 14, 20), (28, 40, 56), (80, 112, 160)),
    # The same for large objects; nothing below 23 pixels is reached.
    "large": ((32, 44, 56), (72, 88, 104), (128, 152, 176)),
}


class Parameters(Record):
    """Which anchors stand on each map."""

    scales: Literal["small", "balanced", "large"] | Sides = "balanced"
    """A preset, or one list of sides in pixels for each level, finest first."""
    ratios: tuple[float, ...] = Field((1.0,), min_length=1)
    """Width over height; an anchor of side s is s*sqrt(r) by s/sqrt(r)."""

    @field_validator("scales")
    @classmethod
    def _levels(cls, scales: str | Sides) -> str | Sides:
        if isinstance(scales, str):
            return scales
        if len(scales) != len(STRIDES) or not all(scales):
            raise ValueError(
                f"expected one list of sides for each of {len(STRIDES)} levels, got "
                f"{len(scales)} lists of lengths {[len(level) for level in scales]}"
            )
        if any(side <= 0 for level in scales for side in level):
            raise ValueError("every side must be above 0 pixels")
        if len({len(level) for level in scales}) > 1:
            raise ValueError(
                f"every level needs as many sides, got {[len(level) for level in scales]}"
            )
        return scales

    @field_validator("ratios")
    @classmethod
    def _positive(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        if min(ratios) <= 0:
            raise ValueError(f"every ratio must be above 0, got {list(ratios)}")
        return ratios

    @property
    def sides(self) -> Sides:
        """Sides in pixels, one tuple a level, a preset spelled out."""
        return PRESETS[self.scales] if isinstance(self.scales, str) else self.scales

    @property
    def per_cell(self) -> int:
        """How many anchors stand on one cell."""
        return len(self.sides[0]) * len(self.ratios)


def grid(parameters: Parameters, image_size: int) -> tuple[Floats, NDArray[np.int64]]:
    """Every anchor of a square image.

    Args:
        parameters: sides and ratios.
        image_size: side in pixels, a multiple of the coarsest stride.

    Returns:
        boxes [A, 4] xyxy pixels, not cut at the border, and the level [A] of each.
    """
    levels = [
        _level(sides, parameters.ratios, stride, image_size)
        for sides, stride in zip(parameters.sides, STRIDES, strict=True)
    ]
    level = np.repeat(np.arange(len(levels)), [len(boxes) for boxes in levels])
    return np.concatenate(levels), level


def _level(sides: tuple[float, ...], ratios: tuple[float, ...], stride: int, size: int) -> Floats:
    roots = np.sqrt(ratios)
    widths = np.outer(sides, roots).ravel()
    heights = np.outer(sides, 1 / roots).ravel()
    centre = (np.arange(size // stride) + 0.5) * stride
    y, x = np.meshgrid(centre, centre, indexing="ij")
    cells = np.stack([x, y, x, y], axis=-1)[:, :, None]  # [R, R, 1, 4]
    halves = np.stack([-widths, -heights, widths, heights], axis=-1) / 2  # [K, 4]
    return (cells + halves).reshape(-1, 4)


REACHED_IOU = 0.5  # from here an anchor reaches an object; the default of positive_iou


@dataclass(frozen=True)
class Study:
    """What anchors can reach of T objects, before any training.

    Attributes:
        sides: [T] square roots of the objects' areas, in original pixels.
        best: [L, T] best IoU of each object with an anchor of each level.
        positives: [T] anchors of any level at IoU >= .5.
        scale: [T] position of the object's scale.
    """

    sides: Floats
    best: Floats
    positives: NDArray[np.int64]
    scale: NDArray[np.int64]

    def metrics(self, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Recall at IoU .5, mean best IoU and positives per object, for `all` and each scale.

        Recall is given for each level too. A scale without objects is absent.
        """
        best = self.best.max(axis=0, initial=0)
        columns = {
            "recall": best >= REACHED_IOU,
            "best_iou": best,
            "positives_per_object": self.positives,
        }
        for n, level in enumerate(self.best):
            columns[f"recall_level_{n}"] = level >= REACHED_IOU
        return {name: self._means(values, names) for name, values in columns.items()}

    def _means(self, values: NDArray[Any], names: tuple[str, ...]) -> dict[str, float]:
        groups = {"all": np.ones(len(values), bool)}
        groups |= {name: self.scale == n for n, name in enumerate(names)}
        return {name: float(values[g].mean()) for name, g in groups.items() if g.any()}


def study(parameters: Parameters, truth: Truth, scales: Scales, image_size: int) -> Study:
    """Compare the anchors with every object that is not ignored.

    Args:
        parameters: the anchors.
        truth: with image sizes; its images are fitted into squares as for the detector.
        scales: decides each object's scale by its area in original pixels.
        image_size: side of the detector's input in pixels.
    """
    wanted = ~truth.ignore
    sizes = truth.sizes[truth.image[wanted]]
    if (sizes <= 0).any():
        raise InputError(f"{truth.source}: every image needs its width and height")
    boxes = truth.boxes[wanted] * (image_size / sizes.max(axis=1, keepdims=True))
    anchors, level = grid(parameters, image_size)
    parts = [coverage(boxes, anchors[level == n]) for n in range(len(STRIDES))]
    areas = truth.areas[wanted]
    return Study(
        sides=np.sqrt(areas),
        best=np.stack([best for best, _ in parts]),
        positives=np.sum([positives for _, positives in parts], axis=0),
        scale=scales.of(areas),
    )


def coverage(boxes: Floats, anchors: Floats, chunk: int = 256) -> tuple[Floats, NDArray[np.int64]]:
    """How well anchors can meet truth.

    Args:
        boxes: truth [T, 4] xyxy, in the pixels of the anchors' image.
        anchors: [A, 4] xyxy, one level's or all.
        chunk: truth boxes at a time, which bounds the memory.

    Returns:
        best IoU [T] of each box with any anchor, and the number [T] of anchors at IoU >= .5.
    """
    best, positives = np.zeros(len(boxes)), np.zeros(len(boxes), np.int64)
    for start in range(0, len(boxes), chunk):
        part = slice(start, start + chunk)
        iou = box_ops.iou(boxes[part], anchors)
        best[part] = iou.max(axis=1)
        positives[part] = (iou >= REACHED_IOU).sum(axis=1)
    return best, positives
