import sys

import numpy as np
import pytest

from scalewise.diagnosis import average_precision as ap
from scalewise.diagnosis.curves import hits_needed, precision_at_recalls
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.scales import Scales

# In the order of COCOeval.stats.
STANDARD = ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"]
STANDARD += ["AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"]
A, B = (100, 100, 40, 40), (500, 500, 40, 40)
EMPTY = (900, 900, 40, 40)


def core(case, scales: Scales | None = None) -> ap.Accumulated:
    return ap.from_matching(match(case.truth, case.results, scales or Scales()))


def assert_same(one: ap.Accumulated, other: ap.Accumulated) -> None:
    np.testing.assert_array_equal(one.precision, other.precision)
    np.testing.assert_array_equal(one.recall, other.recall)


@pytest.mark.parametrize("seed", range(100))
def test_core_has_the_bits_of_cocoeval_everywhere(cases, cocoeval, seed):
    case = cases(seed)
    reference = cocoeval(case)
    found = core(case)
    by_id = found.class_order
    np.testing.assert_array_equal(
        np.nan_to_num(found.precision[:, :, by_id], nan=-1), reference.eval["precision"][..., -1]
    )
    np.testing.assert_array_equal(
        np.nan_to_num(found.recall[:, by_id], nan=-1), reference.eval["recall"]
    )
    expected = {n: v for n, v in zip(STANDARD, reference.stats, strict=True) if v > -1}
    assert ap.statistics(found) == expected


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("left_out", [False, True], ids=["crowd", "crowd and left out"])
def test_official_and_core_agree_bit_for_bit(cases, seed, left_out):
    case = cases(seed, left_out=left_out)
    official = ap.official(case.truth, case.results, Scales())
    assert_same(official, core(case))
    assert ap.statistics(official) == ap.statistics(core(case))


@pytest.mark.parametrize("seed", range(10))
def test_hotcoco_gives_the_bits_of_pycocotools(cases, seed):
    case = cases(seed)
    assert_same(ap.official(case.truth, case.results, Scales(), "hotcoco"), core(case))


def test_scales_of_ones_own_have_the_same_bits_in_every_engine(cases):
    case = cases(7, images=30)
    scales = Scales(names=("tiny", "rest"), bounds=(50,))
    found = core(case, scales)
    assert {"AP_tiny", "AR_rest"} < ap.statistics(found).keys()
    for engine in ("pycocotools", "hotcoco"):
        assert_same(ap.official(case.truth, case.results, scales, engine), found)


def test_ap_of_a_few_boxes(simple):
    # By falling score: hit, empty, hit. Two objects, so recall .5, .5, 1 at precision 1, 1/2,
    # 2/3. Of the recalls 0, .01 ... 1 the first 51 (to .5) have 1, the other 50 have 2/3.
    case = simple([(0, 0, A), (0, 0, B)], [(0, 0, A, 0.9), (0, 0, EMPTY, 0.8), (0, 0, B, 0.7)])
    values = ap.statistics(core(case))
    expected = (51 + 50 * 2 / 3) / 101
    for name in ("AP", "AP50", "AP75", "AP_medium"):
        assert values[name] == pytest.approx(expected)
    # At most one detection finds one of two objects; three find both.
    assert (values["AR_1"], values["AR_10"]) == (0.5, 1)
    assert "AP_small" not in values


def test_two_classes_found_perfectly_have_ap_1(simple):
    case = simple([(0, 0, A), (0, 1, B)], [(0, 0, A, 0.9), (0, 1, B, 0.8)])
    values = ap.statistics(core(case))
    for name in ("AP", "AP50", "AR_1"):
        assert values[name] == pytest.approx(1)


def test_a_class_without_objects_does_not_count_and_one_never_found_is_0(simple):
    case = simple([(0, 0, A), (0, 1, B)], [(0, 0, A, 0.9), (0, 2, B, 0.8)], classes=3)
    found = core(case)
    assert ap.statistics(found)["AP"] == pytest.approx(0.5)
    assert ap.per_class(found) == {
        "a": {"AP": pytest.approx(1), "AP50": pytest.approx(1)},
        "b": {"AP": 0, "AP50": 0},
    }


@pytest.mark.parametrize("engine", ["core", "pycocotools", "hotcoco"])
def test_no_detections_give_ap_0(simple, engine):
    case = simple([(0, 0, A)], [])
    found = (
        core(case) if engine == "core" else ap.official(case.truth, case.results, Scales(), engine)
    )
    values = ap.statistics(found)
    assert values["AP"] == values["AP_medium"] == values["AR_100"] == 0
    assert "AP_large" not in values


def test_official_refuses_a_truth_without_objects(simple):
    case = simple([], [(0, 0, A, 0.5)])
    with pytest.raises(InputError, match="at least one object"):
        ap.official(case.truth, case.results, Scales())


def test_object_id_0_is_an_object_like_any_other(simple):
    # COCOeval alone takes a match with annotation id 0 for none.
    case = simple([(0, 0, A)], [(0, 0, A, 0.9)])
    assert case.truth.ids.tolist() == [0]
    assert ap.statistics(ap.official(case.truth, case.results, Scales()))["AP"] == pytest.approx(1)


def test_hotcoco_refuses_objects_it_cannot_leave_out(simple):
    case = simple([(0, 0, A), (0, 0, B, {"ignore": 1})], [])
    with pytest.raises(InputError, match="cannot leave out the 1 objects"):
        ap.official(case.truth, case.results, Scales(), "hotcoco")


def test_a_missing_hotcoco_is_told_with_what_to_do(simple, monkeypatch):
    monkeypatch.setitem(sys.modules, "hotcoco", None)
    case = simple([(0, 0, A)], [])
    with pytest.raises(InputError, match=r"not installed.*pycocotools"):
        ap.official(case.truth, case.results, Scales(), "hotcoco")


def test_curves_are_class_means_at_each_recall(simple):
    # Class a is found at once, class b never: the mean precision is 1/2 at every recall.
    case = simple([(0, 0, A), (0, 1, B)], [(0, 0, A, 0.9)])
    table = ap.precision_recall(core(case))
    assert list(table.columns) == ["group", "iou", "recall", "precision"]
    assert table[["group", "iou"]].drop_duplicates().to_numpy().tolist() == [
        ["all", 0.5],
        ["all", 0.75],
        ["medium", 0.5],
    ]
    assert len(table) == 3 * 101
    assert table["precision"].tolist() == pytest.approx([0.5] * len(table))


@pytest.mark.parametrize("positives", [1, 2, 3, 7, 10, 29, 100, 101, 1000, 12345])
def test_hits_needed_is_what_searchsorted_finds(positives):
    reached = np.arange(1, positives + 1) / positives
    expected = np.searchsorted(reached, np.linspace(0, 1, 101)) + 1
    needed = np.maximum(hits_needed(np.array([positives]))[0], 1)
    assert needed.tolist() == expected.tolist()


def test_precision_of_no_detections_is_0():
    none = np.zeros(0, int)
    assert not precision_at_recalls(none, none.astype(bool), np.array([3, 0])).any()


def test_real_pair_has_the_known_statistics(real):
    values = ap.statistics(ap.from_matching(match(*real, Scales())))
    expected = {"AP": 0.4805, "AP50": 0.61614, "AP75": 0.52442}
    expected |= {"AR_1": 0.36342, "AR_10": 0.53888, "AR_100": 0.54614}
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=6e-6)
