from dataclasses import replace

import numpy as np
import pytest

from keypoint_cases import random_case, truth_of
from scalewise.coco_keypoints import SEEN, Results
from scalewise.data import figures, poses
from scalewise.evaluation import ceiling, pck
from scalewise.evaluation.keypoint_distances import distances, lengths

THRESHOLDS = np.array([0.05, 0.1, 0.2, 0.4])
HANDS, FEET = (1, 2), (3, 4)


def single(seed):
    """One figure an image at most, so that a net's answers are the figures' own."""
    return random_case(seed, images=40, most=1)[0]


def share(truth, keypoints):
    """PCK of predictions [T, K, 2] by the code that knows nothing of ceilings."""
    n = len(truth)
    results = Results("net", truth.image, keypoints, np.ones((n, 5)), np.ones(n))
    found = distances(truth, results, "box")
    return pck.shares(found, THRESHOLDS, np.ones((1, found.images)))[0]


def coins(rng, truth, pairs):
    """The truth with each pair's names exchanged by a coin, which no pixel tells of."""
    order = np.tile(np.arange(5), (len(truth), 1))
    for one, other in pairs:
        swapped = rng.random(len(truth)) < 0.5
        order[swapped, one], order[swapped, other] = other, one
    rows = np.arange(len(truth))[:, None]
    parts = {"keypoints": truth.keypoints[rows, order], "visibility": truth.visibility[rows, order]}
    return replace(truth, **parts)


def peaks(truth, pairs):
    """What the pixels say: each keypoint's two places, that of the seen one where one is hidden."""
    first, second = truth.keypoints.copy(), truth.keypoints.copy()
    for one, other in pairs:
        for a, b in ((one, other), (other, one)):
            seen = truth.visibility[:, [a, b]] == SEEN
            alone = np.where(seen[:, [1]] & ~seen[:, [0]], truth.keypoints[:, b], first[:, a])
            first[:, a] = alone
            second[:, a] = np.where(seen.all(axis=1)[:, None], truth.keypoints[:, b], alone)
    return first, second


@pytest.mark.parametrize("pairs", [(HANDS,), (FEET,), (HANDS, FEET)])
@pytest.mark.parametrize("seed", range(3))
def test_ceilings_are_what_such_nets_reach_on_average(seed, pairs):
    rng, truth = np.random.default_rng(seed), single(seed)
    expected = ceiling.shares(ceiling.apart(truth, "box", pairs), THRESHOLDS)
    guesses, means = [], []
    for _ in range(300):
        drawn = coins(rng, truth, pairs)
        first, second = peaks(drawn, pairs)
        heads = rng.random((len(truth), 5, 1)) < 0.5
        guesses.append(share(drawn, np.where(heads, first, second)))
        means.append(share(drawn, (first + second) / 2))
    spread = np.std(guesses, axis=0) / np.sqrt(300)
    assert (np.abs(np.mean(guesses, axis=0) - expected["guess"]) <= 4 * spread + 1e-12).all()
    np.testing.assert_allclose(means, np.tile(expected["mean"], (300, 1)))


@pytest.mark.parametrize("seed", range(5))
def test_no_point_between_the_two_is_right_more_often_than_the_optimum(seed):
    truth = single(seed)
    length, gaps = lengths(truth, "box"), ceiling.apart(truth, "box", [HANDS])
    best = np.zeros((len(THRESHOLDS), len(truth)))
    for t in np.flatnonzero((truth.visibility[:, HANDS] == SEEN).all(axis=1)):
        p, q = truth.keypoints[t, HANDS[0]], truth.keypoints[t, HANDS[1]]
        line = p + np.linspace(0, 1, 401)[:, None] * (q - p)  # off it, both are farther
        far = np.hypot(*np.moveaxis(line[:, None] - [p, q], -1, 0)) / length[t]
        best[:, t] = [(far <= t + 1e-12).mean(axis=1).max() for t in THRESHOLDS]
    both = (truth.visibility[:, HANDS] == SEEN).all(axis=1) & ~np.isnan(length)
    found = ceiling.shares(gaps[both][:, HANDS], THRESHOLDS)["optimal"]
    np.testing.assert_allclose(found, best[:, both].mean(axis=1))


