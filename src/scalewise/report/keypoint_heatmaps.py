"""Predicted heatmaps through the epochs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from scalewise.records import Bools, Floats
from scalewise.report import style
from scalewise.report.keypoint_panels import in_colour

COLOURS = ("#d7263d", "#0072b2", "#e69f00", "#009e73", "#aa3377", "#56b4e9", "#8a6d00")
MOST = 6  # epochs in a picture
FAINT = 0.1  # an epoch whose highest value is below this is shown as faint as it is
FADED = 0.45  # of the image's contrast that is left below the maps
SIDE, LEAST_WIDTH, LEGEND_HEIGHT, TITLE_HEIGHT = 2.0, 8.0, 0.35, 0.35  # inches


def milestones(epochs: int, most: int = MOST) -> list[int]:
    """At most so many of the epochs 1 to `epochs`, dense at the start, where most is learnt."""
    return np.unique(np.geomspace(1, epochs, most).round().astype(int)).tolist()


@style.drawn
def heatmaps(
    maps: Floats,
    images: Sequence[NDArray[np.uint8]],
    truth: Floats,
    seen: Bools,
    epochs: Sequence[int],
    names: Sequence[str],
) -> Figure:
    """A row a sample, a column an epoch: the maps in the keypoints' colours over the image.

    Colours are full at the highest value of an epoch's maps, which its title gives, or at `FAINT`.

    Args:
        maps: [E, N, K, R, R], any finite values, those below 0 shown as 0; a map covers its image.
        images: N images, grey [H, W] or RGB.
        truth: [N, K, 2] xy pixels of the images, drawn as crosses.
        seen: [N, K], keypoints that have a cross.
        epochs: E, what the columns are.
        names: K.
    """
    number, columns = len(images), len(epochs)
    height = style.HEADLINE_HEIGHT + LEGEND_HEIGHT + TITLE_HEIGHT + max(number, 1) * SIDE
    figure = style.figure(height, max(SIDE * columns, LEAST_WIDTH))
    style.headline(
        figure,
        f"What the net's heatmaps learn through the epochs (n = {number} images)",
        f"Colour is full at the epoch's highest value, or at {FAINT:g}. Crosses: the truth",
    )
    if not number or not columns:
        style.note(figure.subplots(), "no heatmaps")
        return figure
    colours = [COLOURS[k % len(COLOURS)] for k in range(len(names))]
    grid = figure.subplots(number, columns, squeeze=False)
    for column, (epoch, of_epoch) in enumerate(zip(epochs, maps, strict=True)):
        peak = float(of_epoch.max())
        for n, axes in enumerate(grid[:, column]):
            _cell(axes, in_colour(images[n]), of_epoch[n] / max(peak, FAINT), colours)
            _crosses(axes, truth[n], seen[n], colours)
        grid[0, column].set_title(f"epoch {epoch}, highest {peak:.2f}", fontweight="normal")
    handles = [Line2D([], [], marker="s", ls="", color=colour) for colour in colours]
    labels = [style.plain(name.replace("_", " ")) for name in names]
    figure.legend(handles, labels, loc="outside lower left", ncols=min(len(names), 9))
    return figure


def _cell(axes: Axes, image: NDArray[np.uint8], maps: Floats, colours: Sequence[str]) -> None:
    height, width = image.shape[:2]
    faded = 1 - FADED * (1 - image / 255)
    where = {"extent": (0, width, height, 0), "zorder": 1}
    axes.imshow(faded, **where)
    axes.imshow(overlay(maps, colours), interpolation="bilinear", **where)
    axes.set_axis_off()
    axes.set_autoscale_on(False)


def overlay(maps: Floats, colours: Sequence[str]) -> Floats:
    """[R, R, 4] RGBA in [0, 1] of maps [K, R, R], each in its colour, more opaque where higher.

    Where several maps are high, their colours mix by height.
    """
    share = np.clip(maps, 0, 1)
    total = share.sum(axis=0)
    mixed = np.tensordot(share, np.array([to_rgb(c) for c in colours]), axes=(0, 0))
    rgb = mixed / np.where(total > 0, total, 1)[..., None]
    opaque = 1 - np.prod(1 - share, axis=0)
    return np.concatenate([rgb, opaque[..., None]], axis=2)


def _crosses(axes: Axes, points: Floats, seen: Bools, colours: Sequence[str]) -> None:
    for (x, y), colour in zip(points[seen], np.array(colours)[seen], strict=True):
        axes.plot(x, y, "x", ms=6, mew=2.6, color="white")
        axes.plot(x, y, "x", ms=5.5, mew=1.2, color=colour)
