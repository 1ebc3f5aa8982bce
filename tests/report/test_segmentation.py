import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scalewise import bootstrap, confusion, label_maps
from scalewise.data.store import Store, encode_png, pack
from scalewise.errors import InputError
from scalewise.evaluation import segmentation as evaluation
from scalewise.evaluation.segmentation_comparison import compare
from scalewise.evaluation.segmentation_measures import Counts
from scalewise.palettes import spread
from scalewise.report import segmentation, segmentation_comparison
from scalewise.report import segmentation_drawing as paint
from scalewise.report import segmentation_gallery as gallery
from scalewise.report import segmentation_pictures as pictures

STAGE = Path(__file__).parents[2] / "stages" / "segmentation_gallery.py"
NAMES = ("Void", "Road", "Sky", "C$st", "Train")  # one with a dollar; no image has the last
IMAGES, HEIGHT, WIDTH = 6, 24, 32
COLOURS = spread(len(NAMES))
HEX = dict(zip(NAMES, segmentation.hexes(COLOURS), strict=True))
RULES = bootstrap.Parameters(resamples=30)


def masks(seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.choice(4, (IMAGES, HEIGHT // 4, WIDTH // 4), p=[0.1, 0.5, 0.35, 0.05])
    return np.kron(coarse, np.ones((1, 4, 4))).astype(np.uint8)


def predicted(truth, share, seed):
    rng = np.random.default_rng(seed)
    right = rng.random(truth.shape) < share
    return np.where(right, truth, rng.integers(0, 4, truth.shape)).astype(np.uint8)


def truth_of(split, sequences=("a", "a", "b", "b", "c", "c")):
    return label_maps.Truth(
        source=split,
        image_ids=np.arange(IMAGES),
        file_names=tuple(f"{split}/{n}.png" for n in range(IMAGES)),
        sizes=np.tile([WIDTH, HEIGHT], (IMAGES, 1)),
        category_names=NAMES,
        colours=COLOURS,
        void=0,
        label_names=tuple(f"labels/{split}/{n}.png" for n in range(IMAGES)),
        sequences=sequences,
    )


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A dataset and two models' predictions on it."""
    monkeypatch.chdir(tmp_path)
    members, rng = [], np.random.default_rng(1)
    for split, seed in (("train", 0), ("test", 1)):
        truth = truth_of(split)
        for image, label, mask in zip(
            truth.file_names, truth.label_names, masks(seed), strict=True
        ):
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            members += [(image, encode_png(pixels)), (label, encode_png(mask))]
        label_maps.write_truth(f"data/streets/{split}.json", truth, "data/streets")
    pack("data/streets/images.tar", members)
    for n, (model, share) in enumerate((("weak", 0.3), ("strong", 0.9))):
        folder, found = Path("predictions") / model, predicted(masks(1), share, n)
        gathered = confusion.Accumulator(IMAGES, len(NAMES))
        gathered.add(masks(1), found)
        confusion.write(folder / "test.npz", gathered.matrices)
        label_maps.write_truth(folder / "test_truth.json", truth, "data/streets")
        maps = [(name, encode_png(m)) for name, m in zip(truth.file_names, found, strict=True)]
        pack(folder / "test_masks.tar", maps)
    Path("params.yaml").write_text(
        "segmentation: {void: kept, bins: 10}\nbootstrap: {resamples: 20, level: 0.95, seed: 0}\n"
    )
    return tmp_path


def run(monkeypatch, *models):
    monkeypatch.setattr(sys, "argv", ["segmentation_gallery", *models])
    runpy.run_path(str(STAGE), run_name="__main__")


def measured(share, seed=0):
    gathered = confusion.Accumulator(IMAGES, len(NAMES))
    gathered.add(masks(1), predicted(masks(1), share, seed))
    found = confusion.Confusions("model", gathered.matrices, np.zeros(0))
    return evaluation.measured(truth_of("test"), found, evaluation.Parameters())


def test_percents_keep_two_digits_that_count():
    told = [segmentation.percent(share) for share in (1, 0.284, 0.0996, 0.031, 0.02, 0.00012, 0)]
    assert told == ["100%", "28%", "10%", "3.1%", "2%", "0.012%", "0%"]


def test_distribution_shows_each_split_and_what_no_image_has(png, texts):
    counts = {
        split: np.array([np.bincount(m.ravel(), minlength=len(NAMES)) for m in masks(seed)])
        for split, seed in (("train", 0), ("test", 1))
    }
    figure = segmentation.distribution(counts, NAMES, COLOURS)
    assert png(figure) == png(segmentation.distribution(counts, NAMES, COLOURS))
    assert "train n = 6 images, test n = 6 images" in texts(figure)
    assert texts(figure).count("none") == 4  # Train, of two splits, by pixels and by images
    share = counts["train"].sum(axis=0)[1] / counts["train"].sum()
    assert f" {segmentation.percent(share)}" in texts(figure)


def test_distribution_of_no_images_is_drawn(png, texts):
    figure = segmentation.distribution({"train": np.zeros((0, 5), int)}, NAMES, COLOURS)
    assert png(figure)
    assert "train n = 0 images" in texts(figure)


def test_bins_name_their_classes_and_their_means(png, texts):
    model = measured(0.6)
    table = evaluation.class_table(model, RULES)
    bins = evaluation.bin_table(model.images.total(), evaluation.Parameters())
    figure = segmentation.iou_bins(bins, table, HEX)
    assert png(figure)
    written = texts(figure)
    assert "n = 4 classes" in written
    assert all(name in written for name in ("Void", "Road", "Sky", r"C\$st"))
    assert f"{bins['recall'].dropna().iloc[0]:.2f}" in written


@pytest.mark.parametrize("unpredicted", [True, False])
def test_bins_without_precision_and_without_classes_are_drawn(png, texts, unpredicted):
    # One class that is never predicted, or none that is present.
    truth = np.array([4, 0]) if unpredicted else np.zeros(2, int)
    total = Counts(np.zeros(2, int), truth, np.zeros(2, int))
    bins = evaluation.bin_table(total, evaluation.Parameters(bins=4))
    rows = [("Road", 0.0 if unpredicted else np.nan, np.nan, 0.0)]
    table = pd.DataFrame(rows, columns=["class", "IoU", "precision", "recall"])
    figure = segmentation.iou_bins(bins, table, HEX)
    assert png(figure)
    assert ("none is present" in texts(figure)) != unpredicted


def test_models_stand_beside_each_other_with_what_is_noise(png, texts):
    models = {"weak": measured(0.3), "strong": measured(0.9, 1), "third": measured(0.9, 2)}
    tables = {name: evaluation.class_table(model, RULES) for name, model in models.items()}
    compared = compare(models, RULES)
    figure = segmentation_comparison.comparison(tables, compared, HEX)
    assert png(figure)
    written = texts(figure)
    assert "strong: mIoU +0." in written and "third - weak" in written
    assert "6 test images, resampled by 3 sequences" in written


def test_a_model_alone_is_drawn_without_differences(png, texts):
    tables = {"only": evaluation.class_table(measured(0.5), RULES)}
    figure = segmentation_comparison.comparison(tables, {}, HEX)
    assert png(figure)
    assert "IoU of only by class (n = 4)" in texts(figure)
    assert len(figure.axes) == 1


def test_the_best_of_each_sequence_come_first():
    scores = np.array([5, 9, 8, 0, 7, 7])
    assert paint.spread_out(scores, ("a", "a", "a", "b", "c", "c"), 3) == [1, 4, 2]
    assert paint.spread_out(scores, ("",) * 6, 3) == [1, 2, 4]
    assert paint.spread_out(np.zeros(6, int), ("",) * 6, 3) == []


def test_one_class_alone_is_in_colour_and_all_else_is_grey():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9, 9, 3), np.uint8)
    mask = np.zeros((9, 9), bool)
    mask[3:5, 3:6] = True
    made = paint.only(pixels, mask, (10, 200, 30))
    assert (made[mask] == (10, 200, 30)).all()
    # Two rows of three pixels have ten beside them.
    outlined = (made == paint.OUTLINE).all(axis=2)
    assert outlined.sum() == 10 and not (outlined & mask).any()
    rest = made[~mask & ~outlined]
    assert (np.ptp(rest, axis=1) == 0).all() and rest.min() >= paint.PALEST


def test_found_missed_and_invented_are_told_apart():
    truth, said = np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)
    made = paint.overlap(np.full((1, 4, 3), 255, np.uint8), truth, said)[0].tolist()
    assert made[:3] == [list(paint.FOUND), list(paint.MISSED), list(paint.INVENTED)]
    assert made[3] == [254, 254, 254]


