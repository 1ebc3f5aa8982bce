"""Measures of calibration on plain arrays: scores and what became of them.

Sources: D-ECE, Kuppers et al. 2020 (https://arxiv.org/abs/2004.13546); adaptive ECE, Nguyen and
O'Connor 2015 (https://arxiv.org/abs/1508.05154); LaECE, Oksuz et al. 2023
(https://arxiv.org/abs/2307.00934); LaACE, Kuzucu et al. 2024 (https://arxiv.org/abs/2405.20459);
Wilson 1927.
"""

import numpy as np

from scalewise.records import Bools, Floats, Ints

SIDE_OF_95 = 1.959963984540054  # standard normal quantile of a two-sided 95% interval
NAN = float("nan")


def bin_of(score: Floats, bins: int) -> Ints:
    """[N], the equal-width bin of each score: [i / bins, (i + 1) / bins), the last one closed."""
    edges = np.arange(1, bins) / bins
    return np.searchsorted(edges, score, side="right")


def ece(score: Floats, target: Floats | Bools, place: Ints) -> float:
    """Expected calibration error, in [0, 1]; NaN without detections.

    sum over bins m of n_m / n * abs(mean target_m - mean score_m).

    Args:
        score: [N] in [0, 1].
        target: [N], right or wrong, or the IoU in [0, 1] the score should tell.
        place: [N], each detection's bin.
    """
    if not len(score):
        return NAN
    return float(np.abs(np.bincount(place, weights=target - score)).sum() / len(score))


def adaptive_ece(score: Floats, hit: Bools, bins: int) -> float:
    """ECE over bins of equal count (within one) by rising score; NaN without detections."""
    order = np.argsort(score, kind="stable")
    place = np.empty(len(score), np.int64)
    place[order] = np.arange(len(score)) * bins // max(len(score), 1)
    return ece(score, hit, place)


def laece(score: Floats, iou: Floats, category: Ints, bins: int) -> float:
    """Location-aware ECE: the mean over classes of sum_j n_j / n * abs(score_j - iou_j).

    Args:
        score: [N] in [0, 1].
        iou: [N] in [0, 1], with the object found; 0 for a wrong detection.
        category: [N], classes from 0; those without detections do not count.
        bins: equal-width bins over the score.

    Returns:
        In [0, 1]; NaN without detections.
    """
    if not len(score):
        return NAN
    error = np.bincount(category * bins + bin_of(score, bins), weights=iou - score)
    of_class = np.add.reduceat(np.abs(error), np.arange(0, len(error), bins))
    count = np.bincount(category)
    return float(np.mean(of_class[count > 0] / count[count > 0]))


def laace(score: Floats, iou: Floats, category: Ints) -> float:
    """Location-aware adaptive error, a bin a detection: mean over classes of mean abs(s - iou).

    Arguments and result as for `laece`.
    """
    if not len(score):
        return NAN
    count = np.bincount(category)
    error = np.bincount(category, weights=np.abs(score - iou))
    return float(np.mean(error[count > 0] / count[count > 0]))


def wilson(share: Floats, count: Floats) -> tuple[Floats, Floats]:
    """Wilson's 95% interval of shares [N] seen in counts [N]; NaN where they are NaN."""
    spread = SIDE_OF_95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + (spread / 2) ** 2) / (1 + spread)
    return middle - half, middle + half


def diagram(score: Floats, target: Floats | Bools, bins: int) -> dict[str, Floats | Ints]:
    """The columns of one reliability diagram, a row a bin.

    Args:
        score: [N] in [0, 1].
        target: [N], right or wrong, or the IoU in [0, 1] the score should tell; for an IoU,
            which varies less than right and wrong of the same mean, Wilson's interval is wide.
        bins: equal-width bins over the score.

    Returns:
        bin_low, bin_high, confidence, precision (mean target), precision_low, precision_high,
        count, each [bins]; NaN where a bin is empty.
    """
    place = bin_of(score, bins)
    count = np.bincount(place, minlength=bins)
    some = np.where(count > 0, count, np.nan)
    precision = np.bincount(place, weights=target, minlength=bins) / some
    low, high = wilson(precision, some)
    return {
        "bin_low": np.arange(bins) / bins,
        "bin_high": np.arange(1, bins + 1) / bins,
        "confidence": np.bincount(place, weights=score, minlength=bins) / some,
        "precision": precision,
        "precision_low": low,
        "precision_high": high,
        "count": count,
    }
