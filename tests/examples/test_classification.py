import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from classifier_cases import CLASSES, SPLITS, truth_of, write_dataset
from scalewise import class_labels
from scalewise.data import store, wildlife
from scalewise.errors import InputError
from scalewise.examples import classification
from scalewise.files import write_json


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("size", [16, 40])
def test_a_split_is_stretched_to_squares(split, size, tmp_path):
    pixels = write_dataset(tmp_path)
    read = classification.load(tmp_path, split, size)
    names = read.truth.file_names
    assert read.images.shape == (SPLITS[split], 3, size, size)
    assert read.images.dtype == torch.uint8 and read.labels.dtype == torch.int64
    for name, image, label in zip(names, read.images, read.labels, strict=True):
        assert name.split("/")[0] == CLASSES[label]
        wanted = Image.fromarray(pixels[name]).resize((size, size), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(image.permute(1, 2, 0), np.asarray(wanted))
    assert {path.name for path in read.files} == {f"{split}.json", "images.tar"}
    examples = read.examples()
    assert examples.names == names and examples.categories == CLASSES
    assert examples.tensors.keys() == {"images", "labels"} and examples.files == read.files


def test_images_of_the_size_asked_for_are_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)
    truth = replace(truth_of("train", 2), sizes=np.full((2, 2), 16))
    write_json(tmp_path / "train.json", class_labels.truth_document(truth))
    packed = [(n, store.encode_png(p)) for n, p in zip(truth.file_names, pixels, strict=True)]
    store.pack(tmp_path / "images.tar", packed)
    read = classification.load(tmp_path, "train", 16)
    np.testing.assert_array_equal(read.images.permute(0, 2, 3, 1), pixels)


def colour(kind):
    """A red square as an encoded image of a kind; grey kinds give its grey."""
    image, buffer = Image.new("RGB", (12, 8), (200, 30, 30)), io.BytesIO()
    if kind == "palette":
        image = image.quantize(4)
    elif kind == "clear palette":
        image = image.quantize(4)
        image.info["transparency"] = 0
    elif kind == "alpha":
        image.putalpha(Image.new("L", image.size, 128))
    else:
        image = image.convert(kind)
    options = {"transparency": 0} if kind == "clear palette" else {}
    image.save(buffer, "JPEG" if kind == "CMYK" else "PNG", **options)
    return buffer.getvalue()


WANTED = {
    "RGB": (200, 30, 30),
    "palette": (200, 30, 30),
    "clear palette": (255, 255, 255),  # see-through: as on white paper
    "alpha": (227, 142, 142),  # .502 * 200 + .498 * 255, and so on
    "L": (81, 81, 81),  # .299 * 200 + .587 * 30 + .114 * 30
    "CMYK": (200, 30, 30),
}


def test_palettes_alpha_and_grey_arrive_as_the_colours_they_show(tmp_path):
    """From class folders to tensors, as `prepare` and `train` do it."""
    for kind in WANTED:
        (tmp_path / "given" / kind).mkdir(parents=True)
        for n in range(3):  # of other bytes each, since equal ones share a split
            data = colour(kind) + bytes(n)
            (tmp_path / "given" / kind / f"{n}.img.png").write_bytes(data)
    rules = wildlife.Parameters(source="folder", path=str(tmp_path / "given"))
    wildlife.make(rules, tmp_path / "made")
    for split in SPLITS:
        read = classification.load(tmp_path / "made", split, 16)
        assert sorted(read.labels.tolist()) == list(range(len(WANTED)))
        for image, label in zip(read.images, read.labels, strict=True):
            wanted = torch.tensor(WANTED[read.truth.category_names[label]])[:, None, None]
            assert (image.int() - wanted).abs().max() <= 3, read.truth.category_names[label]


def damaged(folder, truth):
    (folder / "images" / truth.file_names[1]).write_bytes(b"\x89PNG cut")


def empty(folder, truth):
    (folder / "images" / truth.file_names[1]).write_bytes(b"")


def missing(folder, truth):
    (folder / "images" / truth.file_names[1]).unlink()


def resized(folder, truth):
    Image.new("RGB", (3, 4)).save(folder / "images" / truth.file_names[1])


BAD = {
    "damaged": (damaged, r"image 'dog/train1\.png' cannot be decoded"),
    "empty": (empty, r"image 'dog/train1\.png' cannot be decoded"),
    "missing": (missing, r"image 'dog/train1\.png': No such file"),
    "resized": (resized, r"'dog/train1\.png' is 3x4 pixels, but its record in .* says 21x29"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_image_that_cannot_be_used_is_named(case, tmp_path):
    spoil, message = BAD[case]
    pixels, truth = write_dataset(tmp_path / "packed"), truth_of("train", 3)
    for name in truth.file_names:
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[name]).save(tmp_path / "images" / name)
    write_json(tmp_path / "train.json", class_labels.truth_document(truth))
    assert len(classification.load(tmp_path, "train", 16).labels) == 3
    spoil(tmp_path, truth)
    with pytest.raises(InputError, match=message):
        classification.load(tmp_path, "train", 16)


def test_a_split_without_images_is_told(tmp_path):
    write_dataset(tmp_path)
    write_json(tmp_path / "val.json", class_labels.truth_document(truth_of("val", 0)))
    with pytest.raises(InputError, match=r"val\.json: there are no images"):
        classification.load(tmp_path, "val", 16)
