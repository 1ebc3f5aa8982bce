import numpy as np
import pytest

from scalewise.diagnosis import source_rules, tide
from scalewise.diagnosis.matching import match
from scalewise.scales import Scales

A, B = (100, 100, 40, 40), (500, 500, 40, 40)
NOTHING = (900, 900, 40, 40)


def test_the_best_n_of_an_image_and_class_are_right_wherever_they_lie(simple):
    # Two objects of class a in image 0, one in image 1; class b has none.
    case = simple(
        [(0, 0, A), (0, 0, B), (1, 0, A)],
        [
            (0, 0, NOTHING, 0.5),
            (0, 0, NOTHING, 0.9),
            (0, 0, A, 0.4),
            (0, 1, A, 0.9),
            (1, 0, B, 0.1),
        ],
        images=2,
    )
    hits = source_rules.counted_hits(case.truth, case.results)
    assert hits.tolist() == [True, True, False, False, True]


def test_filtering_tears_a_pair_at_a_bound_apart(simple):
    # The object is 35 x 35 (small at 36 pixels), its detection 37 x 35 (medium): IoU .95. By
    # the ignore rule it is found; filtered, the small object is missed and both scales have
    # one side only. The second pair is there because tidecv needs both sides.
    found = [(0, 0, (0, 0, 38, 35), 0.9), (0, 0, (500, 500, 20, 20), 0.8)]
    case = simple([(0, 0, (0, 0, 35, 35)), (0, 0, (500, 500, 20, 20))], found)
    by_rule = tide.metrics(match(case.truth, case.results, source_rules.SCALES), tide.Parameters())
    filtered = source_rules.filtered_tide(case.truth, case.results)
    assert by_rule["small"]["AP50"] == pytest.approx(100)
    assert filtered.keys() == {"small"}
    assert filtered["small"]["AP50"] == pytest.approx(100 * 51 / 101)
    assert filtered["small"]["Miss"] == pytest.approx(100 * 50 / 101)


def test_every_object_and_detection_is_in_one_scale(cases):
    case = cases(2)
    parts = list(source_rules.by_box_area(case.truth, case.results, Scales()))
    assert [name for name, *_ in parts] == ["small", "medium", "large"]
    assert sum(len(objects) for _, objects, _ in parts) == len(case.truth)
    assert sum(len(found) for *_, found in parts) == len(case.results)


def test_no_detections_give_no_rows(simple):
    case = simple([(0, 0, A)], [])
    assert source_rules.filtered_tide(case.truth, case.results) == {}
    assert source_rules.counted_calibration(case.truth, case.results)["ece"] == {}


def test_real_pair_gives_the_sources_table(real):
    values = source_rules.filtered_tide(*real)
    ap50 = {name: round(costs["AP50"], 2) for name, costs in values.items()}
    assert ap50 == {"small": 32.10, "medium": 58.26, "large": 75.18}
    missed = {name: costs["Miss"] for name, costs in values.items()}
    expected = {"small": 36.31, "medium": 22.63, "large": 12.55}
    assert missed == pytest.approx(expected, abs=0.006)
    ece = source_rules.counted_calibration(*real)["ece"]
    rounded = {name: np.round(value, 4) for name, value in ece.items()}
    assert rounded == {"all": 0.1598, "small": 0.2383, "medium": 0.1006, "large": 0.0447}
