from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from scalewise import bootstrap
from scalewise.class_labels import Scores
from scalewise.errors import InputError
from scalewise.evaluation import classification_comparison as comparison
from scalewise.evaluation.classification import Parameters, judged, statistics
from scalewise.evaluation.paired import difference

RULES = bootstrap.Parameters(resamples=200)


def model(accuracy: float, images: int = 300, seed: int = 0, source: str = "scores.csv") -> Scores:
    """Three classes; an image is right with probability `accuracy`, and the score says so."""
    rng = np.random.default_rng(seed)
    label = np.arange(images) % 3
    prediction = np.where(rng.random(images) < accuracy, label, (label + 1) % 3)
    table = np.full((images, 3), (1 - accuracy) / 2)
    table[np.arange(images), prediction] = accuracy
    files = tuple(f"{n}.png" for n in range(images))
    return Scores(source, files, ("a", "b", "c"), label, table)


@pytest.mark.parametrize("seed", range(40))
def test_mcnemar_is_scipys_binomial_test(seed):
    rng = np.random.default_rng(seed)
    before, after = rng.random((2, 80)) < rng.random((2, 1))
    found = comparison.mcnemar(before, after)
    only = [int((before & ~after).sum()), int((~before & after).sum())]
    assert [found.only_before, found.only_after] == only
    assert found.p == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)


def test_mcnemar_by_hand():
    # Five images are right in the second model alone, none in the first alone: 2 * (1/2)^5.
    before, after = np.array([1, 1, 0, 0, 0, 0, 0, 0], bool), np.array([1] * 7 + [0], bool)
    assert comparison.mcnemar(before, after) == comparison.McNemar(0, 5, 0.0625)
    assert comparison.mcnemar(before, before).p == 1
    assert comparison.mcnemar(before[:0], before[:0]).p == 1


def test_a_better_model_is_told_from_noise():
    models = {"weak": model(0.6), "strong": model(0.8, seed=1), "same": model(0.6, seed=3)}
    pairs = comparison.compare(models, Parameters(), RULES)
    assert [(pair.before, pair.after) for pair in pairs] == [
        ("weak", "strong"), ("weak", "same"), ("strong", "same")
    ]  # fmt: skip
    first, second, third = (pair.differences for pair in pairs)
    for name in ("accuracy", "f1_weighted", "f1_macro", "loss"):
        assert (first[name].verdict, third[name].verdict) == ("better", "worse")
        assert second[name].verdict == "noise"
    assert first["accuracy"].change > 0 > first["loss"].change
    assert pairs[0].mcnemar.p < 0.001 < 0.05 < pairs[1].mcnemar.p


def test_a_model_against_itself_differs_by_nothing():
    one = model(0.7)
    pair = comparison.compare({"one": one, "again": one}, Parameters(), RULES)[0]
    for found in pair.differences.values():
        assert (found.change, found.low, found.high, found.real) == (0, 0, 0, 0)
        assert found.verdict == "noise"


@pytest.mark.parametrize("seed", range(5))
def test_differences_are_those_of_drawing_image_by_image(seed):
    models = {"one": model(0.6, 40, seed), "other": model(0.7, 40, seed + 100)}
    found = comparison.compare(models, Parameters(), RULES)[0].differences["accuracy"]
    one, other = (judged(scores).hit.astype(float) for scores in models.values())
    rng = np.random.default_rng(RULES.seed)
    drawn = [(other - one)[rng.integers(0, 40, 40)].mean() for _ in range(200)]
    change = (other - one).mean()
    low, high = np.quantile(2 * change - np.array(drawn), [0.025, 0.975])
    assert (found.change, found.low, found.high) == pytest.approx((change, low, high))


def test_equals_are_called_noise_as_often_as_the_level_says():
    """Of 200 pairs of models that are equally good, 10 should stand out; 3 deviations are 9."""
    rules = bootstrap.Parameters(resamples=200)
    drawn = np.vstack([np.ones((1, 150), np.int64), bootstrap.weights(150, rules)])
    stood_out = 0
    for seed in range(200):
        one, other = (
            statistics(judged(model(0.7, 150, n)), drawn, 10)["accuracy"]
            for n in (seed, seed + 1000)
        )
        stood_out += difference(one, other, 0.95).verdict != "noise"
    assert stood_out == pytest.approx(10, abs=9)


def test_crops_of_one_frame_count_once():
    """Twenty frames of ten equal crops: what stands out image by image is noise frame by frame."""
    one, other = model(0.5, 20, 1), model(0.7, 20, 2)
    tenfold = np.repeat(np.arange(20), 10)
    files = tuple(map(str, range(200)))
    models = {
        name: Scores(name, files, m.category_names, m.label[tenfold], m.scores[tenfold])
        for name, m in {"one": one, "other": other}.items()
    }
    frames = [f"frame {n}" for n in tenfold]
    alone, together = (
        comparison.compare(models, Parameters(), RULES, f)[0].differences["accuracy"]
        for f in ((), frames)
    )
    assert alone.change == together.change
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert (alone.verdict, together.verdict) == ("better", "noise")


def test_a_statistic_that_is_sometimes_undefined_is_compared_where_it_is():
    nan = np.nan
    found = difference(np.array([0.5, nan, 0.5]), np.array([0.7, 0.6, 0.7]), 0.95)
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))
    nothing = difference(np.array([nan, nan]), np.array([0.5, 0.5]), 0.95)
    assert np.isnan(nothing.low)
    assert nothing.verdict == "noise"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"file_names": tuple(map(str, range(30)))}, "same classes and images"),
        ({"category_names": ("a", "c", "b")}, "same classes and images"),
        ({"label": np.zeros(30, int)}, "b.csv: image '1.png' has another class in a.csv"),
    ],
)
def test_other_images_or_labels_cannot_be_compared(changed, said):
    one = model(0.5, 30, source="a.csv")
    other = replace(one, source="b.csv", **changed)
    with pytest.raises(InputError, match=said):
        comparison.compare({"one": one, "other": other}, Parameters(), RULES)


def test_one_thing_for_json_and_one_for_the_table():
    models = {"one": model(0.6), "other": model(0.8, seed=1)}
    pairs = comparison.compare(models, Parameters(), RULES)
    found = comparison.metrics(pairs, RULES)
    told = found["against"]["other"]["one"]
    assert told["accuracy"].keys() == {
        "before", "after", "change", "low", "high", "real", "verdict"
    }  # fmt: skip
    assert told["mcnemar"]["p"] == pairs[0].mcnemar.p
    assert (found["unit"], found["resamples"]) == ("image", 200)
    table = comparison.table(pairs)
    assert table["statistic"].tolist() == list(comparison.COMPARED)
    assert table["p"].notna().tolist() == [True, False, False, False, False]
    alone = comparison.compare({"one": models["one"]}, Parameters(), RULES)
    assert comparison.table(alone).empty
    assert comparison.metrics(alone, RULES)["against"] == {}
