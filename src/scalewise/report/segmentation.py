"""Segmentation in charts: how often the classes occur, and how well they are found."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from scalewise.records import Floats, Ints
from scalewise.report import style

Colours = NDArray[np.uint8]

ROW = 0.3  # inches a class
PRECISION, RECALL = "#0072b2", "#e69f00"
NAME_LENGTH = 18
VALUES_AT = 1.05  # where the bars' values stand, above all dots
DARK = 140  # luma below this takes white letters


def hexes(colours: Colours) -> list[str]:
    """Colours [C, 3] as matplotlib takes them."""
    return [to_hex(colour / 255) for colour in colours]


@style.drawn
def distribution(counts: Mapping[str, Ints], names: Sequence[str], colours: Colours) -> Figure:
    """How much of the pixels and of the images each class has, a bar a split, in its own colour.

    Args:
        counts: [I, C] pixels of each class in each image, by split; classes stand in the order of
            the first split's pixels. A split without images has no bars.
        names: C names.
        colours: [C, 3].
    """
    first = next(iter(counts.values()))
    order = np.argsort(-first.sum(axis=0), kind="stable")
    figure = style.figure(style.HEADLINE_HEIGHT + 0.6 + ROW * len(names))
    told = ", ".join(f"{split} n = {len(of):,} images" for split, of in counts.items())
    style.headline(
        figure,
        f"How often each of {len(names)} classes occurs ({told})",
        f"Upper bar: {', lower, pale bar: '.join(counts)}. Pixels on a logarithmic axis",
    )
    panels = figure.subplots(1, 2, sharey=True)
    pixels = np.array([_shares(of.sum(axis=0), of.sum()) for of in counts.values()])
    images = np.array([_shares((of > 0).sum(axis=0), len(of)) for of in counts.values()])
    lowest = pixels[pixels > 0].min(initial=0.1)
    panels[0].set(title="share of the pixels", xscale="log")
    panels[0].set_xlim(10 ** np.floor(np.log10(lowest)), 3)
    panels[1].set(title="share of the images", xlim=(0, 1.12))
    for axes, shares in zip(panels, (pixels, images), strict=True):
        for place, of_class in enumerate(shares):
            _bars(axes, of_class[order], colours[order], place, len(shares))
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
    labels = [style.plain(style.shorten(names[n], NAME_LENGTH)) for n in order]
    panels[0].set_yticks(range(len(order)), labels, color=style.INK)
    panels[0].set_ylim(len(order) - 0.4, -0.6)
    return figure


def _shares(part: Ints, whole: int) -> Floats:
    return part / whole if whole else np.zeros(len(part))


def _bars(axes: Axes, shares: Floats, colours: Colours, place: int, splits: int) -> None:
    """One split's bars: the first full, further ones pale."""
    height = 0.84 / splits
    at = np.arange(len(shares)) + (place - (splits - 1) / 2) * height
    fill = colours / 255 if place == 0 else 1 - 0.45 * (1 - colours / 255)
    axes.barh(at, shares, 0.9 * height, color=fill, ec=style.MUTED, lw=0.5)
    for y, share in zip(at, shares, strict=True):
        x, text = (share, percent(share)) if share else (0, "none")
        axes.annotate(
            f" {text}", (x, y), xycoords=("data" if share else "axes fraction", "data"),
            fontsize=6.5, va="center", color=style.MUTED,
        )  # fmt: skip


def percent(share: float) -> str:
    """Two digits that count: 28%, 3.1%, 0.012%."""
    if share >= 0.0995 or share <= 0:
        return f"{share:.0%}"
    digits = 1 - int(np.floor(np.log10(100 * share)))
    return f"{100 * share:.{digits}f}".rstrip("0").rstrip(".") + "%"


@style.drawn
def iou_bins(bins: pd.DataFrame, classes: pd.DataFrame, colours: Mapping[str, str]) -> Figure:
    """Which classes reach which IoU, and the mean precision and recall of those in each bin.

    Args:
        bins: `low`, `high`, `classes`, `precision`, `recall`, a row a bin from 0 to 1.
        classes: `class`, `IoU`, `precision`, `recall`; without an IoU a class is not drawn.
        colours: of each class, as matplotlib takes them.
    """
    classes = classes.dropna(subset=["IoU"]).sort_values("IoU", kind="stable")
    edges = [*bins["low"], 1.0]
    place = np.clip(np.searchsorted(edges, classes["IoU"] + 1e-12, "right") - 1, 0, len(bins) - 1)
    most = max(int(bins["classes"].max()), 1)
    upper, lower = 0.3 + 0.24 * most, 3.0
    figure = style.figure(style.HEADLINE_HEIGHT + 0.7 + upper + lower)
    absent = "" if len(classes) else ": none is present"
    style.headline(
        figure,
        f"Precision and recall by IoU (n = {len(classes)} classes){absent}",
        "Above: the classes in each bin. Below: their mean precision and recall, and each class as "
        "a dot; a class that is never predicted has no precision",
    )
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[upper, lower])
    _stacks(top, classes, place, most, colours)
    _pairs(bottom, bins, classes, place)
    ticks = [f"{low:g} to {high:g}" for low, high in zip(bins["low"], bins["high"], strict=True)]
    bottom.set_xticks(range(len(bins)), ticks, color=style.INK)
    bottom.set(xlabel="IoU", ylim=(0, 1.14), xlim=(-0.5, len(bins) - 0.5))
    return figure


def _stacks(
    axes: Axes, classes: pd.DataFrame, place: Ints, most: int, colours: Mapping[str, str]
) -> None:
    """Each class as a named brick on the pile of its bin."""
    height = dict.fromkeys(range(int(place.max(initial=0)) + 1), 0)
    for name, at in zip(classes["class"], place.tolist(), strict=True):
        y, colour = height[at], colours[name]
        height[at] += 1
        axes.add_patch(
            Rectangle((at - 0.47, y + 0.05), 0.94, 0.9, fc=colour, ec=style.MUTED, lw=0.5)
        )
        axes.text(at, y + 0.48, style.plain(style.shorten(name, NAME_LENGTH)), ha="center",
                  va="center", fontsize=7, color=_letters(colour))  # fmt: skip
    axes.set(ylim=(0, most + 0.1), ylabel="classes")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.grid(visible=False, axis="x")


def _letters(colour: str) -> str:
    """White or ink, whichever reads better on a colour."""
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < DARK else style.INK


def _pairs(axes: Axes, bins: pd.DataFrame, classes: pd.DataFrame, place: Ints) -> None:
    """Two bars a bin with their values, and the classes' dots on them."""
    for name, colour, side in (("precision", PRECISION, -0.2), ("recall", RECALL, 0.2)):
        at = np.arange(len(bins)) + side
        axes.bar(at, bins[name].fillna(0), 0.36, color=colour, alpha=0.45, label=f"mean {name}")
        axes.scatter(place + side, classes[name], s=14, color=colour, ec="white", lw=0.4, zorder=3)
        for x, value in zip(at, bins[name], strict=True):
            if not np.isnan(value):
                axes.text(x, VALUES_AT, f"{value:.2f}", ha="center", fontsize=8)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
