import numpy as np
import pytest

from scalewise.diagnosis import score_maps

METHODS = ("temperature", "platt", "isotonic")
EDGE = score_maps.EDGE


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def scored(rng: np.random.Generator, n: int, slope: float, shift: float):
    """Scores, and hits that are right as often as sigmoid(slope z + shift) says."""
    z = rng.normal(0, 2, n)
    return sigmoid(z), rng.random(n) < sigmoid(slope * z + shift)


def test_temperature_is_found_again():
    score, hit = scored(np.random.default_rng(0), 40_000, 1 / 1.7, 0)
    assert 1 / score_maps.fit("temperature", score, hit).slope == pytest.approx(1.7, rel=0.03)


def test_platt_is_found_again():
    score, hit = scored(np.random.default_rng(0), 40_000, 0.6, -1.2)
    found = score_maps.fit("platt", score, hit)
    assert (found.slope, found.shift) == pytest.approx((0.6, -1.2), rel=0.04)


def test_scores_that_are_right_stay():
    score, hit = scored(np.random.default_rng(0), 40_000, 1, 0)
    for method in METHODS:
        moved = score_maps.fit(method, score, hit)(score) - score
        assert np.abs(moved).mean() < 0.01


@pytest.mark.parametrize("target", ["hits", "ious"])
def test_platt_equals_logistic_regression_on_smoothed_targets(target):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    score, hit = scored(rng, 300, 0.6, -1.2)
    wanted = hit * (1.0 if target == "hits" else rng.uniform(0.5, 1, 300))
    smooth = score_maps._smoothed(wanted)
    z = np.log(score / (1 - score))[:, None]
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(
        np.r_[z, z], np.repeat([1, 0], 300), sample_weight=np.r_[smooth, 1 - smooth]
    )
    found = score_maps.fit("platt", score, wanted)
    expected = (oracle.coef_[0, 0], oracle.intercept_[0])
    assert (found.slope, found.shift) == pytest.approx(expected, abs=1e-4)


def test_isotonic_pools_what_falls():
    # .4 is right and .6 is not: both become 1/2. Between the steps the line rises evenly.
    score, hit = np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, False, True])
    found = score_maps.fit("isotonic", score, hit)
    asked = np.array([0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1])
    assert found(asked) == pytest.approx([0, 0, 0.25, 0.5, 0.5, 0.5, 1, 1])


@pytest.mark.parametrize("method", METHODS)
def test_without_detections_nothing_changes(method):
    none = np.zeros(0)
    score = np.array([0.0, 0.3, 1.0])
    assert score_maps.fit(method, none, none)(score) == pytest.approx([EDGE, 0.3, 1 - EDGE])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("score", [[0.5], [0.0], [1.0], [0.0, 1.0], [0.2, 0.2, 0.9]])
@pytest.mark.parametrize("right", [0.0, 1.0])
def test_all_right_or_all_wrong_has_a_finite_map(method, score, right):
    scores = np.array(score)
    found = score_maps.fit(method, scores, np.full(len(scores), right))
    values = found(np.linspace(0, 1, 11))
    assert ((values >= 0) & (values <= 1)).all()
    assert (np.diff(values) >= 0).all()


def test_platt_of_one_kind_is_its_smoothed_share():
    # 98 detections, all right, all of score .5 (z = 0): sigmoid(b) = 99 / 100.
    found = score_maps.fit("platt", np.full(98, 0.5), np.ones(98))
    assert found(np.array([0.5])) == pytest.approx(0.99, abs=1e-5)


def test_scores_that_tell_the_opposite_get_the_flattest_rising_map():
    score = np.linspace(0.05, 0.95, 200)
    found = score_maps.fit("platt", score, score < 0.5)
    assert found.slope == pytest.approx(1 / score_maps.STEEPEST)
    assert (np.diff(found(score)) > 0).all()


def test_ties_made_by_a_map_are_parted_in_the_old_order():
    old = np.array([0.9, 0.1, 0.3, 0.3, 0.5])
    new = np.array([0.8, 0.2, 0.5, 0.5, 0.5])
    found = score_maps.in_order(new, old)
    assert found == pytest.approx(new, abs=1e-14)
    assert found[1] < found[2] == found[3] < found[4] < found[0]
    assert found[4] == 0.5, "only the lower ones move"


def test_order_without_ties_keeps_the_bits():
    rng = np.random.default_rng(0)
    old = rng.random(100)
    assert np.array_equal(score_maps.in_order(old**2, old), old**2)
    assert len(score_maps.in_order(np.zeros(0), np.zeros(0))) == 0


def test_a_plateau_of_all_detections_stays_a_strict_order():
    old = np.random.default_rng(0).permutation(500_000) / 500_000
    found = score_maps.in_order(np.full(500_000, 1 - EDGE), old)
    assert (np.diff(found[np.argsort(old)]) > 0).all()
    assert found.max() == 1 - EDGE
    assert found.min() > 1 - EDGE - 1e-9
