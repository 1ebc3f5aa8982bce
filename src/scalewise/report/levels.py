"""Which pyramid level finds which size."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.report import style

LEVEL_COLUMNS = ("level", "scale", "count")
DARK = 0.55  # shares above this are dark enough for white numbers


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Each scale's objects that were found, divided over the levels.

    Args:
        table: `level`, `scale`, `count`, in the order in which they shall stand.

    Returns:
        Levels x scales, in [0, 1]; a column sums to 1, or is NaN where nothing was found.
    """
    counts = _counts(table)
    return counts / counts.sum().where(counts.sum() > 0)


@style.drawn
def level_by_scale(table: pd.DataFrame, scales: Sequence[str]) -> Figure:
    """Heat map of the share of each scale's objects that each level found.

    Args:
        table: `level`, `scale`, `count` of objects found. No rows give a picture that says so.
        scales: names, smallest first; other rows (`all`) are left out.
    """
    table = table[table["scale"].isin(list(scales))]
    levels = list(dict.fromkeys(table["level"]))
    figure = style.figure(1.6 + 0.75 * max(len(levels), 2), width=9)
    axes = figure.subplots()
    style.headline(
        figure,
        f"Which level finds which size (n = {table['count'].sum():,.0f} objects found)",
        "Share of the objects found of a size that the level found; each column adds up to 100%",
    )
    if not len(table):
        style.note(axes, "nothing was found")
        return figure
    counts = _counts(table).reindex(columns=list(scales), fill_value=0)
    _heat(axes, counts, shares(table).reindex(columns=list(scales)))
    totals = [f"{style.plain(scale)}\nn = {counts[scale].sum():,.0f}" for scale in scales]
    axes.set_xticks(range(len(scales)), totals, color=style.INK)
    axes.set_yticks(range(len(levels)), map(style.plain, levels), color=style.INK)
    axes.set_ylabel("pyramid level, finest first")
    return figure


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    wide = table.pivot_table(
        index="level", columns="scale", values="count", aggfunc="sum", fill_value=0, sort=False
    )
    return wide.reindex(columns=list(dict.fromkeys(table["scale"])))


def _heat(axes: Axes, counts: pd.DataFrame, share: pd.DataFrame) -> None:
    axes.imshow(share.fillna(0).to_numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(share.to_numpy()):
        text = "-" if np.isnan(value) else f"{value:.0%}  ({counts.iloc[row, column]:,.0f})"
        colour = "white" if value > DARK else style.INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=12)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
