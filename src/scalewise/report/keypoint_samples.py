"""Figures with what the models say of them: samples, and who fails where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scalewise.coco_keypoints import ABSENT, Results, Truth
from scalewise.data.store import Store
from scalewise.evaluation.keypoint_comparison import Kinds
from scalewise.evaluation.keypoint_distances import Distances
from scalewise.records import Ints
from scalewise.report import drawing, style
from scalewise.report.keypoint_panels import in_colour, skeleton, strays

SAMPLES = 8
FAILURES = 4  # images of each kind
CAPTION_HEIGHT, LABEL_WIDTH = 0.3, 1.5  # inches
HOW_TO_READ = (
    "Green: the truth. Red, thin: the prediction. Orange: from a keypoint farther off than "
    "{far:.0%} of the reference to where it belongs. Number: the farthest"
)


@dataclass(frozen=True)
class Model:
    """One model's predictions.

    Attributes:
        name: what it is called.
        results: its predictions.
        found: their distances.
        taken: [T], the prediction that answers each figure, -1 for none.
    """

    name: str
    results: Results
    found: Distances
    taken: Ints


def spread(models: Sequence[Model], most: int = SAMPLES) -> list[int]:
    """Images from the easiest to the hardest, evenly spaced in that order.

    The first and the last of them, and those between, by the models' mean distance in shares of
    the reference; images where nothing counts are left out.
    """
    relative = np.stack([model.found.relative for model in models])
    totals, counts = np.zeros(models[0].found.images), np.zeros(models[0].found.images)
    np.add.at(totals, models[0].found.image, np.nansum(relative, axis=(0, 2)))
    np.add.at(counts, models[0].found.image, (~np.isnan(relative)).sum(axis=(0, 2)))
    images = np.flatnonzero(counts > 0)
    ranked = images[np.argsort(totals[images] / counts[images], kind="stable")]
    places = np.linspace(0, len(ranked) - 1, min(most, len(ranked)))
    return ranked[np.round(places).astype(int)].tolist()


@style.drawn
def samples(store: Store, truth: Truth, models: Sequence[Model], far: float) -> Figure:
    """The same images for every model, from the easiest to the hardest; a row a model.

    Args:
        store: the images; only those shown are read.
        truth: the figures.
        models: at least one.
        far: from here on a keypoint is far off, in shares of the reference.
    """
    images = spread(models)
    scene = _Scene.of(store, truth, images, far)
    figure, grid = _sheet(len(models), SAMPLES, scene.aspect)
    for row, model in zip(grid, models, strict=True):
        _label(row[0], model.name, "")
        for axes, image in zip(row[1:], images, strict=False):
            scene.draw(axes, model, image)
    style.headline(
        figure,
        f"{len(images)} of {models[0].found.images:,} images, from the easiest to the hardest in "
        "even steps",
        HOW_TO_READ.format(far=far),
    )
    return figure


@style.drawn
def failures(
    store: Store, truth: Truth, pair: tuple[Model, Model], kinds: Kinds, far: float
) -> Figure:
    """The three kinds of failure of two models: a row a kind, each image with both side by side.

    Args:
        store: the images; only those shown are read.
        truth: the figures.
        pair: the two models.
        kinds: the images of each kind, clearest first; a kind without images says so.
        far: from here on a keypoint is wrong, in shares of the reference.
    """
    one, other = (style.plain(style.shorten(model.name, 14)) for model in pair)
    rows = {
        f"{one} right,\n{other} wrong": kinds.first,
        f"{other} right,\n{one} wrong": kinds.second,
        "both wrong": kinds.neither,
    }
    chosen = {name: images[:FAILURES].tolist() for name, images in rows.items()}
    scene = _Scene.of(store, truth, [*chain(*chosen.values())], far)
    figure, grid = _sheet(len(rows), 2 * FAILURES, scene.aspect)
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        _label(line[0], name, f"n = {len(images):,}\nimages")
        for n, image in enumerate(chosen[name]):
            for axes, model in zip(line[1 + 2 * n : 3 + 2 * n], pair, strict=True):
                scene.draw(axes, model, image, named=True)
        if not len(images):
            style.note(line[1], "none")
    number = sum(map(len, (kinds.first, kinds.second, kinds.neither, kinds.both)))
    style.headline(
        figure,
        f"Who fails where (n = {number:,} images; both are right on {len(kinds.both):,})",
        HOW_TO_READ.format(far=far),
    )
    return figure


@dataclass(frozen=True)
class _Scene:
    """All that the cells share."""

    truth: Truth
    pixels: Mapping[int, np.ndarray]
    far: float

    @classmethod
    def of(cls, store: Store, truth: Truth, images: Sequence[int], far: float) -> "_Scene":
        names = [truth.file_names[n] for n in images]
        return cls(truth, dict(zip(images, store.many(names), strict=True)), far)

    @property
    def aspect(self) -> float:
        """Height by width of the middlemost image; 1 without any."""
        shapes = [image.shape for image in self.pixels.values()] or [(1, 1)]
        return float(np.median([shape[0] / shape[1] for shape in shapes]))

    def draw(self, axes: Axes, model: Model, image: int, named: bool = False) -> None:
        """One image with its figures and what a model says of them."""
        drawing.image(axes, in_colour(self.pixels[image]), aspect=self.aspect)
        axes.set_autoscale_on(False)
        height, width = self.pixels[image].shape[:2]
        axes.add_patch(Rectangle((0, 0), width, height, fill=False, ec=style.GRID, lw=1))
        for t in np.flatnonzero(self.truth.image == image):
            self._figure(axes, model, int(t))
        name = f"{style.plain(style.shorten(model.name, 10))}: " if named else "worst "
        axes.set_title(name + self._worst(model, image), fontsize=8, fontweight="normal", pad=2)

    def _worst(self, model: Model, image: int) -> str:
        """The farthest keypoint of an image, in words."""
        relative = model.found.relative[self.truth.image == image]
        worst = np.max(relative, initial=0, where=~np.isnan(relative))
        return f"{worst:.0%}" if np.isfinite(worst) else "no answer"

    def _figure(self, axes: Axes, model: Model, t: int) -> None:
        truth, pairs = self.truth, self.truth.skeleton
        labelled = truth.visibility[t] != ABSENT
        skeleton(axes, truth.keypoints[t], labelled, pairs, is_truth=True)
        if model.taken[t] >= 0:
            found = model.results.keypoints[model.taken[t]]
            skeleton(axes, found, labelled, pairs, is_truth=False)
            strays(axes, found, truth.keypoints[t], model.found.relative[t] > self.far)


def _sheet(rows: int, columns: int, aspect: float) -> tuple[Figure, np.ndarray]:
    """Axes [rows, 1 + columns]: a column of labels, then cells; all without frames."""
    side = (style.WIDTH - LABEL_WIDTH) / columns
    height = style.HEADLINE_HEIGHT + rows * (side * aspect + CAPTION_HEIGHT)
    figure = style.figure(height)
    grid = figure.subplots(
        rows, 1 + columns, squeeze=False, width_ratios=[LABEL_WIDTH, *[side] * columns]
    )
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, grid


def _label(axes: Axes, name: str, detail: str) -> None:
    told = axes.annotate(detail, (0, 0.95), (0, -34), va="top", fontsize=8.5, color=style.MUTED,
                         textcoords="offset points")  # fmt: skip
    for text in (axes.text(0, 0.95, name, va="top", fontsize=9.5, fontweight="bold"), told):
        text.set_in_layout(False)  # it may reach beyond its cell, where nothing is
