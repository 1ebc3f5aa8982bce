"""Images as points, by what a network makes of them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scalewise.records import Bools, Floats, Ints
from scalewise.report import style
from scalewise.report.classification_data import NAME_LENGTH, class_marks

PANELS = ("train", "val")
SIZE = 18  # area of a point


@style.drawn
def embedding(
    flat: Floats,
    solid: Floats,
    label: Ints,
    split: NDArray[np.str_],
    names: Sequence[str],
    title: str = "",
) -> Figure:
    """One t-SNE map of train and val, shown side by side, and one in three dimensions.

    Args:
        flat: [N, 2], points in two dimensions.
        solid: [N, 3], the same images in three.
        label: [N], each one's class.
        split: [N], `train` or `val`.
        names: C class names.
        title: whose features.
    """
    figure = style.figure(5.9)
    named = f"{style.plain(title)}: " if title else ""
    style.headline(
        figure,
        f"{named}images by their features (t-SNE, n = {len(label):,})",
        "Neighbours are alike; distances between groups, sizes and axes mean little. Train and val "
        "share one map",
    )
    if not len(label):
        style.note(figure.subplots(), "no images")
        return figure
    marks = class_marks(names)
    for place, part in enumerate(PANELS, start=1):
        chosen = split == part
        axes = figure.add_subplot(1, 3, place)
        _scatter(axes, flat[chosen], label[chosen], marks)
        axes.set_title(f"{part}, n = {chosen.sum():,}")
        _frame(axes, flat)
    _solid(figure, solid, label, marks)
    _legend(figure, marks)
    return figure


def _scatter(axes: Axes, points: Floats, label: Ints, marks: Mapping[str, tuple[str, str]]) -> None:
    for place, (colour, marker) in enumerate(marks.values()):
        of_class: Bools = label == place
        axes.scatter(*points[of_class].T, s=SIZE, c=colour, marker=marker, alpha=0.85, linewidths=0)


def _frame(axes: Axes, points: Floats) -> None:
    """The same window about all points in every panel; the units mean nothing."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum(0.04 * (high - low), 1e-6)
    axes.set(xlim=(low[0] - margin[0], high[0] + margin[0]), xticks=[], yticks=[])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    axes.spines[:].set_visible(True)


def _solid(
    figure: Figure, points: Floats, label: Ints, marks: Mapping[str, tuple[str, str]]
) -> None:
    axes = figure.add_subplot(1, 3, 3, projection="3d")
    _scatter(axes, points, label, marks)
    axes.set_title(f"both, in three dimensions, n = {len(label):,}", loc="left")
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_ticklabels([])
    axes.set_box_aspect((1, 1, 1), zoom=1.2)


def _legend(figure: Figure, marks: Mapping[str, tuple[str, str]]) -> None:
    handles = [
        figure.axes[0].scatter([], [], s=36, c=colour, marker=marker)
        for colour, marker in marks.values()
    ]
    shown = [style.plain(style.shorten(name, NAME_LENGTH)) for name in marks]
    figure.legend(handles, shown, loc="outside lower center", ncols=min(len(marks), 7))
