"""Curves: losses through the epochs, precision against recall."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalewise.report import style

HISTORY_COLUMNS = ("epoch", "train_total", "val_total")
PRECISION_RECALL_COLUMNS = ("group", "iou", "recall", "precision")
TRAIN, VAL = style.LEVEL_COLOURS[0], style.PREDICTION
ROOM_ABOVE = 1.06  # of the highest loss
LOG_SPAN = 20  # losses that fall by more than this are drawn on a log axis
MAIN_IOU = 0.5
NAMED_CLASSES = 7  # more classes than this are drawn alike, and only the extremes are named


@style.drawn
def loss_curves(history: pd.DataFrame) -> Figure:
    """Training and validation loss: the total and each of its terms.

    Args:
        history: one row an epoch: `epoch`, `train_total`, `val_total`, and `train_<term>`,
            `val_<term>` for any terms. No rows give a picture that says so.
    """
    terms = ["total", *loss_terms(history.columns)]
    figure = style.figure(4.2)
    ratios = [2.2] + [1.0] * (len(terms) - 1)
    panels = figure.subplots(1, len(terms), squeeze=False, width_ratios=ratios)[0]
    best = best_epoch(history)
    for axes, term in zip(panels, terms, strict=True):
        _loss_panel(axes, history, term, best)
    panels[0].set_ylabel("loss")
    detail = "Dashed: the epoch kept, lowest total on val"
    style.headline(figure, _loss_title(history, best), detail)
    return figure


def loss_terms(columns: Iterable[str]) -> list[str]:
    """The terms beside `total` that a history has for training."""
    terms = [name.removeprefix("train_") for name in columns if name.startswith("train_")]
    return [term for term in terms if term != "total"]


def best_epoch(history: pd.DataFrame) -> int | None:
    """The epoch of the lowest `val_total`, the first of equals; None without a finite one."""
    totals = history["val_total"].replace([np.inf, -np.inf], np.nan).dropna()
    return int(history.loc[totals.idxmin(), "epoch"]) if len(totals) else None


def _loss_title(history: pd.DataFrame, best: int | None) -> str:
    if best is None:
        return "Loss: no finished epoch"
    loss = history.loc[history["epoch"] == best, "val_total"].iloc[0]
    return f"Loss through n = {len(history)} epochs: best on val at epoch {best} ({loss:.3f})"


def _loss_panel(axes: Axes, history: pd.DataFrame, term: str, best: int | None) -> None:
    axes.set_title(term)
    if best is None:
        return style.note(axes, "nothing yet")
    marker = "o" if len(history) < 3 else ""
    for split, colour in (("train", TRAIN), ("val", VAL)):
        column = f"{split}_{term}"
        if column in history:
            axes.plot(history["epoch"], history[column], marker=marker, color=colour, label=split)
    axes.axvline(best, color=style.MUTED, ls="--", lw=1)
    axes.set_xlim(history["epoch"].min() - 0.5, history["epoch"].max() + 0.5)
    _loss_axis(axes, history.filter(regex=f"^(train|val)_{term}$").to_numpy())
    axes.set_xlabel("epoch")
    if term == "total":
        axes.legend()
    return None


def _loss_axis(axes: Axes, losses: np.ndarray) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    finite = losses[np.isfinite(losses)]
    if finite.min() > 0 and finite.max() > LOG_SPAN * finite.min():
        axes.set_yscale("log")
    elif finite.max() > 0:
        axes.set_ylim(min(finite.min(), 0), ROOM_ABOVE * finite.max())


@style.drawn
def precision_recall(
    table: pd.DataFrame, groups: Sequence[str], counts: Mapping[str, int] | None = None
) -> Figure:
    """Precision against recall: by scale at IoU .5, for all by IoU, and by class at IoU .5.

    Args:
        table: `group` (`all`, a scale or a class), `iou`, `recall`, `precision`, all in [0, 1];
            recall evenly spaced, so that a curve's mean precision is its AP. A panel without
            rows is left out; no rows at all give a picture that says so.
        groups: `all` and the scales; any other group is a class.
        counts: objects of each group, for the legend.
    """
    table = table.dropna(subset=["recall", "precision"])
    main = table[np.isclose(table["iou"], MAIN_IOU)]
    classes = main[~main["group"].isin(list(groups))]
    panels = [
        (_by_scale, main[main["group"].isin(list(groups))], f"by scale, IoU {MAIN_IOU:.2f}"),
        (_by_iou, table[table["group"] == "all"], "all objects, by IoU"),
        (_by_class, classes, f"by class, IoU {MAIN_IOU:.2f}"),
    ]
    panels = [panel for panel in panels if len(panel[1])]
    figure = style.figure(6.2)
    if not panels:
        style.note(figure.subplots(), "no objects to find")
    for axes, (draw, rows, title) in zip(
        np.ravel(figure.subplots(1, len(panels))) if panels else [], panels, strict=True
    ):
        draw(axes, rows, groups, counts or {})
        _unit_axes(axes, title)
    objects = f" (n = {counts['all']:,} objects)" if counts and "all" in counts else ""
    style.headline(
        figure,
        f"Precision against recall{objects}",
        "Up and right is better; where a curve falls to 0, the remaining objects were never found",
    )
    return figure


def _by_scale(
    axes: Axes, rows: pd.DataFrame, groups: Sequence[str], counts: Mapping[str, int]
) -> None:
    colours = style.group_colours(groups)
    for group in groups:
        curve = rows[rows["group"] == group]
        if len(curve):
            n = f", n = {counts[group]:,}" if group in counts else ""
            label = f"{group}  AP50 {_points(curve)}{n}"
            _curve(axes, curve, label, colours[group], 3 if group == "all" else 2)
    _legend(axes)


def _by_iou(
    axes: Axes, rows: pd.DataFrame, groups: Sequence[str], counts: Mapping[str, int]
) -> None:
    del groups, counts
    ious = sorted(rows["iou"].unique())
    for n, iou in enumerate(ious):
        curve = rows[rows["iou"] == iou]
        shade = str(0.2 + 0.6 * n / len(ious))  # the stricter, the paler
        _curve(axes, curve, f"IoU {iou:.2f}  AP {_points(curve)}", shade, 2)
    _legend(axes, columns=1 + (len(ious) > NAMED_CLASSES))


def _by_class(
    axes: Axes, rows: pd.DataFrame, groups: Sequence[str], counts: Mapping[str, int]
) -> None:
    del groups, counts
    names = list(dict.fromkeys(rows["group"]))
    average = {name: rows.loc[rows["group"] == name, "precision"].mean() for name in names}
    ranked = sorted(names, key=average.__getitem__, reverse=True)
    named = names if len(names) <= NAMED_CLASSES else ranked[:2] + ranked[-3:]
    colours = style.class_colours(named)
    for name in ranked:
        curve = rows[rows["group"] == name]
        if name in colours:
            label = f"{style.plain(style.shorten(name, 16))}  AP50 {_points(curve)}"
            _curve(axes, curve, label, colours[name], 2)
        else:
            _curve(axes, curve, None, style.GRID, 1)
    best = "" if len(named) == len(names) else f"the best and worst of {len(names)} classes"
    _legend(axes, best)


def _legend(axes: Axes, title: str = "", columns: int = 1) -> None:
    """Below the axes, where it hides no curve."""
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=columns, title=title,
                title_fontsize=9, alignment="left", columnspacing=1, borderpad=0)  # fmt: skip


def _curve(axes: Axes, rows: pd.DataFrame, label: str | None, colour: str, width: float) -> None:
    order = 2 if label else 1
    axes.plot(rows["recall"], rows["precision"], color=colour, lw=width, label=label, zorder=order)


def _points(curve: pd.DataFrame) -> str:
    return f"{100 * curve['precision'].mean():.1f}"


def _unit_axes(axes: Axes, title: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.set_title(title)
