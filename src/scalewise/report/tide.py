"""TIDE bars: what each kind of error costs, scale by scale."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise.report import style
from scalewise.report.inputs import MAIN_ERRORS, SPECIAL_ERRORS, ends

MEANING = {
    "Cls": "right place, wrong class",
    "Loc": "right class, box off",
    "Both": "wrong class, box off",
    "Dupe": "found twice",
    "Bkg": "nothing there",
    "Miss": "not found",
    "FP": "all false positives",
    "FN": "all false negatives",
}
ROOM_FOR_NUMBERS = 1.25


@style.drawn
def bars(
    tide: Mapping[str, Mapping[str, float]],
    counts: Mapping[str, int] | None = None,
    intervals: Mapping[str, Any] | None = None,
) -> Figure:
    """Points of AP50 that mending each error alone would win, one panel a group.

    Args:
        tide: for each group the dAP in points of AP50 (0 to 100) by error type; `AP50` itself
            is shown in the panel's title; types may be absent. Empty: a picture that says so.
        counts: objects of each group.
        intervals: `low` and `high` in points below `tide`, group and type, drawn as whiskers.
    """
    figure = style.figure(4.9)
    style.headline(
        figure,
        f"What each error costs, by object scale{_number(counts)}",
        "Points of AP50 won if that error alone were mended (TIDE); bars do not add up. "
        f"Bold: the largest{'. Line: its interval' if intervals else ''}",
    )
    if not tide:
        style.note(figure.subplots(), "no objects to find")
        return figure
    panels = figure.subplots(1, len(tide), sharex=True, sharey=True, squeeze=False)[0]
    types = (*MAIN_ERRORS, *SPECIAL_ERRORS)
    for axes, (group, costs) in zip(panels, tide.items(), strict=True):
        spans = _spans(group, types, intervals or {})
        _panel(axes, {kind: costs.get(kind, np.nan) for kind in types}, largest(costs), spans)
        axes.set_title(_title(group, costs, counts or {}))
    _labels(panels[0], types)
    highest = [high for group in tide for _, high in _spans(group, types, intervals or {}).values()]
    highest += [cost for costs in tide.values() for cost in _costs(costs)]
    widest = max(highest, default=0)
    panels[0].set_xlim(0, max(widest * ROOM_FOR_NUMBERS, 1))
    return figure


def largest(costs: Mapping[str, float]) -> str | None:
    """The main error that costs most, the first of equals; None if none costs anything."""
    known = [kind for kind in MAIN_ERRORS if costs.get(kind, 0) > 0]
    return max(known, key=lambda kind: costs[kind], default=None)


def _costs(costs: Mapping[str, float]) -> list[float]:
    return [costs[kind] for kind in (*MAIN_ERRORS, *SPECIAL_ERRORS) if kind in costs]


def _number(counts: Mapping[str, int] | None) -> str:
    return f" (n = {counts['all']:,} objects)" if counts and "all" in counts else ""


def _title(group: str, costs: Mapping[str, float], counts: Mapping[str, int]) -> str:
    ap = f"AP50 {costs['AP50']:.1f}" if "AP50" in costs else "no AP50"
    n = f"\nn = {counts[group]:,}" if group in counts else ""  # its own line: it may be long
    return f"{style.plain(group)}: {ap}{n}"


def _positions() -> list[float]:
    """One row a type, with a gap between the main errors and the two sums."""
    return [*range(len(MAIN_ERRORS)), len(MAIN_ERRORS) + 0.6, len(MAIN_ERRORS) + 1.6]


def _spans(
    group: str, types: tuple[str, ...], intervals: Mapping[str, Any]
) -> dict[str, tuple[float, float]]:
    """Lower and upper end of each type that has an interval."""
    known = {kind: ends(intervals, f"tide.{group}.{kind}") for kind in types}
    return {kind: span for kind, span in known.items() if span}


def _panel(
    axes: Axes,
    costs: Mapping[str, float],
    worst: str | None,
    spans: Mapping[str, tuple[float, float]],
) -> None:
    colours = [style.TIDE_COLOURS[kind] for kind in costs]
    axes.barh(_positions(), np.nan_to_num([*costs.values()]), color=colours, height=0.75)
    for position, (kind, cost) in zip(_positions(), costs.items(), strict=True):
        text, end = ("-", 0) if np.isnan(cost) else (f" {cost:.1f}", cost)
        if kind in spans:
            for colour, width in (("white", 3), (style.INK, 1.2)):  # seen on dark bars too
                axes.plot(spans[kind], [position] * 2, color=colour, lw=width)
            end = max(end, spans[kind][1])
        weight = "bold" if kind == worst else "normal"
        axes.text(end, position, text, va="center", fontsize=9.5, fontweight=weight)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("points of AP50")


def _labels(axes: Axes, types: tuple[str, ...]) -> None:
    axes.set_yticks(_positions(), [f"{kind}  {MEANING[kind]}" for kind in types], color=style.INK)
    axes.invert_yaxis()
