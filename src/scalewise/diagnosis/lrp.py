"""Localisation recall precision: which detections of a class are worth keeping.

For the detections of a class with a score of at least s,

    LRP(s) = (sum over hits of (1 - IoU) / (1 - IOU) + wrong + missed) / (hits + wrong + missed)

in [0, 1], 0 at best. The score at which it is least is the class's threshold: the point at
which a user would run the detector.

Source: Oksuz et al., ECCV 2018 (https://arxiv.org/abs/1807.01696) and PAMI 2021
(https://arxiv.org/abs/2011.10772); as the threshold of LaECE0, Kuzucu et al. 2024
(https://arxiv.org/abs/2405.20459).
"""

import numpy as np

from scalewise.coco import Floats, Ints
from scalewise.diagnosis.calibration import Judged, judged
from scalewise.diagnosis.matching import Matching

IOU = 0.5  # LRP as published


def thresholds(matching: Matching) -> Floats:
    """The LRP-optimal score of each class.

    Args:
        matching: the tuning split's, made at `IOU` or more.

    Returns:
        [C] in [0, 1]; of equal errors the highest score. A class whose LRP is 1 at every score
        (no objects, no detections, none right) keeps all its detections: 0.

    Raises:
        InputError: a score outside [0, 1].
    """
    found, positives = judged(matching, IOU, 0), matching.positives(0)
    error = errors(found, positives)
    tied = (found.category[1:] == found.category[:-1]) & (found.score[1:] == found.score[:-1])
    error[np.flatnonzero(tied)] = 1.0  # a threshold keeps all detections of its score
    best = np.ones(len(positives))
    np.minimum.at(best, found.category, error)
    chosen = np.zeros(len(positives))
    at = np.flatnonzero((error == best[found.category]) & (error < 1))
    np.maximum.at(chosen, found.category[at], found.score[at])
    return chosen


def errors(found: Judged, positives: Ints) -> Floats:
    """LRP of each class cut after each of its detections.

    Args:
        found: N detections by rising class and falling score, judged at `IOU`.
        positives: [C] objects to find of each class.

    Returns:
        [N] in [0, 1].
    """
    count = np.bincount(found.category, minlength=len(positives))
    start = (np.cumsum(count) - count)[found.category]
    kept = np.arange(1, len(start) + 1) - start
    hits = _running(found.hit, start)
    misplaced = _running(found.hit * (1 - found.iou) / (1 - IOU), start)
    missed = positives[found.category] - hits
    return (misplaced + kept - hits + missed) / (kept + missed)


def _running(values: Floats, start: Ints) -> Floats:
    """[N], sums from the start of each one's class up to it."""
    sums = np.append(0.0, np.cumsum(values))
    return sums[1:] - sums[start]
