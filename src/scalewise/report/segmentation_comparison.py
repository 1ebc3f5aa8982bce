"""Models of segmentation side by side: the IoU of each class, and which differences are noise."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.report import style
from scalewise.report.segmentation import NAME_LENGTH, ROW, percent

MODEL_COLOURS = ("#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
MODEL_MARKERS = ("o", "D", "s", "^", "v", "P")
TITLE_LENGTH = 110


@style.drawn
def comparison(
    tables: Mapping[str, pd.DataFrame], compared: Mapping[str, Any], colours: Mapping[str, str]
) -> Figure:
    """IoU of each class by each model with its interval, and the differences to the baseline.

    Args:
        tables: by model, `class`, `IoU`, `low`, `high`, `pixels`; classes without an IoU are left
            out, the others stand in the order of their pixels.
        compared: from `segmentation_comparison.compare`; an empty one, of a single model, leaves
            the differences out.
        colours: of each class, as matplotlib takes them.
    """
    first = next(iter(tables.values())).dropna(subset=["IoU"])
    first = first.sort_values("pixels", ascending=False, kind="stable")
    names = first["class"].tolist()
    figure = style.figure(style.HEADLINE_HEIGHT + 1.1 + ROW * max(len(names), 2))
    style.headline(figure, *_told(tables, compared, len(names)))
    others = list(compared.get("models", {}))
    panels = figure.subplots(
        1, 1 + len(others), sharey=True, squeeze=False, width_ratios=[1.6] + [1.0] * len(others)
    )[0]
    panels[0].set_title("IoU with its interval")
    for place, (model, table) in enumerate(tables.items()):
        _dots(panels[0], table.set_index("class").reindex(names), place, (model, len(tables)))
    panels[0].set(xlim=(0, 1), xlabel="IoU")
    panels[0].legend(loc="upper left", bbox_to_anchor=(0, -0.5 / (ROW * max(len(names), 2))),
                     ncols=len(tables), borderaxespad=0)  # fmt: skip
    for axes, model in zip(panels[1:], others, strict=True):
        _differences(axes, names, compared["models"][model]["class"])
        axes.set_title(style.plain(f"{model} - {compared['baseline']}"))
    _class_axis(panels[0], first, colours)
    return figure


def _told(
    tables: Mapping[str, pd.DataFrame], compared: Mapping[str, Any], classes: int
) -> tuple[str, str]:
    """The two lines of the comparison's headline."""
    names = style.plain(" and ".join(tables))
    if not compared:
        return f"IoU of {names} by class (n = {classes})", "Share of the test pixels by the name"
    parts = []
    for name, found in compared["models"].items():
        verdicts = [row["IoU"]["verdict"] for row in found["class"].values()]
        better, worse = verdicts.count("better"), verdicts.count("worse")
        change = f"mIoU {_change(found['mIoU'])}, " if "mIoU" in found else ""
        parts.append(f"{name}: {change}{better} classes better, {worse} worse")
    title = f"{'; '.join(parts)} than {compared['baseline']}"
    units = f"{compared['units']:,} {compared['unit']}s"
    return (
        style.plain(style.shorten(title, TITLE_LENGTH)),
        f"{compared['n']:,} test images, resampled by {units}. Hollow, grey: may be noise (about "
        f"{(1 - compared['level']) * classes:.1f} of {classes} would stand out by chance). "
        f"No line: one {compared['unit']} alone has the class",
    )


def _change(found: Mapping[str, float]) -> str:
    return f"{found['change']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def _dots(axes: Axes, table: pd.DataFrame, place: int, who: tuple[str, int]) -> None:
    """One model's IoUs, its dots beside those of the others."""
    model, models = who
    y = np.arange(len(table)) + (place - (models - 1) / 2) * 0.62 / models
    colour = MODEL_COLOURS[place % len(MODEL_COLOURS)]
    axes.hlines(y, table["low"], table["high"], color=colour, lw=2.2, alpha=0.5)
    axes.plot(table["IoU"], y, MODEL_MARKERS[place % len(MODEL_MARKERS)], color=colour, ms=5,
              label=style.plain(model), clip_on=False, zorder=3)  # fmt: skip


def _differences(axes: Axes, names: Sequence[str], found: Mapping[str, Any]) -> None:
    axes.axvline(0, color=style.INK, lw=1)
    for y, name in enumerate(names):
        difference = found[name]["IoU"]
        colour = style.VERDICT_COLOURS[difference["verdict"]]
        axes.hlines(y, difference["low"], difference["high"], color=colour, lw=2.2)
        fill = "white" if difference["verdict"] == "noise" else colour
        axes.plot(difference["change"], y, "o", ms=5, color=colour, mfc=fill, zorder=3)
    axes.set_xlabel("change of IoU")


def _class_axis(axes: Axes, table: pd.DataFrame, colours: Mapping[str, str]) -> None:
    """Names with their colour and share of the pixels, the most frequent class on top."""
    share = table["pixels"] / max(table["pixels"].sum(), 1)
    labels = [style.plain(style.shorten(name, NAME_LENGTH)) for name in table["class"]]
    axes.set_yticks(range(len(labels)), labels, color=style.INK)
    axes.tick_params(axis="y", length=0, pad=74)
    axes.set_ylim(max(len(labels), 1) - 0.4, -0.6)
    left = axes.get_yaxis_transform()
    for y, (name, of) in enumerate(zip(table["class"], share, strict=True)):
        axes.plot(-0.018, y, "s", ms=9, color=colours[name], mec=style.MUTED, mew=0.5,
                  transform=left, clip_on=False)  # fmt: skip
        axes.annotate(percent(of), (0, y), (-19, 0), xycoords=left, textcoords="offset points",
                      ha="right", va="center", fontsize=9, color=style.MUTED)  # fmt: skip
