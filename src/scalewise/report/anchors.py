"""Anchor coverage: which object sizes the anchors can reach at all."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from scalewise.report import style
from scalewise.scales import Scales

Floats = NDArray[np.float64]

BINS = 28
REACH = 0.5  # IoU at which an object counts as reached
ANCHOR_SPREAD = np.sqrt(2)  # two squares about one centre have IoU .5 when their sides differ so
PADDING = 1.15  # of the size axis beyond the smallest and largest
DEFAULT_SPAN = (8.0, 256.0)  # pixels, when there is nothing to show


@style.drawn
def coverage(
    sides: Floats, best_iou: Floats, anchors: Mapping[str, Sequence[float]], scales: Scales
) -> Figure:
    """Sizes of the truth, the share the anchors reach, and the anchors of each level.

    Args:
        sides: [T] square roots of the objects' areas, pixels, above 0.
        best_iou: [T] best IoU of each object with any anchor, in [0, 1].
        anchors: sides in pixels of the anchors of each level, by its name, finest first.
        scales: their bounds are drawn. No objects give empty axes.
    """
    figure = style.figure(6.6)
    reach, sizes, marks = figure.subplots(
        3, 1, sharex=True, height_ratios=[1.2, 1.2, 0.3 + 0.3 * len(anchors)]
    )
    edges = _edges(sides, anchors)
    reached = best_iou >= REACH
    _reach(reach, sides, reached, edges)
    _sizes(sizes, sides, edges, scales)
    _marks(marks, anchors)
    _size_axis(marks, edges)
    _bounds((reach, sizes, marks), edges, scales)
    style.headline(
        figure,
        f"Anchors reach {_share(reached)} of n = {len(sides):,} objects at IoU .5",
        " · ".join(_by_scale(sides, reached, scales)),
    )
    return figure


def recall_by_bin(sides: Floats, reached: NDArray[np.bool_], edges: Floats) -> Floats:
    """[B] share of the objects of each size bin that are reached; NaN for an empty bin."""
    every, _ = np.histogram(sides, edges)
    found, _ = np.histogram(sides[reached], edges)
    return np.divide(found, every, out=np.full(len(every), np.nan), where=every > 0)


def _edges(sides: Floats, anchors: Mapping[str, Sequence[float]]) -> Floats:
    known = [*sides, *(side for level in anchors.values() for side in level)]
    low, high = (min(known), max(known)) if known else DEFAULT_SPAN
    return np.geomspace(low / PADDING, high * PADDING, BINS + 1)


def _reach(axes: Axes, sides: Floats, reached: NDArray[np.bool_], edges: Floats) -> None:
    recall = recall_by_bin(sides, reached, edges)
    filled = np.isfinite(recall)
    centres = np.sqrt(edges[:-1] * edges[1:])
    axes.stairs(np.nan_to_num(recall), edges, fill=True, color=style.GRID)
    axes.plot(centres[filled], recall[filled], "o-", color=style.INK, ms=4, lw=1.5)
    axes.set(ylim=(0, 1.05), ylabel="reached at IoU .5")
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def _sizes(axes: Axes, sides: Floats, edges: Floats, scales: Scales) -> None:
    colours = style.group_colours(scales.names)
    group = scales.of(sides**2)
    parts = [sides[group == n] for n in range(len(scales.names))]
    axes.hist(parts, edges, stacked=True, color=list(colours.values()), ec="white", lw=0.5)
    axes.set_ylabel("objects")
    if not len(sides):
        axes.set_ylim(0, 1)


def _marks(axes: Axes, anchors: Mapping[str, Sequence[float]]) -> None:
    colours = style.level_colours(list(anchors))
    for row, (level, sides) in enumerate(anchors.items()):
        sides = np.asarray(sides, float)
        reach = (sides / ANCHOR_SPREAD, sides * ANCHOR_SPREAD)
        axes.hlines(np.full(len(sides), row), *reach, color=colours[level], lw=9, alpha=0.22)
        axes.plot(sides, np.full(len(sides), row), "d", color=colours[level], ms=8)
        for side in sides:
            axes.annotate(f"{side:g}", (side, row), (0, 8), textcoords="offset points", ha="center",
                          fontsize=8, color=style.MUTED)  # fmt: skip
    axes.set_yticks(range(len(anchors)), [style.plain(level) for level in anchors])
    axes.set_ylim(len(anchors) - 0.4, -0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("object size: square root of its area, pixels (band: what an anchor can reach)")


def _size_axis(axes: Axes, edges: Floats) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(LogLocator(2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _bounds(panels: Sequence[Axes], edges: Floats, scales: Scales) -> None:
    """A line at each bound, and each scale's name in the middle of what is seen of it."""
    colours = style.group_colours(scales.names)
    inner = [bound for bound in scales.bounds if edges[0] < bound < edges[-1]]
    for axes in panels:
        for bound in inner:
            axes.axvline(bound, color=style.MUTED, ls=":", lw=1)
    cuts = np.clip([edges[0], *scales.bounds, edges[-1]], edges[0], edges[-1])
    for name, low, high in zip(scales.names, cuts[:-1], cuts[1:], strict=True):
        if high > low:
            place = (np.sqrt(low * high), 1.02)
            panels[0].text(*place, style.plain(name), transform=panels[0].get_xaxis_transform(),
                           ha="center", color=colours[name], fontweight="bold")  # fmt: skip


def _by_scale(sides: Floats, reached: NDArray[np.bool_], scales: Scales) -> list[str]:
    group = scales.of(sides**2)
    return [
        f"{style.plain(name)} {_share(reached[group == n])} of {np.sum(group == n):,}"
        for n, name in enumerate(scales.names)
    ]


def _share(reached: NDArray[np.bool_]) -> str:
    return f"{reached.mean():.0%}" if len(reached) else "none"
