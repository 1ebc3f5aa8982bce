"""Confusion matrices of label maps: counted image by image, kept in one small file.

A matrix has a row for each class that is there and a column for each that was said. One an image
is enough for every metric and interval: the label maps themselves are needed for pictures alone.
"""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalewise.errors import InputError
from scalewise.files import replacing
from scalewise.records import Floats, Ints

Labels = NDArray[np.integer[Any]]
DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Confusions:
    """What is known of N images and C classes.

    Attributes:
        source: where it came from, for messages.
        matrices: [N, C, C] pixels, truth x prediction, in the order of the truth's images.
        loss: [N], each image's mean loss; [1] where only the mean of all is known; [0] if none.
    """

    source: str
    matrices: Ints
    loss: Floats


def confusion(truth: Labels, prediction: Labels, classes: int) -> Ints:
    """[C, C], how many pixels of each class (row) are said to be of each (column).

    Args:
        truth: [H, W], positions of classes; any shape will do, an empty one gives zeros.
        prediction: the same for what was said.
        classes: C.

    Raises:
        InputError: two shapes, or a label that is none of the C classes.
    """
    if truth.shape != prediction.shape:
        raise InputError(
            f"expected a prediction of the truth's shape {truth.shape}, got {prediction.shape}"
        )
    _check_range(truth, classes, "truth")
    _check_range(prediction, classes, "prediction")
    cells = truth.astype(np.int64).ravel() * classes + prediction.ravel()
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def _check_range(labels: Labels, classes: int, whose: str) -> None:
    if labels.dtype.kind not in "iu":
        raise InputError(f"{whose}: expected whole numbers as labels, got {labels.dtype}")
    for label in (labels.min(), labels.max()) if labels.size else ():
        if not 0 <= label < classes:
            raise InputError(f"{whose}: label {label}, expected 0 to {classes - 1}")


class Accumulator:
    """The matrices of N images, filled batch by batch; no pixel is kept.

    It takes 4 C^2 bytes an image (4 kB for 32 classes) from the start and nothing more later.
    """

    def __init__(self, images: int, classes: int) -> None:
        self._matrices = np.zeros((images, classes, classes), np.int32)
        self._filled = 0

    def add(self, truth: Sequence[Labels], prediction: Sequence[Labels]) -> None:
        """Count the next images: a batch [B, H, W] of each, or lists of maps of any sizes.

        Raises:
            InputError: as `confusion` does, with the image's place in the split.
        """
        for one, other in zip(truth, prediction, strict=True):
            try:
                found = confusion(one, other, self._matrices.shape[1])
            except InputError as error:
                raise InputError(f"image {self._filled} of the split: {error}") from None
            self._matrices[self._filled] = found
            self._filled += 1

    @property
    def matrices(self) -> Ints:
        """[N, C, C], of all images."""
        assert self._filled == len(self._matrices), (self._filled, len(self._matrices))
        return self._matrices


def write(path: str | Path, matrices: Ints, loss: Floats | float | None = None) -> None:
    """Write the matrices [N, C, C] and the loss as a compressed NPZ that depends on them alone.

    Args:
        path: the file, ending in .npz.
        matrices: as in `Confusions`.
        loss: [N] of each image, or the mean of all; None where it was not measured.
    """
    arrays = {"confusion": matrices}
    if loss is not None:
        arrays["loss"] = np.asarray(loss, np.float64)
    with replacing(path) as scratch:
        np.savez_compressed(scratch, **arrays)


def read(path: str | Path, images: int, classes: int) -> Confusions:
    """Read what `write` wrote, for a truth of so many images and classes.

    Raises:
        InputError: no such file, not an NPZ, another number of images or classes, counts below 0,
            a loss that is no number.
    """
    path = Path(path)
    arrays = _arrays(path)
    if "confusion" not in arrays:
        raise InputError(f"{path}: 'confusion' is missing; found: {', '.join(arrays) or 'nothing'}")
    matrices = arrays["confusion"]
    if matrices.shape != (images, classes, classes) or matrices.dtype.kind not in "iu":
        raise InputError(
            f"{path}: 'confusion' is {matrices.dtype} {list(matrices.shape)}; its truth has "
            f"{images:,} images and {classes} classes: expected whole numbers "
            f"[{images}, {classes}, {classes}]"
        )
    if matrices.size and matrices.min() < 0:
        raise InputError(f"{path}: 'confusion' holds {matrices.min()}, expected pixels from 0 on")
    return Confusions(str(path), matrices, _loss(path, arrays.get("loss"), images))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except (*DAMAGED, TypeError, AttributeError) as error:  # the last two: a single array, no NPZ
        raise InputError(f"{path}: expected an NPZ of arrays, but {error}") from None


def _loss(path: Path, loss: NDArray[Any] | None, images: int) -> Floats:
    if loss is None:
        return np.zeros(0)
    if loss.size not in (1, images) or loss.dtype.kind not in "iuf":
        raise InputError(f"{path}: 'loss' is {loss.dtype} {list(loss.shape)}, expected [{images}]")
    if not np.isfinite(loss).all():
        raise InputError(f"{path}: 'loss' holds a number that is not finite")
    return loss.astype(np.float64).ravel()
