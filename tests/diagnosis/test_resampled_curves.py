from fractions import Fraction

import numpy as np
import pytest

from scalewise.diagnosis import curves, resampled_curves


@pytest.mark.parametrize("seed", range(20))
def test_ap_of_runs_equals_the_definition_in_fractions(seed):
    # Three classes of 9, 4 and 1 runs, in turns: abc ab ab ab a a a a a. 13 of `wanted` is no
    # multiple of 10, so that no recall is met just where COCO's grid is a bit late.
    rng = np.random.default_rng(seed)
    turns = np.array([0, 3, 5, 7, 9, 10, 11, 12, 13, 14])
    category = np.array([0, 1, 2, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0])
    hits, wrong = rng.integers(0, 4, (2, 14))
    wanted = np.array([29, 13, 3])
    expected = 0.0
    for c in range(3):
        own = category == c
        expected += slow_ap(hits[own].tolist(), wrong[own].tolist(), int(wanted[c]))
    columns = [np.array(v, np.float32)[:, None] for v in (hits, hits + wrong, wanted[category])]
    assert resampled_curves._summed_ap(*columns, turns)[0] == pytest.approx(expected, abs=1e-6)


def slow_ap(hits: list[int], wrong: list[int], wanted: int) -> float:
    """101-point AP of one class, one recall at a time."""
    total = 0.0
    for n in range(101):
        tp = seen = 0
        reached = [0.0]
        for hit, miss in zip(hits, wrong, strict=True):
            tp, seen = tp + hit, seen + hit + miss
            if seen and Fraction(tp, wanted) >= Fraction(n, 100):
                reached.append(tp / seen)
        total += max(reached)
    return total / 101


@pytest.mark.parametrize("wanted", [1, 7, 10, 20, 29, 100, 101, 300])
def test_recalls_are_reached_as_in_cocoeval(wanted):
    hits = np.arange(wanted + 1)
    expected = np.searchsorted(curves.RECALLS, hits / wanted, side="right") - 1
    columns = [np.array(v, np.float32)[:, None] for v in (hits, np.full(len(hits), wanted))]
    assert resampled_curves._recalls_reached(*columns)[:, 0].tolist() == expected.tolist()
