import numpy as np
import pytest

from scalewise import coco
from scalewise.diagnosis import levels
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.scales import Scales

SMALL, MEDIUM, OTHER = (0, 0, 20, 20), (100, 100, 50, 50), (300, 300, 50, 50)


def matched(case, of_detection):
    document = [r | {"level": n} for r, n in zip(case.results_document, of_detection, strict=True)]
    results = coco.parse_results(document, case.truth, "results")
    return match(case.truth, results, Scales(), [levels.IOU])


def test_found_objects_are_counted_by_scale_and_level(simple):
    # Level 3 finds the small object and a medium one, level 5 the other medium one. The
    # detection of level 4 finds nothing.
    case = simple(
        [(0, 0, SMALL), (0, 0, MEDIUM), (0, 0, OTHER)],
        [(0, 0, MEDIUM, 0.5), (0, 0, SMALL, 0.9), (0, 0, (700, 700, 9, 9), 0.8), (0, 0, OTHER, 1)],
    )
    found = matched(case, [3, 3, 4, 5])
    numbers, counts = levels.counts(found)
    assert numbers.tolist() == [3, 4, 5]
    assert counts.tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert levels.metrics(found) == {
        "share": {"small": {"3": 1, "4": 0, "5": 0}, "medium": {"3": 0.5, "4": 0, "5": 0.5}}
    }
    table = levels.table(found)
    assert table["count"].tolist() == counts.ravel().tolist()
    assert table[table["scale"] == "large"]["share"].isna().all()


def test_no_detections_have_no_levels(simple):
    case = simple([(0, 0, SMALL)], [])
    assert levels.metrics(matched(case, [])) == {"share": {}}
    assert len(levels.table(matched(case, []))) == 0


def test_results_that_do_not_say_their_level_have_none(simple):
    case = simple([(0, 0, SMALL)], [(0, 0, SMALL, 0.9)])
    found = match(case.truth, case.results, Scales(), [levels.IOU])
    assert levels.metrics(found) == {"share": {}} and len(levels.table(found)) == 0


@pytest.mark.parametrize("level", [1.5, "p3"])
def test_a_level_that_is_no_whole_number_is_named(simple, level):
    case = simple([(0, 0, SMALL)], [(0, 0, SMALL, 0.9)])
    with pytest.raises(InputError, match="results: expected a whole number 'level'"):
        levels.counts(matched(case, np.full(1, level).tolist()))
