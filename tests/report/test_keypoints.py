from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from keypoint_cases import NAMES, random_case, results_of, truth_of
from scalewise import bootstrap, coco_keypoints
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.evaluation import ceiling, keypoint_comparison, pck
from scalewise.evaluation.keypoint_distances import answers, distances
from scalewise.evaluation.keypoint_sizes import error_by_size
from scalewise.files import write_table
from scalewise.report import (
    keypoint_curves,
    keypoint_heatmaps,
    keypoint_panels,
    keypoint_pictures,
    keypoint_samples,
    keypoint_sizes,
)

FEW = bootstrap.Parameters(resamples=20)


def model(name, truth, results):
    found = distances(truth, results, "box")
    return keypoint_samples.Model(name, results, found, answers(truth, results))


@pytest.fixture(scope="module")
def case():
    return random_case(0, images=12)


@pytest.fixture(scope="module")
def models(case):
    truth, results = case
    near = truth.keypoints + np.random.default_rng(0).normal(0, 2, truth.keypoints.shape)
    fine = results_of([(int(n), xy, 0.5) for n, xy in zip(truth.image, near, strict=True)])
    return [model("a $net$", truth, results), model("fine", truth, fine)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Grey and coloured in turn."""
    folder = tmp_path_factory.mktemp("figures")
    (folder / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    for n in range(12):
        image = Image.fromarray(pixels).convert(["L", "RGB"][n % 2])
        image.save(folder / "images" / f"{n}.png")
    return Store(folder)


def curves_of(truth, models, pairs=()):
    tables = {one.name: pck.curve(one.found, FEW) for one in models}
    if pairs:
        limits = ceiling.curve(truth, "box", pairs)
        tables = {name: pd.concat([table, limits]) for name, table in tables.items()}
    return tables


def test_curves_name_their_values(case, models, png, texts):
    tables = curves_of(case[0], models)
    figure = keypoint_curves.pck_curves(tables, "box", 1234)
    assert png(figure)
    rows = tables["fine"]
    at = rows[(rows["group"] == "all") & (rows["kind"] == "found")].set_index("threshold")["PCK"]
    assert f"fine  {at[0.05]:.3f} at 5%, {at[0.2]:.3f} at 20%" in texts(figure)
    assert "n = 1,234 keypoints" in texts(figure)
    assert "ceiling" not in texts(figure)


def test_ceilings_are_drawn_once_where_they_are_known(case, models, png):
    figure = keypoint_curves.pck_curves(curves_of(case[0], models, [(1, 2)]), "box", 5)
    assert png(figure)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.split("  ")[0] for text in told[2:]] == [
        words for words, _ in keypoint_curves.CEILINGS.values()
    ]


def test_a_panel_a_keypoint_for_any_number_of_them(png):
    names = tuple(f"part_{n}" for n in range(17))
    points = np.random.default_rng(0).uniform(5, 90, (17, 2))
    truth = truth_of([(0, np.c_[points, np.full(17, 2)].tolist())], names=names)
    results = results_of([(0, points + 1, 1)], names)
    found = distances(truth, results, "box")
    figure = keypoint_curves.pck_curves({"net": pck.curve(found, FEW)}, "box", 17)
    assert png(figure)
    assert len(figure.axes) == 18


def test_nothing_to_draw_is_a_picture_that_says_so(png, texts):
    found = distances(truth_of([], 2), results_of([]), "box")
    figures = [
        keypoint_curves.pck_curves({"net": pck.curve(found, FEW)}, "box", 0),
        keypoint_sizes.errors_by_size({"net": error_by_size(found, FEW)}, "box"),
    ]
    for figure in figures:
        assert png(figure)
        assert "no keypoints that count" in texts(figure)


def test_errors_by_size_are_drawn_with_and_without_missing_bins(models, png, texts):
    tables = {one.name: error_by_size(one.found, FEW) for one in models}
    assert tables["a $net$"]["error_px"].isna().any()
    figure = keypoint_sizes.errors_by_size(tables, "box")
    assert png(figure)
    n = models[0].found.counted.sum()
    assert f"n = {n:,} keypoints" in texts(figure)


def test_every_panel_of_errors_by_size_shows_all_of_its_points(models):
    """The small ones share their limits, which the first alone must not decide."""
    table = error_by_size(models[1].found, FEW)
    columns = table.columns[table.columns.str.startswith("error_px")]
    table.loc[table["group"] == NAMES[-1], columns] *= 100
    figure = keypoint_sizes.errors_by_size({"fine": table}, "box")
    shown = np.array([axes.get_ylim() for axes in figure.axes[2:]])
    assert (shown[:, 0] == 0).all()
    assert (shown[:, 1] >= np.nanmax(table[columns].to_numpy())).all()


def test_samples_run_from_the_easiest_to_the_hardest_in_even_steps(models):
    fine = models[1]
    relative = [
        np.nanmean(fine.found.relative[fine.found.image == n])
        for n in range(12)
        if fine.found.counted[fine.found.image == n].any()
    ]
    images = keypoint_samples.spread([fine], most=3)
    errors = [np.nanmean(fine.found.relative[fine.found.image == n]) for n in images]
    middle = np.sort(relative)[round((len(relative) - 1) / 2)]
    assert errors == pytest.approx([min(relative), middle, max(relative)])
    assert len(keypoint_samples.spread([fine], most=99)) == len(relative)


def test_samples_show_every_model_on_the_same_images(case, models, pictures, png, texts):
    figure = keypoint_samples.samples(pictures, case[0], models, 0.1)
    assert png(figure)
    assert "8 of 12 images" in texts(figure)
    assert "no answer" in texts(figure)
    alone = [png(keypoint_samples.samples(pictures, case[0], models[:1], 0.1)) for _ in range(2)]
    assert alone[0] == alone[1]


def test_the_kinds_of_failure_are_counted(case, models, pictures, png, texts):
    kinds = keypoint_comparison.kinds(models[0].found, models[1].found, 0.1)
    figure = keypoint_samples.failures(pictures, case[0], (models[0], models[1]), kinds, 0.1)
    assert png(figure)
    for images in (kinds.first, kinds.second, kinds.neither):
        assert f"n = {len(images)}\nimages" in texts(figure)
    assert "fine right,\na \\$net\\$ wrong" in texts(figure)


def test_no_failures_and_no_figures_are_drawn(models, case, pictures, png, texts):
    truth = case[0]
    same = keypoint_comparison.kinds(models[1].found, models[1].found, 1.0)
    figure = keypoint_samples.failures(pictures, truth, (models[1], models[1]), same, 1.0)
    assert png(figure)
    assert "none" in texts(figure)
    empty = truth_of([], 2)
    nothing = model("net", empty, results_of([]))
    figure = keypoint_samples.samples(pictures, empty, [nothing], 0.1)
    assert png(figure)
    assert "0 of 2 images" in texts(figure)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize(("epochs", "samples"), [((1, 5, 30), 2), ((1,), 1)])
def test_heatmaps_through_the_epochs(channels, epochs, samples, png, texts):
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 0.3, (len(epochs), samples, 5, 16, 16))
    maps[0] = 0  # a net that says nothing yet
    images = rng.integers(0, 256, (samples, 32, 32, *channels), np.uint8)
    truth = rng.uniform(0, 32, (samples, 5, 2))
    seen = rng.random((samples, 5)) < 0.7
    figure = keypoint_heatmaps.heatmaps(maps, images, truth, seen, epochs, NAMES)
    assert png(figure)
    assert "epoch 1, highest 0.00" in texts(figure)
    assert "left hand" in texts(figure)
    assert f"n = {samples} images" in texts(figure)


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, [1]), (2, [1, 2]), (5, [1, 2, 3, 4, 5]), (6, [1, 2, 3, 4, 6]), (25, [1, 2, 4, 7, 13, 25])],
)
def test_milestones_run_from_the_first_epoch_to_the_last(epochs, expected):
    # 25 ** (n / 5) is 1, 1.90, 3.62, 6.90, 13.1, 25.
    assert keypoint_heatmaps.milestones(epochs) == expected


def test_no_heatmaps_are_a_picture_that_says_so(png, texts):
    nothing = np.zeros((0, 0, 5, 8, 8))
    figure = keypoint_heatmaps.heatmaps(
        nothing, [], np.zeros((0, 5, 2)), np.zeros((0, 5), bool), (), NAMES
    )
    assert png(figure)
    assert "no heatmaps" in texts(figure)


def test_an_overlay_mixes_colours_by_height():
    # At the first cell red alone at half height; at the second red and blue in equal parts; at the
    # third nothing, whatever the net says below 0.
    maps = np.array([[[0.5, 0.5, -1.0]], [[0.0, 0.5, 0.0]]])
    expected = [[1, 0, 0, 0.5], [0.5, 0, 0.5, 0.75], [0, 0, 0, 0]]
    found = keypoint_heatmaps.overlay(maps, ["#ff0000", "#0000ff"])
    np.testing.assert_allclose(found[0], expected)


def test_grey_images_become_coloured_and_others_stay():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    colour = keypoint_panels.in_colour(grey)
    assert colour.shape == (2, 3, 3)
    assert (colour == grey[..., None]).all()
    assert keypoint_panels.in_colour(colour) is colour


@pytest.fixture
def written(tmp_path, case, models, pictures):
    """The files that the pictures of two models, `one` and `two`, are drawn from."""
    truth = case[0]
    for name, one in zip(("one", "two"), models, strict=True):
        folder = tmp_path / "predictions" / name
        coco_keypoints.write_truth(folder / "test_truth.json", truth, pictures.folder)
        coco_keypoints.write_results(folder / "test.json", truth, one.results)
        write_table(tmp_path / "plots" / name / "pck.csv", pck.curve(one.found, FEW))
    return tmp_path / "predictions", tmp_path / "plots"


def test_every_picture_is_drawn_from_files(written, models):
    sources = keypoint_pictures.gather(*written, ["one", "two"], pck.Parameters())
    np.testing.assert_allclose(sources.found["two"].pixels, models[1].found.pixels)
    drawn = dict(keypoint_pictures.draw(sources, pck.Parameters(), FEW))
    assert list(drawn) == ["pck", "size", "samples", "failures"]
    alone = keypoint_pictures.gather(*written, ["two"], pck.Parameters())
    assert "failures" not in dict(keypoint_pictures.draw(alone, pck.Parameters(), FEW))


def test_unusable_files_are_told(written, case):
    predictions, plots = written
    for names, message in (
        ([], "expected models, each once, got none"),
        (["one", "one"], "each once, got one, one"),
        (["none"], r"none/test_truth\.json: no such file"),
    ):
        with pytest.raises(InputError, match=message):
            keypoint_pictures.gather(*written, names, pck.Parameters())
    moved = replace(case[0], keypoints=case[0].keypoints / 2)
    coco_keypoints.write_truth(predictions / "two" / "test_truth.json", moved, "")
    with pytest.raises(InputError, match="about different figures"):
        keypoint_pictures.gather(*written, ["one", "two"], pck.Parameters())
    (plots / "one" / "pck.csv").unlink()
    with pytest.raises(InputError, match="make it with: dvc repro keypoints@one"):
        keypoint_pictures.gather(*written, ["one"], pck.Parameters())


def test_skeletons_leave_out_what_is_not_there(case, models, pictures, png):
    truth, results = case
    broken = replace(results, keypoints=results.keypoints.copy())
    broken.keypoints[:, 0] = np.nan
    assert png(keypoint_samples.samples(pictures, truth, [model("nan", truth, broken)], 0.1))
