"""How a model's distances grow with the size of the figure."""

from typing import TYPE_CHECKING

import numpy as np

from scalewise import bootstrap
from scalewise.evaluation import pck
from scalewise.evaluation.keypoint_distances import Distances
from scalewise.records import Bools, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

BINS = 8
ERRORS = ("error_px", "error_relative")
COLUMNS = (
    "group", "size_low", "size_high", "size", "n",
    *(f"{name}{end}" for name in ERRORS for end in ("", "_low", "_high")),
)  # fmt: skip


def error_by_size(
    found: Distances, resampling: bootstrap.Parameters, bins: int = BINS
) -> "pd.DataFrame":
    """The mean distance against the size of the figure, in bins of equally many figures.

    Args:
        found: distances.
        resampling: how intervals are made.
        bins: how many, at most; figures of the same size are in the same one.

    Returns:
        Columns `group` (`all`, or a keypoint), `size_low`, `size_high` (pixels, see
        `Distances.size`), `size` (their median), `n` keypoints, and for `error_px` and
        `error_relative` (in shares of the reference) the mean, `<name>_low` and `<name>_high`. A
        bin that holds an unanswered figure has no mean (NaN). No figures give no rows.
    """
    import pandas as pd

    kept = found.counted.any(axis=1)
    if not kept.any():
        return pd.DataFrame(columns=list(COLUMNS))
    shared, place = _bins(found.size, kept, bins)
    drawn = pck.draws(found.images, resampling)
    parts = {"all": found} | {name: found.of_keypoint(k) for k, name in enumerate(found.names)}
    tables = []
    for group, part in parts.items():
        n = np.bincount(place, part.counted.sum(axis=1), len(shared["size"])).astype(int)
        columns = {"group": group, **shared, "n": n}
        for name, values in zip(ERRORS, (part.pixels, part.relative), strict=True):
            means = _means(part, values, place, drawn)
            low, high = bootstrap.interval(means[1:], resampling.level)
            columns |= {name: means[0], f"{name}_low": low, f"{name}_high": high}
        tables.append(pd.DataFrame(columns, columns=list(COLUMNS)))
    return pd.concat(tables, ignore_index=True)


def _bins(size: Floats, kept: Bools, bins: int) -> tuple[dict[str, Floats], Ints]:
    """Columns that say what the bins are, and each figure's bin [T]; only `kept` ones matter."""
    edges = np.unique(np.quantile(size[kept], np.linspace(0, 1, bins + 1)))
    number = max(len(edges) - 1, 1)
    place = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, number - 1)
    filled = np.unique(place[kept])
    middle = np.array([np.median(size[kept & (place == b)]) for b in filled])
    ends = {"size_low": edges[:number][filled], "size_high": edges[-number:][filled]}
    return {**ends, "size": middle}, np.clip(np.searchsorted(filled, place), 0, len(filled) - 1)


def _means(found: Distances, values: Floats, place: Ints, drawn: Floats) -> Floats:
    """[B, bins], the mean of the values [T, K] of each bin in each draw."""
    bins = int(place.max()) + 1
    totals, counts = np.zeros((found.images, bins)), np.zeros((found.images, bins))
    finite = np.nan_to_num(values, posinf=0)
    np.add.at(totals, (found.image, place), finite.sum(axis=1))
    np.add.at(counts, (found.image, place), found.counted.sum(axis=1))
    n = drawn @ counts
    means = (drawn @ totals) / np.where(n > 0, n, np.nan)
    unanswered = np.bincount(place, np.isinf(values).sum(axis=1), bins) > 0
    return np.where(unanswered, np.nan, means)
