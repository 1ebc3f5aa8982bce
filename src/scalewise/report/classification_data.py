"""What a classifier is trained on: how many images of each class, and what augmentation makes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray

from scalewise.records import Ints
from scalewise.report import style

# Paul Tol's muted scheme and a grey: ten classes.
COLOURS = (
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255",
    "#aa4499", "#9a9a9a",
)  # fmt: skip
MARKERS = "o^sD"  # for who cannot tell the colours, and for more than ten classes
LEAST_TOLD = 0.04  # slices from this share on are told in the pie
NAME_LENGTH = 18
ONE_BLOCK = 5  # images up to which augmented ones stand in one block, not in two
BLOCK_GAP = 0.12  # between the blocks, in sides of an image


def class_marks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each class by its rank; the pairs repeat after forty."""
    return {
        name: (COLOURS[n % len(COLOURS)], MARKERS[(n + n // len(COLOURS)) % len(MARKERS)])
        for n, name in enumerate(names)
    }


@style.drawn
def distribution(counts: Mapping[str, Ints], names: Sequence[str]) -> Figure:
    """Images of each class, as bars with their numbers and as a pie: all, then each split.

    Args:
        counts: [C] images of each class, by split.
        names: C class names.
    """
    parts = {"all": np.sum(list(counts.values()), axis=0), **counts} if counts else {}
    tall = max(2.2, 0.6 + 0.24 * len(names))
    figure = style.figure(style.HEADLINE_HEIGHT + tall + 2.9)
    _say(figure, parts)
    if not parts or not len(names):
        style.note(figure.subplots(), "no images")
        return figure
    grid = figure.subplots(2, len(parts), squeeze=False, height_ratios=[tall, 2.9])
    colours = [colour for colour, _ in class_marks(names).values()]
    for place, (part, number) in enumerate(parts.items()):
        _bars(grid[0, place], part, number, colours)
        _pie(grid[1, place], number, colours)
        labels = [style.plain(style.shorten(name, NAME_LENGTH)) for name in names]
        grid[0, place].set_yticks(range(len(names)), labels if place == 0 else [""] * len(names))
        grid[0, place].tick_params(axis="y", length=0, labelcolor=style.INK)
        grid[0, place].invert_yaxis()
    return figure


def _say(figure: Figure, parts: Mapping[str, Ints]) -> None:
    of_all = parts.get("all", np.zeros(0))
    some = of_all[of_all > 0]
    balance = f"; largest to smallest {some.max() / some.min():.1f} to 1" if len(some) else ""
    style.headline(
        figure,
        f"Images of each class (n = {of_all.sum():,.0f}{balance})",
        "Bars: images. Pies: shares in the bars' colours, clockwise from the top",
    )


def _bars(axes: Axes, part: str, number: Ints, colours: Sequence[str]) -> None:
    axes.barh(range(len(number)), number, color=colours, height=0.75)
    for place, count in enumerate(number):
        axes.text(count, place, f" {count:,}", va="center", fontsize=8.5)
    axes.set_title(f"{style.plain(part)}, n = {number.sum():,}")
    axes.set_xlim(0, max(1.25 * number.max(), 1))
    axes.set_xlabel("images")
    axes.grid(visible=False, axis="y")


def _pie(axes: Axes, number: Ints, colours: Sequence[str]) -> None:
    if not number.sum():
        style.note(axes, "no images")
        return
    axes.pie(
        number,
        colors=colours,
        startangle=90,
        counterclock=False,
        autopct=lambda share: f"{share:.0f}%" if share >= 100 * LEAST_TOLD else "",
        pctdistance=1.17,
        textprops={"fontsize": 8.5},
        wedgeprops={"edgecolor": "white"},
    )


@style.drawn
def augmented(samples: NDArray[np.uint8], labels: Sequence[str]) -> Figure:
    """Images and what augmentation makes of them: in a row an image as it is, then its versions.

    More than five images stand in two blocks.

    Args:
        samples: [N, V, H, W, 3] uint8, V versions of N images, the original first.
        labels: N texts, e.g. the classes.
    """
    rows, versions = samples.shape[:2]
    if not samples.size:
        figure = style.figure(2.5)
        style.headline(figure, "Augmented images", "")
        style.note(figure.subplots(), "no images")
        return figure
    blocks = 2 if rows > ONE_BLOCK else 1
    lines = -(-rows // blocks)
    side = min(1.9, (style.WIDTH - 0.4) / (blocks * versions))
    figure = style.figure(
        style.HEADLINE_HEIGHT + lines * (side * samples.shape[2] / samples.shape[3] + 0.25),
        width=max(7.0, 0.4 + side * blocks * versions),
    )
    style.headline(
        figure,
        f"What augmentation makes of an image (n = {rows})",
        "Under its name: the image as it is. Right of it: augmented anew each time",
    )
    ratios = [*[1.0] * versions, BLOCK_GAP] * blocks
    grid = GridSpec(lines, len(ratios) - 1, figure, width_ratios=ratios[:-1])
    for row, version in np.ndindex(rows, versions):
        block, line = divmod(row, lines)
        axes = figure.add_subplot(grid[line, block * (versions + 1) + version])
        axes.imshow(samples[row, version])
        axes.set_axis_off()
        if version == 0:
            name = style.plain(style.shorten(labels[row], NAME_LENGTH))
            axes.set_title(name, fontsize=8.5, pad=3)
    return figure
