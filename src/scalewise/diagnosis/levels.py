"""Which pyramid level finds which object size, counted from predictions.

A detection carries its level as the extra key `level` of the COCO results. True positives at
IoU .5 are counted by their level and the scale of the object they found. Results that do not
know their levels, as those of other people's detectors, have no counts.
"""

from typing import TYPE_CHECKING

import numpy as np

from scalewise.coco import Ints
from scalewise.diagnosis.matching import Matching
from scalewise.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

IOU = 0.5


def counts(matching: Matching) -> tuple[Ints, Ints]:
    """How many objects of each scale each level found.

    Returns:
        levels: [L] rising, the level numbers of the results; empty without detections or where
            they carry no `level`.
        found: [S, L] counts of true positives.

    Raises:
        InputError: levels that are no whole numbers.
    """
    of_row = _levels(matching)
    if of_row is None:
        return np.zeros(0, np.int64), np.zeros((len(matching.scales.names), 0), np.int64)
    levels, level = np.unique(of_row, return_inverse=True)
    rows = matching.counted(0, IOU)
    taken = matching.taken[0, matching.at(IOU), rows]
    rows, taken = rows[taken >= 0], taken[taken >= 0]
    shape = (len(matching.scales.names), len(levels))
    scale = matching.scales.of(matching.truth.areas[taken])
    cell = scale * shape[1] + level[rows]
    return levels, np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)


def _levels(matching: Matching) -> Ints | None:
    """[D], each row's level; None where the results do not say."""
    level = matching.results.extra.get("level")
    if level is None:
        return None
    if level.dtype.kind not in "iu":
        raise InputError(
            f"{matching.results.source}: expected a whole number 'level' in every detection, got "
            f"{level[0]!r} in the first"
        )
    return level[matching.order]


def table(matching: Matching) -> "pd.DataFrame":
    """Columns scale, level, count, share (of the scale's found objects; NaN where none is)."""
    import pandas as pd

    levels, found = counts(matching)
    total = found.sum(axis=1, keepdims=True)
    share = np.divide(found, total, out=np.full(found.shape, np.nan), where=total > 0)
    columns = {
        "scale": np.repeat(matching.scales.names, len(levels)),
        "level": np.tile(levels, len(found)),
        "count": found.ravel(),
        "share": share.ravel(),
    }
    return pd.DataFrame(columns)


def metrics(matching: Matching) -> dict[str, dict[str, float]]:
    """`share.<scale>.<level>`: of the objects of a scale that were found, the level's share."""
    levels, found = counts(matching)
    return {
        "share": {
            scale: {str(level): n / row.sum() for level, n in zip(levels, row, strict=True)}
            for scale, row in zip(matching.scales.names, found, strict=True)
            if row.any()
        }
    }
