import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.examples import images
from scalewise.examples.images import PADDING, Examples

SIZES = [(40, 20), (20, 40), (30, 30), (1, 50)]  # width, height


def truth_of(names, sizes):
    return SimpleNamespace(source="t.json", file_names=tuple(names), sizes=np.array(sizes))


def pixels_of(n, width, height):
    """RGB whose channels, rows and columns all differ."""
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def store(tmp_path):
    """Four images of different shapes, and their truth."""
    (tmp_path / "images").mkdir()
    for n, size in enumerate(SIZES):
        Image.fromarray(pixels_of(n, *size)).save(tmp_path / "images" / f"{n}.png")
    return Store(tmp_path)


@pytest.fixture
def truth():
    return truth_of([f"{n}.png" for n in range(4)], SIZES)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_fitted_images_fill_the_longer_side_and_are_padded(store, truth, mode, channels):
    found, shrink = images.fitted(truth, store, 20, mode)
    assert found.shape == (4, channels, 20, 20) and found.dtype == np.uint8
    np.testing.assert_allclose(shrink, [20 / 40, 20 / 40, 20 / 30, 20 / 50])
    for n, (width, height) in enumerate([(20, 10), (10, 20), (20, 20), (1, 20)]):
        whole = Image.fromarray(pixels_of(n, *SIZES[n])).convert(mode)
        expected = np.asarray(whole.resize((width, height), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(found[n, :, :height, :width], images.planes(expected))
        assert (found[n, :, height:] == PADDING).all() and (found[n, :, :, width:] == PADDING).all()


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_stretched_images_fill_all(store, truth, mode, channels):
    found = images.stretched(truth, store, 10, 24, mode)
    assert found.shape == (4, channels, 10, 24)
    whole = Image.fromarray(pixels_of(0, 40, 20)).convert(mode)
    expected = np.asarray(whole.resize((24, 10), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(found[0], images.planes(expected))


def test_an_image_of_the_size_asked_for_is_untouched(store):
    square = truth_of(["2.png"], [(30, 30)])
    expected = pixels_of(2, 30, 30).transpose(2, 0, 1)
    np.testing.assert_array_equal(images.fitted(square, store, 30)[0][0], expected)
    np.testing.assert_array_equal(images.stretched(square, store, 30, 30)[0], expected)


@pytest.mark.parametrize("way", ["fitted", "stretched"])
def test_no_images_are_told(store, way):
    sides = (8,) if way == "fitted" else (8, 8)
    with pytest.raises(InputError, match=r"t\.json: there are no images"):
        getattr(images, way)(truth_of([], np.zeros((0, 2))), store, *sides)


BAD = {
    "missing": ("no.png", (40, 20), r"images: image 'no\.png': No such file"),
    "nameless": ("", (40, 20), "an image's record has no file_name"),
    "damaged": ("bad.png", (40, 20), r"image 'bad\.png' cannot be decoded"),
    "empty": ("none.png", (40, 20), r"image 'none\.png' cannot be decoded"),
    "16 bits": ("deep.png", (8, 8), r"image 'deep\.png' cannot be decoded \(mode I;16, expected 8"),
    "another size": (
        "0.png",
        (20, 40),
        r"image '0\.png' is 40x20 pixels, but its record in t\.json says 20x40",
    ),
}


@pytest.mark.parametrize("way", ["fitted", "stretched", "decoded"])
@pytest.mark.parametrize("case", BAD)
def test_an_image_that_cannot_be_used_is_named(store, case, way):
    name, size, message = BAD[case]
    good = (store.directory / "0.png").read_bytes()
    (store.directory / "bad.png").write_bytes(good[: len(good) // 2])
    (store.directory / "none.png").write_bytes(b"")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(store.directory / "deep.png")
    truth = truth_of(["2.png", name], [(30, 30), size])
    rest = {"fitted": (8,), "stretched": (8, 8), "decoded": (1,)}[way]
    with pytest.raises(InputError, match=message) as error:
        getattr(images, way)(truth, store, *rest)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [(0, 0), (0, 20), (40, 0)])
def test_a_size_that_the_record_does_not_say_is_not_checked(store, size):
    found = images.decoded(truth_of(["0.png"], [size]), store, 0)
    np.testing.assert_array_equal(found, pixels_of(0, 40, 20))


def test_grey_and_coloured_images_become_what_is_asked_for(tmp_path):
    (tmp_path / "images").mkdir()
    rows = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(rows).save(tmp_path / "images" / "grey.png")
    Image.fromarray(np.stack([rows] * 3, axis=2)).save(tmp_path / "images" / "rgb.png")
    truth = truth_of(["grey.png", "rgb.png"], [(8, 8)] * 2)
    for mode, planes in (("L", 1), ("RGB", 3)):
        found, _ = images.fitted(truth, Store(tmp_path), 8, mode)
        np.testing.assert_array_equal(found, np.broadcast_to(rows, (2, planes, 8, 8)))


def ramp(width, height):
    """Level 2 x + y at the middle of each pixel: linear, so that resampling must keep it."""
    y, x = np.mgrid[:height, :width] + 0.5
    return 2 * x + y


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("place", [(4, 6, 16), (4.5, 6.25, 16), (3.7, 2.2, 20.6), (10, 10, 8)])
def test_a_window_shows_its_square(place, colour):
    whole = np.round(ramp(40, 30)).astype(np.uint8)
    whole = np.stack([whole] * 3, axis=2) if colour else whole
    left, top, side = place
    found = images.window(whole, np.array(place), 8)
    assert found.shape == (8, 8, *whole.shape[2:])
    middle = (np.arange(8) + 0.5) * side / 8
    expected = 2 * (left + middle)[None, :] + (top + middle)[:, None]
    inner = (slice(1, -1), slice(1, -1))  # at its edge PIL's filter has fewer pixels
    for plane in np.atleast_3d(found).transpose(2, 0, 1):
        np.testing.assert_allclose(plane[inner], expected[inner], atol=1.1)


def test_a_window_without_resampling_is_cut_out():
    whole = pixels_of(0, 40, 30)
    found = images.window(whole, np.array([5.0, 3.0, 16.0]), 16)
    np.testing.assert_array_equal(found, whole[3:19, 5:21])


@pytest.mark.parametrize("colour", [False, True])
def test_beside_the_image_a_window_is_grey(colour):
    whole = np.full((10, 20, 3) if colour else (10, 20), 200, np.uint8)
    found = images.window(whole, np.array([-8.0, -4.0, 32.0]), 32)
    assert (found[4:14, 8:28] == 200).all()
    outside = np.ones((32, 32), bool)
    outside[4:14, 8:28] = False
    assert (found[outside] == PADDING).all()
    assert (images.window(whole, np.array([50.0, 50.0, 8.0]), 8) == PADDING).all()


def test_the_window_of_a_whole_square_image_is_the_image():
    whole = pixels_of(1, 16, 16)
    found = images.window(whole, np.array([0.0, 0.0, 16.0]), 16)
    np.testing.assert_array_equal(found, whole)


def test_splits_must_tell_the_same_things_apart(tmp_path):
    def split(name, categories):
        path = tmp_path / name
        path.write_text(json.dumps({}))
        return Examples(("a",), categories, {"images": torch.zeros(1)}, (path,))

    train = split("train.json", ("head", "hand"))
    images.check_same_categories(train, split("val.json", ("head", "hand")))
    with pytest.raises(InputError, match=r"val\.json: its categories are hand, head; those of"):
        images.check_same_categories(train, split("val.json", ("hand", "head")))


def test_parallel_work_stays_in_order_and_tells_its_mistake():
    assert images.parallel(lambda n: n * n, 100) == [n * n for n in range(100)]
    assert images.parallel(lambda n: n, 0) == []

    def fail(n):
        raise InputError(f"no {n}")

    with pytest.raises(InputError, match="no 0"):
        images.parallel(fail, 3)
