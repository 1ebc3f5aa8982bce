"""What each pyramid level can see, against what it is asked to find."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from scalewise.report import style

Floats = NDArray[np.float64]

NETS = ("untrained", "trained")
FAINT = 0.4  # exponent that lifts weak gradients into sight
ROOM = 1.35  # of the size axis, for the words on its right
BAR = 0.27  # height of a bar; a level has two, and its anchors above them


@dataclass(frozen=True)
class LevelField:
    """One level's fields.

    Attributes:
        name: `level 0`.
        anchors: sides in pixels of the anchors on a cell.
        place: row and column on which the middle cell's anchors are centred.
        box: [4] xyxy pixels of its theoretical field.
        moved: how strongly each pixel moves its answers, [H, W], of the untrained and the
            trained net.
        sizes: sides in pixels by name: `theoretical`, and `effective_<net>` and `half_<net>`
            for both nets.
        centres: row and column about which the gradient of each net is centred.
    """

    name: str
    anchors: Sequence[float]
    place: tuple[float, float]
    box: Floats
    moved: Mapping[str, Floats]
    sizes: Mapping[str, float]
    centres: Mapping[str, tuple[float, float]]


@style.drawn
def against_anchors(levels: Sequence[LevelField], share: float) -> Figure:
    """The gradient of each level's middle unit as a map, and all sizes beside the anchors.

    Args:
        levels: finest first, at least one.
        share: of the gradient that the effective field holds.
    """
    figure = style.figure(6.5)
    maps, sizes = figure.subfigures(1, 2, width_ratios=[2, 1.15])
    grid = maps.subplots(len(NETS), len(levels), squeeze=False)
    for row, net in zip(grid, NETS, strict=True):
        for axes, level in zip(row, levels, strict=True):
            _map(axes, level, net)
    _sizes(sizes.subplots(), levels, share)
    style.headline(figure, _title(levels), _detail(share))
    return figure


def _title(levels: Sequence[LevelField]) -> str:
    short = [level for level in levels if level.sizes["effective_trained"] < max(level.anchors)]
    if not short:
        return "Every level feels a wider square than its largest anchor"
    parts = [f"{level.name} feels {level.sizes['effective_trained']:.0f} px of the "
             f"{max(level.anchors):g} it is asked to find" for level in short]  # fmt: skip
    return style.plain("; ".join(parts)).capitalize()


def _detail(share: float) -> str:
    return (
        "Bright: pixels that move the middle cell's answers. White: the square with "
        f"{share:.1%} of that, and the theoretical field (thin). Dashed: smallest, largest anchor"
    )


def _map(axes: Axes, level: LevelField, net: str) -> None:
    moved = level.moved[net]
    height, width = moved.shape
    axes.imshow((moved / moved.max()) ** FAINT, cmap="magma", extent=(0, width, height, 0))
    left, top, right, bottom = level.box
    axes.add_patch(_square(((top + bottom) / 2, (left + right) / 2), right - left, lw=0.8))
    axes.add_patch(_square(level.centres[net], level.sizes[f"effective_{net}"], lw=2))
    for side in (min(level.anchors), max(level.anchors)):
        axes.add_patch(_square(level.place, side, lw=1.5, ec=style.LEVEL_COLOURS[5], ls="--"))
    axes.set_axis_off()
    axes.set_title(f"{style.plain(level.name)}, {net}")


def _square(centre: tuple[float, float], side: float, **look: object) -> Rectangle:
    corner = (centre[1] - side / 2, centre[0] - side / 2)
    return Rectangle(corner, side, side, fill=False, **{"ec": "white", **look})


def _sizes(axes: Axes, levels: Sequence[LevelField], share: float) -> None:
    colours = style.level_colours([level.name for level in levels])
    for row, level in enumerate(levels):
        _bars(axes, row, level, colours[level.name])
    axes.set_yticks(range(len(levels)), [style.plain(level.name) for level in levels])
    axes.set(ylim=(len(levels) - 0.5, -0.65), xlabel="side of the square, pixels")
    axes.set_xlim(0, ROOM * max(max(*level.anchors, *level.sizes.values()) for level in levels))
    axes.set_title(f"dark: half of the gradient; light: {share:.1%}")
    axes.grid(visible=False, axis="y")


def _bars(axes: Axes, row: int, level: LevelField, colour: str) -> None:
    for n, net in enumerate(NETS):
        y = row + (n - 0.25) * BAR * 1.1
        axes.barh(y, level.sizes[f"effective_{net}"], BAR, color=colour, alpha=0.3)
        axes.barh(y, level.sizes[f"half_{net}"], BAR, color=colour, alpha=0.8)
        axes.text(level.sizes[f"effective_{net}"] - 2, y, net, ha="right", va="center", fontsize=9)
    whole, top, bottom = level.sizes["theoretical"], row - 0.85 * BAR, row + 1.4 * BAR
    axes.vlines(whole, top, bottom, color=style.INK, lw=2)
    axes.text(whole + 3, row + 0.25 * BAR, f"theory\n{whole:g}", va="center", fontsize=9)
    _anchors(axes, row - 1.35 * BAR, level.anchors, colour)


def _anchors(axes: Axes, y: float, sides: Sequence[float], colour: str) -> None:
    axes.plot(sides, [y] * len(sides), "d", color=colour, ms=7)
    named = "anchors " + ", ".join(f"{side:g}" for side in sides)
    axes.annotate(named, (max(sides), y), (8, 0), textcoords="offset points", va="center",
                  fontsize=9, color=style.MUTED)  # fmt: skip