def test_worked_out_by_hand():
    # Diagonal 50, hands 6 px apart (.12): within .15 a net that guesses is right anyway, within
    # .10 so is one that says the middle, and both are right about the three others.
    figure = [[50, 20, 2], [50, 40, 2], [56, 40, 2], [45, 60, 2], [75, 60, 2]]
    gaps = ceiling.apart(truth_of([(0, figure)]), "box", [HANDS])
    assert gaps == pytest.approx(np.array([[0, 0.12, 0.12, 0, 0]]))
    found = ceiling.shares(gaps, [0.05, 0.1, 0.15])
    assert found["guess"] == pytest.approx([0.8, 0.8, 1])
    assert found["mean"] == pytest.approx([0.6, 1, 1])
    assert found["optimal"] == pytest.approx([0.8, 1, 1])


def test_on_figures_that_are_all_seen_they_are_the_formulas_for_two_of_five():
    rng = np.random.default_rng(0)
    points = rng.uniform(10, 80, (50, 5, 2))
    truth = truth_of([(n, [[x, y, 2] for x, y in figure]) for n, figure in enumerate(points)])
    diagonal = np.hypot(*np.ptp(points, axis=1).T)
    d = np.hypot(*(points[:, 1] - points[:, 2]).T) / diagonal
    found = ceiling.shares(ceiling.apart(truth, "box", [HANDS]), THRESHOLDS)
    for n, t in enumerate(THRESHOLDS):
        near, half = np.mean(d <= t), np.mean(d / 2 <= t)
        expected = [(3 + 2 * (0.5 + 0.5 * near)) / 5, (3 + 2 * half) / 5]
        expected.append((3 + 2 * (0.5 + 0.5 * half)) / 5)
        assert [found[kind][n] for kind in ceiling.KINDS] == pytest.approx(expected)


def test_on_the_homeworks_figures_they_are_the_known_ones():
    drawn = [poses.classic(np.random.default_rng(n)) for n in range(4000)]
    contents = [figures.Figure(p.keypoints, np.full(5, SEEN), poses.box_of(p)) for p in drawn]
    truth = figures.truth_of(figures.Parameters(style="classic"), "test", contents)
    found = ceiling.metrics(truth, pck.Parameters(), truth.ambiguous)
    known = {
        "guess": [0.830, 0.859, 0.888, 0.914],
        "mean": [0.718, 0.828, 0.930, 0.974],
        "optimal": [0.859, 0.914, 0.965, 0.987],
    }
    for kind, values in known.items():
        assert list(found[kind].values()) == pytest.approx(values, abs=0.012)


def test_where_one_of_a_pair_is_seen_it_is_certain():
    figure = [[50, 20, 2], [40, 40, 2], [70, 40, 1], [45, 60, 2], [65, 60, 2]]
    gaps = ceiling.apart(truth_of([(0, figure)]), "box", [HANDS])
    np.testing.assert_array_equal(gaps, [[0, 0, np.nan, 0, 0]])
    assert ceiling.shares(gaps, [0.05])["guess"] == 1


def test_without_ambiguous_pairs_all_is_possible():
    found = ceiling.metrics(single(0), pck.Parameters(), [])
    assert {value for kind in found.values() for value in kind.values()} == {1}


@pytest.mark.parametrize("images", [0, 2])
def test_without_figures_nothing_is_claimed(images):
    truth = truth_of([], images)
    assert np.isnan(list(ceiling.metrics(truth, pck.Parameters(), [HANDS])["mean"].values())).all()
    assert ceiling.curve(truth, "box", [HANDS])["PCK"].isna().all()


def test_the_curve_passes_through_the_metrics():
    truth = single(1)
    curve = ceiling.curve(truth, "box", [HANDS])
    metrics = ceiling.metrics(truth, pck.Parameters(), [HANDS])
    assert set(curve["group"]) == {"all", "left_hand", "right_hand"}
    for kind in ceiling.KINDS:
        rows = curve[(curve["group"] == "all") & (curve["kind"] == kind)]
        at = rows[np.isclose(rows["threshold"], 0.15)]
        assert at["PCK"].item() == pytest.approx(metrics[kind]["PCK_15"])
