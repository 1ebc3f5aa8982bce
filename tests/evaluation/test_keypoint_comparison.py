from dataclasses import replace

import numpy as np
import pytest

from keypoint_cases import random_case, results_of, truth_of
from scalewise import bootstrap
from scalewise.errors import InputError
from scalewise.evaluation import keypoint_comparison, pck
from scalewise.evaluation.keypoint_distances import distances
from scalewise.evaluation.keypoint_sizes import COLUMNS, error_by_size

FEW = bootstrap.Parameters(resamples=60)
RULES = pck.Parameters()


def model(truth, rng, noise):
    """A net whose every coordinate errs by `noise` pixels."""
    found = [
        (int(image), points + rng.normal(0, noise, points.shape), 0.5)
        for image, points in zip(truth.image, truth.keypoints, strict=True)
    ]
    return distances(truth, results_of(found), "box")


def figures(rng, number, side=60.0):
    sides = np.broadcast_to(side, number)
    return truth_of(
        [(n, [[x, y, 2] for x, y in rng.uniform(5, 5 + sides[n], (5, 2))]) for n in range(number)]
    )


def test_a_better_net_is_better_in_every_measure_and_the_reverse_is_worse():
    rng = np.random.default_rng(0)
    truth = figures(rng, 100)
    models = {"rough": model(truth, rng, 8), "fine": model(truth, rng, 2)}
    found = keypoint_comparison.compared(models, RULES.thresholds, FEW)
    assert list(found) == ["fine against rough"]
    names = ["PCK_05", "PCK_10", "PCK_15", "PCK_20", "error_px_mean", "error_px_median"]
    assert list(found["fine against rough"]) == names
    assert {one["verdict"] for one in found["fine against rough"].values()} == {"better"}
    backwards = dict(reversed(models.items()))
    other = keypoint_comparison.compared(backwards, RULES.thresholds, FEW)["rough against fine"]
    assert {one["verdict"] for one in other.values()} == {"worse"}
    for name, one in found["fine against rough"].items():
        assert one["change"] == pytest.approx(one["after"] - one["before"])
        assert one["low"] <= one["change"] <= one["high"]
        assert other[name]["change"] == -one["change"]


def test_values_are_the_metrics_and_intervals_are_those_of_copied_images():
    rng = np.random.default_rng(1)
    truth = figures(rng, 30)
    one, other = model(truth, rng, 3), model(truth, rng, 4)
    found = keypoint_comparison.compared({"a": one, "b": other}, RULES.thresholds, FEW)[
        "b against a"
    ]
    before, after = (pck.metrics(found, RULES, FEW) for found in (one, other))
    measured = {
        "PCK_05": lambda d, rows: np.mean(d.relative[rows] <= 0.05),
        "error_px_mean": lambda d, rows: np.mean(d.pixels[rows]),
        "error_px_median": lambda d, rows: np.median(d.pixels[rows]),
    }
    copies = [np.repeat(np.arange(30), times) for times in bootstrap.weights(30, FEW)]
    for name, value in measured.items():
        assert (found[name]["before"], found[name]["after"]) == (before[name], after[name])
        moved = [2 * found[name]["change"] - value(other, c) + value(one, c) for c in copies]
        ends = np.quantile(moved, [0.025, 0.975])
        assert (found[name]["low"], found[name]["high"]) == pytest.approx(ends)


def test_between_equals_few_differences_stand_out():
    rng = np.random.default_rng(2)
    stand_out = 0
    for _ in range(40):
        truth = figures(rng, 60)
        models = {"a": model(truth, rng, 4), "b": model(truth, rng, 4)}
        found = keypoint_comparison.compared(models, [0.1], FEW)["b against a"]
        stand_out += found["error_px_mean"]["verdict"] != "noise"
    assert stand_out <= 7  # of 40 at .95: 2 and three standard deviations of 1.4, and few resamples


def test_every_two_of_three_models_are_compared_and_one_alone_with_none():
    rng = np.random.default_rng(3)
    truth = figures(rng, 10)
    models = {name: model(truth, rng, 4) for name in "abc"}
    found = keypoint_comparison.compared(models, [0.1], FEW)
    assert list(found) == ["b against a", "c against a", "c against b"]
    assert keypoint_comparison.compared({"a": models["a"]}, [0.1], FEW) == {}


def test_the_metrics_count_who_fails():
    rng = np.random.default_rng(6)
    truth = figures(rng, 50)
    models = {"rough": model(truth, rng, 6), "fine": model(truth, rng, 3)}
    found = keypoint_comparison.metrics(models, RULES, FEW)
    failures = found["failures"]["fine against rough"]
    right = (models["rough"].relative <= 0.1).all(axis=1)
    assert failures["first"] + failures["both"] == right.sum()
    assert sum(failures.values()) == 50
    assert (found["n"], found["reference"], found["failures"]["threshold"]) == (250, "box", 0.1)
    alone = keypoint_comparison.metrics({"fine": models["fine"]}, RULES, FEW)
    assert alone["compared"] == alone["failures"] == {}


