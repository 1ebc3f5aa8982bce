import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from scalewise.errors import InputError
from scalewise.examples import segmentation
from scalewise.examples.segmentation import IGNORED
from segmentation_cases import CLASSES, COLOURS, SIZES, VOID, write_dataset

FILE = "images.tar"


@pytest.fixture
def folder(tmp_path):
    write_dataset(tmp_path)
    return tmp_path


def test_a_split_at_its_own_size_is_untouched(tmp_path):
    masks = write_dataset(tmp_path)
    read = segmentation.examples(segmentation.read(tmp_path, "train"), 32, 40, ignore_void=False)
    assert read.names == tuple(f"train/{n}.png" for n in range(4)) and read.categories == CLASSES
    assert read.files == (tmp_path / "train.json", tmp_path / FILE)
    images, labels = read.tensors["images"], read.tensors["labels"]
    assert images.dtype == labels.dtype == torch.uint8
    for n, name in enumerate(read.names):
        np.testing.assert_array_equal(labels[n], masks[name])
        np.testing.assert_array_equal(images[n].permute(1, 2, 0), COLOURS[masks[name]])


@pytest.mark.parametrize("size", [(8, 8), (31, 77), (32, 40), (120, 90)])
def test_no_size_invents_a_class(folder, size):
    """Between sky (0) and void (3) lie road and car: a mean of the two would be one of them."""
    extremes = np.where(np.random.default_rng(0).random((48, 64)) < 0.5, 0, VOID).astype(np.uint8)
    write_dataset(folder, **{"labels/val/1.png": png(extremes)})
    read = segmentation.examples(segmentation.read(folder, "val"), *size, ignore_void=False)
    labels = read.tensors["labels"]
    assert labels.shape == (3, *size) and set(labels[1].unique().tolist()) == {0, VOID}


@pytest.mark.parametrize("shape", [(6, 8), (3, 4), (24, 32), (5, 11)])
def test_a_label_is_that_of_the_pixel_under_the_middle(tmp_path, shape):
    """What the input's bilinear images show there, too: both keep the whole picture's frame."""
    masks = write_dataset(tmp_path, {"train": [(16, 12)]})
    read = segmentation.examples(segmentation.read(tmp_path, "train"), *shape, ignore_void=False)
    rows, columns = (
        np.floor((np.arange(many) + 0.5) * side / many).astype(int)
        for many, side in zip(shape, (12, 16), strict=True)
    )
    expected = masks["train/0.png"][rows][:, columns]
    np.testing.assert_array_equal(read.tensors["labels"][0], expected)


def test_void_pixels_are_ignored_or_kept(folder):
    split = segmentation.read(folder, "val")
    kept = segmentation.examples(split, 24, 30, ignore_void=False).tensors["labels"]
    ignored = segmentation.examples(split, 24, 30, ignore_void=True).tensors["labels"]
    assert (kept == VOID).any() and not (kept == IGNORED).any()
    assert torch.equal(ignored == IGNORED, kept == VOID)
    assert torch.equal(ignored[kept != VOID], kept[kept != VOID])


def test_where_no_class_is_void_nothing_is_ignored(folder):
    document = json.loads((folder / "val.json").read_text())
    for category in document["categories"]:
        category["void"] = 0
    (folder / "val.json").write_text(json.dumps(document))
    read = segmentation.examples(segmentation.read(folder, "val"), 24, 30, ignore_void=True)
    assert not (read.tensors["labels"] == IGNORED).any()


def test_a_batch_has_images_of_one_size_and_masks_of_their_own(tmp_path):
    masks, chosen = write_dataset(tmp_path), [2, 0]
    split = segmentation.read(tmp_path, "val")
    images, labels = segmentation.batch(split, chosen, 24, 30)
    whole = segmentation.examples(split, 24, 30, ignore_void=False).tensors["images"]
    assert torch.equal(images, whole[chosen])
    for n, label in zip(chosen, labels, strict=True):
        np.testing.assert_array_equal(label, masks[f"val/{n}.png"])
        assert label.shape == SIZES["val"][n][::-1]


def png(pixels, mode=None):
    """An encoded image; for mode P one with CamVid's kind of colours."""
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    if mode == "P":
        image.putpalette(COLOURS.tobytes())
    (image if mode in {None, "P"} else image.convert(mode)).save(buffer, "PNG")
    return buffer.getvalue()


GOOD = np.zeros((48, 64), np.uint8)
BEYOND = np.where(np.arange(64) < 2, 7, GOOD).astype(np.uint8)
BAD = {
    "another size": (png(GOOD[:40]), "mask 'labels/val/1.png': 64x40 px, but its image has 64x48"),
    "beyond the classes": (
        png(BEYOND),
        "mask 'labels/val/1.png': index 7 in 96 pixels is none of the 4 classes (0 sky to 3 void)",
    ),
    "damaged": (png(GOOD)[:60], "image 'labels/val/1.png' cannot be decoded"),
    "colours": (png(GOOD, "RGB"), "mask 'labels/val/1.png': of mode RGB, expected L"),
    "palette": (png(GOOD, "P"), "mask 'labels/val/1.png': of mode P, expected L"),
    "black and white": (png(GOOD, "1"), "mask 'labels/val/1.png': of mode 1, expected L"),
}


@pytest.mark.parametrize("way", ["examples", "batch"])
@pytest.mark.parametrize("case", BAD)
def test_a_mask_that_cannot_be_used_is_named(tmp_path, case, way):
    data, message = BAD[case]
    write_dataset(tmp_path, **{"labels/val/1.png": data})
    rest = {"examples": (24, 30, False), "batch": ([0, 1], 24, 30)}[way]
    with pytest.raises(InputError) as error:
        getattr(segmentation, way)(segmentation.read(tmp_path, "val"), *rest)
    assert message in str(error.value) and str(tmp_path) in str(error.value)


def test_a_mask_must_fit_the_image_itself_where_the_record_has_no_size(tmp_path):
    write_dataset(tmp_path, **{"labels/val/1.png": BAD["another size"][0]})
    document = json.loads((tmp_path / "val.json").read_text())
    for image in document["images"]:
        del image["width"], image["height"]
    (tmp_path / "val.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="64x40 px, but its image has 64x48"):
        segmentation.examples(segmentation.read(tmp_path, "val"), 24, 30, ignore_void=False)


def test_a_missing_mask_or_image_is_named(folder):
    for kind, name in (("annotations", "labels/val/9.png"), ("images", "val/9.png")):
        document = json.loads((folder / "val.json").read_text())
        document[kind][1]["file_name"] = name
        (folder / "changed.json").write_text(json.dumps(document))
        with pytest.raises(InputError, match=rf"images\.tar: no image '{name}'"):
            segmentation.examples(segmentation.read(folder, "changed"), 24, 30, ignore_void=False)


def test_an_image_of_another_size_than_its_record_is_named(tmp_path):
    write_dataset(tmp_path, **{"val/1.png": png(COLOURS[GOOD[:40]])})
    with pytest.raises(InputError, match=r"image 'val/1\.png' is 64x40 pixels, .* says 64x48"):
        segmentation.examples(segmentation.read(tmp_path, "val"), 24, 30, ignore_void=False)


def test_a_split_without_images_is_named(tmp_path):
    write_dataset(tmp_path, {"train": [(40, 32)], "val": []})
    with pytest.raises(InputError, match=r"val\.json: there are no images"):
        segmentation.read(tmp_path, "val")
