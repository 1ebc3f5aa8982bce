import numpy as np
import pytest

from scalewise.errors import InputError
from scalewise.report.ranking import extremes, image_scores, outcome

BOX = (10, 10, 40, 40)
OFF = (90, 60, 40, 40)


def test_the_worst_and_the_best_images_of_a_hand_made_case(truth_of, results_of):
    truth = truth_of([(0, 0, BOX), (0, 0, OFF), (1, 0, BOX), (2, 0, BOX)], images=6)
    found = [
        (0, 0, BOX, 0.9),  # image 0: 1 hit, 1 missed: F1 2 / 3
        (1, 0, BOX, 0.9),  # image 1: all right: F1 1
        (2, 1, BOX, 0.9),  # image 2: wrong class: 1 false, 1 missed: F1 0
        (3, 0, BOX, 0.9),  # image 3: false alarm without any object: F1 0
        (4, 0, BOX, 0.1),  # image 4: below the floor: neither objects nor detections
    ]
    results = results_of(found, truth)
    scores = image_scores(truth, results, outcome(truth, results, floor=0.3))
    assert scores["f1"].tolist()[:4] == [pytest.approx(2 / 3), 1, 0, 0]
    assert np.isnan(scores["f1"][4:]).all()
    assert scores[["hits", "false", "missed"]].to_numpy()[:4].tolist() == [
        [1, 0, 1],
        [1, 0, 0],
        [0, 1, 1],
        [0, 1, 0],
    ]
    assert extremes(scores, worst=2, best=1) == ([2, 3], [1])


def test_ties_go_by_id_and_no_image_is_both(truth_of, results_of):
    truth = truth_of([(i, 0, BOX) for i in range(4)])
    results = results_of([], truth)
    scores = image_scores(truth, results, outcome(truth, results))
    scores["id"] = [4, 3, 2, 1]
    assert extremes(scores, worst=3, best=3) == ([3, 2, 1], [0])
    assert extremes(scores, worst=9, best=9) == ([3, 2, 1, 0], [])


def test_crowds_are_neither_found_nor_missed_nor_false(truth_of, results_of):
    truth = truth_of([(0, 0, BOX), (1, 0, BOX, {"iscrowd": 1})])
    results = results_of([(0, 0, BOX, 0.9), (1, 0, BOX, 0.9), (1, 0, BOX, 0.8)], truth)
    found = outcome(truth, results)
    assert found.shown.tolist() == [True, False, False]
    assert image_scores(truth, results, found)["missed"].sum() == 0


def test_a_second_detection_of_an_object_is_false(truth_of, results_of):
    truth = truth_of([(0, 0, BOX)])
    found = outcome(truth, results_of([(0, 0, BOX, 0.8), (0, 0, BOX, 0.9)], truth))
    assert found.hit.tolist() == [False, True]
    assert found.found.tolist() == [True]


def test_a_truth_without_objects_is_refused(truth_of, results_of):
    truth = truth_of([])
    with pytest.raises(InputError, match="at least one object"):
        outcome(truth, results_of([], truth))
