"""A study's variants side by side, with intervals over seeds."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.report import style

COLOURS = {
    "up": style.VERDICT_COLOURS["better"],
    "down": style.VERDICT_COLOURS["worse"],
    "noise": style.VERDICT_COLOURS["noise"],
}


@style.drawn
def side_by_side(table: pd.DataFrame, study: str) -> Figure:
    """One panel a measure, one row a variant: the mean over seeds and its interval.

    Args:
        table: from `scalewise.evaluation.seeds.table`; no rows give a picture that says so.
        study: its name.
    """
    measures = list(dict.fromkeys(table["measure"]))
    variants = list(dict.fromkeys(table["variant"]))
    figure = style.figure(2.0 + 0.34 * len(variants))
    panels = figure.subplots(1, max(len(measures), 1), squeeze=False, sharey=True)[0]
    if not measures:
        style.note(panels[0], "nothing was run")
    for axes, measure in zip(panels, measures, strict=False):
        _panel(axes, table[table["measure"] == measure], measure)
    n = int(table["n"].min()) if len(table) else 0
    style.headline(
        figure,
        f"Study: {study} (n = {n} seeds each)",
        f"Lines: 95% of the mean over seeds. Colour: the difference from {variants[0]}, seed by "
        f"seed, is real (blue up, red down) or noise (grey)"
        if variants
        else "",
    )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    place = np.arange(len(rows))
    for y, row in zip(place, rows.itertuples(), strict=True):
        colour = style.INK if y == 0 else COLOURS[row.verdict]
        axes.plot([row.low, row.high], [y, y], color=colour, lw=2, solid_capstyle="butt")
        axes.plot([row.mean], [y], "o", color=colour)
    axes.axvline(rows["mean"].iloc[0], color=style.MUTED, ls="--", lw=1)
    axes.set_yticks(place, [style.plain(name) for name in rows["variant"]])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.set_title(measure)
    axes.tick_params(axis="x", labelrotation=30)
