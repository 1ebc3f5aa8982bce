import math

import numpy as np
import pytest
from scipy import stats

from keypoint_cases import NAMES, random_case, results_of, truth_of
from scalewise import bootstrap, params
from scalewise.errors import InputError
from scalewise.evaluation import keypoint_distances, pck
from scalewise.evaluation.keypoint_distances import distances

FEW = bootstrap.Parameters(resamples=40)
RULES = pck.Parameters()
# A figure whose box is 30 x 40, so that its diagonal is 50 pixels.
FIGURE = [[50, 20, 2], [40, 40, 2], [70, 40, 2], [45, 60, 2], [65, 60, 2]]
PLACES = [point[:2] for point in FIGURE]


def moved(*shifts):
    return [[x + dx, y + dy] for (x, y), (dx, dy) in zip(PLACES, shifts, strict=True)]


def metrics_of(truth, results, **rules):
    parameters = pck.Parameters(**rules)
    return pck.metrics(distances(truth, results, parameters.reference), parameters, FEW)


def brute_force(truth, results, reference_of):
    """Distances by plain loops: (relative, pixels, tolerant) of each keypoint, or None."""
    answer = {}
    for image in range(len(truth.image_ids)):
        asked = [d for d in range(len(results)) if results.image[d] == image]
        asked.sort(key=lambda d: (-results.score[d], d))
        free = [
            t for t in range(len(truth)) if truth.image[t] == image and max(truth.visibility[t]) > 0
        ]
        for d in asked:
            if free:
                nearest = min(free, key=lambda t: mean_apart(truth, results, t, d))
                free.remove(nearest)
                answer[nearest] = d
    rows = []
    for t in range(len(truth)):
        length = reference_of(truth, t)
        true = truth.keypoints[t]
        found = results.keypoints[answer[t]] if t in answer else [(math.inf, math.inf)] * 5
        row = [None] * 5
        for k in range(5):
            mirrored = {1: 2, 2: 1, 3: 4, 4: 3}.get(k, k)
            pair = [n for n in {k, mirrored} if truth.visibility[t, n] == 2]
            straight = sum(math.dist(found[n], true[n]) for n in pair)
            across = sum(math.dist(found[k + mirrored - n], true[n]) for n in pair)
            if truth.visibility[t, k] == 2 and length > 0:
                apart = math.dist(found[k], true[k])
                tolerant = math.dist(found[mirrored], true[k]) if across < straight else apart
                row[k] = (apart / length, apart, tolerant)
        rows.append(row)
    return rows


def mean_apart(truth, results, t, d):
    known = [k for k in range(5) if truth.visibility[t, k] > 0]
    return np.mean([math.dist(truth.keypoints[t, k], results.keypoints[d, k]) for k in known])


def box_diagonal(truth, t):
    points = truth.keypoints[t][truth.visibility[t] > 0]
    return math.dist(points.min(axis=0), points.max(axis=0)) if len(points) else 0


def longer_side(truth, t):
    return max(truth.sizes[truth.image[t]])


def head_to_foot(truth, t):
    known = truth.visibility[t, 0] > 0 and truth.visibility[t, 3] > 0
    return math.dist(truth.keypoints[t, 0], truth.keypoints[t, 3]) if known else 0


REFERENCES = {"box": box_diagonal, "image": longer_side, ("head", "left_foot"): head_to_foot}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("seed", range(15))
def test_distances_are_those_of_plain_loops(seed, reference):
    truth, results = random_case(seed)
    found = distances(truth, results, reference)
    rows = brute_force(truth, results, REFERENCES[reference])
    for n, values in enumerate((found.relative, found.pixels, found.tolerant)):
        expected = [[np.nan if one is None else one[n] for one in row] for row in rows]
        np.testing.assert_allclose(values, np.array(expected).reshape(-1, 5), rtol=1e-12)


