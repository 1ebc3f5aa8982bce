import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from scalewise import bootstrap, confusion, label_maps
from scalewise.errors import InputError
from scalewise.evaluation import segmentation
from scalewise.evaluation.segmentation_comparison import compare
from scalewise.palettes import spread

RULES = bootstrap.Parameters(resamples=80)
CLASSES = 4


def said(truth, share, seed):
    """A prediction that is right in a share of the pixels of every image, by image."""
    rng = np.random.default_rng(seed)
    right = rng.random(truth.shape) < np.reshape(share, (-1, 1, 1))
    return np.where(right, truth, rng.integers(0, CLASSES, truth.shape))


def measured(truth, prediction, sequences=None, names="abcd", source="model"):
    images = len(truth)
    split = label_maps.Truth(
        source="truth",
        image_ids=np.arange(images),
        file_names=tuple(f"{n}.png" for n in range(images)),
        sizes=np.tile([9, 8], (images, 1)),
        category_names=tuple(names),
        colours=spread(CLASSES),
        void=None,
        label_names=tuple(f"labels/{n}.png" for n in range(images)),
        sequences=tuple(sequences or [""] * images),
    )
    gathered = confusion.Accumulator(images, CLASSES)
    gathered.add(truth, prediction)
    found = confusion.Confusions(source, gathered.matrices, np.zeros(0))
    return segmentation.measured(split, found, segmentation.Parameters())


@pytest.fixture
def truth():
    return np.random.default_rng(0).integers(0, CLASSES - 1, (12, 8, 9))  # the last is absent


def test_a_better_model_is_better_and_the_other_way_round_worse(truth):
    models = {
        "weak": measured(truth, said(truth, np.full(12, 0.4), 1)),
        "strong": measured(truth, said(truth, np.full(12, 0.9), 2)),
    }
    found = compare(models, RULES)
    assert found["baseline"] == "weak"
    strong = found["models"]["strong"]
    assert {strong[name]["verdict"] for name in ("mIoU", "pixel_accuracy")} == {"better"}
    assert strong["class"].keys() == {"a", "b", "c"}
    assert (strong["better"], strong["worse"], strong["noise"]) == (5, 0, 0)
    assert strong["by_chance"] == pytest.approx(0.05 * 5)
    assert (found["n"], found["unit"], found["units"], found["level"]) == (12, "image", 12, 0.95)
    back = compare(models, RULES, "strong")["models"]["weak"]
    for name in ("mIoU", "pixel_accuracy"):
        assert back[name]["change"] == pytest.approx(-strong[name]["change"])
        assert back[name]["low"] == pytest.approx(-strong[name]["high"])
        assert back[name]["verdict"] == "worse"


@pytest.mark.parametrize("sequences", [None, list("aabbccddeeff")])
def test_differences_are_those_of_images_really_drawn_again(truth, sequences):
    predictions = [said(truth, np.linspace(0.2, 0.8, 12) + up, n) for n, up in enumerate((0, 0.1))]
    one, other = (measured(truth, p, sequences) for p in predictions)
    groups = [[n] for n in range(12)] if sequences is None else np.arange(12).reshape(6, 2).tolist()
    moved = []
    for row in bootstrap.weights(len(groups), RULES):
        images = [n for group, k in zip(groups, row, strict=True) for n in group * int(k)]
        means = [
            jaccard_score(truth[images].ravel(), p[images].ravel(), labels=range(3), average=None)
            for p in predictions
        ]
        moved.append(means[1] - means[0])
    whole = [
        jaccard_score(truth.ravel(), p.ravel(), labels=range(3), average=None) for p in predictions
    ]
    moved = 2 * (whole[1] - whole[0]) - np.array(moved)  # reflected, see `paired`
    found = compare({"one": one, "other": other}, RULES)["models"]["other"]
    low, high = bootstrap.interval(moved, RULES.level)
    for n, name in enumerate("abc"):
        ends = {key: found["class"][name]["IoU"][key] for key in ("low", "high")}
        assert ends == pytest.approx({"low": low[n], "high": high[n]})
    low, high = bootstrap.interval(np.mean(moved, axis=1), RULES.level)
    assert found["mIoU"]["low"] == pytest.approx(low)
    assert found["mIoU"]["high"] == pytest.approx(high)


def test_pairing_sees_what_single_intervals_cannot(truth):
    """Images differ far more than the models: alone their intervals overlap, paired they do not."""
    share = np.linspace(0.05, 0.95, 12)
    first = said(truth, share, 1)
    second = np.where(np.random.default_rng(5).random(truth.shape) < 0.06, truth, first)
    one, other = measured(truth, first), measured(truth, second)
    ends = [segmentation.intervals(model, RULES)["mIoU"] for model in (one, other)]
    assert ends[0]["high"] > ends[1]["low"]
    found = compare({"one": one, "other": other}, RULES)
    assert found["models"]["other"]["mIoU"]["verdict"] == "better"


def test_a_model_against_itself_is_noise(truth):
    one = measured(truth, said(truth, np.full(12, 0.5), 1))
    found = compare({"one": one, "same": one}, RULES)["models"]["same"]
    assert (found["better"], found["worse"], found["noise"]) == (0, 0, 5)
    assert found["mIoU"]["change"] == found["mIoU"]["low"] == found["mIoU"]["high"] == 0


def test_equals_seldom_stand_out(truth):
    verdicts = []
    for seed in range(20):
        pair = [said(truth, np.full(12, 0.6), 2 * seed + n) for n in (0, 1)]
        models = dict(zip("xy", (measured(truth, p) for p in pair), strict=True))
        verdicts.append(compare(models, RULES)["models"]["y"]["mIoU"]["verdict"])
    assert verdicts.count("noise") >= 16


def test_a_class_of_one_image_is_noise(truth):
    truth = np.minimum(truth, 1)
    truth[0, 0] = 2
    models = {"one": measured(truth, said(truth, np.zeros(12), 1)), "same": measured(truth, truth)}
    found = compare(models, RULES)["models"]["same"]["class"]["c"]["IoU"]
    assert found["change"] > 0.5
    assert found["verdict"] == "noise" and np.isnan(found["low"])


def test_what_cannot_be_paired_is_named(truth):
    one = measured(truth, truth, source="one.npz")
    with pytest.raises(InputError, match="expected two models or more to compare, got one"):
        compare({"one": one}, RULES)
    with pytest.raises(InputError, match=r"baseline 'x' is none of the models \(one, two\)"):
        compare({"one": one, "two": one}, RULES, "x")
    with pytest.raises(InputError, match=r"two.npz and one.npz have other classes"):
        compare({"one": one, "two": measured(truth, truth, names="wxyz", source="two.npz")}, RULES)
    for other in (truth[::-1], truth[:4]):
        two = measured(other, other, source="two.npz")
        with pytest.raises(InputError, match=r"two.npz .* not measured on the same images"):
            compare({"one": one, "two": two}, RULES)
    split = measured(truth, truth, list("aabbccddeeff"), source="two.npz")
    with pytest.raises(InputError, match=r"two.npz .* not measured on the same images"):
        compare({"one": one, "two": split}, RULES)
