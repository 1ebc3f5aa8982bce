import json

import numpy as np
import pytest
import torch

from classifier_cases import CLASSES, MODULES, SPLITS, net, sections, write_dataset
from scalewise import checkpoint, class_labels
from scalewise.errors import InputError
from scalewise.evaluation import embedding
from scalewise.examples import classification as examples
from scalewise.prediction import classification as prediction

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("dataset")
    write_dataset(place)
    return place


def trained(name="convnet", classes=CLASSES, size=16, **own):
    model = net(name, size, classes=classes, **own).eval()
    rules = sections(name, size, **own)
    return checkpoint.Trained(name, model, rules, classes, f"models/{name}.pt")


@pytest.mark.parametrize("name", MODULES)
def test_probabilities_and_features_are_the_nets(name, folder, tmp_path):
    model = trained(name)
    prediction.write(model, folder, tmp_path, prediction.Parameters(batch_size=4), CPU)
    for split, count in SPLITS.items():
        given = examples.load(folder, split, 16)
        with torch.inference_mode():
            logits = model.net(given.images)
            features = model.net.features(given.images)
        read = class_labels.read_scores(tmp_path / f"{split}.csv")
        assert read.category_names == CLASSES and read.file_names == given.truth.file_names
        np.testing.assert_array_equal(read.label, given.labels)
        np.testing.assert_allclose(read.scores, logits.double().softmax(1), atol=1e-5)
        if split in prediction.WITH_FEATURES:
            kept = embedding.read_features(tmp_path / f"{split}_features.npz", count)
            np.testing.assert_allclose(kept, features, rtol=2e-3, atol=2e-3)
    assert not (tmp_path / "test_features.npz").exists()


def test_the_truth_of_test_comes_along(folder, tmp_path):
    prediction.write(trained(), folder, tmp_path, prediction.Parameters(), CPU)
    truth = class_labels.read_truth(tmp_path / "test_truth.json")
    own = class_labels.read_truth(folder / "test.json")
    assert truth.file_names == own.file_names and truth.images == str(folder)
    np.testing.assert_array_equal(truth.label, own.label)
    class_labels.aligned(class_labels.read_scores(tmp_path / "test.csv"), truth)


def test_images_of_frames_that_training_saw_are_named(tmp_path):
    write_dataset(tmp_path)
    for split, frames in {"train": "ab", "val": "c", "test": "xbc"}.items():
        path = tmp_path / f"{split}.json"
        document = json.loads(path.read_text())
        for image, frame in zip(document["images"], frames, strict=False):
            image["frame"] = frame
        path.write_text(json.dumps(document))
    prediction.write(trained(), tmp_path, tmp_path / "out", prediction.Parameters(), CPU)
    names = class_labels.read_truth(tmp_path / "test.json").file_names
    assert json.loads((tmp_path / "out/seen.json").read_text()) == [names[1], names[2]]


@pytest.mark.parametrize(
    ("name", "own", "weights"),
    [
        ("convnet", {}, "none"),
        ("resnet18", {}, "none"),
        ("resnet18_augmented", {"weights": "IMAGENET1K_V1"}, "IMAGENET1K_V1"),
    ],
)
def test_what_training_started_from_is_told(name, own, weights, folder, tmp_path):
    prediction.write(trained(name, **own), folder, tmp_path, prediction.Parameters(), CPU)
    told = json.loads((tmp_path / "training.json").read_text())
    assert told == {"weights": weights, "image_size": 16, "label_smoothing": 0.0}


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_do_not_matter(batch_size, folder):
    model, given = trained("resnet18").net, examples.load(folder, "train", 32)
    scores, features = prediction.predict(model, given.images, batch_size, CPU)
    expected, wide = prediction.predict(model, given.images, 9, CPU)
    assert scores.shape == (9, 3) and scores.dtype == np.float64
    assert features.shape == (9, 512) and features.dtype == np.float16
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(features, wide, atol=0.01)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_the_same_bytes_each_time(folder, tmp_path):
    for part in ("one", "two"):
        prediction.write(trained(), folder, tmp_path / part, prediction.Parameters(), CPU)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["test.csv", "test_truth.json", "train.csv", "train_features.npz",
                     "training.json", "val.csv", "val_features.npz"]  # fmt: skip
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("classes", [("cat", "dog"), ("dog", "cat", "owl"), (*CLASSES, "yak")])
def test_a_dataset_of_other_classes_is_named(classes, folder, tmp_path):
    told = (
        rf"train\.json: its classes are cat, dog, owl; those of models/convnet\.pt are {classes[0]}"
    )
    with pytest.raises(InputError, match=told):
        prediction.write(trained(classes=classes), folder, tmp_path, prediction.Parameters(), CPU)
    assert not list(tmp_path.iterdir())
