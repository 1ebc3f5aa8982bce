"""What one classifier gets wrong: confusion matrices, and the mistakes it is surest of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from scalewise.class_labels import Scores
from scalewise.data.store import Pixels, Store
from scalewise.evaluation.classification import judged
from scalewise.records import Floats, Ints
from scalewise.report import drawing, style

MISTAKES = 3  # of each class
DARK = 0.55  # cells above this share of the darkest are dark enough for white numbers
MOST_NUMBERS = 20  # classes up to which the cells hold their numbers
NAME_LENGTH = 16
LABEL_WIDTH, CAPTION_HEIGHT, GAP = 1.15, 0.42, 0.15  # inches
ONE_BLOCK = 5  # classes up to which the mistakes stand in one block, not in two


@style.drawn
def confusion(counts: Ints, names: Sequence[str], title: str = "") -> Figure:
    """Two confusion matrices side by side: images, and shares of each true class.

    Args:
        counts: [C, C], images by true class (rows) and prediction (columns).
        names: C class names.
        title: whose.
    """
    total = int(counts.sum())
    side = min(max(0.42 * len(names), 2.4), 5.3)
    figure = style.figure(style.HEADLINE_HEIGHT + side + 1.8)
    named = f"{style.plain(title)}: " if title else ""
    right = f", accuracy {np.trace(counts) / total:.3f}" if total else ""
    style.headline(
        figure,
        f"{named}what is taken for what (n = {total:,} images{right})",
        "Rows: the truth. Columns: the prediction. What is off the diagonal is wrong. "
        "Shares are of the true class: their diagonal is the recall",
    )
    if not len(names):
        style.note(figure.subplots(), "no classes")
        return figure
    with np.errstate(invalid="ignore"):
        share = counts / counts.sum(axis=1, keepdims=True)
    left, right_axes = figure.subplots(1, 2)
    _matrix(left, counts / max(counts.max(), 1), [f"{n:,}" if n else "" for n in counts.flat])
    _matrix(right_axes, share, [_percent(value) for value in share.flat])
    left.set_title("images")
    left.set_ylabel("truth (images)")
    right_axes.set_title("share of the true class, %")
    of_class = counts.sum(axis=1)
    short = [style.plain(style.shorten(name, NAME_LENGTH)) for name in names]
    _name(left, short, [f"{name} ({n:,})" for name, n in zip(short, of_class, strict=True)])
    _name(right_axes, short, short)
    return figure


def _percent(share: float) -> str:
    if np.isnan(share):
        return "-"
    return f"{100 * share:.0f}" if share >= 0.005 else ""


def _matrix(axes: Axes, shade: Floats, texts: Sequence[str]) -> None:
    axes.imshow(np.nan_to_num(shade), cmap="Blues", vmin=0, vmax=1)
    if len(shade) <= MOST_NUMBERS:
        size = 9 if len(shade) <= 12 else 6
        for (row, column), text in zip(np.ndindex(shade.shape), texts, strict=True):
            colour = "white" if shade[row, column] > DARK else style.INK
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _name(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    size = 9 if len(columns) <= MOST_NUMBERS else 6
    axes.set_xticks(
        range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor",
        color=style.INK, fontsize=size,
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), rows, color=style.INK, fontsize=size)
    axes.set_xlabel("prediction")


def surest_mistakes(
    scores: Scores, frames: Sequence[str] = (), most: int = MISTAKES
) -> pd.DataFrame:
    """The misclassified images of each class whose prediction has the highest score.

    Args:
        scores: N images.
        frames: N, the frame of each, empty where unknown. Crops of one frame look alike: a second
            one is taken only when no other frame has a mistake left.
        most: how many of each class.

    Returns:
        `image` (position), `truth` and `prediction` (positions of classes), `score` of the
        prediction, `own` of the true class; by class, surest first, equals by file name.
    """
    found = judged(scores)
    table = pd.DataFrame(
        {
            "image": np.arange(len(found.label)),
            "truth": found.label,
            "prediction": found.prediction,
            "score": found.confidence,
            "own": scores.scores[np.arange(len(found.label)), found.label],
            "name": list(scores.file_names),
            "frame": [frame or n for n, frame in enumerate(frames or [""] * len(found.label))],
        }
    )[~found.hit]
    order, rising = ["truth", "score", "name"], [True, False, True]
    ranked = table.sort_values(order, ascending=rising)
    again = ranked.groupby(["truth", "frame"]).cumcount()
    kept = ranked.assign(again=again).sort_values(["truth", "again"], kind="stable")
    chosen = kept.groupby("truth", sort=False).head(most).sort_values(order, ascending=rising)
    return chosen[["image", "truth", "prediction", "score", "own"]]


@style.drawn
def mistakes(
    store: Store,
    scores: Scores,
    frames: Sequence[str] = (),
    title: str = "",
    most: int = MISTAKES,
) -> Figure:
    """A row a class: the images of it that the model is surest to be something else.

    Args:
        store: the images; only those shown are read.
        scores: N images.
        frames: N, the frame of each, as `surest_mistakes` takes them.
        title: whose.
        most: how many of each class; where there are fewer, a note says so.
    """
    chosen = surest_mistakes(scores, frames, most)
    images = chosen["image"].tolist()
    pixels = dict(zip(images, store.many(scores.file_names[n] for n in images), strict=True))
    names = scores.category_names
    figure, cells = _sheet(len(names), most)
    wrong = int((~judged(scores).hit).sum())
    style.headline(
        figure,
        f"{f'{style.plain(title)}: ' if title else ''}the mistakes it is surest of "
        f"({wrong:,} of n = {len(scores.label):,} images are wrong)",
        "A row a class. Above each image: the prediction and its score, then the score of the "
        "true class",
    )
    of_class = np.bincount(scores.label, minlength=len(names))
    wrong_of_class = np.bincount(scores.label[~judged(scores).hit], minlength=len(names))
    for place, (label, *axes) in enumerate(cells):
        _row_label(label, names[place], wrong_of_class[place], of_class[place])
        rows = chosen[chosen["truth"] == place]
        _row(axes, [(pixels[row.image], _caption(row, names)) for row in rows.itertuples()])
    return figure


def _sheet(classes: int, most: int) -> tuple[Figure, list[list[Axes]]]:
    """The axes of each class: its label, then `most` images; two blocks where there are many."""
    blocks = 1 if classes <= ONE_BLOCK else 2
    lines = max(-(-classes // blocks), 1)
    width = style.WIDTH if blocks == 2 else 8.0
    side = min((width / blocks - LABEL_WIDTH - GAP) / most, 2.2)
    figure = style.figure(style.HEADLINE_HEIGHT + lines * (side + CAPTION_HEIGHT), width=width)
    ratios = [LABEL_WIDTH, *[side] * most, GAP] * blocks
    grid = GridSpec(lines, len(ratios) - 1, figure, width_ratios=ratios[:-1])
    return figure, [
        [
            figure.add_subplot(grid[place % lines, place // lines * (2 + most) + column])
            for column in range(1 + most)
        ]
        for place in range(classes)
    ]


def _row_label(axes: Axes, name: str, wrong: int, number: int) -> None:
    axes.set_axis_off()
    texts = [
        axes.text(0, 0.98, style.plain(style.shorten(name, NAME_LENGTH)), va="top",
                  fontweight="bold", fontsize=9.5),
        axes.text(0, 0.82, f"{wrong:,} of {number:,}\nwrong", va="top", fontsize=8.5,
                  color=style.MUTED),
    ]  # fmt: skip
    for text in texts:
        text.set_in_layout(False)


def _caption(row: object, names: Sequence[str]) -> str:
    said = style.plain(style.shorten(names[row.prediction], NAME_LENGTH))
    return f"{said} {row.score:.2f}\nown class {row.own:.2f}"


def _row(cells: Sequence[Axes], shown: Sequence[tuple[Pixels, str]]) -> None:
    for place, axes in enumerate(cells):
        if place < len(shown):
            pixels, text = shown[place]
            drawing.image(axes, pixels)
            axes.set_title(text, fontsize=8, fontweight="normal", pad=3)
        else:
            style.note(axes, "no mistakes" if not shown and place == 0 else "")
            if shown and place == len(shown):
                style.note(axes, "no further")
