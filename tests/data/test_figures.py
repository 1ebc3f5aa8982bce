import contextlib
import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from scalewise import coco_keypoints, params
from scalewise.data import figures, poses, store
from scalewise.errors import InputError
from scalewise.files import read_json

FILES = {"images.tar", "train.json", "val.json", "test.json"}
BARE = {"texture": 0, "noise": 0, "lines": 0, "discs": 0, "covers": 0}
# The homework's own 200 images to validate on, PCK at .05, .1, .15, .2 of the box's diagonal.
SHARES = np.array([0.05, 0.1, 0.15, 0.2])
GUESSED = [0.830, 0.859, 0.888, 0.914]
MIDWAY = [0.718, 0.828, 0.930, 0.974]
BEST = [0.859, 0.914, 0.965, 0.987]


@pytest.fixture(scope="module")
def small():
    return figures.Parameters(train=6, val=3, test=3)


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    place = tmp_path_factory.mktemp("figures")
    figures.make(small, place)
    return place


@pytest.fixture(scope="module")
def classic():
    return figures.Parameters(style="classic", train=6, val=3, test=3)


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def changed(parameters, **values):
    return figures.Parameters.model_validate(parameters.model_dump() | values)


def varied(**look):
    return figures.Parameters(varied=figures.Varied(**look))


def decoded(parameters, index, split="train"):
    png, figure = figures.draw(parameters, split, index)
    return np.asarray(Image.open(io.BytesIO(png))).astype(float), figure


def level(pixels, point):
    column, row = np.floor(point).astype(int)
    return pixels[row, column]


def distances(size, point):
    """[size, size] of every pixel's centre from a point."""
    centres = np.arange(size) + 0.5
    return np.hypot(centres[None, :] - point[0], centres[:, None] - point[1])


def test_dataset_is_in_the_common_form(folder, small):
    assert set(digests(folder)) == FILES
    images, seen = store.Store(folder), []
    for split in figures.SPLITS:
        truth = coco_keypoints.read_truth(folder / f"{split}.json")
        assert len(truth) == len(truth.image_ids) == getattr(small, split)
        assert truth.names == ("head", "left_hand", "right_hand", "left_foot", "right_foot")
        assert truth.swaps.tolist() == [0, 2, 1, 4, 3]
        assert set(truth.visibility.ravel()) <= {1, 2}
        for name, (width, height) in zip(truth.file_names, truth.sizes, strict=True):
            with Image.open(io.BytesIO(images.bytes_of(name))) as image:
                assert image.mode == "L"
                assert image.size == (width, height) == (128, 128)
        seen += truth.image_ids.tolist()
    assert len(set(seen)) == len(seen) == 12


def test_records_are_what_was_drawn(folder, small):
    truth = coco_keypoints.read_truth(folder / "val.json")
    for n in range(3):
        _, figure = figures.draw(small, "val", n)
        np.testing.assert_array_equal(truth.keypoints[n], figure.keypoints)
        np.testing.assert_array_equal(truth.visibility[n], figure.visibility)
        np.testing.assert_array_equal(truth.boxes[n], figure.box)
        np.testing.assert_array_equal(figures.pose(small, "val", n).keypoints, figure.keypoints)


@pytest.mark.parametrize("style", ["varied", "classic"])
def test_bytes_are_the_same_for_every_number_of_workers(style, tmp_path, monkeypatch, small):
    many = changed(small, train=30, style=style)
    for count in ("1", "2"):
        monkeypatch.setenv("SCALEWISE_WORKERS", count)
        figures.make(many, tmp_path / count)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")


def test_more_images_leave_the_first_as_they_were(tmp_path, small, folder):
    figures.make(changed(small, train=8, val=1), tmp_path)
    few, more = store.Store(folder), store.Store(tmp_path)
    for name in ("train/000000.png", "train/000005.png", "val/000000.png", "test/000002.png"):
        assert few.bytes_of(name) == more.bytes_of(name)
    before, after = (read_json(place / "train.json") for place in (folder, tmp_path))
    assert after["annotations"][:6] == before["annotations"]
    assert read_json(tmp_path / "test.json") == read_json(folder / "test.json")


@pytest.mark.parametrize("style", ["varied", "classic"])
def test_seed_split_and_index_each_change_the_image(style, small):
    images = {
        figures.draw(changed(small, seed=seed, style=style), split, index)[0]
        for seed in (0, 1)
        for split in figures.SPLITS
        for index in (0, 1)
    }
    assert len(images) == 12


