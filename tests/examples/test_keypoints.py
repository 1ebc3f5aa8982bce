import json

import numpy as np
import pytest
from PIL import Image

from keypoint_cases import NAMES
from scalewise import checkpoint, coco_keypoints
from scalewise.errors import InputError
from scalewise.examples import images, keypoints
from scalewise.examples.keypoints import Input
from scalewise.models.keypoints import Parameters

MODELS = ("heatmap", "regression", "soft_argmax")
PLACES = np.array([[10, 4], [6, 20], [14, 20], [7, 30], [13, 30]], float)
NAN = float("nan")


def figure(number, image, shift=(0, 0), flags=(2, 2, 2, 2, 2), grow=1.0):
    """A record around `PLACES`, moved; its box is 2 px wider on each side."""
    points = PLACES * grow + shift
    low, high = points.min(axis=0) - 2, points.max(axis=0) + 2
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [*low, *(high - low)],
        "keypoints": np.column_stack([points, flags]).ravel().tolist(),
    }


@pytest.fixture
def document():
    """A wide and a high image; two figures in the first, one in the second, in mixed order."""
    return {
        "images": [
            {"id": 7, "file_name": "wide.png", "width": 80, "height": 40},
            {"id": 3, "file_name": "high.png", "width": 40, "height": 64},
        ],
        "categories": [{"id": 1, "name": "figure", "keypoints": list(NAMES)}],
        "annotations": [
            figure(1, 7, (2, 3)),
            figure(2, 3, (12, 20), flags=(2, 1, 0, 2, 2)),
            figure(5, 7, (40.5, 4.25)),
        ],
    }


