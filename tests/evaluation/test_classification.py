import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn

from scalewise import bootstrap
from scalewise.class_labels import Scores
from scalewise.evaluation import classification, classification_tables, clusters
from scalewise.evaluation.classification import Parameters, judged, point_of, statistics

FEW = bootstrap.Parameters(resamples=40)


def random_scores(seed: int, images: int = 60, classes: int = 5) -> Scores:
    """Scores with ties and zeros, of labels and predictions that leave some class out."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, max(classes - seed % 3, 1), images)
    table = rng.integers(0, 4, (images, classes)).astype(float)
    table[table.sum(axis=1) == 0] = 1
    table[np.arange(images), label] += rng.integers(0, 3, images)
    return made(table / table.sum(axis=1, keepdims=True), label)


def made(table, label, names=None) -> Scores:
    table = np.asarray(table, float)
    names = names or tuple(f"class {n}" for n in range(table.shape[1]))
    files = tuple(f"{n}.png" for n in range(len(label)))
    return Scores("scores.csv", files, names, np.asarray(label, int), table)


def oracle(scores: Scores, bins: int, weight=None) -> dict[str, float]:
    """scikit-learn's numbers, and ECE by a loop over the bins."""
    label, prediction = scores.label, scores.scores.argmax(axis=1)
    classes = range(len(scores.category_names))
    table = scores.scores
    told = {
        "accuracy": sklearn.accuracy_score(label, prediction, sample_weight=weight),
        "f1_weighted": sklearn.f1_score(label, prediction, average="weighted",
                                        sample_weight=weight),
        "f1_macro": sklearn.f1_score(label, prediction, average="macro", labels=classes,
                                     zero_division=np.nan, sample_weight=weight),
        "loss": sklearn.log_loss(label, table, labels=classes, sample_weight=weight),
    }  # fmt: skip
    weight = np.ones(len(label)) if weight is None else weight
    confidence, hit = table.max(axis=1), prediction == label
    told["ece"], told["gap"] = 0.0, np.average(confidence - hit, weights=weight)
    for low in range(bins):
        inside = (confidence * bins >= low) & (confidence * bins < low + 1 + (low == bins - 1))
        off = (weight * (hit - confidence))[inside].sum()
        told["ece"] += abs(off) / weight.sum()
    return told


@pytest.mark.parametrize("seed", range(30))
def test_every_statistic_is_scikit_learns(seed):
    scores = random_scores(seed, images=5 + 7 * (seed % 5), classes=2 + seed % 4)
    bins = (8, 16)[seed % 2]  # edges that are exact in binary
    assert point_of(judged(scores), bins) == pytest.approx(oracle(scores, bins))


