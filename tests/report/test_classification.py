import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scalewise import bootstrap, class_labels
from scalewise.class_labels import Scores, Truth
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.evaluation import classification as measured
from scalewise.evaluation import classification_comparison as compared
from scalewise.evaluation import classification_tables, embedding
from scalewise.files import write_metrics
from scalewise.report import (
    classification,
    classification_comparison,
    classification_data,
    classification_embedding,
    classification_pictures,
)

NAMES = ("tiger", "leopard", "bear_$")
FEW = bootstrap.Parameters(resamples=20)
QUICK = embedding.Parameters(points=12, iterations=250)
# Label, then the scores of tiger, leopard, bear: tigers go wrong four times, bears never.
ROWS = [
    (0, 0.1, 0.9, 0.0), (0, 0.2, 0.7, 0.1), (0, 0.1, 0.8, 0.1), (0, 0.4, 0.0, 0.6),
    (1, 0.6, 0.4, 0.0), (1, 0.1, 0.9, 0.0), (2, 0.0, 0.0, 1.0), (2, 0.1, 0.1, 0.8),
]  # fmt: skip
FRAMES = ("f1", "f2", "f1", "f3", "f4", "f5", "", "")


@pytest.fixture
def scores() -> Scores:
    rows = np.array(ROWS)
    files = tuple(f"test/{n}.png" for n in range(len(rows)))
    return Scores("test.csv", files, NAMES, rows[:, 0].astype(int), rows[:, 1:])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of several shapes, a train and a val split that share them."""
    made = tmp_path_factory.mktemp("creatures")
    (made / "images" / "test").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for n in range(len(ROWS)):
        pixels = rng.integers(0, 256, (20 + n, 30, 3), np.uint8)
        Image.fromarray(pixels).save(made / "images" / "test" / f"{n}.png")
    return made


def test_the_surest_mistakes_come_first_and_frames_once(scores):
    plain = classification.surest_mistakes(scores)
    assert plain["image"].tolist() == [0, 2, 1, 4]
    assert plain["prediction"].tolist() == [1, 1, 1, 0]
    assert plain["own"].tolist() == [0.1, 0.1, 0.2, 0.4]
    by_frame = classification.surest_mistakes(scores, FRAMES)
    assert by_frame["image"].tolist() == [0, 1, 3, 4], "2 is of 0's frame"
    assert classification.surest_mistakes(scores, FRAMES, 4)["image"].tolist() == [0, 2, 1, 3, 4]


def test_mistakes_say_what_was_said_and_where_there_are_fewer(scores, folder, png, texts):
    figure = classification.mistakes(Store(folder), scores, FRAMES, "convnet")
    assert png(figure)
    told = texts(figure)
    assert "convnet: the mistakes it is surest of (5 of n = 8 images are wrong)" in told
    assert "leopard 0.90\nown class 0.10" in told
    assert "4 of 4\nwrong" in told
    assert "0 of 2\nwrong" in told
    assert "no further" in told
    assert "no mistakes" in told


def test_many_classes_stand_in_two_blocks(folder, png):
    names = tuple(f"class {n}" for n in range(7))
    table = np.eye(7)[[1, 2, 3, 4, 5, 6, 0, 0]]
    files = tuple(f"test/{n}.png" for n in range(8))
    found = Scores("", files, names, np.array([0, 1, 2, 3, 4, 5, 6, 6]), table)
    figure = classification.mistakes(Store(folder), found)
    assert len(figure.axes) == 7 * 4
    assert png(figure)


def test_confusion_shows_counts_and_shares(png, texts):
    figure = classification.confusion(np.array([[6, 2, 0], [1, 9, 0], [0, 0, 0]]), NAMES, "convnet")
    assert png(figure)
    told = texts(figure).splitlines()
    assert "convnet: what is taken for what (n = 18 images, accuracy 0.833)" in told
    assert {"75", "90", "6", "-", "tiger (8)"} <= set(told), "a class without images has no share"


@pytest.mark.parametrize("classes", [0, 1, 40])
def test_any_number_of_classes_is_drawn(classes, png):
    names = [f"class {n}" for n in range(classes)]
    assert png(classification.confusion(np.eye(classes, dtype=int) * 1234, names))
    assert png(classification_data.distribution({"train": np.arange(classes)}, names))
    assert len(set(classification_data.class_marks(names).values())) == classes


def test_distribution_adds_the_splits_up(png, texts):
    counts = {"train": np.array([10, 4, 0]), "test": np.array([2, 1, 0])}
    figure = classification_data.distribution(counts, NAMES)
    assert png(figure)
    told = texts(figure)
    assert "Images of each class (n = 17; largest to smallest 2.4 to 1)" in told
    for part in ("all, n = 17", "train, n = 14", "test, n = 3", " 12", "71%"):
        assert part in told
    empty = classification_data.distribution({"train": np.zeros(3, int)}, NAMES)
    assert png(empty)
    assert "no images" in texts(empty)


def test_augmented_images_stand_beside_the_original(png, texts):
    samples = np.random.default_rng(0).integers(0, 256, (3, 5, 16, 24, 3), np.uint8)
    figure = classification_data.augmented(samples, NAMES)
    assert png(figure)
    assert len(figure.axes) == 15
    assert np.array_equal(figure.axes[5].images[0].get_array(), samples[1, 0])
    assert png(classification_data.augmented(samples[:, :1], NAMES))
    many = classification_data.augmented(samples[[0, 1, 2, 0, 1, 2, 0], :4], [*"abcdefg"])
    assert png(many) and len(many.axes) == 28
    names = {axes.get_title(loc="left"): axes.get_position() for axes in many.axes}
    assert names["a"].x0 < names["e"].x0 and names["a"].y0 == pytest.approx(names["e"].y0)
    assert "no images" in texts(classification_data.augmented(samples[:0], []))


@pytest.mark.parametrize("count", [0, 1, 40])
def test_an_embedding_shows_train_and_val_in_one_window(count, png, texts):
    rng = np.random.default_rng(0)
    split = np.array(["train", "val"])[rng.integers(0, 2, count)]
    figure = classification_embedding.embedding(
        rng.normal(size=(count, 2)), rng.normal(size=(count, 3)), rng.integers(0, 3, count), split,
        NAMES, "convnet",
    )  # fmt: skip
    assert png(figure)
    assert f"convnet: images by their features (t-SNE, n = {count})" in texts(figure)
    if count == 40:
        train, val, _ = figure.axes
        assert train.get_xlim() == val.get_xlim()
        assert sum(len(points.get_offsets()) for points in train.collections) == sum(
            split == "train"
        )


def metrics_of(scores: Scores) -> dict:
    found = measured.metrics(scores, measured.Parameters(), FEW, FRAMES)
    return measured.with_train(found, scores, 10)


def test_models_stand_side_by_side_with_what_tells_them_apart(scores, png, texts):
    better = Scores("", scores.file_names, NAMES, scores.label, np.eye(3)[scores.label])
    models = {"convnet": scores, "resnet18": better}
    pairs = compared.table(compared.compare(models, measured.Parameters(), FEW))
    of_models = {name: metrics_of(one) for name, one in models.items()}
    figure = classification_comparison.side_by_side(of_models, pairs)
    assert png(figure)
    told = texts(figure)
    assert "The models side by side (test, n = 8 images, 7 frames)" in told
    assert "+62.5 better" in told
    assert "resnet18\nagainst convnet\nMcNemar p = 0.062" in told
    assert "0.375" in told
    alone = classification_comparison.side_by_side({"convnet": of_models["convnet"]}, pairs[:0])
    assert png(alone)
    assert len(alone.axes) == 4
    assert "no models" in texts(classification_comparison.side_by_side({}, pairs[:0]))


def test_reliability_is_drawn_with_the_numbers_of_the_metrics(scores, png, texts):
    table = classification_tables.reliability(measured.judged(scores), 10)
    ece = measured.metrics(scores, measured.Parameters(), FEW)["ece"]
    figure = classification_comparison.reliability({"convnet": table, "empty": table[:0]})
    assert png(figure)
    assert f"convnet, n = 8\nECE {ece:.3f}" in texts(figure)
    assert "empty: no images" in texts(figure)
    assert png(classification_comparison.reliability({}))


@pytest.fixture
def project(scores, folder, tmp_path):
    """What the stages before the gallery leave for one model."""
    numbers = np.arange(len(ROWS))
    truth = Truth("", numbers, scores.file_names, np.zeros((len(ROWS), 2), int), NAMES,
                  scores.label, FRAMES)  # fmt: skip
    for split in ("train", "val", "test"):
        class_labels.write_truth(folder / f"{split}.json", truth, folder)
        class_labels.write_scores(tmp_path / "predictions" / "convnet" / f"{split}.csv", scores)
        features = np.random.default_rng(0).random((len(ROWS), 6)).astype(np.float16)
        np.savez(tmp_path / "predictions" / "convnet" / f"{split}_features.npz", features=features)
    class_labels.write_truth(tmp_path / "predictions/convnet/test_truth.json", truth, folder)
    write_metrics(tmp_path / "metrics/convnet/classification.json", metrics_of(scores))
    return tmp_path


def test_every_picture_comes_from_the_files_before(project, png):
    truth, read = classification_pictures.read_tests(["convnet"], project / "predictions")
    sources = classification_pictures.Sources(
        truth, read, [], 10, QUICK, project / "predictions", project / "metrics"
    )
    made = [name for name, figure in classification_pictures.draw(sources) if png(figure)]
    assert made == [
        "classification/distribution", "classification/comparison", "classification/reliability",
        "convnet/confusion", "convnet/mistakes", "convnet/embedding",
    ]  # fmt: skip


def test_missing_files_are_named_with_the_command_that_makes_them(project):
    truth, read = classification_pictures.read_tests(["convnet"], project / "predictions")
    sources = classification_pictures.Sources(
        truth, read, [], 10, QUICK, project / "predictions", project
    )
    with pytest.raises(InputError, match="make it with: dvc repro classification@convnet"):
        list(classification_pictures.draw(sources))
    with pytest.raises(InputError, match="resnet18"):
        classification_pictures.read_tests(["convnet", "resnet18"], project / "predictions")


def test_a_metrics_file_without_a_statistic_is_drawn(png):
    table = pd.DataFrame(columns=["before", "after", "statistic", "change", "verdict", "p"])
    assert png(classification_comparison.side_by_side({"m": {"n": 3, "accuracy": 0.5}}, table))
