"""A detection split as tensors of one size: decoded once, kept together."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scalewise.coco import Truth
from scalewise.data.store import Pixels, Store
from scalewise.errors import InputError

PADDING = 114  # the grey around an image that is not square


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
    pixels, shrink = load_images(truth, store, size)
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


def load_images(truth: Truth, store: Store, size: int) -> tuple[Pixels, np.ndarray]:
    """Images [N, 3, size, size] uint8 and input pixels per original pixel [N].

    Each image is fitted as soon as it is decoded, so that the originals are never held together.
    """
    count = len(truth.image_ids)
    if not count:
        raise InputError(f"{truth.source}: there are no images")
    images = np.full((count, 3, size, size), PADDING, np.uint8)

    def place(n: int) -> float:
        pixels = store.pixels(truth.file_names[n])
        _check_size(pixels, truth, n, store)
        shrink = size / max(pixels.shape[:2])
        fitted = _fit(pixels, shrink)
        images[n, :, : fitted.shape[0], : fitted.shape[1]] = fitted.transpose(2, 0, 1)
        return shrink

    with ThreadPoolExecutor() as pool:  # PIL decodes outside the interpreter lock
        return images, np.array(list(pool.map(place, range(count))))


def _check_size(pixels: Pixels, truth: Truth, n: int, store: Store) -> None:
    (width, height), came = truth.sizes[n], pixels.shape[1::-1]
    if width > 0 and height > 0 and came != (width, height):
        raise InputError(
            f"{store.folder}: image '{truth.file_names[n]}' is {came[0]}x{came[1]} pixels, but its "
            f"record in {truth.source} says {width}x{height}"
        )


def _fit(pixels: Pixels, shrink: float) -> Pixels:
    if shrink == 1:
        return pixels
    height, width = (max(round(side * shrink), 1) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
