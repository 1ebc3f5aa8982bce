"""Differences: a case worked out by hand, a detector against itself, and what each word means."""

import numpy as np
import pytest

from scalewise import coco
from scalewise.diagnosis import bootstrap, comparison
from scalewise.diagnosis.comparison import Difference
from scalewise.diagnosis.whole import Rules, measure
from scalewise.errors import InputError

FEW = Rules(bootstrap=bootstrap.Parameters(resamples=200))
BOX = (10, 10, 60, 60)


def measured(case, rules=FEW):
    return measure(case.truth, case.results, rules)


def test_two_images_by_hand(simple):
    # An object in each of two images. One detector finds the first only: precision 1 up to
    # recall .5, so AP = 51 / 101. The other finds both: AP = 1. They differ by d = 50 / 101.
    # Four draws: image 0 twice (both AP 1, d* = 0), both images (d* = d), image 1 twice
    # (AP 0 and 1, d* = 1). Reflected, 2 d - d*: 100 / 101, 50 / 101, -1 / 101.
    objects = [(0, 0, BOX), (1, 0, BOX)]
    one = measured(simple(objects, [(0, 0, BOX, 0.9)], images=2))
    two = measured(simple(objects, [(0, 0, BOX, 0.9), (1, 0, BOX, 0.8)], images=2))
    found = comparison.differences(one, two)["AP"]
    assert found.before == pytest.approx(51 / 101)
    assert found.after == pytest.approx(1)
    assert found.change == pytest.approx(50 / 101)
    times = bootstrap.weights(2, FEW.bootstrap)[0, 1:]  # of image 0; the first is no draw
    assert found.real == pytest.approx(np.mean(times > 0) - np.mean(times == 0))
    assert (found.low, found.high) == pytest.approx((-1 / 101, 100 / 101), abs=1e-6)
    assert comparison.verdict("AP", found) == "noise"


@pytest.mark.parametrize("seed", range(6))
def test_a_detector_against_itself_is_never_real(cases, seed):
    case = cases(seed)
    for name, found in comparison.differences(measured(case), measured(case)).items():
        assert (found.change, found.low, found.high, found.real) == (0, 0, 0, 0), name
        assert comparison.verdict(name, found) == "noise"


def test_every_statistic_is_compared_with_its_own_value(cases):
    case, other = cases(1), cases(1)
    fewer = type(case).of(case.truth_document, other.results_document[::2])
    one, two = measured(case), measured(fewer)
    found = comparison.differences(one, two)
    assert {"AP", "AP50", "AP75", "AP_small", "tide.all.Miss", "ece.all", "gap.large"} <= set(found)
    assert found["AP_small"].before == one.average_precision["AP_small"]
    assert found["tide.all.Miss"].after == two.tide["all"]["Miss"]
    assert found["ece.all"].change == pytest.approx(
        two.calibration["ece"]["all"] - one.calibration["ece"]["all"]
    )
    assert found["tide.all.FN"].change > 0


def test_swapping_the_two_turns_every_difference_round(cases):
    case = cases(2)
    fewer = type(case).of(case.truth_document, case.results_document[::2])
    there = comparison.differences(measured(case), measured(fewer))
    back = comparison.differences(measured(fewer), measured(case))
    for name, found in there.items():
        turned = back[name]
        assert turned.change == pytest.approx(-found.change)
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-6)
        assert turned.real == pytest.approx(found.real)


@pytest.mark.parametrize("seed", range(30))
def test_real_passes_the_level_just_where_the_interval_leaves_out_0(seed):
    rng = np.random.default_rng(seed)
    moved = rng.normal(rng.uniform(-3, 3), 1, 4001)
    low, high = np.quantile(moved, [0.025, 0.975])
    real = comparison.probability(moved)
    assert (real > 0.95) == (low > 0 or high < 0)


@pytest.mark.parametrize(
    ("moved", "real"),
    [
        ([], 0),
        ([0, 0, 0], 0),
        ([1, 2, 3], 1),
        ([-1, 1], 0),
        ([0, 0, -1], 1 / 3),
        ([1, 1, -1], 1 / 3),
    ],
)
def test_probability_by_hand(moved, real):
    assert comparison.probability(np.array(moved, float)) == pytest.approx(real)


def test_equals_pass_as_often_as_said():
    # Two estimates of the same thing, 1,000 times: about 50 should pass .95.
    rng = np.random.default_rng(0)
    passed = 0
    for found in rng.normal(0, 1, 1000):
        drawn = np.append(found, found + rng.normal(0, 1, 500))
        passed += comparison.probability(comparison.reflected(np.zeros(501), drawn)) > 0.95
    assert 30 <= passed <= 75


def test_undefined_draws_are_left_out():
    before = np.array([0.0, 0, np.nan, 0])
    after = np.array([1.0, 1, 1, np.nan])
    assert comparison.reflected(before, after).tolist() == [1.0]


@pytest.mark.parametrize(
    ("name", "change", "verdict"),
    [
        ("AP", 1, "better"),
        ("AP_small", -1, "worse"),
        ("tide.small.AP50", 1, "better"),
        ("tide.small.Miss", 1, "worse"),
        ("tide.all.FP", -1, "better"),
        ("ece.all", -1, "better"),
        ("gap.all", -1, "moved"),
    ],
)
def test_what_is_better(name, change, verdict):
    found = Difference(before=5, after=5 + change, low=1, high=2, real=0.99, level=0.95)
    assert comparison.verdict(name, found) == verdict
    noise = Difference(before=5, after=5 + change, low=-1, high=2, real=0.9, level=0.95)
    assert comparison.verdict(name, noise) == "noise"


def test_a_truth_in_another_order_is_brought_into_the_first_ones(cases):
    case = cases(3)
    turned = case.truth_document | {"images": case.truth_document["images"][::-1]}
    truth = comparison.in_order_of(coco.parse_truth(turned, "turned"), case.truth)
    assert truth.image_ids.tolist() == case.truth.image_ids.tolist()
    assert comparison.truth_changes(truth, case.truth) == ""


def test_truths_on_other_images_cannot_be_compared(cases):
    case = cases(3)
    images = case.truth_document["images"]
    kept = [r for r in case.truth_document["annotations"] if r["image_id"] != images[0]["id"]]
    fewer = case.truth_document | {"images": images[1:], "annotations": kept}
    with pytest.raises(InputError, match=r"different images \(11 and 12; 1 in one alone, e.g. id"):
        comparison.in_order_of(coco.parse_truth(fewer, "fewer"), case.truth)


def test_changes_of_the_truth_are_told(cases):
    case = cases(3)
    objects = case.truth_document["annotations"]
    moved = [objects[0] | {"bbox": [1, 1, 5, 5]}, *objects[1:]]
    for annotations, said in (
        (objects[1:], f"{len(objects) - 1} annotations for"),
        (moved, "other"),
    ):
        truth = coco.parse_truth(case.truth_document | {"annotations": annotations}, "new")
        assert said in comparison.truth_changes(truth, case.truth)
    renamed = [r | {"name": r["name"].upper()} for r in case.truth_document["categories"]]
    truth = coco.parse_truth(case.truth_document | {"categories": renamed}, "new")
    assert "categories CLASS" in comparison.truth_changes(truth, case.truth)


def test_one_thing_for_json(cases):
    case = cases(4)
    made = comparison.document({"b": comparison.differences(measured(case), measured(case))})
    assert made["b"]["AP"]["verdict"] == "noise"
    assert set(made["b"]["AP"]) == {"before", "after", "change", "low", "high", "real", "verdict"}
