import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from scalewise import bootstrap, confusion, label_maps
from scalewise.data.store import Store, encode_png, pack
from scalewise.errors import InputError
from scalewise.evaluation import label_counts, segmentation, segmentation_measures
from scalewise.evaluation.segmentation_measures import Counts, counts, means, measures
from scalewise.files import write_metrics
from scalewise.palettes import spread

STAGES = Path(__file__).parents[2] / "stages"
RULES = bootstrap.Parameters(resamples=60)
ORACLES = {
    "IoU": jaccard_score,
    "Dice": f1_score,
    "precision": precision_score,
    "recall": recall_score,
}


def truth_of(images, classes, sequences=None, void=None):
    return label_maps.Truth(
        source="truth",
        image_ids=np.arange(images) + 1,
        file_names=tuple(f"test/{n}.png" for n in range(images)),
        sizes=np.tile([9, 7], (images, 1)),
        category_names=tuple(f"c{n}" for n in range(classes)),
        colours=spread(classes),
        void=void,
        label_names=tuple(f"labels/test/{n}.png" for n in range(images)),
        sequences=tuple(sequences or [""] * images),
    )


def random_maps(seed, images=6, size=(7, 9)):
    """Truth and prediction [N, H, W] of C classes, of which some are absent or never said."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 12))
    there = rng.choice(classes, rng.integers(1, classes + 1), replace=False)
    said = rng.choice(classes, rng.integers(1, classes + 1), replace=False)
    truth = rng.choice(there, (images, *size))
    kept = (rng.random(truth.shape) < rng.random()) & np.isin(truth, said)
    return truth, np.where(kept, truth, rng.choice(said, truth.shape)), classes


def matrices_of(truth, prediction, classes):
    gathered = confusion.Accumulator(len(truth), classes)
    gathered.add(truth, prediction)
    return gathered.matrices


def measured(matrices, loss=(), sequences=None, void=None, rule="kept"):
    truth = truth_of(len(matrices), matrices.shape[1], sequences, void)
    found = confusion.Confusions("model", matrices, np.array(loss, float))
    return segmentation.measured(truth, found, segmentation.Parameters(void=rule))


def metrics(found, **settings):
    return segmentation.metrics(found, segmentation.Parameters(**settings), RULES)


def test_a_case_by_hand():
    # Ten pixels of three classes and a fourth that is nowhere:
    #             said 0  1  2  3
    #   truth 0        3  1  0  0      0: TP 3, T 4, P 3: IoU 3/4, Dice 6/7, P 1, R 3/4
    #   truth 1        0  4  0  0      1: TP 4, T 4, P 6: IoU 4/6, Dice 8/10, P 4/6, R 1
    #   truth 2        0  1  0  1      2: TP 0, T 2, P 0: IoU 0, Dice 0, P none, R 0
    #   truth 3        0  0  0  0      3: absent, but said once: P 0 and nothing else
    # Against the rest: 0 has 1 wrong of 10, 1 has 2, 2 has 2, 3 has 1.
    matrix = np.array([[[3, 1, 0, 0], [0, 4, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]])
    total = counts(matrix).total()
    none = np.nan
    expected = {
        "IoU": [3 / 4, 4 / 6, 0, none],
        "Dice": [6 / 7, 8 / 10, 0, none],
        "precision": [1, 4 / 6, none, 0],
        "recall": [3 / 4, 1, 0, none],
        "accuracy": [0.9, 0.8, 0.8, 0.9],
    }
    for name, values in measures(total).items():
        np.testing.assert_allclose(values, expected[name])
    assert {name: float(value) for name, value in means(total).items()} == pytest.approx(
        {
            "mIoU": (3 / 4 + 4 / 6) / 3,
            "mDice": (6 / 7 + 8 / 10) / 3,
            "mPrecision": (1 + 4 / 6) / 2,
            "mRecall": (3 / 4 + 1) / 3,
            "pixel_accuracy": 0.7,
        }
    )


@pytest.mark.parametrize("seed", range(60))
def test_measures_are_scikit_learns_on_the_pixels(seed):
    truth, prediction, classes = random_maps(seed)
    total = counts(matrices_of(truth, prediction, classes)).total()
    flat, labels = (truth.ravel(), prediction.ravel()), np.arange(classes)
    there, said = np.isin(labels, truth), np.isin(labels, prediction)
    found = measures(total)
    for name, oracle in ORACLES.items():
        expected = oracle(*flat, labels=labels, average=None, zero_division=0)
        defined = said if name == "precision" else there
        np.testing.assert_allclose(found[name], np.where(defined, expected, np.nan))
    one_against_rest = [accuracy_score(flat[0] == n, flat[1] == n) for n in labels]
    np.testing.assert_allclose(found["accuracy"], one_against_rest)
    overall = means(total)
    assert overall["pixel_accuracy"] == pytest.approx(accuracy_score(*flat))
    expected = jaccard_score(*flat, labels=labels[there], average="macro", zero_division=0)
    assert overall["mIoU"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(60))
def test_identities_hold_for_every_class(seed):
    total = counts(matrices_of(*random_maps(seed))).total()
    found = measures(total)
    iou, dice, p, r = (found[name] for name in ("IoU", "Dice", "precision", "recall"))
    np.testing.assert_allclose(dice, 2 * iou / (1 + iou))
    hit = total.hit > 0  # 0 / 0 otherwise
    np.testing.assert_allclose(iou[hit], (p * r / (p + r - p * r))[hit])


@pytest.mark.parametrize("seed", range(20))
def test_ignored_void_is_as_if_its_pixels_were_not_there(seed):
    truth, prediction, classes = random_maps(seed)
    void = int(truth[0, 0, 0])
    found = measured(matrices_of(truth, prediction, classes), void=void, rule="ignored")
    kept = truth != void
    others = [
        confusion.confusion(t[k], p[k], classes)
        for t, p, k in zip(truth, prediction, kept, strict=True)
    ]
    expected = measures(counts(np.array(others)).total())
    for name, values in measures(found.images.total()).items():
        there = np.arange(classes) != void
        np.testing.assert_allclose(values[there], expected[name][there])
    assert found.images.total().truth[void] == found.images.total().predicted[void] == 0
    assert f"c{void}" not in metrics(found, void="ignored").get("class", {})


def test_bins_hold_their_lower_end_and_the_last_its_upper():
    # IoU 0, 3/10 (no float is just .3), 7/10, 1, and a class that is absent.
    total = Counts(
        np.array([0, 3, 7, 5, 0]), np.array([1, 10, 10, 5, 0]), np.array([0, 3, 7, 5, 2])
    )
    table = segmentation.bin_table(total, segmentation.Parameters())
    assert table["classes"].tolist() == [1, 0, 0, 1, 0, 0, 0, 1, 0, 1]
    assert table.loc[3, ["precision", "recall"]].tolist() == [1.0, 0.3]
    assert np.isnan(table.loc[0, "precision"]) and table.loc[0, "recall"] == 0
    assert table.loc[1, ["precision", "recall"]].isna().all()


@pytest.mark.parametrize("seed", range(10))
def test_bins_are_those_of_a_loop(seed):
    total = counts(matrices_of(*random_maps(seed, size=(11, 10)))).total()
    bins = 5
    table = segmentation.bin_table(total, segmentation.Parameters(bins=bins))
    inside = [[] for _ in range(bins)]
    for hit, truth, said in zip(total.hit, total.truth, total.predicted, strict=True):
        if truth:
            at = next(
                n for n in range(bins) if hit * bins < (n + 1) * (truth + said - hit) or n == 4
            )
            inside[at].append((hit / said if said else None, hit / truth))
    assert table["classes"].tolist() == [len(of) for of in inside]
    for row, of in zip(table.itertuples(), inside, strict=True):
        for value, known in (
            (row.precision, [p for p, _ in of if p is not None]),
            (row.recall, [r for _, r in of]),
        ):
            assert np.isnan(value) if not known else value == pytest.approx(np.mean(known))


@pytest.mark.parametrize("sequences", [None, ["a", "b", "a", "c", "b", "c"]])
def test_intervals_are_those_of_images_really_drawn_again(sequences):
    truth, prediction, classes = random_maps(3)
    loss = np.random.default_rng(0).random(len(truth))
    found = measured(matrices_of(truth, prediction, classes), loss, sequences)
    groups = [[n] for n in range(6)] if sequences is None else [[0, 2], [1, 4], [3, 5]]
    drawn = bootstrap.weights(len(groups), RULES)
    by_hand = {"mIoU": [], "pixel_accuracy": [], "loss": []}
    for row in drawn:
        images = [n for group, k in zip(groups, row, strict=True) for n in group * int(k)]
        flat = truth[images].ravel(), prediction[images].ravel()
        there = np.unique(flat[0])
        by_hand["mIoU"].append(jaccard_score(*flat, labels=there, average="macro", zero_division=0))
        by_hand["pixel_accuracy"].append(accuracy_score(*flat))
        by_hand["loss"].append(loss[images].mean())
    made = segmentation.intervals(found, RULES)
    for name, values in by_hand.items():
        low, high = bootstrap.interval(np.array(values), RULES.level)
        assert made[name] == pytest.approx({"low": low, "high": high})
    assert metrics(found)["units"] == len(groups)
    assert metrics(found)["unit"] == ("image" if sequences is None else "sequence")


def test_what_one_sequence_alone_has_gets_no_interval():
    matrices = np.zeros((4, 2, 2), int)
    matrices[:, 0, 0], matrices[:, 0, 1] = 5, [0, 1, 2, 3]
    matrices[:2, 1] = [1, 4]
    made = segmentation.intervals(measured(matrices, sequences=["a", "a", "b", "b"]), RULES)
    assert np.isnan(made["class"]["c1"]["IoU"]["low"])
    assert made["class"]["c0"]["IoU"]["low"] < made["class"]["c0"]["IoU"]["high"]
    # Of a single sequence nothing can be drawn: images are.
    alone = measured(matrices, sequences=["a"] * 4)
    assert (alone.together.unit, alone.together.count) == ("image", 4)


def test_the_interval_of_the_mean_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    chance, quality = np.linspace(1, 0.1, 10), np.linspace(0.95, 0.3, 10)

    def drawn(images):
        truth = (rng.random((images, 10)) < chance) * rng.integers(50, 500, (images, 10))
        hit = (truth * rng.beta(8 * quality, 8 * (1 - quality), truth.shape)).astype(int)
        return Counts(hit, truth, hit + rng.integers(0, 40, truth.shape))

    true = float(means(drawn(200_000).total())["mIoU"])
    rules, held = bootstrap.Parameters(resamples=200), []
    weights = bootstrap.weights(60, rules)
    for _ in range(200):
        low, high = bootstrap.interval(means(drawn(60).resampled(weights))["mIoU"], rules.level)
        held.append(low <= true <= high)
    assert 0.88 < np.mean(held) < 0.99


def test_metrics_say_what_they_rest_on_and_leave_out_what_is_not_there(tmp_path):
    matrix = np.array([[[3, 1, 0, 0], [0, 4, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]] * 2)
    write_metrics(tmp_path / "m.json", metrics(measured(matrix, [0.5, 1.5])))
    found = json.loads((tmp_path / "m.json").read_text())
    assert (found["classes"], found["absent"], found["unpredicted"]) == (3, 1, 1)
    assert (found["n"], found["pixels"], found["loss"]) == (2, 20, 1.0)
    assert found["class"]["c2"].keys() == {
        "IoU", "Dice", "recall", "accuracy", "pixels", "predicted", "images"
    }  # fmt: skip
    assert found["class"]["c3"] == {
        "accuracy": 0.9, "precision": 0.0, "pixels": 0, "predicted": 2, "images": 0
    }  # fmt: skip
    assert found["iou_bins"]["0.7-0.8"] == {"classes": 1, "precision": 1.0, "recall": 0.75}
    assert found["iou_bins"]["0.1-0.2"] == {"classes": 0}
    assert found["interval"]["class"].keys() == {"c0", "c1", "c2"}
    assert (found["void"], found["bins"], found["level"]) == ("kept", 10, 0.95)


def test_no_images_and_no_pixels_have_no_numbers(tmp_path):
    for matrices in (np.zeros((0, 2, 2), int), np.zeros((3, 2, 2), int)):
        write_metrics(tmp_path / "m.json", metrics(measured(matrices)))
        found = json.loads((tmp_path / "m.json").read_text())
        assert (found["n"], found["pixels"], found["absent"]) == (len(matrices), 0, 2)
        assert found.keys().isdisjoint({"mIoU", "pixel_accuracy", "loss"})


def test_masks_are_counted_and_a_bad_one_is_named(tmp_path):
    masks = np.random.default_rng(0).integers(0, 3, (40, 7, 9), np.uint8)
    truth = truth_of(40, 3)
    members = [(name, encode_png(m)) for name, m in zip(truth.label_names, masks, strict=True)]
    pack(tmp_path / "images.tar", members)
    found = label_counts.count(Store(tmp_path), truth)
    assert (found == [np.bincount(mask.ravel(), minlength=3) for mask in masks]).all()
    with pytest.raises(InputError, match=r"mask 'labels/test/\d+.png': index 2 in \d+ pixels"):
        label_counts.count(Store(tmp_path), truth_of(40, 2))
    assert label_counts.count(Store(tmp_path), truth_of(0, 3)).shape == (0, 3)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth, prediction, classes = random_maps(7)
    folder = Path("predictions/some")
    label_maps.write_truth(folder / "test_truth.json", truth_of(len(truth), classes), "data/x")
    confusion.write(folder / "test.npz", matrices_of(truth, prediction, classes), np.ones(6))
    Path("params.yaml").write_text(
        "segmentation: {void: kept, bins: 10}\nbootstrap: {resamples: 20, level: 0.95, seed: 0}\n"
    )
    return tmp_path


def run(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["segmentation", "some"])
    runpy.run_path(str(STAGES / "segmentation.py"), run_name="__main__")


def test_the_stage_writes_metrics_and_tables(workspace, monkeypatch, capsys):
    written = []
    for _ in range(2):
        run(monkeypatch)
        files = [Path("metrics/some/segmentation.json"), *sorted(Path("plots/some").iterdir())]
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert [file.name for file in files[1:]] == ["iou.csv", "iou_bins.csv"]
    assert "mIoU" in json.loads(files[0].read_text())
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_file_of_another_split_ends_in_one_line(workspace, monkeypatch):
    confusion.write("predictions/some/test.npz", np.zeros((2, 3, 3), int))
    with pytest.raises(SystemExit, match=r"error: predictions/some/test.npz: 'confusion' is"):
        run(monkeypatch)
    assert not Path("metrics").exists()


def test_importing_the_stage_loads_no_heavy_library():
    heavy = ("torch", "pandas", "matplotlib", "sklearn", "scipy")
    code = (
        f"import runpy, sys\nrunpy.run_path({str(STAGES / 'segmentation.py')!r})\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(STAGES.parent / "src"), "PATH": ""},
    )
    assert done.stdout.strip() == "[]"


def test_the_mean_of_nothing_is_not_defined():
    assert np.isnan(segmentation_measures.mean(np.full(3, np.nan)))
