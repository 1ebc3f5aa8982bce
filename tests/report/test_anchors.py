import numpy as np
import pytest

from scalewise.report import anchors
from scalewise.scales import Scales

LEVELS = {"stride 4": [8, 16], "stride 8": [32.5], "stride 16": []}


def test_recall_of_a_size_bin_is_absent_where_the_bin_is_empty():
    sides, reached = np.array([5.0, 6.0, 30.0]), np.array([True, False, True])
    recall = anchors.recall_by_bin(sides, reached, np.array([4.0, 8.0, 16.0, 32.0]))
    assert recall[0] == 0.5
    assert np.isnan(recall[1])
    assert recall[2] == 1


@pytest.mark.parametrize("sides", [[5.0, 40.0, 100.0, 200.0], [33.0], []])
@pytest.mark.parametrize("levels", [LEVELS, {}])
def test_any_sizes_and_anchors_are_drawn(sides, levels, png, texts):
    sides = np.array(sides)
    figure = anchors.coverage(sides, np.full(len(sides), 0.6), levels, Scales())
    assert png(figure)
    assert f"n = {len(sides)} objects" in texts(figure)


def test_the_title_says_what_is_reached_in_all_and_by_scale(texts):
    figure = anchors.coverage(
        np.array([10.0, 12.0, 50.0]), np.array([0.4, 0.5, 0.9]), LEVELS, Scales()
    )
    assert "Anchors reach 67% of n = 3 objects" in texts(figure)
    assert "small 50% of 2 · medium 100% of 1 · large none of 0" in texts(figure)
