import numpy as np
import pytest
import torch
from scipy import ndimage, optimize

from scalewise.prediction import decoding
from scalewise.prediction.decoding import SMALLEST, WINDOW, decode


def alone(values, size=None, method="argmax"):
    """The point (x, y) and score of one map, given as rows; a cell is a pixel unless said."""
    maps = torch.tensor(np.asarray(values, dtype=np.float32))[None, None]
    points, scores = decode(maps, size or maps.shape[-1], method)
    return points[0, 0].tolist(), scores.item()


def by_loops(values, method):
    """The middle of the highest cell and the step from it, one map at a time; cells, (x, y)."""
    cells = len(values)
    row, column = divmod(int(values.argmax()), cells)

    def at(down, right):
        return values[np.clip(row + down, 0, cells - 1), np.clip(column + right, 0, cells - 1)]

    step = np.zeros(2)
    if method != "argmax":
        step = {"quarter": quarter, "taylor": taylor, "expectation": expectation}[method](
            at, 0 < column < cells - 1, 0 < row < cells - 1
        )
    return np.clip(np.array([column, row]) + 0.5 + step, 0, cells)


def quarter(at, free_x, free_y):
    x, y = np.sign(at(0, 1) - at(0, -1)), np.sign(at(1, 0) - at(-1, 0))
    return 0.25 * np.array([x * free_x, y * free_y])


def taylor(at, free_x, free_y):
    def log(down, right):
        return np.log(max(at(down, right), SMALLEST))

    slope = np.array([log(0, 1) - log(0, -1), log(1, 0) - log(-1, 0)]) / 2
    across = (log(1, 1) - log(1, -1) - log(-1, 1) + log(-1, -1)) / 4
    bend = np.array(
        [
            [log(0, 1) + log(0, -1) - 2 * log(0, 0), across],
            [across, log(1, 0) + log(-1, 0) - 2 * log(0, 0)],
        ]
    )
    if free_x and free_y and (np.linalg.eigvalsh(bend) < -1e-5).all():
        step = -np.linalg.solve(bend, slope)
        if (abs(step) <= 1).all():
            return step
    return quarter(at, free_x, free_y)


def expectation(at, *_):
    reach = range(-WINDOW, WINDOW + 1)
    cells = [(max(at(down, right), 0), right, down) for down in reach for right in reach]
    weights, places = np.array([c[0] for c in cells]), np.array([c[1:] for c in cells])
    return weights @ places / max(weights.sum(), SMALLEST)


