"""What the pictures of keypoints share: panels, colours, skeletons, and images of any kind."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scalewise.data.store import Pixels
from scalewise.records import Bools, Floats
from scalewise.report import style

TRUTH_WIDTH, PREDICTION_WIDTH = 2.6, 1.1  # points; they differ for who cannot tell the colours
STRAY = "#e69f00"  # from a predicted keypoint that lies far off to where it belongs
SMALL_WIDTH = 1.25  # of all small panels together, beside the large ones


def panels(
    figure: Figure, large: Sequence[str], names: Sequence[str]
) -> tuple[list[Axes], dict[str, Axes]]:
    """Large panels below each other on the left, a small one for each name on the right."""
    left, right = figure.add_gridspec(1, 2, width_ratios=[1, SMALL_WIDTH])
    column = left.subgridspec(len(large), 1)
    tall = [figure.add_subplot(column[n, 0]) for n in range(len(large))]
    for axes, title in zip(tall, large, strict=True):
        axes.set_title(style.plain(title))
    columns = int(np.ceil(np.sqrt(len(names))))
    rows = -(-len(names) // columns)
    grid, small = right.subgridspec(rows, columns), {}
    for n, name in enumerate(names):
        first = next(iter(small.values()), None)
        small[name] = figure.add_subplot(grid[divmod(n, columns)], sharex=first, sharey=first)
        small[name].set_title(style.plain(style.shorten(name.replace("_", " "), 20)))
        small[name].tick_params(labelleft=n % columns == 0, labelbottom=n + columns >= len(names))
    return tall, small


def keypoint_names(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The groups of tables by model, without `all`, in order."""
    groups = [group for table in tables.values() for group in table["group"]]
    return [group for group in dict.fromkeys(groups) if group != "all"]


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """The legend of one of the panels below all of them, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)


def in_colour(image: NDArray[np.uint8]) -> Pixels:
    """[H, W, 3] of a grey [H, W] or RGB image."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def skeleton(
    axes: Axes, points: Floats, shown: Bools, pairs: Sequence[tuple[int, int]], is_truth: bool
) -> None:
    """Draw a figure: the true one thick and green, a predicted one thin and red.

    Args:
        axes: in pixels.
        points: [K, 2] xy.
        shown: [K], keypoints to draw; lines are drawn where both ends are.
        pairs: keypoints that a line joins, by position.
        is_truth: which of the two.
    """
    colour = style.TRUTH if is_truth else style.PREDICTION
    width = TRUTH_WIDTH if is_truth else PREDICTION_WIDTH
    drawn = shown & np.isfinite(points).all(axis=1)
    for one, other in pairs:
        if drawn[one] and drawn[other]:
            axes.plot(*points[[one, other]].T, color=colour, lw=width, alpha=0.8)
    axes.plot(*points[drawn].T, "o", ms=1.6 * width + 1, color=colour, mew=0)


def strays(axes: Axes, found: Floats, true: Floats, far: Bools) -> None:
    """Join each predicted keypoint [K, 2] that is far off with the place where it belongs."""
    for k in np.flatnonzero(far & np.isfinite(found).all(axis=1)):
        axes.plot(*np.stack([found[k], true[k]]).T, color=STRAY, lw=1.3, ls=(0, (2, 1)), zorder=3)
