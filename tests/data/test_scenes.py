import numpy as np
import pytest

from scalewise import boxes
from scalewise.data import scenes
from scalewise.data.scenes import CLASSES, Item
from scalewise.errors import InputError

LOOK = {"size": 224, "objects": (2, 8), "side": (10, 180), "tilt": 10, "overlap": 0.25}


def side(item):
    return item.cell[2] - item.cell[0]


@pytest.fixture(scope="module")
def varied():
    return [scenes.varied(np.random.default_rng(seed), **LOOK) for seed in range(400)]


@pytest.fixture(scope="module")
def classic():
    return [scenes.classic(np.random.default_rng(seed)) for seed in range(400)]


@pytest.fixture(scope="module")
def items():
    """Every class at many sizes, places and tilts, in 224 px."""
    rng = np.random.default_rng(0)
    drawn = []
    for n in range(300):
        length = rng.uniform(8, 200)
        corner = rng.uniform(0, 224 - length, 2)
        cell = np.concatenate([corner, corner + length])
        drawn.append(Item(n % 3, cell, np.radians(rng.uniform(-45, 45))))
    return drawn


def test_area_is_what_is_drawn(items):
    for item in items:
        patch = scenes.patch_of(item, 224)
        assert patch.alpha.sum() == pytest.approx(scenes.area_of(item), rel=0.02)
        edge = 4 * side(item)  # pixels that the outline can pass through
        assert abs(patch.mask.sum() - scenes.area_of(item)) < 0.2 * edge


def test_areas_of_upright_shapes():
    cell = np.array([10.0, 10, 30, 30])
    expected = {"circle": np.pi * 100, "square": 400, "triangle": 200}
    for n, name in enumerate(CLASSES):
        assert scenes.area_of(Item(n, cell)) == pytest.approx(expected[name])
    diamond = Item(CLASSES.index("square"), cell, np.pi / 4)
    assert scenes.area_of(diamond) == pytest.approx(200)


def test_boxes_are_tight_around_what_is_drawn(items):
    for item in items:
        patch = scenes.patch_of(item, 224)
        rows, columns = (np.flatnonzero((patch.alpha > 0.02).any(axis=axis)) for axis in (1, 0))
        left, top = patch.columns.start + columns[0], patch.rows.start + rows[0]
        right, bottom = patch.columns.start + columns[-1] + 1, patch.rows.start + rows[-1] + 1
        drawn = np.array([left, top, right, bottom])
        assert np.abs(drawn - scenes.box_of(item)).max() <= 1.01


def test_box_shares_the_cells_centre_and_longer_side(items):
    for item in items:
        box = scenes.box_of(item)
        assert (box[2:] - box[:2]).max() == pytest.approx(side(item), abs=0.07)
        np.testing.assert_allclose(box[:2] + box[2:], item.cell[:2] + item.cell[2:], atol=0.07)