def test_shrinking_keeps_the_smallest_object_and_enlarges_nothing():
    mask = np.zeros((90, 120), bool)
    mask[44, 77] = True
    small = paint.shrunk_mask(mask, 30)
    assert small.shape == (22, 30) and small.sum() >= 1
    assert paint.shrunk(np.zeros((90, 120, 3), np.uint8), 30).shape == (22, 30, 3)
    assert paint.shrunk(np.zeros((9, 12, 3), np.uint8), 30).shape == (9, 12, 3)


def test_weak_classes_are_ranked_by_their_wrong_pixels():
    # IoU 0 with 30 wrong pixels, .5 with 100, .9, void with 1,000, absent but said 500 times.
    total = Counts(
        hit=np.array([0, 100, 900, 0, 0]),
        truth=np.array([20, 150, 950, 500, 0]),
        predicted=np.array([10, 150, 950, 500, 500]),
    )
    assert gallery.weak_classes(total, void=3) == [1, 0]
    assert gallery.weak_classes(total, void=None) == [3, 1, 0]


def test_two_images_a_class_and_the_absent_are_named(workspace, png, texts):
    truth = label_maps.read_truth("data/streets/train.json")
    counts = np.array([np.bincount(m.ravel(), minlength=len(NAMES)) for m in masks(0)])
    figure = gallery.classes(Store("data/streets"), truth, counts)
    assert png(figure)
    assert "In no image: Train" in texts(figure)
    assert sum(len(axes.images) for axes in figure.axes) == 8
    assert png(gallery.classes(Store("data/streets"), truth, np.zeros_like(counts)))


