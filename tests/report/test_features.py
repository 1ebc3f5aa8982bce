import numpy as np

from scalewise.report.features import FeatureView, feature_maps


def view(label, levels, side=64):
    maps = {f"stride {s}": np.random.default_rng(s).random((side // s, side // s)) for s in levels}
    image = np.zeros((side, side, 3), np.uint8)
    return FeatureView(label, image, np.array([4.0, 5.0, 20.0, 30.0]), maps)


def test_a_row_for_each_object_and_a_column_for_each_level(png, texts):
    figure = feature_maps([view("small: cat, 10 px", [4, 8]), view("large: dog, 99 px", [8, 16])])
    assert png(figure)
    assert len(figure.axes) == 2 * 4
    assert "small: cat, 10 px" in texts(figure)
    assert "stride 4 (16x16)" in texts(figure)


def test_a_flat_map_and_no_objects_are_drawn(png, texts):
    flat = FeatureView("flat", np.zeros((8, 8, 3), np.uint8), np.zeros(4), {"0": np.zeros((1, 1))})
    assert png(feature_maps([flat]))
    assert "no objects" in texts(feature_maps([]))
    assert png(feature_maps([]))
