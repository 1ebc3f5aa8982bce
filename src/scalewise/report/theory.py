"""Pictures of the theory: label smoothing, two Gaussians, stacks of dilated convolutions."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from scalewise.report import style

COLOURS = style.LEVEL_COLOURS
SHOWN_LAYERS = 4  # of a stack in the drawing of its connections
TARGET_CLASSES = 10
MILLION = 1e6


def draw(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """Each picture's name and figure, from `scalewise.theory.examples.tables`."""
    smoothed = (tables["smoothed_losses"], tables["optimal_gaps"])
    yield "label_smoothing", label_smoothing(*smoothed)
    yield "gaussian", gaussian(tables["gaussian_costs"])
    yield "dilation", dilation(tables["dilated_stacks"])


@style.drawn
def label_smoothing(losses: pd.DataFrame, gaps: pd.DataFrame, smoothing: float = 0.1) -> Figure:
    """The smoothed target, the loss against the logit gap, and the optimal gap.

    Args:
        losses: `smoothing`, `gap`, `loss`, `optimal`, `least`, of 10 classes; one value of
            `smoothing` a curve, `optimal` empty where there is none.
        gaps: `classes`, `smoothing`, `gap`.
        smoothing: e of the target that is drawn.
    """
    figure = style.figure(4.6)
    target, loss, gap = figure.subplots(1, 3, width_ratios=[1, 1.35, 1.35])
    _target(target, smoothing)
    _losses(loss, losses)
    _gaps(gap, gaps)
    style.headline(
        figure,
        "Label smoothing asks for a finite logit gap: ln((1 - e) K / e + 1)",
        "Without smoothing the loss falls for ever as the true logit grows; with it, further "
        "confidence costs",
    )
    return figure


def _target(axes: Axes, smoothing: float) -> None:
    probabilities = np.full(TARGET_CLASSES, smoothing / TARGET_CLASSES)
    probabilities[0] += 1 - smoothing
    colours = [style.TRUTH] + [style.MUTED] * (TARGET_CLASSES - 1)
    axes.bar(range(1, TARGET_CLASSES + 1), probabilities, color=colours)
    axes.annotate(f"1 - e + e/K = {probabilities[0]:g}", (1.6, probabilities[0]), va="center")
    axes.annotate(f"e/K = {probabilities[1]:g}", (5.5, probabilities[1] + 0.02), ha="center")
    axes.set(title=f"target, K = {TARGET_CLASSES}, e = {smoothing:g}", xlabel="class (1: true)",
             ylabel="probability", ylim=(0, 1.05), xticks=range(1, TARGET_CLASSES + 1))  # fmt: skip


def _losses(axes: Axes, losses: pd.DataFrame) -> None:
    for colour, (smoothing, curve) in zip(COLOURS, losses.groupby("smoothing"), strict=False):
        axes.plot(curve["gap"], curve["loss"], color=colour, lw=2, label=f"e = {smoothing:g}")
        best = curve.iloc[0]
        if not np.isnan(best["optimal"]):
            axes.plot(best["optimal"], best["least"], "o", color=colour, ms=8, mec="white")
    axes.set(title=f"loss, K = {TARGET_CLASSES} (dot: the least)", ylim=(0, None),
             xlabel="true logit above the others", ylabel="nats")  # fmt: skip
    axes.legend()