def test_tilt_turns_and_does_not_bend():
    cell, angle = np.array([0.0, 0, 100, 100]), np.radians(25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for category in (1, 2):
        upright, tilted = (scenes.outline(Item(category, cell, t)) for t in (0, angle))
        edges = [np.roll(corners, -1, axis=0) - corners for corners in (upright, tilted)]
        scale = np.linalg.norm(edges[1][0]) / np.linalg.norm(edges[0][0])
        np.testing.assert_allclose(edges[1], scale * edges[0] @ turn)


def test_visibility_is_the_share_that_no_later_one_covers():
    below = Item(1, np.array([10.0, 10, 30, 30]))
    half = Item(1, np.array([20.0, 0, 60, 40]))
    around = Item(1, np.array([0.0, 0, 90, 90]))

    def seen(*order):
        return scenes.visibility([scenes.patch_of(item, 100) for item in order], 100).tolist()

    assert seen(below) == [1]
    assert seen(below, half) == [0.5, 1]
    assert seen(half, below) == [1 - 200 / 1600, 1]
    assert seen(below, around) == [0, 1]
    assert seen(around, below) == [1 - 400 / 8100, 1]


def test_nothing_crosses_the_border(varied, classic):
    for scene in varied + classic:
        cells, tight = np.array([i.cell for i in scene]), np.array(list(map(scenes.box_of, scene)))
        assert (cells >= 0).all()
        assert (cells <= 224).all()
        assert (tight >= cells - 1e-9)[:, :2].all()
        assert (tight <= cells + 1e-9)[:, 2:].all()


def test_varied_scenes_keep_to_their_bounds(varied):
    counts = np.array([len(scene) for scene in varied])
    sides = np.array([side(item) for scene in varied for item in scene])
    tilts = np.degrees([item.tilt for scene in varied for item in scene])
    assert set(counts) == set(range(2, 9))
    assert sides.min() >= 10
    assert sides.max() <= 180
    assert 9.5 < np.abs(tilts).max() <= 10
    # log-uniform, but for the large ones that find no place: a sixth each, .13 the last
    shares = np.histogram(np.log(sides), np.linspace(*np.log([10, 180]), 7))[0] / len(sides)
    assert (np.abs(shares - 1 / 6) < 0.06).all()


def test_class_does_not_depend_on_size_place_or_tilt(varied):
    drawn = [item for scene in varied for item in scene]
    category = np.array([item.category for item in drawn])
    assert (np.abs(np.bincount(category) / len(drawn) - 1 / 3) < 0.04).all()
    logs = np.log([side(item) for item in drawn])
    for values in (logs, [i.cell[0] for i in drawn], [i.cell[1] for i in drawn]):
        thirds = np.digitize(values, np.quantile(values, [1 / 3, 2 / 3]))
        table = np.histogram2d(category, thirds, 3)[0]
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / len(drawn)
        chi_square = (np.square(table - expected) / expected).sum()
        assert chi_square < 18.5  # .999 quantile at 4 degrees of freedom


def test_varied_objects_share_little_and_none_is_hidden(varied):
    for scene in varied:
        cells = np.array([item.cell for item in scene])
        shared = boxes.intersection(cells[:, None], cells[None]).sum(axis=1) / boxes.area(cells)
        assert (shared <= 1 + LOOK["overlap"] + 1e-9).all()
    patches = [[scenes.patch_of(item, 224) for item in scene] for scene in varied[:100]]
    seen = np.concatenate([scenes.visibility(patch, 224) for patch in patches])
    assert seen.min() > 0.3
    assert (seen == 1).mean() > 0.6


def test_the_most_overlap_there_can_be_hides_no_triangle():
    triangle = CLASSES.index("triangle")
    turned = [Item(triangle, np.array([0.0, 0, 1, 1]), np.radians(t)) for t in range(-45, 46)]
    assert min(map(scenes.area_of, turned)) > 0.35 + 0.03


def test_what_does_not_fit_is_told():
    with pytest.raises(InputError, match=r"no place for 4 objects of side 60-60 px in 64 px"):
        scenes.varied(np.random.default_rng(0), 64, (4, 4), (60, 60), 0, 0.1)


def test_classic_scenes_are_the_homeworks(classic):
    counts = np.bincount([len(scene) for scene in classic], minlength=6)
    assert (counts[:2] == 0).all()
    assert (np.abs(counts[2:] / len(classic) - 1 / 4) < 0.08).all()
    drawn = [item for scene in classic for item in scene]
    assert all((item.cell == np.round(item.cell)).all() and item.tilt == 0 for item in drawn)
    for category, (low, high) in enumerate(((16, 32), (48, 96), (96, 192))):
        sides = np.array([side(item) for item in drawn if item.category == category])
        assert sides.min() == low
        assert sides.max() == high
        assert sides.mean() == pytest.approx((low + high) / 2, rel=0.05)
        assert len(sides) / len(drawn) == pytest.approx(1 / 3, abs=0.04)


def test_classic_scenes_hide_and_overlap_as_much_as_the_homeworks(classic):
    # Measured on 200 of the homework's images: 4.1% hidden, 36 pairs with an IoU above .5.
    patches = [[scenes.patch_of(item, 224) for item in scene] for scene in classic]
    seen = np.concatenate([scenes.visibility(patch, 224) for patch in patches])
    assert 0.025 < (seen == 0).mean() < 0.055
    cells = [np.array([item.cell for item in scene]) for scene in classic]
    pairs = sum((np.triu(boxes.iou(c, c), 1) > 0.5).sum() for c in cells)
    assert 24 < pairs / len(classic) * 200 < 48