@pytest.mark.parametrize("seed", range(15))
def test_metrics_are_those_of_plain_loops(seed):
    truth, results = random_case(seed)
    metrics = metrics_of(truth, results)
    rows = brute_force(truth, results, box_diagonal)
    for k, found in [(None, metrics), *enumerate(metrics["keypoint"].values())]:
        kept = [one for row in rows for one in (row if k is None else [row[k]]) if one]
        assert found["n"] == len(kept)
        for name, t in (("PCK_05", 0.05), ("PCK_10", 0.1), ("PCK_15", 0.15), ("PCK_20", 0.2)):
            assert found[name] == pytest.approx(np.mean([one[0] <= t for one in kept]))
        mean, median = (f([one[1] for one in kept]) for f in (np.mean, np.median))
        for name, value in (("error_px_mean", mean), ("error_px_median", median)):
            expected = value if np.isfinite(value) else np.nan
            assert found[name] == pytest.approx(expected, nan_ok=True)
    tolerant = metrics["swap_tolerant"]
    kept = [(one, box_diagonal(truth, t)) for t, row in enumerate(rows) for one in row if one]
    assert tolerant["PCK_10"] == pytest.approx(
        np.mean([one[2] / length <= 0.1 for one, length in kept])
    )
    assert tolerant["PCK_10"] >= metrics["PCK_10"]


def test_worked_out_by_hand():
    # Diagonal 50. Moved by 0, 3, 6, 9 and 25 px: .00, .06, .12, .18 and .50 of it, so one of five
    # is within .05, two within .10, three within .15, four within .20. Mean 8.6, median 6.
    found = results_of([(0, moved((0, 0), (3, 0), (0, 6), (-9, 0), (15, 20)), 1)])
    metrics = metrics_of(truth_of([(0, FIGURE)]), found)
    names = ("PCK_05", "PCK_10", "PCK_15", "PCK_20", "error_px_mean", "error_px_median")
    assert [metrics[name] for name in names] == pytest.approx([0.2, 0.4, 0.6, 0.8, 8.6, 6])
    assert metrics["keypoint"]["right_foot"]["error_px_mean"] == 25
    assert metrics["n"] == 5
    assert metrics["reference"] == "box"


def test_just_at_the_threshold_is_right():
    found = results_of([(0, moved((2.5, 0), (0, 2.5), (0, 0), (0, 0), (0, 0)), 1)])
    assert metrics_of(truth_of([(0, FIGURE)]), found)["PCK_05"] == 1


def test_left_taken_for_right_is_forgiven_pair_by_pair_beside():
    # The hands are crossed (30 px, .6 of the diagonal), the feet are not.
    crossed = [PLACES[0], PLACES[2], PLACES[1], PLACES[3], PLACES[4]]
    metrics = metrics_of(truth_of([(0, FIGURE)]), results_of([(0, crossed, 1)]))
    assert metrics["PCK_20"] == pytest.approx(0.6)
    assert metrics["swap_tolerant"]["PCK_05"] == 1
    assert metrics["swap_tolerant"]["error_px_mean"] == 0


def test_both_hands_on_one_are_not_forgiven():
    double = [PLACES[0], PLACES[1], PLACES[1], PLACES[3], PLACES[4]]
    metrics = metrics_of(truth_of([(0, FIGURE)]), results_of([(0, double, 1)]))
    assert metrics["PCK_20"] == metrics["swap_tolerant"]["PCK_20"] == pytest.approx(0.8)


def test_x_and_y_are_treated_alike_in_an_image_that_is_not_square():
    # A known mistake divides x by the height and y by the width.
    truth = truth_of([(0, FIGURE)], sizes=[(200, 100)])
    for reference in REFERENCES:
        shifts = ([(4, 0)] * 5, [(0, 4)] * 5)
        across, down = (
            distances(truth, results_of([(0, moved(*s), 1)]), reference) for s in shifts
        )
        np.testing.assert_allclose(across.relative, down.relative)
    assert across.relative == pytest.approx(4 / np.hypot(5, 40))  # head to left foot
    at_image = distances(truth, results_of([(0, moved(*shifts[0]), 1)]), "image")
    assert at_image.relative == pytest.approx(4 / 200)


@pytest.mark.parametrize("reference", ["box", ("head", "left_foot")])
def test_a_figure_twice_as_large_has_the_same_pck_and_twice_the_error(reference):
    rng = np.random.default_rng(0)
    found = np.array(PLACES) + rng.normal(0, 4, (5, 2))
    once = distances(truth_of([(0, FIGURE)]), results_of([(0, found, 1)]), reference)
    doubled = [[2 * x, 2 * y, v] for x, y, v in FIGURE]
    large = truth_of([(0, doubled)], sizes=[(256, 192)])
    twice = distances(large, results_of([(0, 2 * found, 1)]), reference)
    np.testing.assert_allclose(twice.relative, once.relative)
    np.testing.assert_allclose(twice.pixels, 2 * once.pixels)


