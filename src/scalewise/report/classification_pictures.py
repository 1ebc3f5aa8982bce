"""Every picture of the classifiers' results, from the files of the earlier stages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scalewise import class_labels
from scalewise.class_labels import Scores, Truth
from scalewise.data.store import Store
from scalewise.evaluation import classification, classification_tables, embedding
from scalewise.evaluation import classification_comparison as comparison
from scalewise.report import classification as one_model
from scalewise.report import classification_comparison as side_by_side
from scalewise.report import classification_data as data
from scalewise.report import classification_embedding as points
from scalewise.report.inputs import metrics

SPLITS = ("train", "val", "test")
EMBEDDED = ("train", "val")


@dataclass(frozen=True)
class Sources:
    """What the pictures are drawn from.

    Attributes:
        truth: the test images, whose folder holds the other splits.
        scores: of each model, in the truth's order.
        pairs: the models compared.
        bins: of the reliability diagrams.
        mapping: how features become points.
        predictions: folder of the models' predictions and features.
        metrics: folder of their metrics.
    """

    truth: Truth
    scores: Mapping[str, Scores]
    pairs: Sequence[comparison.Pair]
    bins: int
    mapping: embedding.Parameters
    predictions: Path = Path("predictions")
    metrics: Path = Path("metrics")


def read_tests(models: Sequence[str], folder: Path) -> tuple[Truth, dict[str, Scores]]:
    """The first model's test truth, and every model's test scores in its order.

    Raises:
        InputError: a file is missing or unusable, or models were tested on other images.
    """
    truth = class_labels.read_truth(folder / models[0] / "test_truth.json")
    read = {name: class_labels.read_scores(folder / name / "test.csv") for name in models}
    return truth, {name: class_labels.aligned(one, truth) for name, one in read.items()}


def draw(sources: Sources) -> Iterator[tuple[str, Figure]]:
    """Each picture's path below plots/, and its figure.

    Raises:
        InputError: a missing or unusable file.
    """
    yield "classification/distribution", _distribution(sources.truth)
    told = {
        name: metrics(
            sources.metrics / name / "classification.json", f"dvc repro classification@{name}"
        )
        for name in sources.scores
    }
    table = comparison.table(sources.pairs)
    yield "classification/comparison", side_by_side.side_by_side(told, table)
    judged = {name: classification.judged(scores) for name, scores in sources.scores.items()}
    tables = {
        name: classification_tables.reliability(one, sources.bins, name)
        for name, one in judged.items()
    }
    yield "classification/reliability", side_by_side.reliability(tables)
    store = Store(sources.truth.images)
    for name, scores in sources.scores.items():
        counts = classification_tables.confusion(judged[name])
        yield f"{name}/confusion", one_model.confusion(counts, scores.category_names, name)
        yield f"{name}/mistakes", one_model.mistakes(store, scores, sources.truth.frames, name)
        yield f"{name}/embedding", _embedding(sources.predictions / name, sources.mapping, name)


def _distribution(test: Truth) -> Figure:
    folder = Path(test.images)
    read = class_labels.read_splits([folder / f"{split}.json" for split in SPLITS])
    counts = {
        split: np.bincount(truth.label, minlength=len(truth.category_names))
        for split, truth in zip(SPLITS, read, strict=True)
    }
    return data.distribution(counts, read[0].category_names)


def _embedding(folder: Path, mapping: embedding.Parameters, title: str) -> Figure:
    features, labels, splits = [], [], []
    for split in EMBEDDED:
        scores = class_labels.read_scores(folder / f"{split}.csv")
        kept = embedding.thinned(len(scores), mapping)
        read = embedding.read_features(folder / f"{split}_features.npz", len(scores))
        features.append(read[kept])
        labels.append(scores.label[kept])
        splits += [split] * len(kept)
    every = np.concatenate(features)
    return points.embedding(
        embedding.tsne(every, 2, mapping),
        embedding.tsne(every, 3, mapping),
        np.concatenate(labels),
        np.array(splits),
        scores.category_names,
        title,
    )
