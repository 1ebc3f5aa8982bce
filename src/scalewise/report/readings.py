"""The numbers in plain words: what is wrong at which scale."""

from collections.abc import Mapping

from scalewise.report.dossier import Detector, Metrics
from scalewise.report.inputs import MAIN_ERRORS
from scalewise.report.tables import level_name, level_shares, points
from scalewise.scales import Scales

IN_WORDS = {
    "Cls": "boxes that are right but carry the wrong class",
    "Loc": "boxes of the right class that lie badly",
    "Both": "boxes that lie badly and carry the wrong class",
    "Dupe": "second boxes on objects already found",
    "Bkg": "boxes where there is nothing",
    "Miss": "objects that are not found at all",
}
SMALL_GAP = 0.02  # scores this near to precision are called right
CLOSE_COSTS = 0.8  # a second error of at least this share of the largest is named too


def summary(detector: Detector, scales: Scales) -> list[str]:
    """A sentence on the whole, then one for each scale that has objects."""
    sentences = [_overall(detector, scales)]
    for scale in scales.names:
        costs = detector.tide.get(scale)
        if costs:
            gap = detector.calibration.get("gap", {}).get(scale)
            sentences.append(_of_scale(scale, costs, gap))
    return [sentence for sentence in sentences if sentence]


def of_levels(detector: Detector, scales: Scales) -> str:
    """Which level does most of the work for each scale; empty without levels."""
    parts = []
    for scale, shares in level_shares(detector.levels, scales).items():
        level = max(shares, key=lambda name: shares[name])
        parts.append(f"{scale} objects by {level_name(level)} ({shares[level]:.0%})")
    return f"Found mostly: {', '.join(parts)}." if parts else ""


def of_ceiling(metrics: Metrics) -> str:
    """How near AP50 is to what perfect boxes reach; empty where that is not known."""
    ceiling = metrics.get("ceiling", {}).get("AP50")
    if not ceiling or "AP50" not in metrics:
        return ""
    return (
        f"Perfect boxes would reach an AP50 of {points(ceiling)} here; "
        f"the detector reaches {points(metrics['AP50'])}."
    )


def worst_errors(costs: Mapping[str, float]) -> list[str]:
    """The main error that costs most, and any that cost nearly as much; none if all cost 0."""
    known = {kind: costs[kind] for kind in MAIN_ERRORS if costs.get(kind, 0) > 0}
    most = max(known.values(), default=0)
    near = [kind for kind, cost in known.items() if cost >= CLOSE_COSTS * most]
    return sorted(near, key=lambda kind: -known[kind])


def _overall(detector: Detector, scales: Scales) -> str:
    metrics = detector.average_precision
    if "AP" not in metrics:
        return "There was nothing to find."
    known = {s: metrics[f"AP_{s}"] for s in scales.names if f"AP_{s}" in metrics}
    start = f"AP is {points(metrics['AP'])}"
    if len(known) < 2:
        return f"{start}."
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    ends = f"weakest on {low} objects ({points(known[low])}), best on {high}"
    return f"{start}: {ends} ({points(known[high])})."


def _of_scale(scale: str, costs: Mapping[str, float], gap: float | None) -> str:
    named = [f"{IN_WORDS[kind]} ({costs[kind]:.1f} points of AP50)" for kind in worst_errors(costs)]
    lost = f"most is lost to {' and '.join(named)}" if named else "no error costs anything"
    return f"{scale.capitalize()}: {lost}{_of_gap(gap)}."


def _of_gap(gap: float | None) -> str:
    if gap is None:
        return ""
    if abs(gap) < SMALL_GAP:
        return "; their scores are about right"
    return f"; their scores are {abs(gap):.2f} too {'high' if gap > 0 else 'low'} on average"
