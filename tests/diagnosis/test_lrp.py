import numpy as np
import pytest

from scalewise.diagnosis import lrp
from scalewise.diagnosis.calibration import judged
from scalewise.diagnosis.matching import match
from scalewise.scales import Scales

A, B = (100, 100, 40, 40), (500, 500, 40, 40)
THREE_QUARTERS = (100, 100, 40, 30)  # of A: IoU .75
NOTHING = (900, 900, 40, 40)


def matched(case):
    return match(case.truth, case.results, Scales(), [lrp.IOU])


def slow_threshold(case, category: int) -> float:
    """The definition: every score of the class tried in turn, the highest of the best."""
    found = judged(matched(case), lrp.IOU, 0)
    own = found.of(found.category == category)
    objects = int(matched(case).positives(0)[category])
    best, chosen = 1.0, 0.0
    for score in sorted(set(own.score.tolist()), reverse=True):
        kept = own.of(own.score >= score)
        hits = int(kept.hit.sum())
        wrong, missed = len(kept.score) - hits, objects - hits
        misplaced = sum((1 - iou) / 0.5 for iou in kept.iou[kept.hit].tolist())
        error = (misplaced + wrong + missed) / (hits + wrong + missed)
        if error < best - 1e-12:
            best, chosen = error, score
    return chosen


def test_lrp_of_a_few_boxes(simple):
    # Two objects. By score: a hit of IoU .75 (.5 of a mistake), a wrong one, a hit of IoU 1.
    # Cut after each: (.5 + 0 + 1) / 2, (.5 + 1 + 1) / 3, (.5 + 0 + 1 + 0) / 3.
    found = [(0, 0, THREE_QUARTERS, 0.9), (0, 0, NOTHING, 0.8), (0, 0, B, 0.7)]
    ready = matched(simple([(0, 0, A), (0, 0, B)], found))
    errors = lrp.errors(judged(ready, lrp.IOU, 0), ready.positives(0))
    assert errors.tolist() == pytest.approx([1.5 / 2, 2.5 / 3, 1.5 / 3])
    assert lrp.thresholds(ready).tolist() == [0.7, 0]


def test_of_equal_errors_the_highest_score_is_taken(simple):
    # One object, found at once; then nothing but wrong ones, which make it worse.
    case = simple([(0, 0, A)], [(0, 0, A, 0.9), (0, 0, NOTHING, 0.8), (0, 0, NOTHING, 0.1)])
    assert lrp.thresholds(matched(case))[0] == 0.9
    # A hit of IoU .75, then one of .5: (.5 + 1) / 2 and (.5 + 1 + 0) / 2.
    two = [(0, 0, THREE_QUARTERS, 0.9), (0, 0, (500, 500, 40, 20), 0.8)]
    case = simple([(0, 0, A), (0, 0, B)], two)
    errors = lrp.errors(judged(matched(case), lrp.IOU, 0), matched(case).positives(0))
    assert errors.tolist() == [0.75, 0.75]
    assert lrp.thresholds(matched(case))[0] == 0.9


def test_a_threshold_keeps_all_detections_of_its_score(simple):
    # LRP is (0 + 0 + 1) / 2 = 1/2 at .9. At .8 the second hit comes with one wrong one, (0 + 1
    # + 0) / 3, or with three, (0 + 3 + 0) / 5.
    found = [(0, 0, A, 0.9), (0, 0, B, 0.8), (0, 0, NOTHING, 0.8)]
    case = simple([(0, 0, A), (0, 0, B)], found)
    assert lrp.thresholds(matched(case))[0] == 0.8
    worse = simple([(0, 0, A), (0, 0, B)], [*found, (0, 0, NOTHING, 0.8), (0, 0, NOTHING, 0.8)])
    assert lrp.thresholds(matched(worse))[0] == 0.9


@pytest.mark.parametrize("seed", range(40))
def test_thresholds_equal_their_definition(cases, seed):
    case = cases(seed, images=20, ties=bool(seed % 2))
    found = lrp.thresholds(matched(case))
    expected = [slow_threshold(case, c) for c in range(len(found))]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ([(0, 0, A)], []),
        ([(0, 0, A)], [(0, 0, NOTHING, 0.9)]),
        ([(0, 0, A)], [(0, 1, A, 0.9)]),
        ([(0, 0, A)], [(0, 0, (100, 100, 40, 20), 0.9)]),  # IoU just .5: as bad as a miss
    ],
    ids=["no detections", "all wrong", "class without objects", "worst hit"],
)
def test_a_class_that_gains_nothing_keeps_everything(simple, objects, found):
    assert lrp.thresholds(matched(simple(objects, found))).tolist() == [0, 0]


def test_detections_on_a_crowd_count_neither_way(simple):
    crowd = (500, 100, 200, 200)
    objects = [(0, 0, A), (0, 0, crowd, {"iscrowd": 1})]
    ready = matched(simple(objects, [(0, 0, (510, 110, 40, 40), 0.9), (0, 0, A, 0.8)]))
    errors = lrp.errors(judged(ready, lrp.IOU, 0), ready.positives(0))
    assert errors.tolist() == [0]
    assert np.array_equal(lrp.thresholds(ready), [0.8, 0])
