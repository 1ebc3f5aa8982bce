"""Every picture of one detector's results, from the files of the earlier stages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from scalewise.coco import Results, Truth
from scalewise.data.store import Store
from scalewise.report import calibration, curves, detections, gallery, levels, style, tide
from scalewise.report import score_cut as cuts
from scalewise.report.inputs import metrics, object_counts, settings, table
from scalewise.scales import Scales

NEEDS = {  # why a picture that every detector has may be missing
    "levels": "the results do not say which level found what",
    "detections": "the images are not at hand",
    "errors": "the images are not at hand",
}


@dataclass(frozen=True)
class Sources:
    """What the pictures are drawn from.

    Attributes:
        detector: its name, for the commands that make a missing file.
        plots: folder of its CSV files.
        metrics: folder of its metrics.
        store: the test images; without them no picture shows any.
        truth: their objects.
        results: its detections on them.
        scales: what counts as small, medium, large.
        intervals: `low` and `high` of each statistic, where they are known; see `Detector`.
    """

    detector: str
    plots: Path
    metrics: Path
    store: Store | None
    truth: Truth
    results: Results
    scales: Scales
    intervals: Mapping[str, Any] = field(default_factory=dict)


def draw(sources: Sources) -> Iterator[tuple[str, Figure]]:
    """Each picture's name and figure; losses, cuts and levels only where their CSV has them.

    Raises:
        InputError: a missing or unusable file, with the command that makes it.
    """
    plots, name, scales = sources.plots, sources.detector, sources.scales
    counts = object_counts(sources.truth, scales)
    if (history := plots / "history.csv").is_file():
        losses = table(history, curves.HISTORY_COLUMNS, f"dvc repro train@{name}")
        yield "loss", curves.loss_curves(losses)
    of_curves = table(
        plots / "precision_recall.csv",
        curves.PRECISION_RECALL_COLUMNS,
        f"dvc repro average-precision@{name}",
    )
    yield "precision_recall", curves.precision_recall(of_curves, scales.groups, counts)
    yield "reliability", _reliability(sources)
    costs = metrics(sources.metrics / "tide.json", f"dvc repro tide@{name}")
    by_group = {g: costs[g] for g in scales.groups if g in costs}
    yield "tide", tide.bars(by_group, counts, sources.intervals)
    if (found := plots / "score_cut.csv").is_file():
        yield "score_cut", _score_cut(sources, found)
    if (found := plots / "levels.csv").is_file():
        of_levels = table(found, levels.LEVEL_COLUMNS, f"dvc repro levels@{name}")
        if len(of_levels):
            yield "levels", levels.level_by_scale(of_levels, scales.names)
    if sources.store is None:
        return
    scene = (sources.store, sources.truth, sources.results)
    yield "detections", detections.worst_and_best(*scene)
    errors = table(plots / "tide_errors.csv", gallery.ERROR_COLUMNS, f"dvc repro tide@{name}")
    yield "errors", gallery.costliest_errors(*scene, errors, scales.names)


@style.drawn
def instead(name: str) -> Figure:
    """What stands in the place of a picture that cannot be drawn: why."""
    figure = style.figure(1.6)
    style.note(figure.subplots(), f"{name}: {NEEDS[name]}")
    return figure


def _score_cut(sources: Sources, path: Path) -> Figure:
    command = f"dvc repro score-cut@{sources.detector}"
    known = metrics(sources.metrics / "score_cut.json", command)
    of_cuts = table(path, cuts.SCORE_CUT_COLUMNS, command)
    return cuts.score_cut(of_cuts, sources.scales.groups, known.get("lowest"))


def _reliability(sources: Sources) -> Figure:
    command = f"dvc repro calibration@{sources.detector}"
    bins = table(sources.plots / "reliability.csv", calibration.RELIABILITY_COLUMNS, command)
    return calibration.reliability(
        bins, settings(metrics(sources.metrics / "calibration.json", command))
    )
