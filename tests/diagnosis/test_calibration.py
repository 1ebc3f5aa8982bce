import math

import numpy as np
import pytest

from scalewise.diagnosis import calibration
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.scales import Scales

A, B, C = (100, 100, 40, 40), (500, 500, 40, 40), (100, 500, 10, 10)
NOTHING = (900, 900, 40, 40)
DEFAULT = calibration.Parameters()


def measured(case, parameters=DEFAULT):
    ious = calibration.thresholds(parameters)
    return calibration.metrics(match(case.truth, case.results, Scales(), ious), parameters)


def test_ece_gap_and_count_of_a_few_boxes(simple):
    # Bin [.9, 1]: one hit at .95, |1 - .95| = .05. Bin [.6, .7): a hit and a miss at .62 and
    # .66, |.5 - .64| = .14. ECE = 1/3 * .05 + 2/3 * .14; mean score .743, precision 2/3.
    case = simple([(0, 0, A), (0, 0, B)], [(0, 0, A, 0.95), (0, 0, B, 0.62), (0, 0, NOTHING, 0.66)])
    found = measured(case)
    assert found["ece"]["all"] == pytest.approx((0.05 + 2 * 0.14) / 3)
    assert found["gap"]["all"] == pytest.approx((0.95 + 0.62 + 0.66) / 3 - 2 / 3)
    assert found["n"] == {"all": 3, "small": 0, "medium": 3, "large": 0}
    assert found["ece"].keys() == {"all", "medium"}
    assert (found["iou"], found["bins"], found["floor"]) == (0.5, 10, 0)


def test_crowd_excused_detections_are_left_out_and_doubles_are_wrong(simple):
    crowd = (700, 100, 200, 200)
    case = simple(
        [(0, 0, A), (0, 0, crowd, {"iscrowd": 1})],
        [(0, 0, A, 0.9), (0, 0, A, 0.8), (0, 0, (720, 120, 40, 40), 0.7)],
    )
    found = measured(case)
    assert found["n"]["all"] == 2
    assert found["gap"]["all"] == pytest.approx(0.85 - 0.5)


def test_a_detection_belongs_to_the_scale_of_its_object(simple):
    # The object is 31 x 31 (small), its detection 33 x 31 (medium); the empty one is medium.
    case = simple([(0, 0, (0, 0, 31, 31))], [(0, 0, (0, 0, 34, 31), 0.9), (0, 0, NOTHING, 0.2)])
    assert measured(case)["n"] == {"all": 2, "small": 1, "medium": 1, "large": 0}


def test_the_floor_leaves_lower_scores_out(simple):
    case = simple([(0, 0, A)], [(0, 0, A, 0.9), (0, 0, NOTHING, 0.29), (0, 0, NOTHING, 0.3)])
    assert measured(case, calibration.Parameters(floor=0.3))["n"]["all"] == 2


@pytest.mark.parametrize("seed", range(60))
def test_ece_of_all_is_at_most_the_weighted_sum_over_scales(cases, seed):
    case = cases(seed, images=20, ties=bool(seed % 2))
    found = measured(case, calibration.Parameters(bins=1 + seed % 15))
    n = found["n"]
    scales = [name for name in found["ece"] if name != "all"]
    assert sum(n[name] for name in scales) == n["all"]
    bound = sum(n[name] / n["all"] * found["ece"][name] for name in scales)
    assert found["ece"]["all"] <= bound + 1e-12
    assert abs(found["gap"]["all"]) <= found["ece"]["all"] + 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_all_equals_hotcoco(cases, seed):
    import hotcoco

    case = cases(seed, ties=False)
    coco = hotcoco.COCO(case.truth_document)
    evaluation = hotcoco.COCOeval(coco, coco.load_res(case.results_document), "bbox")
    evaluation.evaluate()
    expected = evaluation.calibration(n_bins=10, iou_threshold=0.5)
    assert measured(case)["ece"]["all"] == pytest.approx(expected["ece"], abs=1e-9)
    assert measured(case)["n"]["all"] == expected["num_detections"]


def test_no_detections_have_no_ece(simple):
    case = simple([(0, 0, A)], [])
    assert measured(case)["ece"] == measured(case)["laace0"] == {}
    assert measured(case)["class"] == {}
    assert measured(case)["n"] == {"all": 0, "small": 0, "medium": 0, "large": 0}
    table = calibration.reliability(match(case.truth, case.results, Scales()), DEFAULT)
    assert table["count"].sum() == 0


def test_scores_outside_0_and_1_are_named(simple):
    case = simple([(0, 0, A)], [(0, 0, A, 0.9), (0, 0, B, 87.5), (0, 0, B, -1.0)])
    with pytest.raises(InputError, match=r"results: .* in \[0, 1\], got 87.5 in record 1 \(2 such"):
        measured(case)