@pytest.fixture
def save(tmp_path):
    """Write a document as the train, val and test split of a dataset."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for name, (width, height) in (("wide", (80, 40)), ("high", (40, 64))):
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")

    def write(document):
        for split in ("train", "val", "test"):
            (tmp_path / f"{split}.json").write_text(json.dumps(document))
        return tmp_path

    return write


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("window", ["image", "box"])
def test_there_is_one_example_a_figure(document, save, window, channels):
    folder = save(document)
    split = keypoints.load(folder, "train", Input(size=32, channels=channels, window=window))
    assert split.images.shape == (3, channels, 32, 32)
    assert split.points.shape == (3, 5, 2) and split.windows.shape == (3, 3)
    assert split.visible.tolist() == [[True] * 5, [True, False, False, True, True], [True] * 5]
    assert split.truth.ids.tolist() == [1, 2, 5]
    assert {path.name for path in split.files} == {"train.json", "wide.png", "high.png"}


def test_whole_images_are_fitted_by_their_longer_side(document, save):
    split = keypoints.load(save(document), "train", Input(size=32))
    np.testing.assert_array_equal(split.windows, [[0, 0, 80], [0, 0, 64], [0, 0, 80]])
    np.testing.assert_array_equal(split.images[0], split.images[2])  # the same image
    assert (split.images[0, :, 17:] == images.PADDING).all()
    assert (split.images[1, :, :, 21:] == images.PADDING).all()
    np.testing.assert_allclose(split.points[0], np.add(PLACES, [2, 3]) * 32 / 80, rtol=1e-6)


def test_a_box_window_by_hand(document, save):
    """Box 6 + 2 - 2 = 6 to 18, 5 to 35 of 12 x 30 px: a square of 30 * 1.2 = 36 px around it."""
    rules = Input(size=96, window="box", margin=1.2)
    split = keypoints.load(save(document), "train", rules)
    np.testing.assert_allclose(split.windows[0], [12 - 18, 20 - 18, 36])
    np.testing.assert_allclose(split.points[0], np.add(PLACES, [8, 1]) * 96 / 36, rtol=1e-5)
    assert (split.images[0, 0, :, : 96 * 6 // 36 - 1] == images.PADDING).all()  # left of the image


@pytest.mark.parametrize("margin", [1.0, 1.25, 3.0])
@pytest.mark.parametrize("window", ["image", "box"])
def test_points_find_their_way_back(document, save, window, margin):
    rules = Input(size=48, window=window, margin=margin)
    split = keypoints.load(save(document), "train", rules)
    back = keypoints.original(split.points.double().numpy(), split.windows, 48)
    labelled = split.truth.visibility > 0
    np.testing.assert_allclose(back[labelled], split.truth.keypoints[labelled], atol=1e-4)


def test_points_and_pixels_agree(document, save, tmp_path):
    """A dark image with one light pixel at a keypoint, shown by any window, is lightest there."""
    folder = save(document)
    pixels = np.zeros((40, 80), np.uint8)
    x, y = np.add(PLACES[1], [40.5, 4.25]).astype(int)
    pixels[y, x] = 255
    Image.fromarray(pixels).save(folder / "images" / "wide.png")
    for window in ("image", "box"):
        split = keypoints.load(folder, "train", Input(size=256, window=window))
        own = split.images[2, 0].double() * (split.images[2, 0] != images.PADDING)
        row, column = divmod(int(own.argmax()), 256)
        pixel = 256 / split.windows[2, 2]
        away = np.array([column, row]) + 0.5 - split.points[2, 1].numpy()
        assert np.abs(away).max() <= pixel


def test_a_figure_without_a_box_of_its_own_has_a_window(document, save):
    document["annotations"][0]["bbox"] = [5, 5, 0, 0]
    split = keypoints.load(save(document), "train", Input(size=32, window="box"))
    np.testing.assert_allclose(split.windows[0, 2], 1.25)


def test_a_box_beyond_the_image_is_cut(document, save):
    document["annotations"][0]["bbox"] = [-1e8, 0, 2e8, 40]
    split = keypoints.load(save(document), "train", Input(size=32, window="box", margin=1))
    np.testing.assert_allclose(split.windows[0], [0, -20, 80])


def test_what_a_window_does_not_show_takes_no_part(document, save):
    document["annotations"][0]["bbox"] = [8, 16, 14, 20]  # the head is above, 7 px
    split = keypoints.load(save(document), "train", Input(size=32, window="box", margin=1))
    assert split.visible[0].tolist() == [False, True, True, True, True]
    assert keypoints.load(save(document), "train", Input(size=32)).visible[0].all()


def at(number, **values):
    return lambda document: document["annotations"][number].update(values)


def keypoint(number, k, *triple):
    def spoil(document):
        document["annotations"][number]["keypoints"][3 * k : 3 * k + 3] = triple

    return spoil


BAD = {
    "outside": (
        keypoint(1, 3, 41, 30, 2),
        r"annotations\[1\] \(id 2, image_id 3\): keypoint left_foot at 41, 30 lies outside its "
        r"image 'high\.png' of 40x64 pixels",
    ),
    "NaN": (
        keypoint(1, 3, NAN, 30, 2),
        r"annotations\[1\] \(id 2, image_id 3\): keypoint left_foot is \[nan, 30, 2\], expected",
    ),
    "NaN, hidden": (keypoint(0, 1, NAN, NAN, 1), r"\(id 1, image_id 7\): keypoint left_hand is"),
    "infinite": (keypoint(0, 1, 3, float("inf"), 2), r"\(id 1, image_id 7\): keypoint left_hand"),
    "visibility": (
        keypoint(0, 4, 3, 3, 7),
        r"image_id 7\): visibility of keypoint right_foot is 7",
    ),
    "too few": (
        at(2, keypoints=[1, 2, 2] * 4),
        r"annotations\[2\] \(id 5, image_id 7\): 'keypoints' has 12 numbers, expected 15: x, y and",
    ),
    "too many": (at(2, keypoints=[1, 2, 2] * 6), r"image_id 7\): 'keypoints' has 18 numbers, exp"),
    "null": (at(2, keypoints=None), r"image_id 7\): 'keypoints' is null, expected a list"),
    "left out": (lambda d: d["annotations"][2].pop("keypoints"), r"7\): 'keypoints' is missing"),
    "unknown image": (at(0, image_id=4), "image_id 4 is not among the images"),
    "no figure": (
        lambda d: d["annotations"].clear(),
        r"train\.json: there is no figure to train or select on",
    ),
    "no size": (
        lambda d: d["images"][1].pop("width"),
        r"train\.json: image 'high\.png' needs its width and height",
    ),
    "another size": (
        lambda d: d["images"][1].update(height=65),
        r"image 'high\.png' is 40x64 pixels, but its record in .*train\.json says 40x65",
    ),
    "no image": (
        lambda d: d["images"][1].update(file_name="none.png"),
        r"image 'none\.png': No such file",
    ),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_error_that_names_the_image(case, model, document, save):
    spoil, message = BAD[case]
    spoil(document)
    with pytest.raises(InputError, match=message) as error:
        examples(model, save(document))
    assert "\n" not in str(error.value)


def examples(model, folder):
    shared = Parameters(encoder={"input": {"size": 32}}, resolution=16)
    given = {"keypoints": shared, "keypoints.encoder": shared.encoder}
    module = checkpoint.find_model(model)
    given[model] = module.Parameters()
    return module.examples({name: given[name] for name in module.SECTIONS}, folder, "train")


@pytest.mark.parametrize("model", MODELS)
def test_the_nets_learn_from_the_same_examples(model, document, save):
    found = examples(model, save(document))
    split = keypoints.load(save(document), "train", Input(size=32))
    assert found.names == ("wide.png", "high.png", "wide.png")
    assert found.categories == NAMES
    assert found.files == split.files
    assert set(found.tensors) == {"images", "points", "visible"}
    for name, tensor in found.tensors.items():
        np.testing.assert_array_equal(tensor, getattr(split, name))


def test_figures_may_have_no_visible_keypoint(document, save):
    document["annotations"] = [figure(1, 7, flags=(0, 1, 1, 0, 1))]
    split = keypoints.load(save(document), "train", Input(size=32))
    assert not split.visible.any()
    assert coco_keypoints.SEEN not in split.truth.visibility
