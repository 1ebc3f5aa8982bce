import numpy as np
import pytest

from scalewise.errors import InputError
from scalewise.params import parse
from scalewise.scales import Scales


def test_ranges_are_cocos():
    # COCOeval: [0, 1e10], [0, 32 ** 2], [32 ** 2, 96 ** 2], [96 ** 2, 1e10]
    assert Scales().groups == ("all", "small", "medium", "large")
    expected = [[0, 1e10], [0, 1024], [1024, 9216], [9216, 1e10]]
    np.testing.assert_array_equal(Scales().ranges(), expected)


def test_each_area_is_of_one_scale_and_a_bound_counts_upwards():
    areas = np.array([0, 1023.9, 1024, 9215, 9216, 1e9])
    np.testing.assert_array_equal(Scales().of(areas), [0, 0, 1, 1, 2, 2])
    assert Scales().of(np.empty(0)).shape == (0,)


def test_other_scales_are_a_setting():
    scales = parse(Scales, {"names": ["tiny", "rest"], "bounds": [16]}, "scales")
    np.testing.assert_array_equal(scales.ranges(), [[0, 1e10], [0, 256], [256, 1e10]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bounds": [96, 32]}, r"rising, got \[96.0, 32.0\]"),
        ({"bounds": [32, 32]}, "rising"),
        ({"bounds": [0, 32]}, "above 0"),
        ({"bounds": [32]}, "3 names need 2 bounds between them, got 1"),
        ({"names": ["a", "a", "b"]}, "names must differ"),
        ({"names": ["all", "a", "b"]}, "not be 'all'"),
    ],
)
def test_impossible_scales_are_told(values, message):
    with pytest.raises(InputError, match=message):
        parse(Scales, values, "scales")
