"""Learned feature maps: where each pyramid level responds to an object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from scalewise.report import style

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureView:
    """One object as the levels see it.

    Attributes:
        label: what it is, e.g. `small: circle, 14 px`.
        image: [H, W, 3] uint8.
        box: [4] xyxy pixels of the image.
        maps: each level's response, [h, w], any finite range; it covers the whole image.
    """

    label: str
    image: NDArray[np.uint8]
    box: Floats
    maps: Mapping[str, Floats]


@style.drawn
def feature_maps(views: Sequence[FeatureView]) -> Figure:
    """A row for each object: the image, then the response of each level with its box.

    Colours run from the lowest to the highest response of each map by itself. No views give a
    picture that says so.
    """
    figure = style.figure(0.9 + 3.0 * max(len(views), 1))
    style.headline(
        figure,
        f"What each pyramid level responds to (n = {len(views)} objects)",
        "Mean absolute activation, dark to bright within each map; green: the object",
    )
    if not views:
        style.note(figure.subplots(), "no objects")
        return figure
    levels = list(dict.fromkeys(level for view in views for level in view.maps))
    grid = figure.subplots(len(views), 1 + len(levels), squeeze=False)
    for row, view in zip(grid, views, strict=True):
        _row(row, view, levels)
    return figure


def _row(row: Sequence[Axes], view: FeatureView, levels: Sequence[str]) -> None:
    height, width = view.image.shape[:2]
    left, top, right, bottom = view.box
    row[0].imshow(view.image, extent=(0, width, height, 0))
    row[0].set_title(style.plain(style.shorten(view.label, 36)))
    for axes, level in zip(row[1:], levels, strict=True):
        if level in view.maps:
            _map(axes, view, level)
    for axes in row:
        axes.set_axis_off()
        sides = (right - left, bottom - top)
        axes.add_patch(Rectangle((left, top), *sides, ec=style.TRUTH, fill=False, lw=2))


def _map(axes: Axes, view: FeatureView, level: str) -> None:
    height, width = view.image.shape[:2]
    values = view.maps[level]
    axes.imshow(values, cmap="magma", extent=(0, width, height, 0), interpolation="nearest")
    size = f"{values.shape[1]}x{values.shape[0]}"
    axes.set_title(f"{style.plain(level)} ({size})", fontweight="normal")