@pytest.mark.parametrize("seed", range(10))
def test_a_weight_is_as_good_as_a_copy_of_the_image(seed):
    scores = random_scores(seed)
    weight = np.random.default_rng(seed).integers(0, 4, (6, 60))
    found = statistics(judged(scores), weight, 8)
    for row in range(6):
        copies = np.repeat(np.arange(60), weight[row])
        repeated = made(scores.scores[copies], scores.label[copies])
        expected = oracle(repeated, 8)
        assert {name: values[row] for name, values in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_every_class_is_scikit_learns(seed):
    scores = random_scores(seed, images=12)
    prediction = scores.scores.argmax(axis=1)
    expected = sklearn.precision_recall_fscore_support(
        scores.label, prediction, labels=range(5), zero_division=np.nan
    )
    found = classification.by_class(judged(scores))
    for name, values in zip(("precision", "recall", "f1", "n"), expected, strict=True):
        assert [found[c][name] for c in scores.category_names] == pytest.approx(
            values.tolist(), nan_ok=True
        )


def test_a_case_by_hand():
    """Four images: a right at .7, a taken for b at .6, b right at .9; c, taken for b at 1.

    Accuracy 2/4. a: precision 1/1, recall 1/2, F1 2/3. b: 1/3, 1/1, 1/2. c: never predicted, so no
    precision; recall 0, F1 0. d occurs nowhere: nothing. Macro (2/3 + 1/2 + 0) / 3 = 7/18;
    weighted (2 * 2/3 + 1/2 + 0) / 4 = 11/24. Gap (.7 + .6 + .9 + 1) / 4 - 1/2 = .3; with one bin
    that is the ECE. The loss of a score of 0 is -ln of float64's eps.
    """
    table = [[0.7, 0.3, 0, 0], [0.4, 0.6, 0, 0], [0.1, 0.9, 0, 0], [0, 1, 0, 0]]
    found = classification.metrics(
        made(table, [0, 0, 1, 2], ("a", "b", "c", "d")), Parameters(bins=1), FEW
    )
    assert found["accuracy"] == 0.5
    assert found["f1_macro"] == pytest.approx(7 / 18)
    assert found["f1_weighted"] == pytest.approx(11 / 24)
    assert found["gap"] == found["ece"] == pytest.approx(0.3)
    by_hand = -(np.log([0.7, 0.4, 0.9]).sum() + np.log(np.finfo(float).eps)) / 4
    assert found["loss"] == pytest.approx(by_hand)
    nan = np.nan
    assert found["class"]["b"] == pytest.approx(
        {"precision": 1 / 3, "recall": 1, "f1": 0.5, "n": 1}
    )
    assert found["class"]["c"] == pytest.approx(
        {"precision": nan, "recall": 0, "f1": 0, "n": 1}, nan_ok=True
    )
    assert found["class"]["d"] == pytest.approx(
        {"precision": nan, "recall": nan, "f1": nan, "n": 0}, nan_ok=True
    )


def test_the_first_of_equal_scores_is_the_prediction():
    assert judged(made([[0.5, 0.5]] * 2, [0, 1])).prediction.tolist() == [0, 0]


def test_what_is_not_defined_is_absent_from_the_file(tmp_path):
    from scalewise.files import read_json, write_metrics

    found = classification.metrics(made([[1, 0], [0.8, 0.2]], [0, 1]), Parameters(), FEW)
    write_metrics(tmp_path / "metrics.json", found)
    read = read_json(tmp_path / "metrics.json")
    assert read["class"]["class 1"] == {"f1": 0, "n": 1, "recall": 0}
    assert read["interval"]["accuracy"].keys() == {"low", "high"}
    assert (read["n"], read["unit"], read["units"]) == (2, "image", 2)


def test_no_images_and_one_class_are_measured():
    empty = classification.metrics(made(np.zeros((0, 3)), []), Parameters(), FEW)
    assert empty["n"] == 0
    assert np.isnan([empty[name] for name in classification.WITH_INTERVALS]).all()
    one = classification.metrics(made([[1.0]] * 3, [0, 0, 0]), Parameters(), FEW)
    assert (one["accuracy"], one["f1_macro"], one["ece"]) == (1, 1, 0)
    assert one["loss"] == pytest.approx(0, abs=1e-12)


def test_intervals_are_those_of_drawing_image_by_image():
    scores, rules = random_scores(3, images=80), bootstrap.Parameters(resamples=200)
    found = classification.metrics(scores, Parameters(), rules)["interval"]
    rng = np.random.default_rng(rules.seed)
    drawn = [rng.integers(0, 80, 80) for _ in range(200)]
    f1 = [
        sklearn.f1_score(scores.label[d], scores.scores.argmax(axis=1)[d], average="macro")
        for d in drawn
    ]
    low, high = np.quantile(f1, [0.025, 0.975])
    assert found["f1_macro"] == pytest.approx({"low": low, "high": high})


def test_the_interval_of_ece_is_reflected_and_stays_in_its_range():
    scores = random_scores(4, images=40)
    rules = bootstrap.Parameters(resamples=300)
    found = judged(scores)
    point = point_of(found, 10)
    drawn = statistics(found, bootstrap.weights(40, rules), 10)
    low, high = np.quantile(drawn["ece"], [0.025, 0.975])
    told = classification.intervals(point, drawn, 0.95)["ece"]
    assert told["low"] == pytest.approx(max(2 * point["ece"] - high, 0))
    assert told["high"] == pytest.approx(2 * point["ece"] - low)


def test_frames_are_drawn_whole_and_widen_the_interval():
    """Forty frames of five crops, all right or all wrong: 40 draws of a coin, not 200."""
    rng = np.random.default_rng(0)
    hit = np.repeat(rng.random(40) < 0.6, 5)
    scores = made(np.where(hit[:, None], [[0.8, 0.2]], [[0.2, 0.8]]), np.zeros(200, int))
    frames = [f"frame {n}" for n in np.repeat(np.arange(40), 5)]
    rules = bootstrap.Parameters(resamples=400)
    alone = classification.metrics(scores, Parameters(), rules)
    together = classification.metrics(scores, Parameters(), rules, frames)
    assert (together["unit"], together["units"], together["n"]) == ("frame", 40, 200)
    widths = [
        found["interval"]["accuracy"]["high"] - found["interval"]["accuracy"]["low"]
        for found in (alone, together)
    ]
    assert widths[1] / widths[0] == pytest.approx(5**0.5, rel=0.15)


def test_images_without_a_frame_are_drawn_alone():
    found = clusters.clusters(["a", "", "a", "", "b"])
    assert (found.unit, found.count) == ("frame", 4)
    assert found.of[0] == found.of[2]
    assert len(set(found.of.tolist())) == 4
    drawn = clusters.weights(found, FEW)
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, [0, 1, 3, 4]].sum(axis=1) == 4).all()
    assert clusters.clusters(["", ""]).unit == clusters.clusters([]).unit == "image"


