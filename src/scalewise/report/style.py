"""What all pictures share: size, colours, titles, and how they are saved.

Colours are safe for the colour-blind: scales from Okabe and Ito, TIDE types and classes from
Paul Tol's muted and bright schemes (https://personal.sron.nl/~pault/).
"""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.files import replacing

P = ParamSpec("P")
R = TypeVar("R")

DPI = 100
WIDTH = 12.0  # inches
HEADLINE_HEIGHT = 0.72  # inches kept free above the axes

INK = "#1f2933"
MUTED = "#5f6c7b"
GRID = "#e3e8ee"
TRUTH = "#00a65a"
PREDICTION = "#d7263d"

ALL = "#333333"
SCALE_COLOURS = ("#e69f00", "#009e73", "#0072b2", "#cc79a7", "#d55e00", "#56b4e9")
LEVEL_COLOURS = ("#4477aa", "#aa3377", "#228833", "#ccbb44", "#ee6677", "#66ccee")
CLASS_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888")
TIDE_COLOURS = {
    "Cls": "#332288",
    "Loc": "#88ccee",
    "Both": "#44aa99",
    "Dupe": "#ddcc77",
    "Bkg": "#cc6677",
    "Miss": "#882255",
    "FP": "#999999",
    "FN": "#555555",
}
VERDICT_COLOURS = {"better": "#0072b2", "worse": "#d55e00", "moved": INK, "noise": "#9aa7b5"}

_SETTINGS = {
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def drawn(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under our settings, whatever the user's matplotlibrc says."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.style.context(["default", _SETTINGS]):
            return draw(*args, **kwargs)

    return styled


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of `width` x `height` inches whose axes keep clear of each other."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def headline(figure: Figure, title: str, detail: str) -> None:
    """Say in two lines what is seen: `title` in bold, `detail` (how to read it) below."""
    height = figure.get_figheight()
    free = 1 - HEADLINE_HEIGHT / height
    figure.get_layout_engine().set(rect=(0, 0, 1, free))
    left = 0.12 / figure.get_figwidth()
    figure.text(left, 1 - 0.12 / height, title, va="top", fontsize=14, fontweight="bold")
    figure.text(left, 1 - 0.42 / height, detail, va="top", fontsize=10, color=MUTED)


def note(axes: Axes, text: str) -> None:
    """Write `text` into axes that have nothing to show, and take their frame away."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=axes.transAxes)


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """Colour of each scale by its rank among the groups other than `all`, which is dark."""
    scales = [group for group in groups if group != "all"]
    ranked = {scale: SCALE_COLOURS[n % len(SCALE_COLOURS)] for n, scale in enumerate(scales)}
    return {group: ranked.get(group, ALL) for group in groups}


def level_colours(levels: Sequence[str]) -> dict[str, str]:
    """Colour of each pyramid level by its rank, finest first."""
    return {level: LEVEL_COLOURS[n % len(LEVEL_COLOURS)] for n, level in enumerate(levels)}


def class_colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each class by its rank; they repeat after seven."""
    return {name: CLASS_COLOURS[n % len(CLASS_COLOURS)] for n, name in enumerate(names)}


def shorten(text: str, most: int) -> str:
    """`text` in at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def plain(text: str) -> str:
    """`text` with its dollar signs escaped, which matplotlib would read as formulas."""
    return text.replace("$", r"\$")


@drawn
def save(figure: Figure, path: str | Path) -> None:
    """Write a PNG, whole or not at all, whose bytes depend on the picture alone."""
    with replacing(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})
