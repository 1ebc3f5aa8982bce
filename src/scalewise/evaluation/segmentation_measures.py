"""IoU, Dice, precision, recall and accuracy of each class from pixels that are counted.

With TP the pixels of a class that are said to be of it, T those that are of it and P those that
are said to be:

    IoU = TP / (T + P - TP)     Dice = 2 TP / (T + P) = 2 IoU / (1 + IoU)
    precision = TP / P          recall = TP / T
    accuracy = (TP + TN) / all pixels, of the class against the rest: near 1 for any rare class

All are taken from the pixels of all images together, not image by image. What is not there is
absent, not 0: a class that no truth pixel has is *absent* (no IoU, Dice, recall; left out of the
means), one that is never said is *unpredicted* (no precision; left out of mean precision alone).
Absent classes that are said all the same cost the others their recall.

Sources: Everingham et al. 2010 (https://doi.org/10.1007/s11263-009-0275-4) for IoU; Dice 1945.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalewise.records import Floats, Ints

MEANS = {"mIoU": "IoU", "mDice": "Dice", "mPrecision": "precision", "mRecall": "recall"}


@dataclass(frozen=True)
class Counts:
    """Pixels of C classes, of each image, of all of them or of each resample.

    Attributes:
        hit: [..., C], of the class and said to be.
        truth: [..., C], of the class.
        predicted: [..., C], said to be of the class.
    """

    hit: Ints | Floats
    truth: Ints | Floats
    predicted: Ints | Floats

    def total(self) -> "Counts":
        """[C], of all images [N, C]."""
        return Counts(*(part.sum(axis=0) for part in vars(self).values()))

    def resampled(self, drawn: Ints) -> "Counts":
        """[R, C], of images [N, C] that are drawn so many times, [R, N]."""
        weights = drawn.astype(np.float64)  # whole up to 2^53, and many times as fast
        return Counts(*(weights @ part for part in vars(self).values()))


def counts(matrices: Ints, void: int | None = None) -> Counts:
    """[N, C] of matrices [N, C, C].

    Pixels whose truth is the class `void` are left out. Void said of others is an error still:
    it is not counted for void, which then is absent, but missing in their recall.
    """
    hit = np.diagonal(matrices, axis1=1, axis2=2).astype(np.int64)  # a copy
    truth = matrices.sum(axis=2, dtype=np.int64)
    predicted = matrices.sum(axis=1, dtype=np.int64)
    if void is not None:
        predicted -= matrices[:, void].astype(np.int64)
        hit[:, void] = truth[:, void] = predicted[:, void] = 0
    return Counts(hit, truth, predicted)


def measures(found: Counts) -> dict[str, Floats]:
    """`IoU`, `Dice`, `precision`, `recall` and `accuracy`, [..., C] in [0, 1].

    NaN where the module calls a class absent or unpredicted; accuracy is so without any pixel.
    """
    hit, truth, predicted = found.hit, found.truth, found.predicted
    either = truth + predicted - hit
    pixels = truth.sum(axis=-1, keepdims=True)
    there = truth > 0
    return {
        "IoU": _ratio(hit, either, there),
        "Dice": _ratio(2 * hit, truth + predicted, there),
        "precision": _ratio(hit, predicted, predicted > 0),
        "recall": _ratio(hit, truth, there),
        "accuracy": _ratio(pixels - either + hit, pixels, pixels > 0),
    }


def means(found: Counts) -> dict[str, Floats]:
    """`mIoU`, `mDice`, `mPrecision`, `mRecall` over the classes present, and `pixel_accuracy`.

    Each [...]; NaN where no class is present, for mean precision where none of them is said.
    """
    by_class = measures(found)
    there = found.truth > 0
    made = {name: mean(np.where(there, by_class[of], np.nan)) for name, of in MEANS.items()}
    pixels = found.truth.sum(axis=-1)
    return made | {"pixel_accuracy": _ratio(found.hit.sum(axis=-1), pixels, pixels > 0)}


def _ratio(part: Any, whole: Any, defined: Any) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(defined, np.true_divide(part, whole), np.nan)


def mean(values: Floats) -> Floats:
    """Over the last axis, of what is defined; NaN without any."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1), known.any(axis=-1))
