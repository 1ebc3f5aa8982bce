"""Images and keypoints of a split at a net's input size: one example an annotated figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from scalewise import coco_keypoints
from scalewise.coco_keypoints import SEEN, Truth
from scalewise.data.store import Pixels, Store
from scalewise.errors import InputError
from scalewise.examples import images
from scalewise.params import Record
from scalewise.records import Floats


class Input(Record):
    """What a keypoint net looks at."""

    size: int = Field(128, gt=0, multiple_of=16)
    """Side of the square input in pixels."""
    channels: Literal[1, 3] = 1
    """1: grey; 3: colour."""
    window: Literal["image", "box"] = "image"
    """What is fitted into the input: the whole image, or a square around the figure's box."""
    margin: float = Field(1.25, ge=1)
    """Side of that square over the longer side of the box."""


@dataclass(frozen=True)
class Split:
    """N figures of K keypoints.

    Attributes:
        truth: what they were read from, one annotation a figure.
        images: [N, C, S, S] uint8.
        windows: [N, 3], left, top and side in original pixels of what the input shows.
        points: [N, K, 2] float32 xy in input pixels.
        visible: [N, K] bool, seen and within what the input shows; the others take no part.
        files: what all of it was read from.
    """

    truth: Truth
    images: Tensor
    windows: Floats
    points: Tensor
    visible: Tensor
    files: tuple[Path, ...]


def load(folder: Path, split: str, rules: Input) -> Split:
    """Read a split, one example an annotation.

    Raises:
        InputError: no annotation, an image without its width and height in the JSON, or one that
            is missing, cannot be decoded or has another size than its record says.
    """
    truth, store = coco_keypoints.read_truth(folder / f"{split}.json"), Store(folder)
    if not len(truth.ids):
        raise InputError(f"{truth.source}: there is no figure to train or select on")
    windows = _windows(truth, rules)
    shrink = rules.size / windows[:, 2]
    points = (truth.keypoints - windows[:, None, :2]) * shrink[:, None, None]
    shown = ((points >= 0) & (points <= rules.size)).all(axis=2)
    return Split(
        truth=truth,
        images=torch.from_numpy(_pixels(truth, store, windows, rules)),
        windows=windows,
        points=torch.from_numpy(points.astype(np.float32)),
        visible=torch.from_numpy(shown & (truth.visibility == SEEN)),
        files=(Path(truth.source), *store.files()),
    )


def original(points: Floats, windows: Floats, size: int) -> Floats:
    """Points [N, K, 2] in input pixels, in original pixels."""
    return points * (windows[:, None, 2:] / size) + windows[:, None, :2]


def _windows(truth: Truth, rules: Input) -> Floats:
    """[N, 3], left, top and side of the square that each example shows."""
    sizes = truth.sizes[truth.image].astype(np.float64)
    if (sizes <= 0).any():
        name = truth.file_names[truth.image[np.argmax((sizes <= 0).any(axis=1))]]
        raise InputError(f"{truth.source}: image '{name}' needs its width and height")
    if rules.window == "image":
        return np.concatenate([np.zeros_like(sizes), sizes.max(axis=1, keepdims=True)], axis=1)
    low, high = np.clip(truth.boxes[:, :2], 0, sizes), np.clip(truth.boxes[:, 2:], 0, sizes)
    side = np.maximum((high - low).max(axis=1, keepdims=True), 1) * rules.margin
    return np.concatenate([(low + high - side) / 2, side], axis=1)


def _pixels(truth: Truth, store: Store, windows: Floats, rules: Input) -> Pixels:
    """[N, C, S, S] uint8; what lies beside the image is grey."""
    mode = "L" if rules.channels == 1 else "RGB"

    def shown(n: int) -> Pixels:
        pixels = images.decoded(truth, store, truth.image[n], mode)
        return images.planes(images.window(pixels, windows[n], rules.size))

    return np.stack(images.parallel(shown, len(windows)))
