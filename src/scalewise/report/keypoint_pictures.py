"""Every picture of several keypoint models' results on the same figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from scalewise import bootstrap, coco_keypoints
from scalewise.coco_keypoints import Truth
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.evaluation import keypoint_comparison, pck
from scalewise.evaluation.keypoint_distances import (
    Distances,
    answers,
    distances,
    reference_name,
)
from scalewise.evaluation.keypoint_sizes import error_by_size
from scalewise.report import keypoint_curves, keypoint_samples, keypoint_sizes
from scalewise.report.inputs import table
from scalewise.report.keypoint_samples import Model


@dataclass(frozen=True)
class Sources:
    """What the pictures are drawn from.

    Attributes:
        truth: the figures of all.
        models: at least one.
        curves: their PCK against the threshold, by name.
    """

    truth: Truth
    models: list[Model]
    curves: Mapping[str, pd.DataFrame]

    @property
    def found(self) -> dict[str, Distances]:
        """Each model's distances by name."""
        return {model.name: model.found for model in self.models}


def gather(
    predictions: Path, plots: Path, names: Sequence[str], parameters: pck.Parameters
) -> Sources:
    """Read the models' results on test, and what `keypoints@<model>` made of them.

    Raises:
        InputError: no model, a missing or unusable file, or models on different figures.
    """
    if not names or len(set(names)) < len(names):
        raise InputError(f"expected models, each once, got {', '.join(names) or 'none'}")
    truths = [coco_keypoints.read_truth(predictions / name / "test_truth.json") for name in names]
    keypoint_comparison.same_truth(truths)
    models = []
    for name, truth in zip(names, truths, strict=True):
        results = coco_keypoints.read_results(predictions / name / "test.json", truth)
        found = distances(truth, results, parameters.reference)
        models.append(Model(name, results, found, answers(truth, results)))
    columns = keypoint_curves.CURVE_COLUMNS
    curves = {n: table(plots / n / "pck.csv", columns, f"dvc repro keypoints@{n}") for n in names}
    return Sources(truths[0], models, curves)


def draw(
    sources: Sources, parameters: pck.Parameters, resampling: bootstrap.Parameters
) -> Iterator[tuple[str, Figure]]:
    """Each picture's name and figure: pck, size, samples, and failures of the first two models."""
    truth, models, found = sources.truth, sources.models, sources.found
    reference, store = reference_name(parameters.reference), Store(truth.images)
    n = int(models[0].found.counted.sum())
    yield "pck", keypoint_curves.pck_curves(sources.curves, reference, n)
    sizes = {name: error_by_size(one, resampling) for name, one in found.items()}
    yield "size", keypoint_sizes.errors_by_size(sizes, reference)
    yield "samples", keypoint_samples.samples(store, truth, models, parameters.failure)
    if len(models) > 1:
        pair = (models[0], models[1])
        kinds = keypoint_comparison.kinds(pair[0].found, pair[1].found, parameters.failure)
        drawn = keypoint_samples.failures(store, truth, pair, kinds, parameters.failure)
        yield "failures", drawn
