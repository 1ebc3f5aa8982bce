import math

import numpy as np
import pytest

from scalewise.diagnosis import calibration_measures as measures

NONE = np.zeros(0)


def slow_ece(scores: list[float], hits: list[bool], bins: int) -> float:
    """The definition, one bin and one detection at a time."""
    total = 0.0
    for n in range(bins):
        last = n == bins - 1
        inside = [
            (s, h)
            for s, h in zip(scores, hits, strict=True)
            if n / bins <= s and (s < (n + 1) / bins or last)
        ]
        if inside:
            confidence = sum(s for s, _ in inside) / len(inside)
            precision = sum(h for _, h in inside) / len(inside)
            total += len(inside) / len(scores) * abs(precision - confidence)
    return total


@pytest.mark.parametrize(
    ("score", "place"), [(0, 0), (0.09999, 0), (0.1, 1), (0.3, 3), (0.7, 7), (0.999, 9), (1, 9)]
)
def test_a_bin_holds_its_lower_edge_and_the_last_one_both(score, place):
    assert measures.bin_of(np.array([score]), 10) == place


@pytest.mark.parametrize("seed", range(40))
def test_ece_equals_its_definition(seed):
    rng = np.random.default_rng(seed)
    bins = int(rng.integers(1, 20))
    scores = rng.choice([rng.random(50).round(1), rng.random(50)])
    hits = rng.random(50) < scores
    found = measures.ece(scores, hits, measures.bin_of(scores, bins))
    assert found == pytest.approx(slow_ece(scores.tolist(), hits.tolist(), bins))


def test_adaptive_bins_hold_equal_counts():
    # By score .1 .2 | .8 .9 with hits 0 1 | 1 1: |.15 - .5| and |.85 - 1|, each for half.
    scores, hits = np.array([0.9, 0.1, 0.8, 0.2]), np.array([True, False, True, True])
    assert measures.adaptive_ece(scores, hits, 2) == pytest.approx((0.35 + 0.15) / 2)


def test_adaptive_bins_of_one_detection_each_give_the_mean_distance():
    scores, hits = np.array([0.9, 0.1, 0.8]), np.array([True, False, False])
    assert measures.adaptive_ece(scores, hits, 10) == pytest.approx((0.1 + 0.1 + 0.8) / 3)


def test_laece_is_a_class_mean_against_the_mean_iou():
    # Two bins. Class 0: .6 and .8 share a bin, IoUs .9 and 0 (wrong): |.7 - .45| = .25. Class 2:
    # .2 alone, IoU .6: .4. Class 1 has no detections and does not count.
    score, iou = np.array([0.6, 0.2, 0.8]), np.array([0.9, 0.6, 0.0])
    category = np.array([0, 2, 0])
    assert measures.laece(score, iou, category, 2) == pytest.approx((0.25 + 0.4) / 2)


def test_laace_is_a_class_mean_of_single_distances():
    # Class 0: |.6 - .9| and |.8 - 0|, mean .55; class 2: .4.
    score, iou = np.array([0.6, 0.2, 0.8]), np.array([0.9, 0.6, 0.0])
    assert measures.laace(score, iou, np.array([0, 2, 0])) == pytest.approx((0.55 + 0.4) / 2)


@pytest.mark.parametrize(
    "measure",
    [
        lambda: measures.ece(NONE, NONE, NONE.astype(int)),
        lambda: measures.adaptive_ece(NONE, NONE, 10),
        lambda: measures.laece(NONE, NONE, NONE.astype(int), 25),
        lambda: measures.laace(NONE, NONE, NONE.astype(int)),
    ],
    ids=["ece", "adaptive_ece", "laece", "laace"],
)
def test_no_detections_have_no_error(measure):
    assert math.isnan(measure())


def test_wilson_of_1_in_2():
    # z = 1.96: middle .5, half z / sqrt(2) * sqrt(1/4 + z^2 / 8) / (1 + z^2 / 2) = .4055.
    low, high = measures.wilson(np.array([0.5]), np.array([2.0]))
    assert (low[0], high[0]) == pytest.approx((0.5 - 0.4055, 0.5 + 0.4055), abs=1e-4)
