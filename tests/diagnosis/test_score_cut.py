import numpy as np
import pytest

from scalewise.diagnosis import average_precision, calibration, score_cut, tide, tidecv_reference
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.params import parse
from scalewise.scales import Scales

SCALES, TIDE, SCORES = Scales(), tide.Parameters(), calibration.Parameters()
A, B, NOTHING = (100, 100, 20, 20), (300, 300, 200, 200), (700, 700, 20, 20)


def measured(case, cuts, of_scores=SCORES):
    parameters = score_cut.Parameters(cuts=cuts)
    return score_cut.table(case.truth, case.results, SCALES, parameters, TIDE, of_scores)


def row(table, cut, group="all"):
    (found,) = table[(table["cut"] == cut) & (table["group"] == group)].to_dict("records")
    return found


def test_a_case_worked_out_by_hand(simple):
    # Two objects of one class: one found at .9, one at .1; a false alarm at .5 between them.
    # No cut: precision 1 up to recall .5, then 2 of 3: AP50 = (51 + 50 * 2 / 3) / 101.
    # From .3 on the second object is missed: AP50 = 51 / 101, and finding it costs the rest:
    # without it the one object left is found at once, 100.
    # From .6 on there is no false alarm any more.
    case = simple([(0, 0, A), (0, 0, B)], [(0, 0, A, 0.9), (0, 0, NOTHING, 0.5), (0, 0, B, 0.1)])
    table = measured(case, (0.0, 0.3, 0.6))
    first, second, third = (row(table, cut) for cut in (0.0, 0.3, 0.6))
    assert first["AP50"] == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)
    assert first["FP"] == pytest.approx(100 - first["AP50"]) and first["Miss"] == 0
    assert second["AP50"] == pytest.approx(5100 / 101)
    assert second["Miss"] == pytest.approx(100 - 5100 / 101)
    assert second["FP"] == third["FP"] == 0
    # ECE: .9 right (.1 off), .5 wrong (.5 off), .1 right (.9 off), each in a bin of its own.
    assert [r["ece"] for r in (first, second, third)] == pytest.approx([0.5, 0.3, 0.1])
    assert [r["n"] for r in (first, second, third)] == [3, 2, 1]
    assert row(table, 0.3, "large")["AP"] == 0
    assert row(table, 0.3, "small")["AP"] == pytest.approx(100)


@pytest.mark.parametrize("seed", range(6))
def test_each_cut_is_what_the_other_diagnoses_say_of_the_cut_file(cases, cocoeval, seed):
    case = cases(seed, images=12)
    table = measured(case, (0.2, 0.5))
    for cut in (0.2, 0.5):
        left = [r for r in case.results_document if r["score"] >= cut]
        own = type(case).of(case.truth_document, left)
        found = row(table, cut)
        assert found["AP"] == pytest.approx(100 * cocoeval(own).stats[0], abs=1e-9)
        costs = tidecv_reference.metrics(match(own.truth, own.results, SCALES, [0.5]), TIDE)
        assert found["Miss"] == pytest.approx(costs["Miss"], abs=0.3)
        ready = match(own.truth, own.results, SCALES, calibration.thresholds(SCORES))
        expected = calibration.metrics(ready, SCORES)
        assert found["ece"] == pytest.approx(expected["ece"]["all"])
        assert found["n"] == expected["n"]["all"]
        small = average_precision.statistics(
            average_precision.official(own.truth, own.results, SCALES)
        )["AP_small"]
        assert row(table, cut, "small")["AP"] == pytest.approx(100 * small)


def test_metrics_are_by_cut_and_group_and_leave_out_what_is_not_defined(cases):
    case = cases(1, images=12)
    table = measured(case, (0.001, 0.25, 0.99))
    metrics = score_cut.metrics(table, case.results)
    assert metrics.keys() == {"0.001", "0.25", "0.99", "lowest"}
    assert metrics["0.25"]["small"].keys() == set(score_cut.MEASURES)
    assert metrics["lowest"] == case.results.scores.min()
    assert isinstance(metrics["0.25"]["all"]["n"], int)


def test_no_detections_miss_everything_at_every_cut(simple):
    case = simple([(0, 0, A)], [])
    table = measured(case, (0.1, 0.5))
    assert table["AP"].tolist() == [0] * 4 and table["Miss"].tolist() == [100] * 4
    assert table["ece"].isna().all() and not table["n"].any()
    assert "lowest" not in score_cut.metrics(table, case.results)


def test_the_floor_of_the_calibration_holds_where_it_is_higher(cases):
    case = cases(2, images=12)
    table = measured(case, (0.1, 0.5), calibration.Parameters(floor=0.5))
    assert row(table, 0.1)["n"] == row(table, 0.5)["n"] < measured(case, (0.1,))["n"].iloc[0]


def test_iou_of_tide_need_not_be_one_of_cocos(cases):
    case = cases(2, images=12)
    parameters = score_cut.Parameters(cuts=(0.1,))
    rules = tide.Parameters(iou=0.4), calibration.Parameters(iou=0.3)
    table = score_cut.table(case.truth, case.results, SCALES, parameters, *rules)
    assert np.isfinite(table[["AP", "Miss"]]).all(axis=None)


@pytest.mark.parametrize("cuts", [[0.5, 0.1], [0.1, 0.1], [-0.1], [1.0], []])
def test_cuts_rise_from_zero_to_one(cuts):
    with pytest.raises(InputError, match=r"x.*cuts"):
        parse(score_cut.Parameters, {"cuts": cuts}, "x")


def test_the_real_pair_ends_at_the_sources_cut(real):
    case = type("Case", (), {"truth": real[0], "results": real[1]})
    table = measured(case, (0.001, 0.25, 0.5))
    assert row(table, 0.001) == {**row(table, 0.25), "cut": 0.001}
    assert row(table, 0.25)["AP"] == pytest.approx(48.05, abs=0.005)
    assert row(table, 0.25)["Miss"] == pytest.approx(21.65, abs=0.05)
    assert row(table, 0.5)["Miss"] == pytest.approx(33.6, abs=0.3)
