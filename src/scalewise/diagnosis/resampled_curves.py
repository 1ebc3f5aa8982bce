"""AP of many resamples at once: a precision-recall curve as runs of hits, counted by image.

With the images weighted, a curve is two sparse products (hits and rows of each run), running
sums and a running maximum. The operations are those of `curves`, but for float32, with whole
weights up to 2^24 rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scalewise.coco import Floats, Ints
from scalewise.diagnosis.curves import RECALLS
from scalewise.diagnosis.matching import Matching, place_in_group
from scalewise.diagnosis.tide import Curve

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Recalls that COCO's grid puts a bit above n / 100: n hundredths of the objects do not reach them.
LATE = (np.arange(101) / 100 < RECALLS).astype(np.float32)
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Runs:
    """A curve of K rows as R runs of hits with nothing wrong between them.

    Within a run precision only rises, so the best precision from any of its hits on is that
    from its last: one number a run is all that AP needs.

    The runs stand in turns: first the best run of every class, then the second of every class
    that has one, and so on, each turn with the classes of most runs first. So the runs of a
    turn follow on the first ones of the turn before, and all classes are summed up at once.

    Attributes:
        hits: [R, I] sparse, hits of each run by image.
        seen: [R, I] sparse, rows from the end of the run before to the end of this one.
        category: [R], each run's class.
        turns: [J + 1], where each turn begins.
        wanted: [C, I] sparse, objects to find by class and image.
        rows: [1, I] sparse, all K rows by image, those after the last run too.
    """

    hits: "csr_array"
    seen: "csr_array"
    category: Ints
    turns: Ints
    wanted: "csr_array"
    rows: "csr_array"


def runs_of(matching: Matching, curve: Curve) -> Runs:
    """A curve over the rows of a matching in the form that is resampled."""
    same_next = np.append(curve.category[1:] == curve.category[:-1], False)
    ends = curve.hit & ~(same_next & np.append(curve.hit[1:], False))
    category = curve.category[ends]
    run = np.cumsum(ends) - ends
    kept = np.append(category, -1)[run] == curve.category  # not after the last hit of a class
    order, turns = _in_turns(category)
    row = np.append(np.argsort(order), -1)[run]
    image, hit = matching.image[curve.rows], kept & curve.hit
    truth, wanted = matching.truth, curve.wanted
    classes, images = len(truth.category_ids), len(truth.image_ids)
    return Runs(
        hits=counts(row[hit], image[hit], (len(category), images)),
        seen=counts(row[kept], image[kept], (len(category), images)),
        category=category[order],
        turns=turns,
        wanted=counts(truth.category[wanted], truth.image[wanted], (classes, images)),
        rows=counts(np.zeros_like(image), image, (1, images)),
    )


def _in_turns(category: Ints) -> tuple[Ints, Ints]:
    """The order of `Runs` for runs by rising class, [R], and where its turns begin, [J + 1]."""
    place, count = place_in_group(category), np.bincount(category)
    order = np.lexsort((-count[category], place))
    return order, np.append(0, np.cumsum(np.bincount(place)))


def counts(
    row: Ints, image: Ints, shape: tuple[int, int], values: Floats | None = None
) -> "csr_array":
    """Sparse sums of `values` (1 without) by row and image."""
    from scipy.sparse import csr_array

    data = np.ones(len(row), np.float32) if values is None else values.astype(np.float32)
    return csr_array((data, (row, image)), shape=shape)


def mean_ap(runs: Runs, block: Weights, present: Ints) -> Floats:
    """Mean AP over the classes that have objects, [b] in [0, 1].

    Args:
        runs: the curve.
        block: [I, b] weights of the images.
        present: [b], how many classes have objects before any fix.

    Returns:
        NaN where none has; 1 where a fix leaves neither object nor detection, as in
        `tide.mean_ap`.
    """
    wanted, rows = runs.wanted @ block, (runs.rows @ block)[0]
    hits, seen = runs.hits @ block, runs.seen @ block
    total = _summed_ap(hits, seen, wanted[runs.category], runs.turns)
    mean = np.divide(total, present, out=np.full(len(total), np.nan), where=present > 0)
    nothing = (rows == 0) & (present > 0) & ~wanted.any(axis=0)
    return np.where(nothing, 1.0, mean)


def _summed_ap(hits: Weights, seen: Weights, wanted: Weights, turns: Ints) -> Floats:
    """The classes' 101-point APs together, [b].

    Args:
        hits: [R, b] of each run, in turns; overwritten.
        seen: [R, b] rows of each run; overwritten.
        wanted: [R, b] objects of each run's class.
        turns: [J + 1], where each turn begins.
    """
    # numpy's own cumulation along the first axis takes five times as long.
    steps = [
        (slice(start, start + stop - own), slice(own, stop))
        for start, own, stop in zip(turns, turns[1:], turns[2:], strict=False)
    ]
    for before, own in steps:
        hits[own] += hits[before]
        seen[own] += seen[before]
    best = hits / np.maximum(seen, 1, out=seen)
    gained = _recalls_reached(hits, wanted)
    for before, own in reversed(steps):
        np.maximum(best[before], best[own], out=best[before])
        gained[own] -= gained[before]
    gained[: turns[min(1, len(turns) - 1)]] += 1  # recall 0 is the first run's
    return np.einsum("rb,rb->b", best, gained, dtype=np.float64) / len(RECALLS)


def _recalls_reached(hits: Weights, wanted: Weights) -> Weights:
    """[R, b], the last of COCO's 101 recalls that hits / wanted reaches in floating point."""
    exact = 100 * hits / np.maximum(wanted, 1)
    reached = np.floor(exact)
    flat = reached.reshape(-1)
    met = np.flatnonzero(exact == reached)
    flat[met] -= LATE[flat[met].astype(np.int64)]
    return reached
