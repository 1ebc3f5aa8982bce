"""PCK against the threshold, with the ceiling of data that cannot be told apart."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from scalewise.report import style
from scalewise.report.keypoint_panels import keypoint_names, legend_below, panels

CURVE_COLUMNS = ("group", "kind", "threshold", "PCK", "low", "high")
CEILINGS = {  # kind: what it is called, dashes
    "optimal": ("ceiling: the best answer at each threshold", (0, (1, 1))),
    "guess": ("ceiling of a net that guesses which is which", (0, (5, 2))),
    "mean": ("ceiling of a net that says the middle of the two", (0, (5, 2, 1, 2))),
}
NAMED = (0.05, 0.2)  # thresholds whose PCK the legend gives
APART = 0.005  # a swap-tolerant curve is drawn where it rises above the plain one by more


@style.drawn
def pck_curves(tables: Mapping[str, pd.DataFrame], reference: str, n: int) -> Figure:
    """PCK of every model against the threshold: of all keypoints, and of each.

    Args:
        tables: by model, `CURVE_COLUMNS` as `pck.curve` and `ceiling.curve` give them; without
            rows, or with NaN alone, a picture that says so.
        reference: what distances are shares of, in words.
        n: keypoints that count.
    """
    figure = style.figure(6.6)
    style.headline(
        figure,
        f"PCK: share of the keypoints that are near enough (n = {n:,} keypoints)",
        "Up and left is better. Bands: intervals over images. Dashed: with left and right taken "
        "for each other where that is nearer",
    )
    tables = {name: table.dropna(subset=["PCK"]) for name, table in tables.items()}
    if not any(map(len, tables.values())):
        style.note(figure.subplots(), "no keypoints that count")
        return figure
    (large,), small = panels(figure, ["all keypoints"], keypoint_names(tables))
    for group, axes in {"all": large, **small}.items():
        rows = {name: table[table["group"] == group] for name, table in tables.items()}
        _panel(axes, rows, labelled=group == "all")
    large.set(xlabel=f"distance up to this share of the reference ({reference})", ylabel="PCK")
    legend_below(figure, large, columns=2)
    return figure


def _panel(axes: Axes, tables: Mapping[str, pd.DataFrame], labelled: bool) -> None:
    colours = style.class_colours(list(tables))
    for name, rows in tables.items():
        kinds = dict(iter(rows.groupby("kind", sort=False)))
        if "found" in kinds:
            _model(axes, kinds, colours[name], name if labelled else "")
    _ceilings(axes, next(iter(tables.values())), labelled)
    axes.set(xlim=(0, 0.3), ylim=(0, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))


def _model(axes: Axes, kinds: Mapping[str, pd.DataFrame], colour: str, name: str) -> None:
    found = kinds["found"]
    label = f"{style.plain(name)}  {_named(found)}" if name else None
    axes.fill_between(
        found["threshold"], found["low"], found["high"], color=colour, alpha=0.2, lw=0
    )
    axes.plot(found["threshold"], found["PCK"], color=colour, lw=2, label=label)
    tolerant = kinds.get("swap_tolerant")
    if tolerant is not None and np.subtract(*map(_pck, (tolerant, found))).max() > APART:
        axes.plot(tolerant["threshold"], tolerant["PCK"], color=colour, lw=1.2, ls=(0, (4, 2)))


def _pck(rows: pd.DataFrame) -> np.ndarray:
    return rows["PCK"].to_numpy()


def _named(rows: pd.DataFrame) -> str:
    at = {t: rows.loc[np.isclose(rows["threshold"], t), "PCK"] for t in NAMED}
    return ", ".join(f"{pck.iloc[0]:.3f} at {t:.0%}" for t, pck in at.items() if len(pck))


def _ceilings(axes: Axes, rows: pd.DataFrame, labelled: bool) -> None:
    """They are the data's own, so any model's table has them."""
    for kind, (told, dashes) in CEILINGS.items():
        of_kind = rows[rows["kind"] == kind]
        if len(of_kind):
            label = f"{told}  {_named(of_kind)}" if labelled else None
            axes.plot(of_kind["threshold"], of_kind["PCK"], color=style.INK, lw=1.3, ls=dashes,
                      label=label, zorder=1)  # fmt: skip
