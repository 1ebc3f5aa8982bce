"""Images and label maps of a split at a segmenter's input size."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scalewise import label_maps
from scalewise.data.store import Pixels, Store
from scalewise.errors import InputError
from scalewise.examples import images
from scalewise.examples.images import Examples
from scalewise.label_maps import Truth
from scalewise.palettes import Labels

IGNORED = 255  # label of a pixel that takes no part in the loss


@dataclass(frozen=True)
class Split:
    """Labelled images and where they are.

    Attributes:
        truth: what the files say.
        store: the images and masks.
        files: what all of it is read from.
    """

    truth: Truth
    store: Store
    files: tuple[Path, ...]


def read(folder: Path, split: str) -> Split:
    """Read a split's truth; images and masks are decoded later.

    Raises:
        InputError: the file is no segmentation truth, it has no images, or there is no store.
    """
    truth = label_maps.read_truth(folder / f"{split}.json")
    if not len(truth):
        raise InputError(f"{truth.source}: there are no images")
    store = Store(folder)
    return Split(truth, store, (Path(truth.source), *store.files()))


def examples(split: Split, height: int, width: int, ignore_void: bool) -> Examples:
    """A whole split as `images` [N, 3, h, w] uint8 and `labels` [N, h, w] uint8.

    Each image is brought to the input's size as soon as it is decoded, so that the originals are
    never held together.

    Args:
        split: from `read`.
        height: of the input in pixels.
        width: of the input in pixels; images and masks are stretched to it, masks by their
            nearest pixel.
        ignore_void: whether void pixels become `IGNORED`.

    Raises:
        InputError: what `labelled` refuses.
    """
    truth, count = split.truth, len(split.truth)
    pixels = np.empty((count, 3, height, width), np.uint8)
    labels = np.empty((count, height, width), np.uint8)

    def place(n: int) -> None:
        image, mask = labelled(split, n)
        pixels[n] = images.planes(images.resized(image, height, width))
        nearest = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
        labels[n] = np.asarray(nearest)

    images.parallel(place, count)
    if ignore_void and truth.void is not None:
        labels[labels == truth.void] = IGNORED
    tensors = {"images": torch.from_numpy(pixels), "labels": torch.from_numpy(labels)}
    return Examples(truth.file_names, truth.category_names, tensors, split.files)


def batch(
    split: Split, chosen: Sequence[int], height: int, width: int
) -> tuple[Tensor, list[Labels]]:
    """Some images at the input's size, [B, 3, h, w] uint8, and their masks at their own.

    Raises:
        InputError: what `labelled` refuses.
    """

    def place(n: int) -> tuple[Pixels, Labels]:
        image, mask = labelled(split, chosen[n])
        return images.planes(images.resized(image, height, width)), mask

    pixels, masks = zip(*images.parallel(place, len(chosen)), strict=True)
    return torch.from_numpy(np.stack(pixels)), list(masks)


def labelled(split: Split, n: int) -> tuple[Pixels, Labels]:
    """Image `n` of a split [H, W, 3] uint8 and the class of each of its pixels [H, W] uint8.

    Raises:
        InputError: the image or its mask is missing, cannot be decoded or has another size than
            the other or the record; the mask is no grey image of 8 bits, or has a value beyond
            the classes.
    """
    truth, store, name = split.truth, split.store, split.truth.label_names[n]
    image, mask = images.decoded(truth, store, n), store.pixels(name, "L")
    where = f"{store.folder}: mask '{name}'"
    with Image.open(io.BytesIO(store.bytes_of(name))) as header:
        if header.mode != "L":  # its colours would have become levels of grey
            raise InputError(f"{where}: of mode {header.mode}, expected L: positions of classes")
    return image, label_maps.checked(mask, image.shape[1::-1], truth.category_names, where)
