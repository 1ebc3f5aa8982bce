"""Detections on the images that went worst and best."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.coco import Results, Truth
from scalewise.data.store import Pixels, Store
from scalewise.report import drawing, style
from scalewise.report.ranking import SHOWN_SCORE, Outcome, extremes, image_scores, outcome

COLUMNS = 4
CAPTION_HEIGHT = 0.4  # inches
WORST, BEST = 8, 4
LABELS = 8  # detections of an image that are named: the false ones first, then the surest


@dataclass(frozen=True)
class _Scene:
    """All that the cells share."""

    truth: Truth
    results: Results
    outcome: Outcome
    scores: pd.DataFrame
    pixels: dict[int, Pixels]

    @property
    def aspect(self) -> float:
        """Height by width of the middlemost image."""
        return float(np.median([image.shape[0] / image.shape[1] for image in self.pixels.values()]))


@style.drawn
def worst_and_best(
    store: Store, truth: Truth, results: Results, floor: float = SHOWN_SCORE
) -> Figure:
    """The images with the lowest and the highest F1 at IoU .5: objects green, detections red.

    Args:
        store: the images; only those shown are read.
        truth: their objects.
        results: detections; those below `floor` are left out.
        floor: lowest score shown, in [0, 1].

    Raises:
        InputError: the truth has no object that counts.
    """
    matched = outcome(truth, results, floor)
    scores = image_scores(truth, results, matched)
    worst, best = extremes(scores, WORST, BEST)
    chosen = worst + best
    pixels = dict(zip(chosen, store.many(truth.file_names[n] for n in chosen), strict=True))
    scene = _Scene(truth, results, matched, scores, pixels)
    figure = _sheet(scene, {"worst": worst, "best": best})
    style.headline(
        figure,
        f"The {len(worst)} worst and {len(best)} best of n = {len(scores):,} images, "
        f"by F1 at IoU .5 and score ≥ {floor:g}",
        "Green: an object, dashed if missed. Red: a detection with its class and score "
        f"(at most {LABELS} named, the false ones first)",
    )
    return figure


def _sheet(scene: _Scene, ranks: dict[str, list[int]]) -> Figure:
    """The images in a grid; each rank starts a new row."""
    rows = [
        (rank, images[start : start + COLUMNS])
        for rank, images in ranks.items()
        for start in range(0, len(images), COLUMNS)
    ]
    cell_height = style.WIDTH / COLUMNS * scene.aspect + CAPTION_HEIGHT
    figure = style.figure(style.HEADLINE_HEIGHT + len(rows) * cell_height)
    grid = figure.subplots(len(rows), COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (rank, images) in zip(grid, rows, strict=True):
        for axes, image in zip(line, images, strict=False):
            _cell(axes, scene, image)
            axes.set_title(f"{rank}: {_caption(scene.scores.iloc[image])}", fontsize=9)
    return figure


def _cell(axes: Axes, scene: _Scene, image: int) -> None:
    drawing.image(axes, scene.pixels[image], aspect=scene.aspect)
    for n in np.flatnonzero((scene.truth.image == image) & ~scene.truth.ignore):
        drawing.truth_box(axes, scene.truth.boxes[n], found=scene.outcome.found[n])
    _detections(axes, scene, np.flatnonzero((scene.results.image == image) & scene.outcome.shown))


def _detections(axes: Axes, scene: _Scene, shown: np.ndarray) -> None:
    results = scene.results
    named = shown[np.lexsort((-results.scores[shown], scene.outcome.hit[shown]))][:LABELS]
    for n in shown[np.argsort(results.scores[shown], kind="stable")]:  # the surest on top
        name = style.shorten(scene.truth.category_names[results.category[n]], 14)
        label = f"{name} {results.scores[n]:.2f}" if n in named else ""
        drawing.prediction_box(axes, results.boxes[n], label)


def _caption(score: pd.Series) -> str:
    counts = f"{score['hits']:.0f} hit, {score['false']:.0f} false, {score['missed']:.0f} missed"
    return f"F1 {score['f1']:.2f}, id {score['id']:.0f}\n{counts}"
