import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from scalewise import confusion
from scalewise.errors import InputError


def maps(seed, count=1, classes=4, size=(7, 9)):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, (2, count, *size), np.uint8)


@pytest.mark.parametrize("seed", range(20))
def test_pixels_are_counted_as_scikit_learn_does(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 33))
    truth, prediction = maps(seed, 1, int(rng.integers(1, classes + 1)))[:, 0]
    labels = range(classes)
    expected = confusion_matrix(truth.ravel(), prediction.ravel(), labels=labels)
    assert (confusion.confusion(truth, prediction, classes) == expected).all()


def test_rows_are_the_truth():
    # Truth 0 0 1, said 1 0 1: one 0 is taken for a 1.
    found = confusion.confusion(np.array([[0, 0, 1]]), np.array([[1, 0, 1]]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_no_pixels_are_no_counts():
    nothing = np.zeros((0, 5), np.uint8)
    assert confusion.confusion(nothing, nothing, 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("truth", "prediction", "said"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), r"truth's shape \(2, 3\), got \(3, 2\)"),
        (np.full((2, 2), 4), np.zeros((2, 2), int), "truth: label 4, expected 0 to 3"),
        (np.zeros((2, 2), int), np.full((2, 2), -1), "prediction: label -1, expected 0 to 3"),
        (np.zeros((2, 2)), np.zeros((2, 2), int), "truth: expected whole numbers as labels"),
    ],
)
def test_what_is_no_label_map_is_named(truth, prediction, said):
    with pytest.raises(InputError, match=said):
        confusion.confusion(truth, prediction, 4)


def test_batches_and_images_of_several_sizes_are_gathered():
    truth, prediction = maps(0, 5)
    gathered = confusion.Accumulator(6, 4)
    gathered.add(truth[:2], prediction[:2])
    gathered.add(truth[2:5], prediction[2:5])
    gathered.add([truth[0, :3]], [prediction[0, :3]])
    expected = [confusion.confusion(t, p, 4) for t, p in zip(truth, prediction, strict=True)]
    expected.append(confusion.confusion(truth[0, :3], prediction[0, :3], 4))
    assert (gathered.matrices == expected).all()


def test_a_bad_image_is_named_by_its_place():
    gathered = confusion.Accumulator(2, 2)
    gathered.add([np.zeros((2, 2), int)], [np.zeros((2, 2), int)])
    with pytest.raises(InputError, match="image 1 of the split: prediction: label 7"):
        gathered.add([np.zeros((2, 2), int)], [np.full((2, 2), 7)])


def test_many_batches_take_no_more_memory_than_one():
    truth, prediction = maps(0, 4, 32, (100, 120))

    def peak(batches):
        gathered = confusion.Accumulator(400, 32)
        tracemalloc.start()
        for _ in range(batches):
            gathered.add(truth, prediction)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(100) < 1.1 * peak(1)


def test_what_is_written_is_read(tmp_path):
    truth, prediction = maps(1, 3)
    gathered = confusion.Accumulator(3, 4)
    gathered.add(truth, prediction)
    path = tmp_path / "deep" / "test.npz"
    confusion.write(path, gathered.matrices, np.array([0.5, 1.0, 0.25]))
    first = path.read_bytes()
    confusion.write(path, gathered.matrices, np.array([0.5, 1.0, 0.25]))
    assert path.read_bytes() == first
    found = confusion.read(path, 3, 4)
    assert (found.matrices == gathered.matrices).all()
    assert found.loss.tolist() == [0.5, 1.0, 0.25]
    confusion.write(path, gathered.matrices)
    assert confusion.read(path, 3, 4).loss.shape == (0,)
    confusion.write(path, gathered.matrices, 0.75)
    assert confusion.read(path, 3, 4).loss.tolist() == [0.75]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"other": np.zeros(3)}, "'confusion' is missing; found: other"),
        ({"confusion": np.zeros((2, 3, 3), int)}, "its truth has 3 images and 4 classes"),
        ({"confusion": np.zeros((3, 4, 4))}, "is float64"),
        ({"confusion": np.full((3, 4, 4), -1)}, "holds -1, expected pixels from 0 on"),
        ({"confusion": np.zeros((3, 4, 4), int), "loss": np.zeros(2)}, r"'loss' is float64 \[2\]"),
        ({"confusion": np.zeros((3, 4, 4), int), "loss": np.full(3, np.nan)}, "not finite"),
    ],
)
def test_another_file_is_named(tmp_path, arrays, said):
    path = tmp_path / "test.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=f"test.npz: .*{said}"):
        confusion.read(path, 3, 4)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut off", b"some text"])
def test_what_is_no_npz_is_named(tmp_path, data):
    path = tmp_path / "test.npz"
    with pytest.raises(InputError, match="no such file"):
        confusion.read(path, 3, 4)
    path.write_bytes(data)
    with pytest.raises(InputError, match="expected an NPZ of arrays"):
        confusion.read(path, 3, 4)


def test_a_single_array_is_no_npz(tmp_path):
    path = tmp_path / "test.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="expected an NPZ of arrays"):
        confusion.read(path, 3, 4)
