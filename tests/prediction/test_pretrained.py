"""The loop over a dataset, with a detector whose answers are known."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scalewise import coco
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.prediction import pretrained
from scalewise.prediction.adapters import Fitted

SIZES = [(30, 20), (20, 30), (64, 64), (31, 20), (40, 40), (1, 9), (22, 31)]


class Bright:
    """Finds one box an image: its upper left quarter, of score by its first pixel.

    Attributes:
        seen: first pixels, in the order in which they were predicted.
        killed_at: it stops at this batch.
    """

    identity = "bright"

    def __init__(self, killed_at=None):
        self.names = {1: "dog", 3: "cat"}
        self.seen, self.calls, self.killed_at = [], 0, killed_at
        self.waiting, self.most, self.lock = 0, 0, threading.Lock()

    def fit(self, pixels):
        with self.lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        size = pixels.shape[1::-1]
        return Fitted(torch.from_numpy(pixels[:1, :1].copy()), (0, 0, *size), size)

    def detect(self, images):
        self.calls += 1
        if self.calls == self.killed_at:
            raise KeyboardInterrupt
        with self.lock:
            self.waiting -= len(images)
        first = [int(image.pixels[0, 0, 0]) for image in images]
        self.seen += first
        return [
            torch.tensor([[0, 0, image.size[0] / 2, image.size[1] / 2, n / 255, 3], [0] * 6])
            for n, image in zip(first, images, strict=True)
        ]


@pytest.fixture
def data(tmp_path):
    """Seven images, each of a grey that says which one it is, and their truth."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    for n, size in enumerate(SIZES):
        Image.new("L", size, 10 + n).save(folder / "images" / f"{n}.png")
    document = {
        "images": [
            {"id": 100 - n, "file_name": f"{n}.png", "width": width, "height": height}
            for n, (width, height) in enumerate(SIZES)
        ],
        "categories": [{"id": i, "name": n} for i, n in ((8, "cow"), (4, "cat"), (6, "dog"))],
        "annotations": [],
    }
    return coco.parse_truth(document, "truth"), Store(folder)


@pytest.fixture
def predict(data, tmp_path):
    def run(adapter, batch_size=2):
        return pretrained.predict(adapter, *data, batch_size, tmp_path / "scratch")

    return run