def random_maps(seed, cells):
    """Noise above and below 0, smooth hills, few levels with ties; peaks are on borders too."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (6, cells, cells))
    hills = ndimage.gaussian_filter(rng.normal(0, 1, (6, cells, cells)), (0, 2, 2))
    ties = rng.integers(-2, 3, (6, cells, cells)) / 2
    edges = rng.random((6, cells, cells))
    edges[np.arange(6), rng.integers(cells, size=6), [0, -1, 0, -1, 0, -1]] = 3
    return np.concatenate([noise, hills, ties, edges]).astype(np.float32)


@pytest.mark.parametrize("cells", [2, 5, 16])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", decoding.METHODS)
def test_every_method_equals_the_rule_written_as_loops(method, seed, cells):
    maps = random_maps(seed, cells)
    points, scores = decode(torch.tensor(maps).view(4, 6, cells, cells), 8 * cells, method)
    expected = [by_loops(values.astype(float), method) * 8 for values in maps]
    np.testing.assert_allclose(points.view(-1, 2), expected, atol=2e-3)
    np.testing.assert_array_equal(scores.flatten(), maps.max(axis=(1, 2)))


@pytest.mark.parametrize("method", decoding.METHODS)
@pytest.mark.parametrize("value", [0.0, 0.5, -1.0])
def test_a_flat_map_has_its_first_cell(method, value):
    """All cells are the highest; the first is taken, and there is nothing to step towards."""
    (x, y), score = alone(np.full((4, 4), value), method=method)
    assert (x, y) == (0.5, 0.5)
    assert score == value


HILL = [
    [0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.1, 0.2, 0.1, 0.0],
    [0.0, 0.2, 0.8, 0.4, 0.0],
    [0.0, 0.1, 0.1, 0.1, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0],
]


def test_argmax_by_hand():
    """The highest cell is column 2, row 2 of 5: its middle is 2.5 cells, of 128 / 5 px each."""
    (x, y), score = alone(HILL, 128, "argmax")
    assert (x, y) == pytest.approx((64, 64))
    assert score == pytest.approx(0.8)


def test_quarter_by_hand():
    """Right .4 is above left .2, and the upper .2 above the lower .1: a quarter right and up."""
    assert alone(HILL, method="quarter")[0] == pytest.approx((2.75, 2.25))


def test_expectation_by_hand():
    """Sum 2.1; columns .4 at -1 and .6 at +1, rows .4 at -1 and .3 at +1."""
    found, _ = alone(HILL, method="expectation")
    assert found == pytest.approx((2.5 + 0.2 / 2.1, 2.5 - 0.1 / 2.1))


def test_taylor_by_hand():
    """exp(-(x - .25)^2): log -1.5625, -.0625, -.5625; slope .5, bend -2, so a step of .25."""
    along_x = np.exp([-9.0, -1.5625, -0.0625, -0.5625, -9.0])
    along_y = np.exp([-9.0, -1.0, 0.0, -1.0, -9.0])
    found, _ = alone(np.outer(along_y, along_x), method="taylor")
    assert found == pytest.approx((2.75, 2.5), abs=1e-5)


@pytest.mark.parametrize("method", decoding.METHODS)
def test_a_pixel_is_half_way_into_its_cell(method):
    """Index i of R cells is pixel (i + .5) S / R, whatever R is."""
    for cells in (4, 32, 128):
        values = np.zeros((cells, cells))
        values[1, 2] = 1
        found, _ = alone(values, 128, method)
        assert found == pytest.approx((2.5 * 128 / cells, 1.5 * 128 / cells))


def test_x_and_y_are_columns_and_rows():
    values = np.zeros((8, 8))
    values[1, 6] = 1
    for method in decoding.METHODS:
        assert alone(values, method=method)[0] == pytest.approx((6.5, 1.5))


@pytest.mark.parametrize("seed", range(20))
def test_taylor_finds_the_optimum_of_a_gaussian_turned_any_way(seed):
    rng = np.random.default_rng(seed)
    root = np.diag(rng.uniform(0.4, 0.8, 2)) @ np.linalg.qr(rng.normal(size=(2, 2)))[0]
    bend, peak = root.T @ root, rng.uniform(4, 8, 2)

    def depth(place):
        return -np.exp(-(place - peak) @ bend @ (place - peak) / 2)

    middle = np.arange(12) + 0.5
    values = [[-depth(np.array([x, y])) for x in middle] for y in middle]
    best = optimize.minimize(depth, [*np.unravel_index(np.argmax(values), (12, 12))[::-1]])
    found, _ = alone(values, method="taylor")
    assert found == pytest.approx(best.x, abs=2e-3)


def test_where_the_logarithm_says_nothing_taylor_takes_a_quarter_step():
    """Not concave along the diagonal, a step out of the cell's surroundings, or a border."""
    saddle = np.array(HILL)
    saddle[1, 3] = saddle[3, 1] = 0.79
    saddle[2, 1] = saddle[3, 2] = 0.7
    saddle[2, 3] = saddle[1, 2] = 0.75
    far = np.full((5, 5), 0.1)  # slope .2, bend -.6, across .5: a step of .22 / .11 = 2
    far[1:4, 1:4] = np.exp([[-0.25, -0.5, -1.2], [-0.5, 0, -0.1], [-1.2, -0.1, -0.15]])
    border = np.array(HILL)[:, 2:]
    for values in (saddle, far, border):
        square = np.pad(values, ((0, 0), (0, 5 - values.shape[1])))
        assert alone(square, method="taylor") == alone(square, method="quarter")


@pytest.mark.parametrize("method", decoding.METHODS)
def test_points_stay_within_the_map(method):
    for values in random_maps(3, 6):
        found, _ = alone(values, 96, method)
        assert min(found) >= 0 and max(found) <= 96


@pytest.mark.parametrize("method", decoding.METHODS)
def test_each_map_is_decoded_alone(method):
    maps = torch.tensor(random_maps(4, 9)).view(4, 6, 9, 9)
    points, scores = decode(maps, 9, method)
    for n, k in np.ndindex(4, 6):
        one, score = decode(maps[n : n + 1, k : k + 1], 9, method)
        assert torch.equal(one[0, 0], points[n, k]) and score == scores[n, k]


@pytest.mark.parametrize("method", decoding.METHODS)
def test_no_images_are_no_points(method):
    points, scores = decode(torch.zeros(0, 5, 8, 8), 64, method)
    assert points.shape == (0, 5, 2) and scores.shape == (0, 5)