def test_hidden_keypoints_count_for_the_box_alone():
    figure = [[50, 20, 2], [40, 40, 1], [70, 40, 1], [45, 60, 0], [65, 60, 1]]
    metrics = metrics_of(
        truth_of([(0, figure)]), results_of([(0, moved((2.4, 0), *[(9, 9)] * 4), 1)])
    )
    assert (metrics["n"], metrics["PCK_05"]) == (1, 1)  # 2.4 of 50 px, although one alone is seen
    assert metrics["keypoint"]["left_foot"]["n"] == 0
    assert "left_foot" in metrics["keypoint"]


def test_a_missing_prediction_is_wrong_at_every_threshold():
    truth = truth_of([(0, FIGURE), (1, FIGURE)])
    metrics = metrics_of(truth, results_of([(1, PLACES, 1)]))
    assert metrics["PCK_20"] == metrics["swap_tolerant"]["PCK_20"] == 0.5
    assert (metrics["n"], metrics["unanswered"]) == (10, 1)
    assert np.isnan(metrics["error_px_mean"])
    assert np.isnan(metrics["interval"]["error_px_mean"]["low"])
    nothing = metrics_of(truth, results_of([]))
    assert (nothing["PCK_20"], nothing["unanswered"]) == (0, 2)
    assert np.isnan(nothing["error_px_median"])


def test_a_keypoint_that_is_no_number_is_wrong_and_counts():
    found = results_of([(0, moved((np.nan, 0), *[(0, 0)] * 4), 1)])
    metrics = metrics_of(truth_of([(0, FIGURE)]), found)
    assert (metrics["PCK_20"], metrics["n"]) == (0.8, 5)


def test_of_several_predictions_the_highest_score_is_taken_and_the_first_of_equals():
    bad, good = moved(*[(30, 0)] * 5), PLACES
    for found in ([(0, bad, 0.2), (0, good, 0.9)], [(0, good, 0.5), (0, bad, 0.5)]):
        assert metrics_of(truth_of([(0, FIGURE)]), results_of(found))["PCK_05"] == 1
    lost = results_of([(0, bad, 0.9), (0, good, 0.2)])
    assert metrics_of(truth_of([(0, FIGURE)]), lost)["PCK_05"] == 0


def test_two_figures_of_an_image_are_answered_by_the_nearest():
    other = [[x + 40, y + 20, v] for x, y, v in FIGURE]
    found = results_of([(0, moved(*[(41, 20)] * 5), 0.3), (0, moved(*[(1, 0)] * 5), 0.6)])
    assert distances(truth_of([(0, FIGURE), (0, other)]), found, "box").pixels == pytest.approx(1)


NOTHING = {
    "no images": ([], 0),
    "no figures": ([], 3),
    "nothing seen": ([(0, [[5, 5, 1]] * 5)], 1),
    "all in one place": ([(0, [[5, 5, 2]] * 5)], 1),
    "one keypoint": ([(0, [[5, 5, 2], *[[0, 0, 0]] * 4])], 1),
}


@pytest.mark.parametrize("case", NOTHING)
def test_where_nothing_counts_nothing_is_claimed(case):
    figures, images = NOTHING[case]
    truth = truth_of(figures, images)
    found = distances(truth, results_of([(0, PLACES, 1)] if images else []), "box")
    metrics = pck.metrics(found, RULES, FEW)
    assert (metrics["n"], metrics["unanswered"]) == (0, 0)
    assert metrics["without_reference"] == (case in {"all in one place", "one keypoint"})
    assert np.isnan([metrics["PCK_05"], metrics["error_px_mean"], metrics["error_px_median"]]).all()
    assert pck.curve(found, FEW)["PCK"].isna().all()


def test_bad_references_are_told():
    truth = truth_of([(0, FIGURE)], sizes=[(0, 0)])
    with pytest.raises(InputError, match=r"'image' needs width and height.*image 10 has not"):
        distances(truth, results_of([]), "image")
    with pytest.raises(InputError, match=r"truth: no keypoint 'neck' \(choices: head, left_hand"):
        distances(truth, results_of([]), ("head", "neck"))


