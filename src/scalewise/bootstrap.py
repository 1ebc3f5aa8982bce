"""Images drawn anew, with replacement: how far a number would move on other images.

What is measured once for each image is only counted anew, with weights. Section `bootstrap` of
params.yaml. Efron and Tibshirani 1993, chapters 12 and 13.
"""

import numpy as np
from pydantic import Field

from scalewise.params import Record
from scalewise.records import Floats, Ints


class Parameters(Record):
    """How intervals are made."""

    resamples: int = Field(1000, ge=1)
    """How many times the images are drawn anew."""
    level: float = Field(0.95, gt=0, lt=1)
    """Share of the cases in which an interval should hold the true value."""
    seed: int = Field(0, ge=0)
    """Start of the random numbers; the same for every model, so that resamples pair."""


def weights(count: int, parameters: Parameters) -> Ints:
    """[resamples, count], how often each of `count` images is drawn in each resample.

    No images give an empty table.
    """
    if not count:
        return np.zeros((parameters.resamples, 0), np.int64)
    rng = np.random.default_rng(parameters.seed)
    drawn = rng.integers(0, count, (parameters.resamples, count))
    drawn += np.arange(parameters.resamples)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=parameters.resamples * count).reshape(-1, count)


def interval(resampled: Floats, level: float) -> tuple[Floats, Floats]:
    """The percentile interval (low, high) of a statistic's resamples [B, ...], each [...].

    For means and ratios, which have next to no bias; AP has one, and
    `scalewise.diagnosis.bootstrap` says what is done there. Resamples where the statistic is not
    defined (NaN) are left out; without any that are, both ends are NaN.
    """
    tail = (1 - level) / 2
    known = ~np.isnan(resampled).all(axis=0)
    ends = np.full((2, *resampled.shape[1:]), np.nan)
    ends[:, known] = np.nanquantile(resampled[:, known], [tail, 1 - tail], axis=0)
    return ends[0], ends[1]
