from dataclasses import replace

import numpy as np
import pytest

from scalewise.diagnosis import tide, tide_costs
from scalewise.diagnosis.matching import match
from scalewise.scales import Scales

DEFAULT = tide.Parameters()


def mended_alone(matching, blamed, found, row: int) -> float:
    """AP after one detection is mended, by rebuilding the whole curve."""
    rows = np.flatnonzero((found.right | found.wrong) & (np.arange(len(matching)) != row))
    category, hit = matching.category[rows], found.right[rows]
    if found.mends[row]:
        rows, hit = np.r_[rows, row], np.r_[hit, True]
        category = np.r_[category, matching.truth.category[blamed.truth[row]]]
    order = np.lexsort((blamed.place[rows], category))
    curve = tide.Curve(rows[order], category[order], hit[order], found.wanted)
    present = matching.positives(found.group) > 0
    return tide.mean_ap(curve, matching.truth.category, present)


@pytest.mark.parametrize("seed", range(12))
def test_cost_of_each_error_equals_a_full_recomputation(cases, seed):
    case = cases(seed, images=15)
    matching = match(case.truth, case.results, Scales())
    present = matching.truth.category
    for _, blamed, found in tide.groups(matching, DEFAULT):
        base = tide.costs(matching, blamed, found)["AP50"]
        of_rows, of_objects = tide_costs.costs(matching, blamed, found)
        for row in np.flatnonzero(found.wrong | found.mends):
            alone = mended_alone(matching, blamed, found, row) - base
            assert of_rows[row] == pytest.approx(max(alone, 0), abs=1e-9)
        for item in np.flatnonzero(found.missed):
            missed = np.zeros_like(found.missed)
            missed[item] = True
            alone = tide.costs(matching, blamed, replace(found, missed=missed))["Miss"]
            assert of_objects[item] == pytest.approx(alone, abs=1e-9)
        assert present is matching.truth.category


def test_table_lists_the_costliest_first_with_their_positions(simple):
    a, b = (100, 100, 40, 40), (500, 500, 40, 40)
    nothing = (900, 900, 40, 40)
    case = simple(
        [(0, 0, a), (1, 0, b), (1, 0, a)],
        [(1, 0, nothing, 0.3), (0, 0, nothing, 0.8), (0, 0, a, 0.7), (1, 0, b, 0.6)],
        images=2,
    )
    table = tide_costs.table(match(case.truth, case.results, Scales()), DEFAULT)
    assert table["scale"].tolist() == ["all", "all", "all", "medium", "medium", "medium"]
    first = table[table["scale"] == "all"]
    assert first["type"].tolist() == ["Bkg", "Bkg", "Miss"]
    assert first["detection"].tolist() == [1, 0, -1]
    assert first["image"].tolist() == [0, 1, 1]
    assert first["truth"].tolist() == [-1, -1, 2]
    # By score: empty, hit, hit, empty, of three objects: two thirds of the recalls (67 of 101)
    # at precision 2/3. Without the first: at 1. The last one costs nothing.
    assert first["cost"].tolist()[:2] == pytest.approx([100 * 67 / 101 / 3, 0])
    # Without the object that is missed, all 101 recalls are reached.
    assert first["cost"].tolist()[2] == pytest.approx(100 * 34 / 101 * 2 / 3)


def test_no_errors_give_an_empty_table(simple):
    box = (100, 100, 40, 40)
    case = simple([(0, 0, box)], [(0, 0, box, 0.9)])
    table = tide_costs.table(match(case.truth, case.results, Scales()), DEFAULT)
    assert len(table) == 0
    assert "cost" in table.columns


def test_no_detections_list_every_object_as_missed(simple):
    case = simple([(0, 0, (0, 0, 40, 40)), (0, 1, (0, 0, 9, 9))], [])
    table = tide_costs.table(match(case.truth, case.results, Scales()), DEFAULT)
    assert table["type"].tolist() == ["Miss"] * 4
    assert table["scale"].tolist() == ["all", "all", "small", "medium"]