BAD = {
    "reference": {"reference": "torso"},
    "three ends": {"reference": ["a", "b", "c"]},
    "percent": {"thresholds": [5]},
    "zero": {"thresholds": [0.0]},
    "none": {"thresholds": []},
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_parameters_are_told(case):
    with pytest.raises(InputError, match=rf"pck\.{next(iter(BAD[case]))}"):
        params.parse(pck.Parameters, BAD[case], "pck")


def test_references_and_thresholds_have_names():
    torso = params.parse(pck.Parameters, {"reference": ["head", "left_foot"]}, "pck").reference
    assert keypoint_distances.reference_name(torso) == "torso head-left_foot"
    assert [pck.measure(t) for t in (0.05, 0.07, 0.2, 0.025, 1)] == [
        "PCK_05", "PCK_07", "PCK_20", "PCK_2.5", "PCK_100",
    ]  # fmt: skip


def test_the_curve_passes_through_the_metrics():
    truth, results = random_case(3)
    found = distances(truth, results, "box")
    metrics, curve = pck.metrics(found, RULES, FEW), pck.curve(found, FEW)
    assert set(curve["group"]) == {"all", *NAMES}
    assert curve["threshold"].iloc[[0, 60]].tolist() == [0, 0.3]
    for t in RULES.thresholds:
        at = curve[np.isclose(curve["threshold"], t)].set_index(["group", "kind"])
        name = pck.measure(t)
        assert at.loc[("all", "found"), "PCK"] == pytest.approx(metrics[name])
        assert at.loc[("all", "swap_tolerant"), "PCK"] == metrics["swap_tolerant"][name]
        assert at.loc[("head", "found"), "PCK"] == metrics["keypoint"]["head"][name]
        for end in ("low", "high"):
            assert at.loc[("all", "found"), end] == metrics["interval"][name][end]
    assert (curve.groupby(["group", "kind"])["PCK"].diff().dropna() >= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_weight_is_as_good_as_a_copy_of_the_image(seed):
    truth, results = random_case(seed, ties=False)
    times = np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12))
    found = distances(truth, results, "box")
    sampled = pck.samples(found, np.array([0.05, 0.2]), times[None].astype(float))
    copies = np.repeat(np.arange(12), times)
    figures, answers = [], []
    for new, old in enumerate(copies):
        for t in np.flatnonzero(truth.image == old):
            points = np.column_stack([truth.keypoints[t], truth.visibility[t]]).tolist()
            figures.append((new, points))
        answers += [
            (new, results.keypoints[d], results.score[d])
            for d in np.flatnonzero(results.image == old)
        ]
    copied = distances(truth_of(figures, 12), results_of(answers), "box")
    expected = pck.samples(copied, np.array([0.05, 0.2]), np.ones((1, 12)))
    # The mean is not defined where one draw has an unanswered figure: then it is for none.
    defined = {name for name, values in sampled.items() if not np.isnan(values[0])}
    assert {"PCK_05", "PCK_20"} <= defined
    for name in defined:
        assert sampled[name] == pytest.approx(expected[name])


def test_intervals_are_those_of_scipy():
    rng = np.random.default_rng(0)
    figures = [(n, FIGURE) for n in range(60)]
    found = [(n, moved(*rng.normal(0, 3, (5, 2))), 1) for n in range(60)]
    many = bootstrap.Parameters(resamples=4000)
    truth, results = truth_of(figures), results_of(found)
    one = distances(truth, results, "box")
    metrics = pck.metrics(one, RULES, many)
    for name, values in (
        ("PCK_10", (one.relative <= 0.1).mean(axis=1)),
        ("error_px_mean", one.pixels.mean(axis=1)),
    ):
        theirs = stats.bootstrap(
            (values,), np.mean, n_resamples=4000, method="percentile", random_state=rng
        ).confidence_interval
        mine = metrics["interval"][name]
        spread = theirs.high - theirs.low
        assert (mine["low"], mine["high"]) == pytest.approx(theirs, abs=0.1 * spread)


def test_nothing_given_is_changed():
    truth, results = random_case(1)
    before = [array.copy() for array in (truth.keypoints, results.keypoints, results.score)]
    metrics_of(truth, results)
    for old, new in zip(before, (truth.keypoints, results.keypoints, results.score), strict=True):
        np.testing.assert_array_equal(old, new)
