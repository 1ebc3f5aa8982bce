import copy

import numpy as np
import pytest

from scalewise.diagnosis import matching
from scalewise.errors import InputError
from scalewise.scales import Scales

BOX = (100, 100, 40, 40)


def of_group(found, group: str, iou: float = 0.5):
    """The truth taken and the ignored flags of a group, in the results' order."""
    level = found.groups.index(group), found.at(iou)
    back = np.argsort(found.order)
    return found.taken[level][back].tolist(), found.ignored[level][back].tolist()


@pytest.mark.parametrize("seed", range(60))
def test_every_match_and_ignored_flag_equals_cocoeval(cases, cocoeval, seed):
    case = cases(seed)
    found = matching.match(case.truth, case.results, Scales())
    image = {int(i): n for n, i in enumerate(case.truth.image_ids)}
    category = {int(i): n for n, i in enumerate(case.truth.category_ids)}
    areas = Scales().ranges().tolist()
    for cell in filter(None, cocoeval(case).evalImgs):
        own = (found.image == image[cell["image_id"]]) & (
            found.category == category[cell["category_id"]]
        )
        rows = np.flatnonzero(own)
        group = areas.index(cell["aRng"])
        ids = np.r_[case.truth.ids, 0]  # the last one stands for no match
        assert np.array_equal(found.order[rows] + 1, cell["dtIds"])
        assert np.array_equal(ids[found.taken[group][:, rows]], cell["dtMatches"])
        assert np.array_equal(found.ignored[group][:, rows], cell["dtIgnore"])


def test_overlap_has_the_bits_of_maskapi(cases):
    from pycocotools import mask

    rng = np.random.default_rng(0)
    case = cases(0, images=20)
    found = [
        record | {"bbox": (record["bbox"] + rng.uniform(0, 0.9, 4)).tolist()}
        for record in case.results_document
    ]
    case = type(case).of(case.truth_document, found)
    pairs = matching.match(case.truth, case.results, Scales(), floor=0).pairs
    order = matching.match(case.truth, case.results, Scales()).order
    assert len(pairs) > 300
    for row, item, iou in zip(pairs.row, pairs.truth, pairs.iou, strict=True):
        record = case.truth_document["annotations"][item]
        box = np.array([found[order[row]]["bbox"]])
        truth = np.array([record["bbox"]])
        assert iou == mask.iou(box, truth, [record["iscrowd"]])[0, 0]


def test_pairs_do_not_depend_on_how_many_candidates_are_held_at_once(cases, monkeypatch):
    case = cases(1, images=20)
    whole = matching.match(case.truth, case.results, Scales()).pairs
    monkeypatch.setattr(matching, "CHUNK", 7)
    parts = matching.match(case.truth, case.results, Scales()).pairs
    assert np.array_equal(whole.row, parts.row)
    assert np.array_equal(whole.truth, parts.truth)
    assert np.array_equal(whole.iou, parts.iou)


def test_the_later_of_two_equal_objects_is_taken_first(simple):
    case = simple([(0, 0, BOX), (0, 0, BOX)], [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8)])
    taken, _ = of_group(matching.match(case.truth, case.results, Scales()), "all")
    assert taken == [1, 0]


def test_a_crowd_is_taken_many_times_and_ignored(simple):
    # The detections lie inside the crowd: overlap / own area = 1, though the IoU is .16.
    crowd = (100, 100, 100, 100)
    case = simple(
        [(0, 0, crowd, {"iscrowd": 1}), (0, 0, (500, 500, 40, 40))],
        [(0, 0, BOX, 0.9), (0, 0, (120, 120, 40, 40), 0.8)],
    )
    found = matching.match(case.truth, case.results, Scales())
    assert of_group(found, "all") == ([0, 0], [True, True])
    assert found.pairs.iou.tolist() == [1, 1]


def test_left_out_truth_that_is_no_crowd_is_taken_once(simple):
    case = simple(
        [(0, 0, BOX, {"ignore": 1}), (0, 0, (500, 500, 40, 40))],
        [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8)],
    )
    found = matching.match(case.truth, case.results, Scales())
    assert of_group(found, "all") == ([0, -1], [True, False])


def test_truth_that_counts_goes_before_ignored_truth_of_higher_overlap(simple):
    # IoU .6 with the first (40 x 24 of 40 x 40), 1 with the second.
    case = simple(
        [(0, 0, (100, 100, 40, 24)), (0, 0, BOX, {"ignore": 1})],
        [(0, 0, BOX, 0.9)],
    )
    found = matching.match(case.truth, case.results, Scales())
    assert of_group(found, "all") == ([0], [False])
    assert of_group(found, "all", iou=0.75) == ([1], [True])


def test_other_sizes_are_ignored_in_a_scale(simple):
    # 40 x 40 is medium. In `small` its detection is on ignored truth, the empty one at 200 x 200
    # is outside the range, and the empty one at 20 x 20 is wrong.
    case = simple(
        [(0, 0, BOX)],
        [(0, 0, BOX, 0.9), (0, 0, (500, 500, 200, 200), 0.8), (0, 0, (800, 0, 20, 20), 0.7)],
    )
    found = matching.match(case.truth, case.results, Scales())
    assert of_group(found, "all") == ([0, -1, -1], [False, False, False])
    assert of_group(found, "small") == ([0, -1, -1], [True, True, False])
    assert of_group(found, "medium") == ([0, -1, -1], [False, True, True])
    assert of_group(found, "large") == ([0, -1, -1], [True, False, True])


def test_an_area_on_a_bound_counts_in_both_scales(simple):
    case = simple([(0, 0, (0, 0, 32, 32))], [(0, 0, (0, 0, 32, 32), 0.9)])
    found = matching.match(case.truth, case.results, Scales())
    assert found.truth_ignored[:, 0].tolist() == [False, False, False, True]


def test_an_overlap_of_just_the_threshold_matches(simple):
    # 40 x 20 of 40 x 40: IoU .5.
    case = simple([(0, 0, BOX)], [(0, 0, (100, 100, 40, 20), 0.9)])
    found = matching.match(case.truth, case.results, Scales())
    assert of_group(found, "all")[0] == [0]
    assert of_group(found, "all", iou=0.55)[0] == [-1]


def test_only_the_100_best_of_an_image_and_class_are_kept(simple):
    detections = [(0, c, BOX, n / 200) for n in range(120) for c in (0, 1)]
    case = simple([(0, 0, BOX)], detections)
    found = matching.match(case.truth, case.results, Scales())
    assert len(found) == 200
    assert found.scores.min() == 20 / 200
    assert found.rank[:3].tolist() == [0, 1, 2]


def test_no_detections_match_nothing(simple):
    case = simple([(0, 0, BOX)], [])
    found = matching.match(case.truth, case.results, Scales())
    assert found.taken.shape == found.ignored.shape == (4, 10, 0)
    assert len(found) == len(found.pairs) == 0


@pytest.mark.parametrize("objects", [[], [(0, 0, BOX, {"iscrowd": 1})]], ids=["none", "crowd"])
def test_a_truth_without_objects_is_refused(simple, objects):
    case = simple(objects, [(0, 0, BOX, 0.9)])
    with pytest.raises(InputError, match=r"truth: expected at least one object .* 1 images"):
        matching.match(case.truth, case.results, Scales())


def test_inputs_stay_as_they_are(cases):
    case = cases(3)
    before = copy.deepcopy((case.truth.__dict__, case.results.__dict__))
    matching.match(case.truth, case.results, Scales())
    np.testing.assert_equal((case.truth.__dict__, case.results.__dict__), before)