SETTINGS = {
    "scale": [1.2, 1.3],
    "rotation": 5,
    "front": 1,
    "arms": [60, 70],
    "legs": [30, 31],
    "line": [5, 6],
    "ground": [100, 110],
    "contrast": 60,
    "texture": 20,
    "noise": 20,
    "lines": 20,
    "discs": 20,
    "covers": 20,
    "cover": [4, 5],
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_of_the_look_shows(setting, small):
    look = changed(small, varied={setting: SETTINGS[setting]})
    one, two = ([figures.draw(p, "train", n)[0] for n in range(6)] for p in (small, look))
    assert one != two


def test_every_setting_is_tested():
    assert set(SETTINGS) == set(figures.Varied.model_fields)


@pytest.mark.parametrize("index", range(8))
def test_hands_and_feet_are_where_lines_of_their_level_end(index):
    """On a bare ground a limb's round end stops half a line's width beyond its keypoint."""
    parameters = varied(**BARE)
    pixels, figure = decoded(parameters, index)
    pose, (low, high) = figures.pose(parameters, "train", index), parameters.varied.ground
    for end, (start, _) in poses.LIMBS.items():
        point, joint = figure.keypoints[end], pose.joints[start]
        outwards = (point - joint) / np.hypot(*(point - joint))
        inside, beyond = (point + outwards * (pose.line / 2 + d) for d in (-1.2, 1.2))
        assert level(pixels, inside) > high if end in poses.LEFT else level(pixels, inside) < low
        assert low <= level(pixels, beyond) <= high
        region = distances(128, point) < pose.line / 2 - 0.5
        ends = pixels[region]
        assert (ends > high).all() if end in poses.LEFT else (ends < low).all()


@pytest.mark.parametrize("index", range(8))
def test_the_head_is_the_middle_of_its_disc(index):
    parameters = varied(**BARE, arms=(20, 80))
    pixels, figure = decoded(parameters, index)
    pose = figures.pose(parameters, "train", index)
    away = distances(128, figure.keypoints[0])
    assert (pixels[away < pose.radius - 1] < parameters.varied.ground[0] - 20).all()
    ring = pixels[(away > pose.radius + 1) & (away < pose.radius + 2)]
    assert np.mean(ring < parameters.varied.ground[0]) < 0.3  # the neck alone leaves it


@pytest.mark.parametrize("index", range(8))
def test_the_box_is_tight_around_what_is_drawn(index):
    parameters = varied(**BARE)
    pixels, figure = decoded(parameters, index)
    low, high = parameters.varied.ground
    drawn = (pixels < low) | (pixels > high)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    around = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(figure.box, around, atol=1)


def test_left_limbs_are_light_and_right_ones_dark_from_either_side():
    parameters, mirrored, least = varied(covers=0), set(), []
    for n in range(60):
        pixels, figure = decoded(parameters, n)
        ends = [level(pixels, point) for point in figure.keypoints]
        least.append(min(ends[1], ends[3]) - max(ends[0], ends[2], ends[4]))
        upright = figures.pose(parameters, "train", n).joints
        down, across = upright[poses.HIPS] - upright[poses.NECK], upright[4] - upright[3]
        mirrored.add(bool(np.cross([*down, 0], [*across, 0])[2] > 0))
    assert min(least) > 60
    assert mirrored == {False, True}


def test_keypoints_are_hidden_just_where_a_patch_covers_their_end():
    """Against the same images without patches: what has changed is covered."""
    bare, low, high = {**BARE, "scale": (1, 1.5), "line": (5, 5)}, *figures.Varied().ground
    counts = {1: 0, 2: 0}
    for n in range(60):
        whole, _ = decoded(varied(**bare), n)
        pixels, figure = decoded(varied(**bare | {"covers": 4}), n)
        pose = figures.pose(varied(**bare), "train", n)
        for k, point in enumerate(figure.keypoints):
            near = distances(128, point) < (pose.radius if k == 0 else pose.line)
            own = near & ((whole > high) if k in poses.LEFT else (whole < low))
            share = (pixels != whole)[own].mean()
            counts[int(figure.visibility[k])] += 1
            if abs(share - 0.5) > 0.15:  # a pixel half covered counts here
                assert figure.visibility[k] == (1 if share > 0.5 else 2)
    assert min(counts.values()) > 20


def test_some_keypoints_are_hidden_and_most_are_seen(small):
    flags = np.array([figures.draw(small, "train", n)[1].visibility for n in range(200)])
    assert (np.mean(flags == 1, axis=0) > 0.02).all()
    assert (np.mean(flags == 1, axis=0) < 0.2).all()


def test_varied_images_are_noisy_and_uneven(small):
    pixels, _ = decoded(small, 0)
    steps = np.median(np.abs(np.diff(pixels, axis=1))) / 0.6745 / np.sqrt(2)
    assert 0.8 * 8 < steps < 1.4 * 8


@pytest.mark.parametrize("index", range(10))
def test_a_classic_figure_is_black_lines_around_its_keypoints_on_white(index, classic):
    pixels, figure = decoded(classic, index)
    assert set(np.unique(pixels)) == {0, 255}
    assert (figure.visibility == 2).all()
    assert [level(pixels, point) for point in figure.keypoints] == [255, 0, 0, 0, 0]
    away = distances(128, figure.keypoints[0])
    assert (pixels[away < 5] == 255).all()
    assert (pixels[(away > 6.7) & (away < 7.5)] == 0).all()
    rows, columns = np.flatnonzero((pixels == 0).any(axis=1)), np.flatnonzero((pixels == 0).any(0))
    around = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(figure.box, around, atol=1)


def test_classic_arms_can_be_swapped_and_the_pixels_stay(classic):
    swapped = [poses.HEAD, poses.RIGHT_HAND, poses.LEFT_HAND, *range(3, 8)]
    for n in range(20):
        pixels, _ = decoded(classic, n)
        pose = figures.pose(classic, "train", n)
        other = poses.Pose(pose.joints[swapped], pose.radius, pose.line)
        np.testing.assert_array_equal(figures.classic_pixels(other), pixels)


@pytest.mark.parametrize(("style", "pairs"), [("varied", ()), ("classic", ((1, 2),))])
def test_the_truth_says_which_keypoints_are_alike(style, pairs, small, tmp_path):
    figures.make(changed(small, style=style), tmp_path)
    for split in figures.SPLITS:
        assert coco_keypoints.read_truth(tmp_path / f"{split}.json").ambiguous == pairs


def test_the_classic_ceilings_are_the_homeworks():
    """What its hands that cannot be told apart allow, d apart in box diagonals.

    A net that guesses gets both right or both wrong, unless they are within the threshold; one
    that says the midpoint has each hand d / 2 away; the best of both takes the better guess.
    """
    parameters = figures.Parameters(style="classic")
    points = np.array([figures.pose(parameters, "train", n).keypoints for n in range(10_000)])
    apart = np.hypot(*(points[:, 1] - points[:, 2]).T) / np.hypot(*np.ptp(points, axis=1).T)
    near, half = ((apart[:, None] * part <= SHARES).mean(axis=0) for part in (1, 0.5))
    error = 3.5 * 0.5 / np.sqrt(200)  # of a share among their 200
    for ceiling, theirs, weight in (
        ((3 + 1 + near) / 5, GUESSED, 1 / 5),
        ((3 + 2 * half) / 5, MIDWAY, 2 / 5),
        ((3 + 1 + half) / 5, BEST, 1 / 5),
    ):
        assert np.abs(ceiling - theirs).max() < weight * error
        assert np.abs(ceiling - theirs).max() < 0.012


@pytest.mark.parametrize("style", ["varied", "classic"])
def test_perfect_results_get_the_full_score_of_the_official_tool(style, tmp_path, small):
    figures.make(changed(small, style=style), tmp_path)
    truth = coco_keypoints.read_truth(tmp_path / "val.json")
    ones = np.ones((len(truth), 5))
    results = coco_keypoints.Results("r", truth.image, truth.keypoints, ones, ones[:, 0])
    coco_keypoints.write_results(tmp_path / "r.json", truth, results)
    with contextlib.redirect_stdout(io.StringIO()):
        official = COCO(str(tmp_path / "val.json"))
        judge = COCOeval(official, official.loadRes(str(tmp_path / "r.json")), "keypoints")
        judge.params.kpt_oks_sigmas = np.full(5, 0.05)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert judge.stats[0] == judge.stats[5] == 1


BAD = {
    "style": ({"style": "round"}, r"figures\.style: .*'varied' or 'classic', got 'round'"),
    "key": ({"scale": [1, 2]}, r"figures\.scale: unknown key"),
    "inner key": ({"varied": {"scales": [1, 2]}}, r"varied\.scales: unknown key; .*'scale'"),
    "no images": ({"train": 0}, r"figures\.train: .*greater than or equal to 1"),
    "falling": ({"varied": {"scale": [1.5, 1]}}, r"varied: scale must be rising .*0\.25"),
    "tiny": ({"varied": {"scale": [0.1, 1]}}, r"varied: scale must be rising and at least 0\.25"),
    "thin": ({"varied": {"line": [1, 3]}}, r"varied: line must be rising and at least 2"),
    "arms": ({"varied": {"arms": [0, 200]}}, r"varied: arms must be rising within -180\.\.180"),
    "front": ({"varied": {"front": 2}}, r"varied\.front: .*less than or equal to 1"),
    "contrast": ({"varied": {"contrast": 80}}, r"ground \[70.*\] leaves less than contrast 80"),
    "bright": (
        {"varied": {"ground": [70, 300]}},
        r"ground \[70.*300.*\] leaves less than contrast",
    ),
    "too large": ({"varied": {"scale": [1, 2]}}, r"varied\.scale goes up to 2, .*image_size 128"),
    "classic": ({"style": "classic", "image_size": 64}, r"image_size must be 128 for .*classic"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_parameters_are_told(case):
    values, message = BAD[case]
    with pytest.raises(InputError, match=message):
        params.parse(figures.Parameters, values, "figures")
