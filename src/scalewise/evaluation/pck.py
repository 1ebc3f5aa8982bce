"""PCK: the share of the keypoints that lie within t times a reference length of the truth.

With d the distance in pixels and l its figure's reference, a keypoint is right at the threshold t
when d <= t * l. PCK counts keypoints, not figures, over all images. Beside it stand the mean and
the median of d, which need no reference, and the swap-tolerant PCK, which forgives left for right.
An unanswered figure is wrong at every t and makes the mean infinite, so that leaving out what is
hard never pays; the mean is then left out.

Source: Yang and Ramanan 2013 (https://doi.org/10.1109/TPAMI.2012.261). Intervals: percentiles over
resampled images, see `scalewise.bootstrap`.
"""

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from scalewise import bootstrap
from scalewise.evaluation.keypoint_distances import Distances, Reference, reference_name
from scalewise.params import Record
from scalewise.records import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

CURVE = np.linspace(0, 0.3, 61)
ERRORS = MEAN, MEDIAN = "error_px_mean", "error_px_median"

Share = Annotated[float, Field(gt=0, le=1)]


class Parameters(Record):
    """Section `pck` of params.yaml."""

    reference: Reference = "box"
    """`box` (diagonal of the box around a figure's annotated keypoints), `image` (its longer
    side), or the names of two keypoints whose distance is the torso."""
    thresholds: tuple[Share, ...] = Field((0.05, 0.1, 0.15, 0.2), min_length=1)
    """Largest distances of a right keypoint, in shares of the reference."""
    failure: Share = 0.1
    """An image counts as failed when one of its keypoints is farther than this."""


def measure(threshold: float) -> str:
    """The name of the PCK at a threshold: `PCK_05`."""
    return f"PCK_{f'{100 * threshold:g}'.zfill(2)}"


def draws(images: int, parameters: bootstrap.Parameters) -> Floats:
    """[1 + B, I], how often each image counts: first each once, then as the resamples drew it."""
    drawn = bootstrap.weights(images, parameters)
    return np.concatenate([np.ones((1, images)), drawn])


def shares(found: Distances, thresholds: Floats, drawn: Floats) -> Floats:
    """[B, S], the PCK at each of S thresholds in each draw; NaN where nothing counts.

    Args:
        found: distances.
        thresholds: [S], in shares of the reference.
        drawn: [B, I], how often each image counts.
    """
    relative = found.relative
    right = np.stack([(relative <= t).sum(axis=1) for t in thresholds], axis=1)
    n = drawn @ per_image(found.counted.sum(axis=1), found)
    return (drawn @ per_image(right, found)) / np.where(n > 0, n, np.nan)[:, None]


def per_image(values: Ints | Floats, found: Distances) -> Floats:
    """[I, ...], the sum over each image's figures of values [T, ...]."""
    sums = np.zeros((found.images, *values.shape[1:]))
    np.add.at(sums, found.image, values)
    return sums


def mean_error(found: Distances, drawn: Floats) -> Floats:
    """[B], the mean distance in pixels in each draw; NaN where nothing counts or it is infinite."""
    if np.isinf(found.pixels).any():
        return np.full(len(drawn), np.nan)
    n = drawn @ per_image(found.counted.sum(axis=1), found)
    total = drawn @ per_image(np.nan_to_num(found.pixels).sum(axis=1), found)
    return total / np.where(n > 0, n, np.nan)


def median_error(found: Distances, drawn: Floats) -> Floats:
    """[B], the median distance in pixels in each draw; NaN where nothing counts or it is infinite.

    Exactly that of the images repeated as often as they were drawn.
    """
    rows, _ = np.nonzero(found.counted)
    pixels = found.pixels[found.counted]
    order = np.argsort(pixels, kind="stable")
    ranked, image = np.append(pixels[order], np.nan), found.image[rows[order]]
    medians = np.empty(len(drawn))
    for n, times in enumerate(drawn):
        upto = np.append(np.cumsum(times[image]), 0)
        count = upto[-2] if len(image) else 0
        middle = np.searchsorted(upto[:-1], [(count - 1) // 2, count // 2], side="right")
        medians[n] = ranked[middle].mean() if count else np.nan
    return np.where(np.isinf(medians), np.nan, medians)


def samples(found: Distances, thresholds: Floats, drawn: Floats) -> dict[str, Floats]:
    """Every measure in each draw, [B]: PCK_05 ..., error_px_mean, error_px_median."""
    by_threshold = shares(found, thresholds, drawn).T
    of_pck = {measure(t): values for t, values in zip(thresholds, by_threshold, strict=True)}
    return of_pck | {MEAN: mean_error(found, drawn), MEDIAN: median_error(found, drawn)}


def metrics(
    found: Distances, parameters: Parameters, resampling: bootstrap.Parameters
) -> dict[str, Any]:
    """Every number of one model.

    Returns:
        PCK_05 ..., error_px_mean, error_px_median; `keypoint.<name>` and `swap_tolerant` with the
        same names; `interval.<name>.low` and `.high`, also under `interval.swap_tolerant`; `n`
        keypoints that count, `images`, and `unanswered` and `without_reference` figures as in
        `Distances`; `reference`, and how the intervals were made. What is not defined is NaN.
    """
    thresholds = np.asarray(parameters.thresholds)
    drawn = draws(found.images, resampling)
    whole = samples(found, thresholds, drawn)
    tolerant = samples(found.swap_tolerant(), thresholds, drawn)
    return {
        **_of_data(whole),
        "keypoint": {
            name: _of_data(samples(found.of_keypoint(k), thresholds, drawn[:1]))
            | {"n": int(found.counted[:, k].sum())}
            for k, name in enumerate(found.names)
        },
        "swap_tolerant": _of_data(tolerant),
        "interval": {
            **intervals(whole, resampling.level),
            "swap_tolerant": intervals(tolerant, resampling.level),
        },
        **resampling.model_dump(),
        "n": int(found.counted.sum()),
        "images": found.images,
        "unanswered": found.unanswered,
        "without_reference": found.without_reference,
        "reference": reference_name(parameters.reference),
    }


def _of_data(sampled: dict[str, Floats]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in sampled.items()}


def intervals(sampled: dict[str, Floats], level: float) -> dict[str, dict[str, float]]:
    """`low` and `high` of each measure, from `samples` whose first draw is the data."""
    made = {}
    for name, values in sampled.items():
        low, high = bootstrap.interval(values[1:], level)
        made[name] = {"low": float(low), "high": float(high)}
    return made


def curve(found: Distances, resampling: bootstrap.Parameters) -> "pd.DataFrame":
    """PCK against the threshold from 0 to .3, with its interval.

    Returns:
        Columns `group` (`all`, or a keypoint), `kind` (`found`, `swap_tolerant`), `threshold`,
        `PCK`, `low`, `high`; NaN where nothing counts.
    """
    import pandas as pd

    drawn = draws(found.images, resampling)
    parts = {"all": found} | {name: found.of_keypoint(k) for k, name in enumerate(found.names)}
    tables = []
    for group, part in parts.items():
        for kind, one in (("found", part), ("swap_tolerant", part.swap_tolerant())):
            values = shares(one, CURVE, drawn)
            low, high = bootstrap.interval(values[1:], resampling.level)
            columns = {"threshold": CURVE, "PCK": values[0], "low": low, "high": high}
            tables.append(pd.DataFrame({"group": group, "kind": kind, **columns}))
    return pd.concat(tables, ignore_index=True)