def test_results_are_by_image_in_original_pixels_with_classes_by_name(predict, data, tmp_path):
    found = predict(Bright())
    assert found.image.tolist() == list(range(7))
    assert found.scores.tolist() == [round((10 + n) / 255, 6) for n in range(7)]
    assert found.boxes[:, 2:].tolist() == [[w / 2, h / 2] for w, h in SIZES]
    written = coco.results_document(data[0], found)
    assert {record["category_id"] for record in written} == {4}  # label 3 is a cat; 0 is no class
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_the_batch_changes_nothing(predict, batch_size):
    one, other = predict(Bright()), predict(Bright(), batch_size)
    for name in ("image", "category", "boxes", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_killed_run_goes_on_with_the_images_that_are_missing(predict, tmp_path):
    killed, again = Bright(killed_at=3), Bright()
    with pytest.raises(KeyboardInterrupt):
        predict(killed)
    kept = sorted((tmp_path / "scratch").glob("*.npy"))
    assert len(kept) == 2 and len(killed.seen) == 4
    kept[1].write_bytes(kept[1].read_bytes()[:50])  # a power cut
    found = predict(again)
    assert sorted(killed.seen[:2] + again.seen) == list(range(10, 17))
    np.testing.assert_array_equal(found.scores, predict(Bright()).scores)


def test_few_images_wait_at_a_time(data, tmp_path):
    truth, store = data
    many = coco.select(truth, np.tile(np.arange(7), 30))
    adapter = Bright()
    found = pretrained.predict(adapter, many, store, 4, tmp_path / "scratch")
    assert len(found) == 210
    assert adapter.most <= 4 * (pretrained.AHEAD + 1)


def test_large_images_are_decoded_one_at_a_time(data, tmp_path, monkeypatch):
    truth, store = data
    inside, most, lock = [], [], threading.Lock()
    decoded = pretrained.decoding.decoded

    def watched(*arguments):
        inside.append(1)
        with lock:
            most.append(len(inside))
        pixels = decoded(*arguments)
        inside.pop()
        return pixels

    monkeypatch.setattr(pretrained.decoding, "decoded", watched)
    monkeypatch.setenv("SCALEWISE_WORKERS", "8")
    unknown = replace(truth, sizes=truth.sizes * 0)
    for each, large in ((truth, 0), (unknown, pretrained.LARGE)):
        monkeypatch.setattr(pretrained, "LARGE", large)
        pretrained.predict(Bright(), each, store, 7, tmp_path / "scratch")
    assert set(most) == {1}


def test_images_of_unknown_size_are_predicted_too(data, tmp_path):
    truth, store = data
    unknown = replace(truth, sizes=truth.sizes * 0)
    found = pretrained.predict(Bright(), unknown, store, 3, tmp_path / "scratch")
    assert found.boxes[:, 2:].tolist() == [[w / 2, h / 2] for w, h in SIZES]


def test_a_class_that_the_truth_lacks_names_both_lists(data):
    with pytest.raises(InputError, match="truth: has no bird. .* dog, bird. The truth's: cow, cat"):
        pretrained.categories({1: "dog", 2: "bird"}, data[0])
    twice = replace(data[0], category_names=("cat", "cat", "dog"))
    with pytest.raises(InputError, match="has cat twice"):
        pretrained.categories({1: "cat"}, twice)
    assert pretrained.categories({}, data[0]).tolist() == []


def test_an_absent_image_is_an_error_before_anything_runs(data, predict):
    (data[1].directory / "5.png").unlink()
    adapter = Bright()
    with pytest.raises(InputError, match=r"1 of the 7 images that truth lists are absent.*'5.png'"):
        predict(adapter)
    assert adapter.calls == 0


def test_no_images_and_broken_ones_are_errors(data, predict, tmp_path):
    with pytest.raises(InputError, match="truth: there are no images"):
        pretrained.predict(Bright(), coco.select(data[0], []), data[1], 2, tmp_path / "x")
    (data[1].directory / "5.png").write_bytes(b"GIF89a")
    with pytest.raises(InputError, match=r"image '5.png' cannot be decoded"):
        predict(Bright())


def turned(path: Path, size) -> None:
    """An image whose EXIF says that it stands on its side."""
    exif = Image.Exif()
    exif[pretrained.ORIENTATION] = 6
    Image.new("L", size, 15).save(path, exif=exif)


def test_pixels_are_taken_as_stored_whatever_exif_says(data, predict):
    turned(data[1].directory / "0.png", SIZES[0])
    assert predict(Bright()).boxes[0].tolist() == [0, 0, 15, 10]
    turned(data[1].directory / "0.png", SIZES[0][::-1])
    with pytest.raises(InputError, match=r"20x30 pixels, but .* 30x20: it has an EXIF orientation"):
        predict(Bright())
    Image.new("L", SIZES[0][::-1]).save(data[1].directory / "0.png")
    with pytest.raises(InputError, match=r"20x30 pixels, but .* says 30x20$"):
        predict(Bright())


def test_an_answer_that_is_no_number_is_told(data, predict):
    class Broken(Bright):
        def detect(self, images):
            return [torch.tensor([[0, 0, 1, 1, float("nan"), 3]]) for _ in images]

    with pytest.raises(InputError, match=r"on image '5.png' is not a number; .* half to false"):
        predict(Broken())


def test_the_scratch_folder_changes_with_all_that_matters(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("1")
    first = pretrained.scratch_folder("some-test", (1,), [path])
    assert first.parent == Path(".scratch") and first.name.startswith("some-test-")
    assert pretrained.scratch_folder("some-test", (1,), [path]) == first
    assert pretrained.scratch_folder("some-test", (2,), [path]) != first
    path.write_text("22")
    assert pretrained.scratch_folder("some-test", (1,), [path]) != first
