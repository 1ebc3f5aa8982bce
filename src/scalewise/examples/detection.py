"""Images and boxes of a split at a detector's input size."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scalewise.coco import Truth
from scalewise.data.store import Store
from scalewise.examples import images


@dataclass(frozen=True)
class Split:
    """N images at a detector's input size, and their truth.

    Attributes:
        images: [N, 3, S, S] uint8; a smaller side is padded at the right or the bottom.
        shrink: [N] float32, input pixels per original pixel.
        boxes: [N, M, 4] float32 xyxy in input pixels; rows past an image's objects are zero.
        labels: [N, M] int64 category positions; -1 where there is no object.
        ignored: [N, M] bool, neither to be found nor to be missed.
    """

    images: Tensor
    shrink: Tensor
    boxes: Tensor
    labels: Tensor
    ignored: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """What training reads; every tensor has N rows."""
        names = ("images", "boxes", "labels", "ignored")
        return {name: getattr(self, name) for name in names}


def load(truth: Truth, store: Store, size: int) -> Split:
    """Decode and fit every image of a truth into size x size pixels.

    Raises:
        InputError: no images, or one that is missing, cannot be decoded or has another size than
            its record says.
    """
    pixels, shrink = images.fitted(truth, store, size)
    count = np.bincount(truth.image, minlength=len(truth.image_ids))
    rows = max(int(count.max(initial=0)), 1)
    order = np.argsort(truth.image, kind="stable")
    image = truth.image[order]
    slot = np.arange(len(truth)) - (np.cumsum(count) - count)[image]
    boxes = np.zeros((len(count), rows, 4), np.float32)
    labels = np.full((len(count), rows), -1)
    ignored = np.zeros((len(count), rows), bool)
    boxes[image, slot] = truth.boxes[order] * shrink[image, None]
    labels[image, slot] = truth.category[order]
    ignored[image, slot] = truth.ignore[order]
    return Split(
        images=torch.from_numpy(pixels),
        shrink=torch.from_numpy(shrink.astype(np.float32)),
        boxes=torch.from_numpy(boxes),
        labels=torch.from_numpy(labels),
        ignored=torch.from_numpy(ignored),
    )
