import pytest

from scalewise.report import detections


def test_the_same_results_give_the_same_picture(store, truth, results, png):
    first = png(detections.worst_and_best(store, truth, results))
    assert first == png(detections.worst_and_best(store, truth, results))


def test_it_says_what_went_wrong_and_shows_what_is_above_the_floor(store, truth, results, texts):
    written = texts(detections.worst_and_best(store, truth, results))
    assert "3 worst and 0 best" not in written
    assert "worst: F1 0.00, id 12\n0 hit, 0 false, 1 missed" in written
    assert "cat 0.90" in written
    assert "dog 0.20" not in written


@pytest.mark.parametrize("found", [[], [(0, 0, (0, 0, 5, 5), 0.9)] * 30])
def test_no_detections_and_many_are_drawn(found, store, truth, results_of, png):
    assert png(detections.worst_and_best(store, truth, results_of(found, truth)))


def test_names_that_look_like_formulas_are_drawn(store, truth_of, results_of, png):
    truth = truth_of([(0, 0, (1, 1, 20, 20))], classes=("a$b$", "$"))
    results = results_of([(0, 0, (1, 1, 20, 20), 0.9), (0, 1, (30, 30, 20, 20), 0.9)], truth)
    assert png(detections.worst_and_best(store, truth, results))
