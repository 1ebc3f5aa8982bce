"""What a score cut does to AP, Miss, FP and ECE."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.report import style

SCORE_CUT_COLUMNS = ("cut", "group", "AP", "Miss", "FP", "ece", "n")
PANELS = {
    "AP": ("AP", "points"),
    "Miss": ("Miss: cost of objects not found", "points of AP50"),
    "FP": ("FP: cost of false alarms", "points of AP50"),
    "ece": ("ECE", "0 to 1"),
}
ROOM_ABOVE = 1.08  # of the highest value


@style.drawn
def score_cut(table: pd.DataFrame, groups: Sequence[str], lowest: float | None = None) -> Figure:
    """AP, the costs of Miss and FP, and ECE against the lowest score that is kept.

    Args:
        table: a row a cut and group: `cut`, `group`, `AP`, `Miss`, `FP` in points, `ece` in
            [0, 1], `n` detections. No rows give a picture that says so.
        groups: `all` and the scales.
        lowest: the results' lowest score, where it is known: cuts below it change nothing.
    """
    figure = style.figure(4.7)
    style.headline(figure, _title(table), _detail(lowest))
    if not len(table):
        style.note(figure.subplots(), "no objects to find")
        return figure
    colours = style.group_colours(groups)
    panels = figure.subplots(1, len(PANELS))
    for axes, (measure, (title, unit)) in zip(panels, PANELS.items(), strict=True):
        for group in groups:
            rows = table[table["group"] == group]
            width = 3 if group == "all" else 2
            axes.plot(range(len(rows)), rows[measure], "o-", color=colours[group], lw=width,
                      ms=5, label=group)  # fmt: skip
        _panel(axes, table, measure, title, unit)
        _unchanged(axes, table, lowest)
    named = panels[0].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=len(groups))
    return figure


def _title(table: pd.DataFrame) -> str:
    rows = table[table["group"] == "all"]
    if not len(rows):
        return "What a score cut does"
    first, last = rows.iloc[0], rows.iloc[-1]
    return (
        f"What a score cut does: from {first['cut']:g} to {last['cut']:g}, AP {first['AP']:.1f} to "
        f"{last['AP']:.1f}, Miss {first['Miss']:.1f} to {last['Miss']:.1f}"
    )


def _detail(lowest: float | None) -> str:
    text = "Detections of a lower score are left out; n: those of all sizes that stay"
    if lowest is None:
        return text
    return f"{text}. Grey: the results end at {lowest:.3g}, and a lower cut leaves all of them"


def _panel(axes: Axes, table: pd.DataFrame, measure: str, title: str, unit: str) -> None:
    of_all = table[table["group"] == "all"]
    labels = [f"{row.cut:g}\n{_short(row.n)}" for row in of_all.itertuples()]
    axes.set_xticks(range(len(of_all)), labels, fontsize=8.5)
    axes.set_xlabel("score cut, n")
    axes.set_title(title)
    axes.set_ylabel(unit)
    highest = table[measure].max()  # NaN where nothing is defined
    axes.set_ylim(0, ROOM_ABOVE * highest if highest > 0 else 1)
    axes.set_xlim(-0.3, len(of_all) - 0.7)


def _unchanged(axes: Axes, table: pd.DataFrame, lowest: float | None) -> None:
    """Grey where a cut leaves the results as they are."""
    cuts = table.loc[table["group"] == "all", "cut"].to_numpy()
    if lowest is not None and (same := np.sum(cuts <= lowest)):
        axes.axvspan(-0.3, same - 1, color=style.GRID, lw=0, zorder=0)


def _short(number: float) -> str:
    """A count in a few characters."""
    return f"{number:,.0f}" if number < 10_000 else f"{number / 1000:,.0f}k"
