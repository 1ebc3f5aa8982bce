"""Reliability: does a score of .7 mean that 7 in 10 detections are right?"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.report import style

RELIABILITY_COLUMNS = (
    "group", "bin_low", "bin_high", "confidence", "precision", "precision_low", "precision_high",
    "count",
)  # fmt: skip
PANELS_A_ROW = 4


class Calibration(NamedTuple):
    """How far scores are from precision, in [0, 1], over n detections."""

    ece: float
    gap: float
    n: int


def summarise(bins: pd.DataFrame) -> Calibration:
    """Expected calibration error and signed gap of one group's bins.

    ECE is the mean of abs(confidence - precision) weighted by count; the gap is the same
    without abs, so that a positive one means too sure. Without detections both are NaN.
    """
    bins = bins[bins["count"] > 0]
    n = int(bins["count"].sum())
    if not n:
        return Calibration(float("nan"), float("nan"), 0)
    off = (bins["confidence"] - bins["precision"]) * bins["count"] / n
    return Calibration(float(off.abs().sum()), float(off.sum()), n)


@style.drawn
def reliability(table: pd.DataFrame, detail: str = "") -> Figure:
    """One reliability diagram a group, with the counts of its bins beneath.

    Args:
        table: one row a bin: `group`, `bin_low`, `bin_high`, mean `confidence`, `precision` with
            its interval `precision_low`, `precision_high`, all in [0, 1] (NaN where empty),
            `count`. No rows give a picture that says so.
        detail: IoU and score floor, which decide the numbers.
    """
    groups = list(dict.fromkeys(table["group"]))
    rows = max(1, -(-len(groups) // PANELS_A_ROW))
    figure = style.figure(0.8 + 4.2 * rows)
    style.headline(
        figure,
        f"Reliability{_of_all(table)}",
        "Bar: precision with 95% interval. Below the diagonal: too sure of itself; "
        f"above: too modest. {detail}".rstrip(),
    )
    if not groups:
        style.note(figure.subplots(), "no detections")
        return figure
    colours = style.group_colours(groups)
    columns = min(len(groups), PANELS_A_ROW)
    grid = figure.subplots(
        2 * rows, columns, sharex=True, squeeze=False, height_ratios=[3, 1] * rows
    )
    for n in range(rows * columns):
        top, below = grid[2 * (n // columns) : 2 * (n // columns) + 2, n % columns]
        if n < len(groups):
            _panel(top, below, table[table["group"] == groups[n]], colours[groups[n]])
            top.set_title(_panel_title(groups[n], table))
        else:
            top.set_axis_off()
            below.set_axis_off()
    for row in range(rows):
        grid[2 * row, 0].set_ylabel("precision")
        grid[2 * row + 1, 0].set_ylabel("detections")
    return figure


def _of_all(table: pd.DataFrame) -> str:
    every = summarise(table[table["group"] == "all"])
    if not every.n:
        return ""
    return f" of n = {every.n:,} detections: ECE {every.ece:.3f}, gap {every.gap:+.3f}"


def _panel_title(group: str, table: pd.DataFrame) -> str:
    of_group = summarise(table[table["group"] == group])
    name = style.plain(style.shorten(group, 16))
    if not of_group.n:
        return f"{name}: no detections"
    return f"{name}: ECE {of_group.ece:.3f}, gap {of_group.gap:+.3f}\nn = {of_group.n:,}"


def _panel(top: Axes, below: Axes, bins: pd.DataFrame, colour: str) -> None:
    filled = bins[bins["count"] > 0]
    width = (filled["bin_high"] - filled["bin_low"]).to_numpy()
    low = filled["bin_low"].to_numpy()
    top.plot([0, 1], [0, 1], color=style.MUTED, ls="--", lw=1, zorder=3)
    top.bar(low, filled["precision"], width, align="edge", color=colour, alpha=0.35, ec="white")
    _intervals(top, filled, colour)
    top.set(xlim=(0, 1), ylim=(0, 1), aspect="auto")
    below.bar(low, filled["count"], width, align="edge", color=colour, ec="white")
    below.set(xlabel="score", ylim=(0, None if len(filled) else 1))
    below.tick_params(axis="x", labelbottom=True)


def _intervals(axes: Axes, bins: pd.DataFrame, colour: str) -> None:
    if not len(bins):
        return
    precision = bins["precision"]
    spread = [precision - bins["precision_low"], bins["precision_high"] - precision]
    spread = np.maximum(spread, 0)  # rounding may put an end on the wrong side
    axes.errorbar(
        bins["confidence"], precision, spread, fmt="o", ms=5, capsize=2.5, color=colour, zorder=4,
        clip_on=False,
    )  # fmt: skip