def test_the_train_images_give_the_gap_of_generalisation():
    test, train = random_scores(0), random_scores(1, images=30)
    found = classification.metrics(test, Parameters(), FEW)
    told = classification.with_train(found, train, 10)
    expected = point_of(judged(train), 10)
    assert told["train"] == expected | {"n": 30}
    assert told["generalisation_gap"] == expected["accuracy"] - found["accuracy"]
    assert told["accuracy"] == found["accuracy"]


@pytest.mark.parametrize("seed", range(10))
def test_the_confusion_matrix_is_scikit_learns(seed):
    scores = random_scores(seed)
    found = judged(scores)
    expected = sklearn.confusion_matrix(found.label, found.prediction, labels=range(5))
    assert np.array_equal(classification_tables.confusion(found), expected)
    table = classification_tables.confusion_counts(found)
    assert table["count"].tolist() == expected.ravel().tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        share = sklearn.confusion_matrix(
            found.label, found.prediction, labels=range(5), normalize="true"
        )
    assert table["share"].fillna(0).tolist() == pytest.approx(share.ravel().tolist())
    assert table["truth"].tolist()[:6] == ["class 0"] * 5 + ["class 1"]


def test_a_row_an_image_makes_the_same_matrix():
    scores = random_scores(2)
    rows = classification_tables.predictions(scores)
    assert list(rows.columns) == ["image", "actual", "predicted", "score"]
    pairs = rows.groupby(["actual", "predicted"]).size()
    counts = classification_tables.confusion(judged(scores))
    assert pairs[("class 0", "class 1")] == counts[0, 1]
    assert len(rows) == counts.sum() == 60


def test_the_reliability_diagram_adds_up_to_the_ece():
    scores = random_scores(5)
    bins = classification_tables.reliability(judged(scores), 8)
    off = (bins["confidence"] - bins["precision"]).abs() * bins["count"]
    assert off.sum() / bins["count"].sum() == pytest.approx(point_of(judged(scores), 8)["ece"])
    assert bins["count"].sum() == 60
