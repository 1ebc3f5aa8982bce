from pathlib import Path

import numpy as np
import pytest
import torch

from scalewise import params
from scalewise.checkpoint import Trained
from scalewise.errors import InputError
from scalewise.models import anchors, multiscale
from scalewise.theory import effective_field
from scalewise.theory.effective_field import centre, side

SMALL = {"image_size": 64, "stem": (4,), "widths": (4, 8, 8), "neck": 4, "convolutions": (1, 1, 1)}
SECTIONS = {
    "multiscale": multiscale.Parameters(**SMALL),
    "anchors": anchors.Parameters(scales=((8, 12), (20, 28), (40, 90))),
}


def gaussian(deviation, size=201, at=100.5):
    place = np.arange(size) + 0.5 - at
    bell = np.exp(-(place**2) / (2 * deviation**2))
    return np.outer(bell, bell)


@pytest.mark.parametrize("deviation", [3.0, 8.0, 20.0])
def test_a_gaussian_is_as_wide_as_its_law_says(deviation):
    """P(|x| < a)^2 = .9545 at a = 2.277 deviations."""
    assert side(gaussian(deviation), 0.9545) == pytest.approx(4.554 * deviation, abs=2)
    assert side(gaussian(deviation), 0.5) == pytest.approx(2 * 1.0515 * deviation, abs=2)


def test_a_uniform_gradient_holds_its_share_by_area():
    moved = np.zeros((101, 101))
    moved[20:71, 30:81] = 1
    assert centre(moved) == (45.5, 55.5)
    assert side(moved, 0.9999) == 51
    # 35 x 35 of 51 x 51 hold .471, 37 x 37 hold .526.
    assert side(moved, 0.5) == 37


def test_one_pixel():
    moved = np.zeros((5, 7))
    moved[4, 0] = 2
    assert centre(moved) == (4.5, 0.5) and side(moved, 0.9545) == 1


def test_scale_and_place_do_not_matter():
    one, other = gaussian(5, 101, 50.5), 7 * gaussian(5, 101, 40.5)
    assert side(one, 0.9) == pytest.approx(side(other, 0.9))


def test_no_gradient_has_no_size():
    with pytest.raises(InputError, match="0 everywhere"):
        side(np.zeros((4, 4)), 0.5)


def trained(net):
    return Trained("multiscale", net, SECTIONS, ("a", "b"), Path("multiscale.pt"))


@pytest.fixture(scope="module")
def levels():
    torch.manual_seed(5)
    net = multiscale.build(SECTIONS, ("a", "b"))
    images = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    return effective_field.of_detector(trained(net), images.byte(), 0)


def test_each_level_is_joined_with_its_anchors(levels):
    assert [level.name for level in levels] == ["level 0", "level 1", "level 2"]
    assert [level.anchors for level in levels] == list(SECTIONS["anchors"].sides)
    assert [level.place for level in levels] == [(34, 34), (36, 36), (40, 40)]
    grid, level_of = anchors.grid(SECTIONS["anchors"], 64)
    for n, level in enumerate(levels):  # the anchors' own places hold such a point
        middles = (grid[level_of == n, :2] + grid[level_of == n, 2:]) / 2
        assert (middles == level.place).all(1).any()


def test_fields_are_ordered_and_agree(levels):
    for level in levels:
        numbers = effective_field.metrics([level], 0.9545)[level.name.replace(" ", "_")]
        assert numbers["theoretical"] >= numbers["measured"] == level.box[3] - level.box[1]
        for net in ("untrained", "trained"):
            left, top, right, bottom = level.box.astype(int)
            inside = level.moved[net][top:bottom, left:right].sum()
            assert inside == pytest.approx(level.moved[net].sum())
            assert 1 <= numbers[f"half_{net}"] < numbers[f"effective_{net}"]
            assert numbers[f"effective_{net}"] <= 1.3 * numbers["theoretical"]
        assert (numbers["anchor_smallest"], numbers["anchor_largest"]) == level.anchors


def test_the_nets_differ_and_the_seed_decides(levels):
    assert not np.allclose(levels[0].moved["trained"], levels[0].moved["untrained"])
    torch.manual_seed(5)
    net = multiscale.build(SECTIONS, ("a", "b"))
    images = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    again = effective_field.of_detector(trained(net), images.byte(), 0)
    for one, other in zip(levels, again, strict=True):
        for name in one.moved:
            np.testing.assert_array_equal(one.moved[name], other.moved[name])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"images": 0}, "images"),
        ({"share": 1}, "share"),
        ({"sead": 1}, "did you mean 'seed'"),
    ],
)
def test_bad_parameters_are_named(values, message):
    with pytest.raises(InputError, match=message):
        params.parse(effective_field.Parameters, values, "params.yaml: effective_field")


def test_the_section_is_known():
    assert "effective_field" in params.known_sections()