@pytest.mark.parametrize(("share", "weak"), [(0.3, True), (1.0, False)])
def test_the_weakest_classes_are_shown_or_said_not_to_be(workspace, png, texts, share, weak):
    scene = gallery.Scene(
        truth_of("test"), Store("data/streets"), Store.over("predictions/weak/test_masks.tar")
    )
    model = measured(share)
    figure = gallery.worst(scene, model.images, evaluation.class_table(model, RULES))
    assert png(figure)
    assert ("found" in texts(figure)) == weak
    assert ("no class has an IoU of 0.5 or less" in texts(figure)) != weak
    if weak:
        assert sum(len(axes.images) for axes in figure.axes) == 3 * 3 * 4


def test_the_stage_draws_and_compares(workspace, monkeypatch, capsys):
    run(monkeypatch, "weak", "strong")
    assert [str(file.relative_to("plots")) for file in sorted(Path("plots").rglob("*.png"))] == [
        "segmentation/classes.png",
        "segmentation/comparison.png",
        "segmentation/distribution.png",
        "strong/iou_bins.png",
        "strong/worst.png",
        "weak/iou_bins.png",
        "weak/worst.png",
    ]
    found = json.loads(Path("metrics/segmentation.json").read_text())
    assert found["models"]["strong"]["mIoU"]["verdict"] == "better"
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_model_alone_has_nothing_to_compare(workspace):
    sources = pictures.gather(Path("predictions"), ["weak"], evaluation.Parameters())
    assert pictures.compared(sources, RULES) == {}


def test_no_model_and_missing_masks_end_in_one_line(workspace, monkeypatch):
    with pytest.raises(SystemExit, match="expected the names of one model or more"):
        run(monkeypatch)
    Path("predictions/weak/test_masks.tar").unlink()
    with pytest.raises(SystemExit, match="weak/test_masks.tar: expected a folder of images or a"):
        run(monkeypatch, "weak")
    assert not Path("plots").exists() and not Path("metrics").exists()


def test_a_predicted_mask_of_another_size_is_named(workspace):
    small = [(name, encode_png(masks(1)[0][:, :20])) for name in truth_of("test").file_names]
    pack("small.tar", small)
    scene = gallery.Scene(truth_of("test"), Store("data/streets"), Store.over("small.tar"))
    model = measured(0.3)
    with pytest.raises(InputError, match=r"mask 'test/\d.png': 20x24 px, but its image has 32x24"):
        gallery.worst(scene, model.images, evaluation.class_table(model, RULES))
