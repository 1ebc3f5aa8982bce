import numpy as np
import pandas as pd

from scalewise.report import levels

SCALES = ("small", "medium", "large")


def counts(rows):
    return pd.DataFrame(rows, columns=["level", "scale", "count"])


def test_shares_are_of_each_scale_and_keep_the_order():
    table = counts([("9", "small", 3), ("9", "large", 0), ("10", "small", 1), ("10", "large", 0)])
    share = levels.shares(table)
    assert list(share.index) == ["9", "10"]
    assert share["small"].tolist() == [0.75, 0.25]
    assert np.isnan(share["large"]).all()


def test_numbers_stand_in_the_map_and_a_scale_without_any_is_marked(png, texts):
    figure = levels.level_by_scale(
        counts([("0", "small", 3), ("1", "small", 1), ("0", "all", 4)]), SCALES
    )
    assert png(figure)
    assert "75%  (3)" in texts(figure)
    assert "n = 4 objects found" in texts(figure)
    assert "-" in texts(figure)


def test_no_rows_are_a_picture_that_says_so(png, texts):
    figure = levels.level_by_scale(counts([]), SCALES)
    assert png(figure)
    assert "nothing was found" in texts(figure)
