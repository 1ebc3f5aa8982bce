"""The errors that cost most, by TIDE type and scale, as crops."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from scalewise.coco import Results, Truth
from scalewise.data.store import Pixels, Store
from scalewise.report import drawing, style
from scalewise.report.inputs import MAIN_ERRORS
from scalewise.report.tide import MEANING

ERROR_COLUMNS = ("type", "scale", "image", "detection", "truth", "iou", "score", "cost")
CROPS = 2  # of each type and scale
MARGIN = 0.6  # context about the boxes, as a share of their longer side
LEAST_SIDE = 40.0  # pixels of the smallest crop, so that one sees where it is
LABEL_WIDTH = 1.25  # inches
HEADER_HEIGHT, EMPTY_HEIGHT, CAPTION_HEIGHT = 0.35, 0.9, 0.55  # inches
NAME_LENGTH = 16


@dataclass(frozen=True)
class _Scene:
    """All that the crops share."""

    truth: Truth
    results: Results
    pixels: dict[int, Pixels]


def costliest(errors: pd.DataFrame, scales: Sequence[str], most: int = CROPS) -> pd.DataFrame:
    """The `most` errors of each type and scale with the highest cost.

    Args:
        errors: `type`, `scale`, `image`, `detection`, `truth` (positions, -1 for none), `iou`,
            `score`, `cost`.
        scales: those to keep.
        most: how many of each.

    Returns:
        The chosen rows, costliest first; equal costs by score, image, detection and truth.
        Background errors (Bkg) have no truth.
    """
    kept = errors[errors["scale"].isin(list(scales)) & errors["type"].isin(MAIN_ERRORS)]
    # What a background error barely touches has nothing to do with it.
    kept = kept.assign(truth=kept["truth"].mask(kept["type"] == "Bkg", -1))
    order = ["cost", "score", "image", "detection", "truth"]
    ranked = kept.sort_values(order, ascending=[False, False, True, True, True])
    return ranked.groupby(["type", "scale"], sort=False).head(most)


@style.drawn
def costliest_errors(
    store: Store, truth: Truth, results: Results, errors: pd.DataFrame, scales: Sequence[str]
) -> Figure:
    """Crops about the costliest errors: a row for each TIDE type, a column for each scale.

    Args:
        store: the images; only those shown are read.
        truth: the objects, drawn green.
        results: the detections, drawn red.
        errors: one row an error, as `costliest` takes them; a type and scale without errors
            says so.
        scales: names, smallest first.
    """
    chosen = costliest(errors, scales)
    images = sorted(set(chosen["image"]))
    pixels = dict(zip(images, store.many(truth.file_names[n] for n in images), strict=True))
    figure, grid = _frame(set(chosen["type"]), len(scales))
    _headers(figure, grid, errors, scales)
    kept = errors[errors["scale"].isin(list(scales))]
    for row, kind in enumerate(MAIN_ERRORS, start=1):
        _row_label(figure.add_subplot(grid[row, 0]), kind, (kept["type"] == kind).sum())
        for column, scale in enumerate(scales):
            rows = chosen[(chosen["type"] == kind) & (chosen["scale"] == scale)]
            _cell(figure, grid, (row, 1 + CROPS * column), rows, _Scene(truth, results, pixels))
    return figure


def caption(error: Any, truth: Truth, results: Results) -> str:
    """Three short lines: what was said, what is there, the cost and the id of the image.

    Args:
        error: a row of the errors as a named tuple.
        truth: the objects it points at.
        results: the detections it points at.
    """
    said, there = "not found", "nothing there"
    if error.detection >= 0:
        name = truth.category_names[results.category[error.detection]]
        said = f"says {style.shorten(name, NAME_LENGTH)} {error.score:.2f}"
    if error.truth >= 0:
        name = truth.category_names[truth.category[error.truth]]
        there = f"is {style.shorten(name, NAME_LENGTH)}"
    if error.detection >= 0 and error.truth >= 0:
        there += f", IoU {error.iou:.2f}"
    return f"{said}\n{there}\ncost {error.cost:.3f}, id {truth.image_ids[error.image]}"


def _frame(kinds: set[str], scales: int) -> tuple[Figure, GridSpec]:
    """A figure with a column of labels, `CROPS` columns a scale, and a header row."""
    side = (style.WIDTH - LABEL_WIDTH) / (CROPS * scales)
    full = side + CAPTION_HEIGHT
    heights = [HEADER_HEIGHT, *(full if kind in kinds else EMPTY_HEIGHT for kind in MAIN_ERRORS)]
    figure = style.figure(style.HEADLINE_HEIGHT + sum(heights))
    widths = [LABEL_WIDTH, *[side] * (CROPS * scales)]
    grid = figure.add_gridspec(
        len(heights), len(widths), height_ratios=heights, width_ratios=widths
    )
    return figure, grid


def _headers(figure: Figure, grid: GridSpec, errors: pd.DataFrame, scales: Sequence[str]) -> None:
    number = errors["scale"].isin(list(scales)).sum()
    style.headline(
        figure,
        f"The costliest errors by type and scale (of n = {number:,})",
        "Green: the object. Red: the detection. Cost: points of the AP50 of its scale",
    )
    colours = style.group_colours(scales)
    for n, scale in enumerate(scales):
        axes = figure.add_subplot(grid[0, 1 + CROPS * n : 1 + CROPS * (n + 1)])
        axes.set_axis_off()
        number = (errors["scale"] == scale).sum()
        axes.set_title(f"{style.plain(scale)} objects, {number:,} errors", color=colours[scale])
        axes.axhline(1, color=colours[scale], lw=3)


def _row_label(axes: Axes, kind: str, number: int) -> None:
    axes.set_axis_off()
    meaning = MEANING[kind].replace(", ", ",\n")
    told = axes.annotate(f"{meaning}\nn = {number:,}", (0, 1), (0, -20), va="top", fontsize=8.5,
                         color=style.MUTED, textcoords="offset points")  # fmt: skip
    for text in (axes.text(0, 1, kind, va="top", fontsize=13, fontweight="bold"), told):
        text.set_in_layout(False)  # it may reach beyond its cell, where nothing is


def _cell(
    figure: Figure, grid: GridSpec, corner: tuple[int, int], errors: pd.DataFrame, scene: _Scene
) -> None:
    row, column = corner
    if not len(errors):
        axes = figure.add_subplot(grid[row, column : column + CROPS])
        style.note(axes, "none")
    for n, error in enumerate(errors.itertuples()):
        _crop(figure.add_subplot(grid[row, column + n]), error, scene)


def _crop(axes: Axes, error: Any, scene: _Scene) -> None:
    boxes = [scene.results.boxes[error.detection]] if error.detection >= 0 else []
    boxes += [scene.truth.boxes[error.truth]] if error.truth >= 0 else []
    around = np.concatenate([np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]])
    drawing.image(axes, *drawing.crop(scene.pixels[error.image], around, MARGIN, LEAST_SIDE))
    if error.truth >= 0:
        drawing.truth_box(axes, scene.truth.boxes[error.truth])
    if error.detection >= 0:
        drawing.prediction_box(axes, scene.results.boxes[error.detection])
    text = style.plain(caption(error, scene.truth, scene.results))
    axes.set_title(text, fontsize=8, fontweight="normal", pad=3)
