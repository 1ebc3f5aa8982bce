import numpy as np
import pytest

from scalewise.diagnosis import average_precision as ap
from scalewise.diagnosis import tide, tidecv_reference
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.params import parse
from scalewise.scales import Scales

MAIN = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
NAMES = {"AP50", *MAIN, "FP", "FN"}
DEFAULT = tide.Parameters()
A, B = (100, 100, 40, 40), (500, 500, 40, 40)
NOTHING = (900, 900, 40, 40)
BADLY_ON_A = (100, 120, 40, 40)  # overlap 40 x 20 of a union of 40 x 60: IoU 1/3


def matched(case, scales: Scales | None = None):
    return match(case.truth, case.results, scales or Scales())


def costs(case) -> dict[str, dict[str, float]]:
    return tide.metrics(matched(case), DEFAULT)


def kinds(case, group: str = "all") -> dict[int, str]:
    """The type of each wrong detection, by its position in the results."""
    found = matched(case)
    blamed = tide.blame(found, DEFAULT)
    wrong = tide.errors(found, blamed, found.groups.index(group), DEFAULT.iou).wrong
    return {
        int(found.order[row]): tide.Kind(blamed.kind[row]).name for row in np.flatnonzero(wrong)
    }


def nonzero(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value > 1e-9}


@pytest.mark.parametrize(
    ("category", "box", "kind"),
    [
        (0, BADLY_ON_A, "Loc"),
        (1, A, "Cls"),
        (1, BADLY_ON_A, "Both"),
        (0, A, "Dupe"),
        (0, NOTHING, "Bkg"),
        (0, (100, 100, 40, 20), "Loc"),  # IoU just .5, and the object is taken
        (1, (100, 100, 40, 20), "Cls"),  # IoU just .5
        (0, (100, 100, 40, 4), "Loc"),  # IoU just .1
        (1, (100, 100, 40, 4), "Bkg"),  # IoU just .1
    ],
)
def test_each_false_positive_gets_the_first_type_that_holds(simple, category, box, kind):
    objects = [(0, 0, A), (0, 1, B)]
    case = simple(objects, [(0, 0, A, 0.9), (0, category, box, 0.5)])
    assert kinds(case) == {1: kind}


def test_loc_goes_before_cls(simple):
    # Badly on an object of its class, well on one of another.
    case = simple([(0, 0, A), (0, 1, BADLY_ON_A)], [(0, 0, BADLY_ON_A, 0.9)])
    assert kinds(case) == {0: "Loc"}


