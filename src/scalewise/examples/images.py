"""The images of a split at one size: decoded once, in parallel, kept together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

from scalewise.data.store import Pixels, Store
from scalewise.errors import InputError
from scalewise.records import Floats, Ints

R = TypeVar("R")

PADDING = 114  # the grey around an image that is not square
CHANNELS = {"RGB": 3, "L": 1}


class Examples(NamedTuple):
    """A split, ready to learn from.

    Attributes:
        names: of the N images, for messages.
        categories: what the model tells apart (classes or keypoints), in order.
        tensors: what its loss reads, each with one row an image.
        files: what all of it was read from.
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]
    tensors: dict[str, Tensor]
    files: tuple[Path, ...]


class Pictured(Protocol):
    """What any kind of truth says of its images."""

    source: str
    file_names: tuple[str, ...]
    sizes: Ints


def check_same_categories(train: Examples, val: Examples) -> None:
    """Raise an InputError unless two splits tell the same things apart, in the same order."""
    if train.categories != val.categories:
        raise InputError(
            f"{val.files[0]}: its categories are {', '.join(val.categories)}; those of "
            f"{train.files[0]} are {', '.join(train.categories)}"
        )


def fitted(truth: Pictured, store: Store, size: int, mode: str = "RGB") -> tuple[Pixels, Floats]:
    """Images [N, C, size, size] uint8 and input pixels per original pixel [N].

    The longer side becomes `size`; the rest is padded at the right or the bottom. C is 3 for mode
    RGB, 1 for L. Each image is fitted as soon as it is decoded, so that the originals are never
    held together.

    Raises:
        InputError: no images, or one that is missing, cannot be decoded or has another size than
            its record says.
    """
    count = _count(truth)
    images = np.full((count, CHANNELS[mode], size, size), PADDING, np.uint8)

    def place(n: int) -> float:
        pixels = decoded(truth, store, n, mode)
        shrink = size / max(pixels.shape[:2])
        height, width = (max(round(side * shrink), 1) for side in pixels.shape[:2])
        images[n, :, :height, :width] = planes(resized(pixels, height, width))
        return shrink

    return images, np.array(parallel(place, count))


def stretched(truth: Pictured, store: Store, height: int, width: int, mode: str = "RGB") -> Pixels:
    """Images [N, C, height, width] uint8, whatever their own shape; see `fitted`."""
    count = _count(truth)
    images = np.empty((count, CHANNELS[mode], height, width), np.uint8)

    def place(n: int) -> None:
        images[n] = planes(resized(decoded(truth, store, n, mode), height, width))

    parallel(place, count)
    return images


def decoded(truth: Pictured, store: Store, n: int, mode: str = "RGB") -> Pixels:
    """Image `n` of a truth, [H, W, 3] or [H, W] uint8.

    Raises:
        InputError: it is missing, cannot be decoded or has another size than its record says.
    """
    pixels = store.pixels(truth.file_names[n], mode)
    (width, height), came = truth.sizes[n], pixels.shape[1::-1]
    if width > 0 and height > 0 and came != (width, height):
        raise InputError(
            f"{store.folder}: image '{truth.file_names[n]}' is {came[0]}x{came[1]} pixels, but its "
            f"record in {truth.source} says {width}x{height}"
        )
    return pixels


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """An image [H, W] or [H, W, 3] at another size; PIL's bilinear filter, which averages."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def window(pixels: Pixels, place: Floats, size: int) -> Pixels:
    """The square `place` (left, top, side) of an image at size x size pixels.

    What lies beside the image is grey. Sub-pixel places are kept.
    """
    left, top, side = place
    if (left, top) == (0, 0) and pixels.shape[:2] == (side, side):
        return resized(pixels, size, size)
    low = np.floor([left, top]).astype(int)
    reach = int(np.ceil(max(left - low[0], top - low[1]) + side))
    grey = np.full((reach, reach, *pixels.shape[2:]), PADDING, np.uint8)
    cut = Image.fromarray(grey)
    cut.paste(Image.fromarray(pixels), (int(-low[0]), int(-low[1])))
    box = (left - low[0], top - low[1], left - low[0] + side, top - low[1] + side)
    return np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR, box=box))


def planes(pixels: Pixels) -> Pixels:
    """[H, W] or [H, W, 3] as [C, H, W]."""
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _count(truth: Pictured) -> int:
    if not truth.file_names:
        raise InputError(f"{truth.source}: there are no images")
    return len(truth.file_names)


def parallel(place: Callable[[int], R], count: int) -> list[R]:
    """`place` of 0..count-1, in order, in threads: PIL decodes outside the interpreter lock."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(place, range(count)))
