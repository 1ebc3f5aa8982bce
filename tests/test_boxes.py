import numpy as np
import pytest

from scalewise import boxes

NONE = np.empty((0, 4))


@pytest.fixture
def some():
    corner = np.random.default_rng(0).uniform(-20, 100, (50, 2))
    return np.concatenate([corner, corner + np.random.default_rng(1).uniform(0, 60, (50, 2))], 1)


def test_conversions_are_right_for_every_box_and_undo_each_other(some):
    # (1, 2, 3, 4) as left, top, width, height ends at 1 + 3, 2 + 4
    two = boxes.xywh_to_xyxy(np.array([[1.0, 2, 3, 4], [0, 0, 10, 20]]))
    np.testing.assert_array_equal(two, [[1, 2, 4, 6], [0, 0, 10, 20]])
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(some)), some)


def test_empty_sets_keep_their_shapes(some):
    assert boxes.xywh_to_xyxy(NONE).shape == (0, 4)
    assert boxes.xyxy_to_xywh(NONE).shape == (0, 4)
    assert boxes.area(NONE).shape == (0,)
    assert boxes.iou(NONE, some).shape == (0, 50)
    assert boxes.iou(some, NONE).shape == (50, 0)


def test_iou_of_half_overlapping_squares():
    # two 2x2 squares, one shifted by 1: shared 2, together 4 + 4 - 2
    a, b = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2]])
    np.testing.assert_allclose(boxes.iou(a, b), [[2 / 6, 0, 1]])


def test_iou_identities(some):
    pairs = boxes.iou(some, some)
    np.testing.assert_allclose(pairs, pairs.T)
    np.testing.assert_allclose(np.diag(pairs), 1)
    np.testing.assert_allclose(boxes.iou(some * 3 + 7, some * 3 + 7), pairs)
    assert ((pairs >= 0) & (pairs <= 1 + 1e-12)).all()


def test_boxes_without_area_overlap_nothing():
    point = np.array([[1.0, 1, 1, 1]])
    np.testing.assert_array_equal(boxes.iou(point, np.vstack([point, [[0, 0, 2, 2]]])), [[0, 0]])


def test_area_of_a_box_turned_inside_out_is_nothing():
    turned = np.array([[2.0, 2, 1, 1], [0, 0, 3, -1], [0, 0, 3, 2]])
    np.testing.assert_array_equal(boxes.area(turned), [0, 0, 6])
    np.testing.assert_array_equal(boxes.intersection(turned, turned), [0, 0, 6])


def test_nothing_changes_its_inputs(some):
    before = some.copy()
    boxes.xywh_to_xyxy(some), boxes.iou(some, some), boxes.area(some)
    np.testing.assert_array_equal(some, before)
