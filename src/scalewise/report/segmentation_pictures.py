"""Every picture of segmentation, from the models' predictions on one dataset's test images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from scalewise import bootstrap, confusion, label_maps
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.evaluation import label_counts, segmentation, segmentation_comparison
from scalewise.evaluation.segmentation import Measured
from scalewise.label_maps import Truth
from scalewise.report import segmentation as charts
from scalewise.report import segmentation_comparison as side_by_side
from scalewise.report import segmentation_gallery as gallery


@dataclass(frozen=True)
class Sources:
    """What the pictures are drawn from.

    Attributes:
        truth: the test images.
        store: the images and masks of their dataset.
        models: what was measured, by name.
        predicted: the masks each model predicted, by its name.
    """

    truth: Truth
    store: Store
    models: Mapping[str, Measured]
    predicted: Mapping[str, Store]


def gather(folder: Path, models: Sequence[str], parameters: segmentation.Parameters) -> Sources:
    """Read the matrices of models that predicted one split, and find its images.

    Args:
        folder: of the predictions, one folder a model in it.
        models: their names, the baseline first.
        parameters: whether void is counted.

    Raises:
        InputError: no model, a missing file, or models of different images or classes.
    """
    if not models:
        raise InputError("segmentation-gallery: expected the names of one model or more")
    truths, measured = {}, {}
    for name in models:
        truth = truths[name] = label_maps.read_truth(folder / name / "test_truth.json")
        path = folder / name / "test.npz"
        found = confusion.read(path, len(truth), len(truth.category_names))
        measured[name] = segmentation.measured(truth, found, parameters)
    first = truths[models[0]]
    for truth in truths.values():
        if (truth.file_names, truth.category_names) != (first.file_names, first.category_names):
            raise InputError(f"{truth.source} and {first.source} have other images or classes")
    predicted = {name: Store.over(folder / name / "test_masks.tar") for name in models}
    return Sources(first, Store(first.images), measured, predicted)


def compared(sources: Sources, rules: bootstrap.Parameters) -> dict[str, Any]:
    """The other models against the first; nothing if it is alone."""
    if len(sources.models) < 2:
        return {}
    return segmentation_comparison.compare(sources.models, rules)


def draw(
    sources: Sources,
    differences: Mapping[str, Any],
    parameters: segmentation.Parameters,
    rules: bootstrap.Parameters,
) -> Iterator[tuple[str, Figure]]:
    """Each picture's name below plots/ and its figure.

    `segmentation/distribution`, `segmentation/classes` and `segmentation/comparison`, then
    `<model>/iou_bins` and `<model>/worst` of each.

    Raises:
        InputError: an image or a mask, true or predicted, is missing or damaged.
    """
    truth, store = sources.truth, sources.store
    train = label_maps.read_truth(Path(truth.images) / "train.json")
    label_maps.check_categories(train, truth.category_names, truth.source)
    counts = {"train": label_counts.count(store, train), "test": label_counts.count(store, truth)}
    names = truth.category_names
    colours = dict(zip(names, charts.hexes(truth.colours), strict=True))
    yield "segmentation/distribution", charts.distribution(counts, names, truth.colours)
    yield "segmentation/classes", gallery.classes(store, train, counts["train"])
    models = sources.models
    tables = {name: segmentation.class_table(model, rules) for name, model in models.items()}
    yield "segmentation/comparison", side_by_side.comparison(tables, differences, colours)
    for name, model in models.items():
        bins = segmentation.bin_table(model.images.total(), parameters)
        yield f"{name}/iou_bins", charts.iou_bins(bins, tables[name], colours)
        scene = gallery.Scene(truth, store, sources.predicted[name])
        yield f"{name}/worst", gallery.worst(scene, model.images, tables[name])