def test_a_model_without_predictions_has_no_mean_to_compare():
    rng = np.random.default_rng(4)
    truth = figures(rng, 10)
    models = {"a": model(truth, rng, 4), "none": distances(truth, results_of([]), "box")}
    found = keypoint_comparison.compared(models, [0.1], FEW)["none against a"]
    assert list(found) == ["PCK_10"]
    assert found["PCK_10"]["verdict"] == "worse"


@pytest.mark.parametrize("threshold", [0.2, 0.9])
@pytest.mark.parametrize("seed", range(12))
def test_kinds_are_those_of_plain_loops(seed, threshold):
    truth, results = random_case(seed)
    _, others = random_case(seed + 100)
    one, other = distances(truth, results, "box"), distances(truth, others, "box")
    found = keypoint_comparison.kinds(one, other, threshold)
    expected = {"first": [], "second": [], "neither": [], "both": []}
    for image in range(one.images):
        a, b = (
            [v for row in d.relative[truth.image == image] for v in row if not np.isnan(v)]
            for d in (one, other)
        )
        if a:
            names = {(1, 0): "first", (0, 1): "second", (0, 0): "neither", (1, 1): "both"}
            expected[names[max(a) <= threshold, max(b) <= threshold]].append(
                (image, max(a), max(b))
            )
    keys = {
        "first": lambda row: row[1] - row[2],
        "second": lambda row: row[2] - row[1],
        "neither": lambda row: -min(row[1:]),
        "both": lambda row: max(row[1:]),
    }
    for kind, rows in expected.items():
        ranked = [row[0] for row in sorted(rows, key=keys[kind])]
        assert getattr(found, kind).tolist() == ranked


def test_models_on_other_figures_are_told():
    rng = np.random.default_rng(5)
    truth, other = figures(rng, 3), replace(figures(rng, 4), source="other")
    keypoint_comparison.same_truth([truth, replace(truth, source="again")])
    with pytest.raises(
        InputError, match=r"truth and other are about different figures \(3 and 4\)"
    ):
        keypoint_comparison.same_truth([truth, other])
    shifted = replace(truth, keypoints=truth.keypoints + 1)
    with pytest.raises(InputError, match="different figures"):
        keypoint_comparison.same_truth([truth, shifted])


@pytest.mark.parametrize("seed", range(8))
def test_bins_of_size_hold_every_figure_once_and_their_own_means(seed):
    truth, _ = random_case(seed)
    rng = np.random.default_rng(seed)
    found = model(truth, rng, 5)
    table = error_by_size(found, FEW, bins=4)
    assert tuple(table.columns) == COLUMNS
    assert table.groupby("group")["n"].sum()["all"] == found.counted.sum()
    kept = found.counted.any(axis=1)
    for row in table.itertuples():
        last = row.size_high == table["size_high"].max()
        inside = (found.size >= row.size_low) & ((found.size < row.size_high) | last) & kept
        columns = slice(None) if row.group == "all" else [found.names.index(row.group)]
        values = found.pixels[inside][:, columns]
        assert row.size == np.median(found.size[inside])
        if (~np.isnan(values)).any():
            assert row.error_px == pytest.approx(np.nanmean(values))
            relative = np.nanmean(found.relative[inside][:, columns])
            assert row.error_relative == pytest.approx(relative)
            assert row.n == (~np.isnan(values)).sum()


def test_figures_of_one_size_are_one_bin():
    rng = np.random.default_rng(0)
    one = figures(rng, 1)
    truth = truth_of([(n, np.c_[one.keypoints[0], one.visibility[0]].tolist()) for n in range(6)])
    table = error_by_size(model(truth, rng, 3), FEW)
    assert len(table) == 6
    assert (table["size_low"] == table["size_high"]).all()
    assert table["n"].tolist() == [30, 6, 6, 6, 6, 6]


def test_an_unanswered_figure_leaves_its_bin_without_a_mean():
    rng = np.random.default_rng(0)
    truth = figures(rng, 20, np.linspace(20, 80, 20))
    found = model(truth, rng, 3)
    pixels = found.pixels.copy()
    pixels[np.argmax(found.size)] = np.inf
    table = error_by_size(replace(found, pixels=pixels), FEW, bins=4)
    assert table[table["group"] == "all"]["error_px"].isna().tolist() == [False] * 3 + [True]


def test_without_figures_there_are_no_rows():
    found = distances(truth_of([], 3), results_of([]), "box")
    table = error_by_size(found, FEW)
    assert (tuple(table.columns), len(table)) == (COLUMNS, 0)
