"""Segmentation in pictures: each class alone in its colour, and the weakest classes close up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scalewise import palettes
from scalewise.data.store import Store
from scalewise.evaluation.segmentation_measures import Counts
from scalewise.label_maps import Truth, checked
from scalewise.palettes import Labels
from scalewise.records import Ints
from scalewise.report import drawing, style
from scalewise.report import segmentation_drawing as paint
from scalewise.report.segmentation import NAME_LENGTH, percent

EXAMPLES = 2  # images a class
ACROSS = 4  # classes beside each other
THUMB, WIDE = 150, 600  # pixels of width that an image is shown with at most
WEAK = 0.5  # IoU up to which a class is weak
WEAKEST, SHOWN = 3, 3  # classes, and images of each
LABEL_HEIGHT, BAND_HEIGHT = 0.26, 0.42  # inches
LISTED = 95  # letters of a list of names


@dataclass(frozen=True)
class Scene:
    """What the pictures of a model's results are drawn from.

    Attributes:
        truth: I test images.
        store: the images and their masks.
        predicted: the masks that were predicted, by the images' file names.
    """

    truth: Truth
    store: Store
    predicted: Store


@style.drawn
def classes(store: Store, truth: Truth, counts: Ints) -> Figure:
    """Two images a class, of different sequences if it can be, with that class alone in colour.

    Args:
        store: the images and their masks; only those shown are read.
        truth: I images.
        counts: [I, C] pixels of each class in each mask. The images shown have most of it; classes
            that no image has are named in the headline.
    """
    total = counts.sum(axis=0)
    order = [n for n in np.argsort(-total, kind="stable") if total[n]]
    rows = max(-(-len(order) // ACROSS), 1)
    each = style.WIDTH / (ACROSS * EXAMPLES)
    height = LABEL_HEIGHT + each * _aspect(truth)
    figure = style.figure(style.HEADLINE_HEIGHT + rows * height)
    missing = [name for name, pixels in zip(truth.category_names, total, strict=True) if not pixels]
    style.headline(
        figure,
        f"Each class alone in its colour (n = {len(truth):,} images)",
        f"The {EXAMPLES} images with most of it; its share of the pixels; images that have any. "
        f"{_list('In no image', missing)}",
    )
    panels = figure.subplots(rows, ACROSS * EXAMPLES, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for n, of_class in enumerate(order):
        column = EXAMPLES * (n % ACROSS)
        pair = panels[n // ACROSS, column : column + EXAMPLES]
        _examples(pair, (store, truth), counts, int(of_class))
    return figure


def _aspect(truth: Truth) -> float:
    """Height by width of the images, as most have it."""
    sizes = truth.sizes[truth.sizes.all(axis=1)]
    return float(np.median(sizes[:, 1] / sizes[:, 0])) if len(sizes) else 0.75


def _list(lead: str, names: Sequence[str]) -> str:
    return style.plain(style.shorten(f"{lead}: {', '.join(names)}", LISTED)) if names else ""


def _examples(
    panels: Sequence[Axes], where: tuple[Store, Truth], counts: Ints, of_class: int
) -> None:
    store, truth = where
    chosen = paint.spread_out(counts[:, of_class], truth.sequences, EXAMPLES)
    images = store.many(truth.file_names[n] for n in chosen)
    masks = store.many((truth.label_names[n] for n in chosen), "L")
    views = [np.full((3, 4, 3), 255, np.uint8)] * EXAMPLES  # white where only one image has it
    for n, (pixels, mask) in enumerate(zip(images, masks, strict=True)):
        there = paint.shrunk_mask(mask == of_class, THUMB)
        views[n] = paint.only(paint.shrunk(pixels, THUMB), there, truth.colours[of_class])
    for axes, view in zip(panels, views, strict=True):
        drawing.image(axes, view, aspect=_aspect(truth))
    share = counts[:, of_class].sum() / counts.sum()
    name = style.plain(style.shorten(truth.category_names[of_class], NAME_LENGTH))
    panels[0].set_title(name, fontsize=9, pad=2)
    told = f"{percent(share)}, {(counts[:, of_class] > 0).sum():,} images"
    panels[1].set_title(told, fontsize=8, fontweight="normal", color=style.MUTED, pad=2)


def weak_classes(total: Counts, void: int | None) -> list[int]:
    """The classes present with an IoU of at most .5 but void; most wrong pixels come first.

    Wrong are those missed or invented: by IoU alone, a class of thirty pixels would come first.

    Args:
        total: [C] of all images.
        void: position of the class that is none, or None.
    """
    either = total.truth + total.predicted - total.hit
    weak = (total.truth > 0) & (total.hit <= WEAK * either)
    weak &= np.arange(len(weak)) != (-1 if void is None else void)
    order = np.argsort(total.hit - either, kind="stable")
    return [int(n) for n in order if weak[n]]


@style.drawn
def worst(scene: Scene, images: Counts, table: pd.DataFrame) -> Figure:
    """The three weakest classes, three test images each: image, truth, prediction, that class.

    Args:
        scene: images and masks; only those shown are read.
        images: [I, C] of the model. Shown are the images with most wrong pixels of the class, of
            different sequences if it can be. Without a weak class the picture says so.
        table: `class`, `IoU`, `precision`, `recall`, `pixels`; the classes' numbers.
    """
    weak = weak_classes(images.total(), scene.truth.void)
    chosen = weak[:WEAKEST]
    wrong = images.truth + images.predicted - 2 * images.hit
    shown = [paint.spread_out(wrong[:, n], scene.truth.sequences, SHOWN) for n in chosen]
    heights = [h for of in shown for h in (BAND_HEIGHT, *[_row_height(scene)] * len(of))]
    figure = style.figure(style.HEADLINE_HEIGHT + max(sum(heights), 1.0))
    style.headline(
        figure,
        f"The weakest classes: {len(chosen)} of {len(weak)} with IoU up to {WEAK:g}",
        f"Those with most wrong pixels, and the images that have most of them (of n = "
        f"{len(scene.truth):,})",
    )
    if not chosen:
        style.note(figure.subplots(), f"no class has an IoU of {WEAK:g} or less")
        return figure
    grid = figure.add_gridspec(len(heights), 4, height_ratios=heights)
    row = 0
    for of_class, places in zip(chosen, shown, strict=True):
        _band(figure.add_subplot(grid[row, :]), table, scene.truth, of_class)
        for n, place in enumerate(places, start=1):
            cells = [figure.add_subplot(grid[row + n, column]) for column in range(4)]
            _close_up(cells, scene, place, of_class)
        row += 1 + len(places)
    _legend(figure)
    return figure


def _row_height(scene: Scene) -> float:
    return LABEL_HEIGHT + style.WIDTH / 4 * _aspect(scene.truth)


def _band(axes: Axes, table: pd.DataFrame, truth: Truth, of_class: int) -> None:
    """The class's name in its colour's square, and its numbers."""
    axes.set_axis_off()
    name = truth.category_names[of_class]
    row = table[table["class"] == name].iloc[0]
    colour = truth.colours[of_class] / 255
    numbers = [f"{key} {row[key]:.3f}" for key in ("IoU", "precision", "recall") if row[key] >= 0]
    text = f"{', '.join(numbers)}; {row['pixels']:,.0f} pixels in {row['images']:,} images"
    axes.set(xlim=(0, 12), ylim=(0, 1))
    axes.plot(0.1, 0.3, "s", ms=13, color=colour, mec=style.INK, mew=0.6)
    head = axes.text(0.3, 0.3, style.plain(name), va="center", fontsize=13, fontweight="bold")
    axes.annotate(f"   {text}", (1, 0), xycoords=head, va="bottom", fontsize=10, color=style.MUTED)


def _close_up(cells: Sequence[Axes], scene: Scene, place: int, of_class: int) -> None:
    """Image, truth, prediction and the overlap of one class, in four axes."""
    truth = scene.truth
    pixels = scene.store.pixels(truth.file_names[place])
    there, said = _masks(scene, place)
    both = [paint.shrunk_mask(mask == of_class, WIDE) for mask in (there, said)]
    small = paint.shrunk(pixels, WIDE)
    coloured = [palettes.to_colours(truth.palette, mask) for mask in (there, said)]
    views = [small, *coloured, paint.overlap(small, *both)]
    hit = ((there == of_class) & (said == of_class)).sum()
    either = ((there == of_class) | (said == of_class)).sum()
    name = style.shorten(truth.file_names[place].split("/")[-1], 34)
    titles = (style.plain(name), "truth", "prediction", f"that class alone: IoU {hit / either:.2f}")
    for axes, view, title in zip(cells, views, titles, strict=True):
        drawing.image(axes, view, aspect=_aspect(truth))
        axes.set_title(title, fontsize=8.5, fontweight="normal", color=style.MUTED, pad=2)


def _masks(scene: Scene, place: int) -> tuple[Labels, Labels]:
    """Truth and prediction of an image, [H, W] each.

    Raises:
        InputError: a mask that is missing, or a prediction of another size or with other classes.
    """
    truth, names = scene.truth, (scene.truth.label_names[place], scene.truth.file_names[place])
    there, said = (
        store.pixels(name, "L")
        for store, name in zip((scene.store, scene.predicted), names, strict=True)
    )
    where = f"{scene.predicted.folder}: mask '{names[1]}'"
    return there, checked(said, there.shape[::-1], truth.category_names, where)


def _legend(figure: Figure) -> None:
    colours = {"found": paint.FOUND, "missed": paint.MISSED, "invented": paint.INVENTED}
    handles = [Patch(color=np.array(c) / 255, label=name) for name, c in colours.items()]
    figure.legend(handles=handles, loc="upper right", ncols=3)
