"""What metrics/theory.json says, as tables for the page."""

from collections.abc import Mapping
from typing import Any

from scalewise.report.dossier import Metrics
from scalewise.report.tables import ABSENT, Cell, Table, natural

MILLION = 1e6
LEVEL_COLUMNS = {
    "anchors": ("anchor_smallest", "anchor_largest"),
    "theory": ("theoretical",),
    "measured": ("measured",),
    "95%, untrained": ("effective_untrained",),
    "95%, trained": ("effective_trained",),
    "half, untrained": ("half_untrained",),
    "half, trained": ("half_trained",),
    "off centre, untrained": ("offset_untrained",),
    "off centre, trained": ("offset_trained",),
}


def by_cost(theory: Metrics) -> Table | None:
    """Parameters and multiply-adds of every model, the cheapest first; None without any."""
    costs = theory.get("cost", {})
    if not costs:
        return None
    ranked = sorted(costs, key=lambda name: (costs[name]["multiply_adds"], name))
    return Table(
        "Parameters, and multiply-adds of one image in convolutions and matrix products.",
        ("model", "parameters", "million multiply-adds"),
        tuple(
            (
                Cell(name),
                Cell(f"{costs[name]['parameters']:,}"),
                Cell(f"{costs[name]['multiply_adds'] / MILLION:,.1f}"),
            )
            for name in ranked
        ),
    )


def by_field(theory: Metrics, model: str) -> Table | None:
    """What each level of a model sees, beside its anchors; None where that is not known.

    The largest anchor is strong where the trained level feels less than it.
    """
    levels = theory.get("field", {}).get(model, {})
    if not levels:
        return None
    return Table(
        "Sides in pixels: of the anchors, of the receptive field by theory and by gradient, and of "
        "the squares that hold 95% (or the share set) and half of the gradient; and how far the "
        "gradient's centre lies below the anchors'. Bold: anchors wider than what the level feels.",
        ("level", *LEVEL_COLUMNS),
        tuple(_level(name, levels[name]) for name in sorted(levels, key=natural)),
    )


def sentences(theory: Metrics) -> list[str]:
    """For each model with levels, what they feel against what they are asked to find."""
    return [_of_model(model, levels) for model, levels in sorted(theory.get("field", {}).items())]


def _of_model(model: str, levels: Mapping[str, Mapping[str, float]]) -> str:
    names = sorted(levels, key=natural)

    def listed(key: str) -> str:
        return ", ".join(f"{levels[name][key]:.0f}" for name in names)

    return (
        f"{model}: half of what moves the answers of {', '.join(names).replace('_', ' ')} lies "
        f"within {listed('half_trained')} pixels, nearly all within {listed('effective_trained')}; "
        f"their largest anchors have {listed('anchor_largest')}."
    )


def _level(name: str, numbers: Mapping[str, Any]) -> tuple[Cell, ...]:
    short = numbers.get("effective_trained", 0) < numbers.get("anchor_largest", 0)
    cells = [
        Cell(
            " to ".join(f"{numbers[key]:.0f}" if key in numbers else ABSENT for key in keys),
            strong=short and column == "anchors",
        )
        for column, keys in LEVEL_COLUMNS.items()
    ]
    return (Cell(name.replace("_", " ")), *cells)