def _gaps(axes: Axes, gaps: pd.DataFrame) -> None:
    for colour, (classes, curve) in zip(COLOURS, gaps.groupby("classes"), strict=False):
        axes.plot(curve["smoothing"], curve["gap"], color=colour, lw=2, label=f"K = {classes:,}")
    axes.set(title="optimal gap", xlabel="smoothing e", ylabel="true logit above the others",
             xscale="log", ylim=(0, None))  # fmt: skip
    axes.xaxis.set_major_locator(FixedLocator([0.001, 0.01, 0.1, 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.legend()


@style.drawn
def gaussian(costs: pd.DataFrame) -> Figure:
    """Cross-entropy of a Gaussian under another, split into entropy and divergence.

    Args:
        costs: `varied` (mean, deviation), `value`, `cross_entropy`, `entropy`, `divergence`,
            `integrated`, `sampled`, `error`.
    """
    figure = style.figure(4.8)
    panels = figure.subplots(1, 2)
    titles = {
        "mean": "equal deviations: a parabola in the mean of q",
        "deviation": "means 1 apart: the best q is wider than p",
    }
    for axes, (varied, title) in zip(panels, titles.items(), strict=True):
        _split(axes, costs[costs["varied"] == varied])
        axes.set(title=title, xlabel=f"{varied} of q", ylabel="nats")
    panels[1].set_xscale("log")
    panels[1].xaxis.set_major_locator(FixedLocator([0.6, 1, 1.4142, 2, 3, 5]))
    panels[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    panels[1].xaxis.set_minor_formatter(NullFormatter())
    panels[0].legend(loc="upper center")
    style.headline(
        figure,
        "Cross-entropy of p = N(0, 1) under q: entropy of p, and what q's error adds",
        "Closed form, quadrature and Monte Carlo agree; bars: two standard errors of the mean",
    )
    return figure


def _split(axes: Axes, costs: pd.DataFrame) -> None:
    x, total, entropy = costs["value"], costs["cross_entropy"], costs["entropy"]
    axes.fill_between(x, 0, entropy, color=style.GRID, label="entropy of p")
    axes.fill_between(x, entropy, total, color=COLOURS[5], alpha=0.5, label="KL(p || q)")
    axes.plot(x, total, color=style.INK, lw=1.5, label="closed form")
    axes.plot(x, costs["integrated"], "o", mfc="none", color=style.INK, ms=6, label="quadrature")
    axes.errorbar(x, costs["sampled"], 2 * costs["error"], fmt="none", color=style.PREDICTION,
                  lw=1.5, capsize=2.5, label="Monte Carlo")  # fmt: skip
    axes.set_ylim(0, None)


@style.drawn
def dilation(stacks: pd.DataFrame, kernel: int = 3) -> Figure:
    """How a stack of dilated convolutions sees, by formula, by gradient and by the mistake.

    Args:
        stacks: `layers`, `dilation`, `formula`, `measured`, `mistaken` (pixels),
            `multiply_adds` and `by_hand` (of the last layer); one row a stack, 1, 2, ... layers.
        kernel: of every layer.
    """
    figure = style.figure(5.0)
    tree, sizes, costs = figure.subplots(1, 3, width_ratios=[1.7, 1.5, 1])
    _tree(tree, stacks.head(SHOWN_LAYERS), kernel)
    _sizes(sizes, stacks)
    _costs(costs, stacks)
    last = stacks.iloc[-1]
    style.headline(
        figure,
        f"{last['layers']:.0f} layers with dilations up to {last['dilation']:.0f} see "
        f"{last['measured']:.0f} pixels, not {last['mistaken']:,.0f}",
        "Strides multiply from layer to layer, dilations do not: 1 + sum of (K - 1) r for r = 1, "
        "2, 4, ...",
    )
    return figure


def _tree(axes: Axes, stacks: pd.DataFrame, kernel: int) -> None:
    """Which pixels of a row reach one output unit, layer by layer."""
    reached, lines = {0}, []
    dilations = stacks["dilation"].tolist()
    for height, dilation in zip(range(len(dilations), 0, -1), reversed(dilations), strict=True):
        axes.plot(sorted(reached), [height] * len(reached), "o", color=style.MUTED, ms=3.5)
        taps = [dilation * (t - kernel // 2) for t in range(kernel)]
        lines += [[(x, height), (x + tap, height - 1)] for x in reached for tap in taps]
        reached = {x + tap for x in reached for tap in taps}
    axes.add_collection(LineCollection(lines, colors=style.MUTED, linewidths=0.5, alpha=0.6))
    axes.plot(sorted(reached), [0] * len(reached), "s", color=COLOURS[0], ms=4)
    last = stacks.iloc[-1]
    half = last["measured"] / 2
    _bracket(axes, half, -0.45, COLOURS[0], f"measured: {last['measured']:.0f}", "|-|")
    wrong = f"dilations multiplied: {last['mistaken']:,.0f}"
    _bracket(axes, 1.08 * half, -0.85, style.PREDICTION, wrong, "<->")
    names = ["pixels", *(f"layer {n}, r = {r}" for n, r in enumerate(dilations, 1))]
    axes.set_yticks(range(len(names)), names)
    axes.set(title=f"{len(dilations)} layers, K = {kernel}", ylim=(-1.15, len(dilations) + 0.25),
             xlabel="pixels from the unit")  # fmt: skip
    axes.grid(visible=False)


def _bracket(axes: Axes, half: float, height: float, colour: str, text: str, ends: str) -> None:
    arrow = {"arrowstyle": ends, "color": colour, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (-half, height), (half, height), arrowprops=arrow, annotation_clip=False)
    box = {"fc": "white", "ec": "none", "pad": 1.5}
    axes.text(0, height, text, color=colour, ha="center", va="center", fontsize=9, bbox=box)


def _sizes(axes: Axes, stacks: pd.DataFrame) -> None:
    layers = stacks["layers"]
    axes.plot(
        layers, stacks["mistaken"], "x--", color=style.PREDICTION, label="dilations multiplied"
    )
    axes.plot(layers, stacks["formula"], "-", color=style.INK, label="1 + (K - 1) sum r")
    axes.plot(layers, stacks["measured"], "o", color=COLOURS[0], ms=7, label="measured by gradient")
    for name, colour, below in (("mistaken", style.PREDICTION, 8), ("measured", COLOURS[0], -16)):
        _numbers(axes, layers, stacks[name], colour, below)
    axes.set(title="field in pixels", xlabel="layers", yscale="log", xticks=layers)
    axes.margins(0.1, 0.14)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.legend()


def _numbers(axes: Axes, x: Sequence[int], y: Sequence[float], colour: str, shift: float) -> None:
    for place in zip(x, y, strict=True):
        axes.annotate(f"{place[1]:,.0f}", place, (0, shift), textcoords="offset points",
                      ha="center", color=colour, fontsize=9)  # fmt: skip


def _costs(axes: Axes, stacks: pd.DataFrame) -> None:
    places = range(len(stacks))
    axes.bar(places, stacks["multiply_adds"] / MILLION, color=COLOURS[2], label="counted")
    axes.plot(places, stacks["by_hand"] / MILLION, "_--", color=style.INK, ms=16,
              label="H W C_in C_out K²")  # fmt: skip
    axes.set_xticks(places, stacks["dilation"].astype(str))
    axes.set(title="cost of one layer", xlabel="dilation r", ylabel="million multiply-adds")
    axes.set_ylim(0, 1.4 * stacks["by_hand"].max() / MILLION)
    axes.legend(loc="upper center")
