"""How far off each keypoint is, against the size of its figure."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from scalewise.report import style
from scalewise.report.keypoint_panels import keypoint_names, legend_below, panels

PIXELS, RELATIVE = "error_px", "error_relative"


@style.drawn
def errors_by_size(tables: Mapping[str, pd.DataFrame], reference: str) -> Figure:
    """The mean distance of every model against the figure's size: of all keypoints, and of each.

    Args:
        tables: by model, from `keypoint_sizes.error_by_size`; without rows, a picture that says so.
        reference: what relative distances are shares of, in words.
    """
    figure = style.figure(6.6)
    some = next((table for table in tables.values() if len(table)), None)
    n = 0 if some is None else some.loc[some["group"] == "all", "n"].sum()
    style.headline(
        figure,
        f"How far off the keypoints are, by the size of the figure (n = {n:,} keypoints)",
        "Mean distance in bins of equally many figures, bars: intervals over images. Size: side "
        "of the square of the box's area",
    )
    if some is None:
        style.note(figure.subplots(), "no keypoints that count")
        return figure
    titles = ["all keypoints, pixels", f"all keypoints, share of the reference ({reference})"]
    (pixels, relative), small = panels(figure, titles, keypoint_names(tables))
    for group, axes in {"all": pixels, **small}.items():
        _panel(axes, tables, group, PIXELS)
    _panel(relative, tables, "all", RELATIVE)
    for axes in (pixels, relative, *small.values()):  # not before all is drawn: limits are shared
        axes.set_ylim(bottom=0)
    relative.yaxis.set_major_formatter(PercentFormatter(1))
    relative.set_xlabel("size of the figure, pixels")
    next(iter(small.values())).set_ylabel("mean distance, pixels")
    legend_below(figure, relative, columns=min(len(tables), 6))
    return figure


def _panel(axes: Axes, tables: Mapping[str, pd.DataFrame], group: str, column: str) -> None:
    colours = style.class_colours(list(tables))
    for name, table in tables.items():
        rows = table[(table["group"] == group) & table[column].notna()]
        bars = [rows[column] - rows[f"{column}_low"], rows[f"{column}_high"] - rows[column]]
        axes.errorbar(rows["size"], rows[column], [bar.clip(lower=0) for bar in bars], fmt="o-",
                      ms=3.5, lw=1.6, elinewidth=1, capsize=2, color=colours[name],
                      label=style.plain(name))  # fmt: skip