def test_the_floor_of_the_matching_changes_no_blame(cases):
    case = cases(4, images=20)
    one, other = (
        tide.blame(match(case.truth, case.results, Scales(), floor=floor), DEFAULT)
        for floor in (0, 0.1)
    )
    for name in ("kind", "truth", "iou", "place"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_costs_of_a_wrong_class(simple):
    # Class a: one object, found as b. Class b: one object, found, but behind the wrong one at
    # precision 1/2. AP50 = (0 + 1/2) / 2 = 25. Cls mended: both found, 100. FP: b rises to 1,
    # 50. FN: a is left with nothing to find and counts 0. A Cls error points at the object of
    # a, so it is no Miss.
    case = simple([(0, 0, A), (0, 1, B)], [(0, 1, A, 0.9), (0, 1, B, 0.8)])
    assert nonzero(costs(case)["all"]) == pytest.approx({"AP50": 25, "Cls": 75, "FP": 25})


def test_costs_of_a_bad_place(simple):
    # AP50 = 0; mended 100. The same object twice badly: the better one is right, the other
    # goes.
    case = simple([(0, 0, A)], [(0, 0, BADLY_ON_A, 0.9), (0, 0, BADLY_ON_A, 0.8)])
    assert nonzero(costs(case)["all"]) == pytest.approx({"Loc": 100})


@pytest.mark.parametrize(
    ("wrong", "kind"), [((0, A), "Dupe"), ((0, NOTHING), "Bkg"), ((0, (112, 112, 40, 40)), "Loc")]
)
def test_costs_of_a_detection_that_goes(simple, wrong, kind):
    # By score: hit, wrong, hit of two objects: as in AP, (51 + 50 * 2/3) / 101; without the
    # wrong one, 1. The Loc is on a taken object and goes too: overlap 28 x 28 of a union of
    # 2 * 1600 - 784, IoU .32.
    base = 100 * (51 + 50 * 2 / 3) / 101
    case = simple([(0, 0, A), (0, 0, B)], [(0, 0, A, 0.9), (0, *wrong, 0.8), (0, 0, B, 0.7)])
    expected = {"AP50": base, kind: 100 - base, "FP": 100 - base}
    assert nonzero(costs(case)["all"]) == pytest.approx(expected)


def test_costs_of_a_missed_object(simple):
    # One of two found: 51 of 101 recalls. Without the other: all of them.
    case = simple([(0, 0, A), (0, 0, B)], [(0, 0, A, 0.9)])
    base = 100 * 51 / 101
    expected = {"AP50": base, "Miss": 100 - base, "FN": 100 - base}
    assert nonzero(costs(case)["all"]) == pytest.approx(expected)


def test_no_detections_are_all_miss(simple):
    case = simple([(0, 0, A), (0, 1, (0, 0, 10, 10))], [])
    found = costs(case)
    assert found.keys() == {"all", "small", "medium"}
    for values in found.values():
        assert values.keys() == NAMES
        assert nonzero(values) == {"Miss": 100, "FN": 100}


def test_blame_may_fall_on_an_object_outside_the_scale(simple):
    # A large detection of class b lies on a medium object of class a: 90 x 95 of 100 x 95,
    # IoU .9. In `large` it is a Cls error, and mending it only removes it: the large object of
    # class b behind it rises from precision 1/2 to 1.
    case = simple(
        [(0, 0, (0, 0, 90, 95)), (0, 1, (500, 500, 200, 200))],
        [(0, 1, (0, 0, 100, 95), 0.9), (0, 1, (500, 500, 200, 200), 0.8)],
    )
    assert kinds(case, "large") == {0: "Cls"}
    assert nonzero(costs(case)["large"]) == pytest.approx({"AP50": 50, "Cls": 50, "FP": 50})
    # In `medium` it is unmatched and of another size: no error, and the object is missed.
    assert kinds(case, "medium") == {}
    assert costs(case)["medium"]["AP50"] == 0


def test_a_crowd_excused_detection_still_points_at_an_object_in_all(simple):
    # The detection lies in a crowd (ignored) and badly on an object of its class.
    crowd = (90, 90, 100, 100)
    case = simple([(0, 0, A), (0, 0, crowd, {"iscrowd": 1})], [(0, 0, BADLY_ON_A, 0.9)])
    assert kinds(case) == {}
    # Without the one object nothing is left: 100. In a scale an ignored detection does nothing.
    assert nonzero(costs(case)["all"]) == pytest.approx({"Loc": 100, "FN": 100})
    assert nonzero(costs(case)["medium"]) == pytest.approx({"Miss": 100, "FN": 100})


def test_shares_of_the_scales_mend_only_their_own_errors(simple):
    # One small and one medium object, both missed, and one found: with one more object gone,
    # one of two is found. AP50 34 of 101 recalls (to .33), then 51 (to .5).
    case = simple(
        [(0, 0, (0, 0, 10, 10)), (0, 0, A), (0, 0, (500, 500, 200, 200))],
        [(0, 0, (500, 500, 200, 200), 0.9)],
    )
    found = tide.shares(matched(case), DEFAULT)
    expected = {"Miss": pytest.approx(100 * 17 / 101), "FN": pytest.approx(100 * 17 / 101)}
    assert nonzero(found["small"]) == nonzero(found["medium"]) == expected
    assert nonzero(found["large"]) == {}


def test_shares_take_a_detection_on_nothing_by_its_own_size(simple):
    # By score: empty and small, empty and large, hit: precision 1/3; without one, 1/2.
    case = simple(
        [(0, 0, A)],
        [(0, 0, (900, 0, 9, 9), 0.9), (0, 0, (700, 700, 200, 200), 0.8), (0, 0, A, 0.7)],
    )
    found = tide.shares(matched(case), DEFAULT)
    expected = {"Bkg": pytest.approx(100 / 6), "FP": pytest.approx(100 / 6)}
    assert nonzero(found["small"]) == nonzero(found["large"]) == expected
    assert nonzero(found["medium"]) == {}


@pytest.mark.parametrize("seed", range(60))
def test_all_equals_tidecv(cases, seed):
    found = matched(cases(seed, images=20))
    expected = tidecv_reference.metrics(found, DEFAULT)
    assert tide.metrics(found, DEFAULT)["all"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("left_out", [False, True], ids=["crowd", "crowd and left out"])
def test_ap50_of_each_scale_equals_cocoeval(cases, seed, left_out):
    case = cases(seed, left_out=left_out)
    official = ap.statistics(ap.official(case.truth, case.results, Scales()))
    accumulated = ap.official(case.truth, case.results, Scales())
    for name, values in costs(case).items():
        curve = accumulated.precision[0, ..., accumulated.groups.index(name)]
        assert values["AP50"] / 100 == pytest.approx(np.nanmean(curve), abs=1e-12)
    assert costs(case)["all"]["AP50"] / 100 == pytest.approx(official["AP50"], abs=1e-12)


@pytest.mark.parametrize("seed", range(200))
def test_every_scale_is_within_5_hundredths_of_hotcoco(cases, seed):
    import hotcoco

    # Without ties, which hotcoco breaks its own way, and crowds, which it lets take blame.
    case = cases(seed, crowd=False, ties=False)
    coco = hotcoco.COCO(case.truth_document)
    detections = coco.load_res(case.results_document)
    found = costs(case)
    for name, bounds in zip(Scales().groups, Scales().ranges().tolist(), strict=True):
        evaluation = hotcoco.COCOeval(coco, detections, "bbox")
        evaluation.params.area_rng, evaluation.params.area_rng_lbl = [bounds], [name]
        evaluation.evaluate()
        expected = evaluation.tide_errors(0.5, 0.1)
        if name not in found:  # no objects of this size
            assert expected["ap_base"] == 0
            continue
        assert found[name]["AP50"] == pytest.approx(100 * expected["ap_base"], abs=1e-9)
        main = {kind: 100 * expected["delta_ap"][kind] for kind in MAIN}
        assert {k: found[name][k] for k in MAIN} == pytest.approx(main, abs=0.05)


def test_background_iou_must_stay_below_iou():
    with pytest.raises(InputError, match=r"background_iou must be below iou, got 0\.5 and 0\.5"):
        parse(tide.Parameters, {"iou": 0.5, "background_iou": 0.5}, "params.yaml: tide")


def test_real_pair_has_the_published_costs(real):
    values = tide.metrics(matched_real := match(*real, Scales()), DEFAULT)["all"]
    expected = [61.61, 2.37, 4.87, 0.57, 0.13, 1.59, 21.65, 5.18, 29.27]
    assert list(values.values()) == pytest.approx(expected, abs=0.05)
    assert tidecv_reference.metrics(matched_real, DEFAULT) == pytest.approx(values, abs=1e-9)
