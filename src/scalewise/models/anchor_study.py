"""What a choice of anchors can reach, before any training. Numpy alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalewise import boxes as box_ops
from scalewise.coco import Truth
from scalewise.errors import InputError
from scalewise.models.anchors import STRIDES, Floats, Parameters, grid
from scalewise.scales import Scales

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
