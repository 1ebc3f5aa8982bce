"""Several classifiers side by side: their numbers, their differences, their calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.report import style
from scalewise.report.inputs import ends

STATISTICS = {
    "accuracy": "accuracy",
    "f1_weighted": "F1, weighted",
    "f1_macro": "F1, macro",
    "ece": "ECE",
}
MODEL = "#0072b2"
NAME_LENGTH = 22


@style.drawn
def side_by_side(models: Mapping[str, Mapping[str, Any]], pairs: pd.DataFrame) -> Figure:
    """Each model's numbers with their intervals, and below every paired difference.

    Args:
        models: metrics by model (`evaluation.classification.metrics`); with `train`, the accuracy
            and F1 there are shown as hollow points.
        pairs: `before`, `after`, `statistic`, `change`, `low`, `high`, `verdict`, `p`; no rows
            (one model alone) leave the lower half away.
    """
    names = list(dict.fromkeys(zip(pairs["before"], pairs["after"], strict=True)))
    heights = [0.9 + 0.42 * max(len(models), 1)] + [0.9 + 0.6 * len(names)] * bool(names)
    figure = style.figure(style.HEADLINE_HEIGHT + 0.3 + sum(heights))
    _say(figure, models)
    if not models:
        style.note(figure.subplots(), "no models")
        return figure
    grid = figure.subplots(len(heights), len(STATISTICS), squeeze=False, height_ratios=heights)
    for column, (statistic, title) in enumerate(STATISTICS.items()):
        _values(grid[0, column], models, statistic)
        grid[0, column].set_title(title)
        for axes in grid[:, column]:
            axes.locator_params(axis="x", nbins=4)
        if names:
            _changes(grid[1, column], pairs[pairs["statistic"] == statistic], names)
    _rows(grid[0], [style.shorten(name, NAME_LENGTH) for name in models])
    if names:
        _rows(grid[1], _pair_labels(names, pairs))
    return figure


def _say(figure: Figure, models: Mapping[str, Mapping[str, Any]]) -> None:
    first: Mapping[str, Any] = next(iter(models.values()), {})
    unit = first.get("unit", "image")
    drawn = f", {first['units']:,} frames" if unit == "frame" else ""
    style.headline(
        figure,
        f"The models side by side (test, n = {first.get('n', 0):,} images{drawn})",
        f"Line: {first.get('level', 0.95):.0%} interval over {unit}s. Hollow: on train. Below: the "
        "paired change; blue better, orange worse, grey may be noise",
    )


def _values(axes: Axes, models: Mapping[str, Mapping[str, Any]], statistic: str) -> None:
    for place, metrics in enumerate(models.values()):
        if statistic not in metrics:
            continue
        value = metrics[statistic]
        low, high = ends(metrics.get("interval", {}), statistic) or (value, value)
        axes.plot([low, high], [place] * 2, color=MODEL, lw=2)
        axes.plot(value, place, "o", ms=6, color=MODEL, zorder=3)
        axes.annotate(f"{value:.3f}", (value, place), (0, 6), textcoords="offset points",
                      ha="center", fontsize=9)  # fmt: skip
        if statistic in metrics.get("train", {}):
            axes.plot(metrics["train"][statistic], place, "o", ms=6, color=MODEL, mfc="white")
    axes.margins(x=0.15)


def _changes(axes: Axes, rows: pd.DataFrame, names: Sequence[tuple[str, str]]) -> None:
    axes.axvline(0, color=style.INK, lw=1)
    for row in rows.itertuples():
        place, colour = names.index((row.before, row.after)), style.VERDICT_COLOURS[row.verdict]
        axes.plot([100 * row.low, 100 * row.high], [place] * 2, color=colour, lw=2)
        fill = "white" if row.verdict == "noise" else colour  # for who cannot tell the colours
        axes.plot(100 * row.change, place, "o", ms=6, color=colour, mfc=fill, zorder=3)
        axes.annotate(f"{100 * row.change:+.1f} {row.verdict}", (100 * row.change, place), (0, 6),
                      textcoords="offset points", ha="center", fontsize=8.5, zorder=4,
                      bbox={"fc": "white", "ec": "none", "pad": 0.5, "alpha": 0.85})  # fmt: skip
    axes.set_xlabel("change in points")
    axes.margins(x=0.25)


def _pair_labels(names: Sequence[tuple[str, str]], pairs: pd.DataFrame) -> list[str]:
    """Who against whom, with McNemar's p."""
    p = pairs[pairs["statistic"] == "accuracy"].set_index(["before", "after"])["p"]
    told = []
    for before, after in names:
        pair = f"{style.shorten(after, NAME_LENGTH)}\nagainst {style.shorten(before, NAME_LENGTH)}"
        value = p.get((before, after), np.nan)
        told.append(pair if np.isnan(value) else f"{pair}\nMcNemar p {_p(value)}")
    return told


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _rows(line: Sequence[Axes], labels: Sequence[str]) -> None:
    for place, axes in enumerate(line):
        shown = [style.plain(label) for label in labels] if place == 0 else [""] * len(labels)
        axes.set_yticks(range(len(labels)), shown, color=style.INK)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(labels) - 0.4, -0.6)


@style.drawn
def reliability(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """A reliability diagram of each model, with the images of its bins beneath.

    Args:
        tables: by model a row a bin: `bin_low`, `bin_high`, mean `confidence`, `precision` (the
            accuracy) with `precision_low` and `precision_high`, NaN where empty, `count`.
    """
    figure = style.figure(5.0)
    style.headline(
        figure,
        "Is an image with a score of .7 right in 7 of 10 cases?",
        "Bar: accuracy with 95% interval (images taken as independent). Below the diagonal: too "
        "sure of itself; above: too modest",
    )
    if not tables:
        style.note(figure.subplots(), "no models")
        return figure
    grid = figure.subplots(2, len(tables), sharex=True, squeeze=False, height_ratios=[3, 1])
    for (top, below), (name, bins) in zip(grid.T, tables.items(), strict=True):
        _diagram(top, below, bins[bins["count"] > 0])
        top.set_title(_calibration(name, bins[bins["count"] > 0]))
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("images")
    return figure


def _calibration(name: str, bins: pd.DataFrame) -> str:
    total = bins["count"].sum()
    title = style.plain(style.shorten(name, NAME_LENGTH))
    if not total:
        return f"{title}: no images"
    off = (bins["confidence"] - bins["precision"]) * bins["count"] / total
    return f"{title}, n = {total:,}\nECE {off.abs().sum():.3f}, gap {off.sum():+.3f}"


def _diagram(top: Axes, below: Axes, bins: pd.DataFrame) -> None:
    low, width = bins["bin_low"], bins["bin_high"] - bins["bin_low"]
    top.plot([0, 1], [0, 1], color=style.MUTED, ls="--", lw=1, zorder=3)
    top.bar(low, bins["precision"], width, align="edge", color=MODEL, alpha=0.35, ec="white")
    spread = [bins["precision"] - bins["precision_low"], bins["precision_high"] - bins["precision"]]
    if len(bins):
        top.errorbar(
            bins["confidence"], bins["precision"], np.maximum(spread, 0), fmt="o", ms=5,
            capsize=2.5, color=MODEL, zorder=4, clip_on=False,
        )  # fmt: skip
    top.set(xlim=(0, 1), ylim=(0, 1))
    below.bar(low, bins["count"], width, align="edge", color=MODEL, ec="white")
    below.set(xlabel="score of the prediction", ylim=(0, None if len(bins) else 1))
