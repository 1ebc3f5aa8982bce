"""Precision at fixed recalls, for every class at once.

Source: pycocotools `COCOeval.accumulate`; the same operations in the same order, so that the
numbers are equal to the last digit.
"""

import numpy as np

from scalewise.coco import Bools, Floats, Ints

RECALLS = np.linspace(0, 1, 101)  # pycocotools' own expression: the bits matter


def precision_at_recalls(category: Ints, hit: Bools, positives: Ints) -> Floats:
    """The highest precision at each recall or beyond it.

    p(r) = max of tp_k / (tp_k + fp_k) over the detections k with tp_k / positives >= r; 0 where
    no detection gets that far.

    Args:
        category: [D] rising class of each detection, by falling score within a class.
        hit: [D], right or wrong.
        positives: [C] objects to find of each class.

    Returns:
        [C, 101] in [0, 1]. A class with nothing to find is all 0: the caller knows it.
    """
    # Precision only rises at a hit, so a maximum over all detections is one over the hits.
    hits = np.flatnonzero(hit)
    own = category[hits]
    count = np.bincount(own, minlength=len(positives))
    start = np.cumsum(count) - count
    tp = np.arange(len(hits)) - start[own] + 1
    seen = hits - np.searchsorted(category, np.arange(len(positives)))[own] + 1
    # After the hits of each class comes one slot of 0: recalls that are never reached.
    slots = np.zeros(len(hits) + len(positives))
    slots[np.arange(len(hits)) + own] = tp / (seen + np.spacing(1))
    first = start + np.arange(len(positives))
    needed = hits_needed(positives)
    index = first[:, None] + np.clip(needed - 1, 0, count[:, None])
    best = np.maximum.reduceat(slots, index.ravel()).reshape(index.shape)
    best[positives == 0] = 0
    return np.maximum.accumulate(best[:, ::-1], axis=1)[:, ::-1]


def hits_needed(positives: Ints) -> Ints:
    """[C, 101], the fewest hits k with k / positives >= recall in floating point."""
    total = np.maximum(positives, 1)[:, None]
    guess = np.ceil(RECALLS * total).astype(np.int64)
    guess -= (guess - 1) / total >= RECALLS
    return guess + (guess / total < RECALLS)