def test_reliability_has_a_row_a_bin_with_wilsons_interval(simple):
    case = simple([(0, 0, A), (0, 0, B)], [(0, 0, A, 0.95), (0, 0, B, 0.62), (0, 0, NOTHING, 0.66)])
    table = calibration.reliability(match(case.truth, case.results, Scales()), DEFAULT)
    assert len(table) == 40
    row = table[(table["group"] == "all") & (table["bin_low"] == 0.6)].iloc[0]
    assert (row["bin_high"], row["count"], row["precision"]) == (0.7, 2, 0.5)
    assert row["confidence"] == pytest.approx(0.64)
    assert row["precision_low"] == pytest.approx(0.5 - 0.4055, abs=1e-4)  # Wilson, 1 of 2
    assert math.isnan(table["precision"].iloc[0])


def test_classes_are_measured_one_by_one(simple):
    # Class a: a hit at .9. Class b: a wrong one at .3.
    case = simple([(0, 0, A)], [(0, 0, A, 0.9), (0, 1, NOTHING, 0.3)])
    assert measured(case)["class"] == {
        "a": {"ece": pytest.approx(0.1), "gap": pytest.approx(-0.1), "n": 1},
        "b": {"ece": pytest.approx(0.3), "gap": pytest.approx(0.3), "n": 1},
    }


def test_location_aware_errors_match_from_a_tenth_and_from_any_overlap(simple):
    # 40 x 8 of 40 x 40 is an IoU of .2: wrong at .5, right at .1 and 0, where |.3 - .2| = .1.
    # 40 x 2 is .05: right only at 0. One class, different bins of 25: laece is the mean of .1
    # and .6 (IoU counted as 0), laace0 of .1 and .55.
    case = simple(
        [(0, 0, A), (0, 0, B)],
        [(0, 0, (100, 100, 40, 8), 0.3), (0, 0, (500, 500, 40, 2), 0.6)],
    )
    found = measured(case)
    assert found["laece"]["all"] == pytest.approx((0.1 + 0.6) / 2)
    assert found["laace0"]["all"] == pytest.approx((0.1 + 0.55) / 2)
    assert found["ece"]["all"] == pytest.approx((0.3 + 0.6) / 2)


def test_laece0_keeps_what_reaches_its_class_threshold(simple):
    # Class a from .5 on: the detection of IoU .05 at .6 stays, |.6 - .05| = .55; the one at .3
    # goes. Class b keeps all: a wrong one at .4. The scale is that of the object found at .5:
    # a pixel of overlap makes no detection a large one.
    objects = [(0, 0, A), (0, 0, (500, 500, 200, 200)), (0, 1, A)]
    found = [(0, 0, (500, 500, 40, 50), 0.6), (0, 0, A, 0.3), (0, 1, NOTHING, 0.4)]
    case = simple(objects, found)
    matching = match(case.truth, case.results, Scales(), calibration.thresholds(DEFAULT))
    found = calibration.metrics(matching, DEFAULT, np.array([0.5, 0.0]))
    assert found["laece0"]["all"] == pytest.approx((0.55 + 0.4) / 2)
    assert found["laece0_n"] == {"all": 2, "small": 0, "medium": 2, "large": 0}
    assert found["class"]["a"]["laece0_threshold"] == 0.5
    plain = calibration.metrics(matching, DEFAULT)
    assert plain["laace0"].keys() == {"all", "medium"}
    assert "laece0" not in plain and "laece0_threshold" not in plain["class"]["a"]


def test_thresholds_that_nothing_reaches_leave_no_laece0(simple):
    case = simple([(0, 0, A)], [(0, 0, A, 0.3)])
    matching = match(case.truth, case.results, Scales(), calibration.thresholds(DEFAULT))
    found = calibration.metrics(matching, DEFAULT, np.array([0.9, 0.9]))
    assert found["laece0"] == {}
    assert found["laece0_n"]["all"] == 0


def test_each_hit_carries_the_iou_with_its_object(simple):
    # 40 x 30 of 40 x 40: IoU .75; the other one is wrong.
    case = simple([(0, 0, A)], [(0, 0, (100, 100, 40, 30), 0.9), (0, 0, A, 0.2)])
    found = calibration.judged(match(case.truth, case.results, Scales()), 0.5, 0)
    assert found.iou.tolist() == [0.75, 0]
    assert found.detection.tolist() == [0, 1]


def test_real_pair_is_under_confident(real):
    ious = calibration.thresholds(DEFAULT)
    found = calibration.metrics(match(*real, Scales(), ious), DEFAULT)
    assert found["ece"]["all"] == pytest.approx(0.0752, abs=5e-5)
    assert found["gap"]["all"] == pytest.approx(0.668 - 0.743, abs=1e-3)
