"""Keypoints on the page: PCK and pixels, what the data allow, the weakest keypoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalewise.report.dossier import Metrics, Section
from scalewise.report.tables import ABSENT, Cell, Table
from scalewise.report.task import Task, at, galleries, read
from scalewise.report.task_readings import lead, spanned, weakest
from scalewise.report.task_tables import Line, differences, side_by_side

NAME = "keypoints"
AGAINST = " against "
LIKE = 0.01  # of PCK; less than that is not worth a sentence


def section(root: Path) -> Section | None:
    """Everything of the keypoint models under `root`; None without metrics."""
    models, compared, logs = read(root, NAME)
    if not models:
        return None
    task = Task(models, _pairs(compared), logs, compared.get("level"))
    tables = (_side_by_side(task), _differences(task, compared), by_keypoint(task))
    return Section(
        "Keypoints",
        sentences(task, compared),
        tables=[table for table in tables if table],
        parts=galleries(root, NAME, list(models)),
    )


def sentences(task: Task, compared: Metrics) -> list[str]:
    """Which model is best at the smallest threshold, against the ceiling, and where it is weak."""
    measures = thresholds(task)
    best = task.best(measures[0]) if measures else None
    if best is None:
        return ["There was nothing to measure."]
    told = (
        lead(task, measures[0], measures[0]),
        _of_ceiling(task, best, measures[0]),
        _of_keypoints(task, best, measures[0]),
        _of_swaps(task, best, measures[0]),
        *_of_failures(compared, best),
    )
    return [sentence for sentence in told if sentence]


def thresholds(task: Task) -> list[str]:
    """The names of the PCKs, the smallest threshold first."""
    names = {name for model in task.models.values() for name in model if name.startswith("PCK_")}
    return sorted(names, key=lambda name: float(name.removeprefix("PCK_")))


def _of_ceiling(task: Task, best: str, measure: str) -> str:
    """How far the best model is from what the truth allows; empty where that is everything."""
    ceiling = task.value(best, "ceiling", "optimal", measure)
    if ceiling is None:
        return ""
    value, ends = task.value(best, measure), task.span(best, measure)
    told = (
        f"Two keypoints look alike here, so that no model can expect a {measure} above "
        f"{ceiling:.3f}{_of_kinds(task, best, measure)}"
    )
    if ends and ends[0] > ceiling:
        return f"{told}. {best} is above it by more than chance: look for a leak."
    return (
        f"{told}; {best} is {abs(ceiling - value):.3f} {'below' if value < ceiling else 'above'}."
    )


def _of_kinds(task: Task, best: str, measure: str) -> str:
    guess, mean = (task.value(best, "ceiling", kind, measure) for kind in ("guess", "mean"))
    if guess is None or mean is None:
        return ""
    return f" (one that guesses which is which {guess:.3f}, one that says the middle {mean:.3f})"


def _of_keypoints(task: Task, best: str, measure: str) -> str:
    found = task.value(best, "keypoint") or {}
    numbers = {name: one[measure] for name, one in found.items() if measure in one}
    counts = {name: one["n"] for name, one in found.items() if "n" in one}
    told = weakest(numbers, counts, "figure", most=2)
    return f"The weakest keypoints of {best}: {told}." if told else ""


def _of_swaps(task: Task, best: str, measure: str) -> str:
    value, tolerant = task.value(best, measure), task.value(best, "swap_tolerant", measure)
    if tolerant is None or tolerant - value < LIKE:
        return ""
    return f"Left taken for right costs it {tolerant - value:.3f} of {measure}."


def _of_failures(compared: Metrics, best: str) -> list[str]:
    """For each pair with the best model, on how many images which of the two fails."""
    failures = compared.get("failures", {})
    named = {(before, after): counts for (before, after), counts in _by_pair(failures).items()}
    return [
        f"An image fails when a keypoint is farther off than {failures['threshold']:.0%} of the "
        f"reference: {counts['second']:,} fail for {before} alone, {counts['first']:,} for {after} "
        f"alone, {counts['neither']:,} for both, of {_images(counts):,}."
        for (before, after), counts in named.items()
        if best in (before, after) and "threshold" in failures
    ][:1]


def _images(counts: Mapping[str, int]) -> int:
    return sum(counts[kind] for kind in ("first", "second", "neither", "both"))


def _side_by_side(task: Task) -> Table:
    measures = thresholds(task)
    lines = [Line(name, (name,), best="high") for name in measures]
    lines += [
        Line(f"{name}, left for right forgiven", ("swap_tolerant", name), best="high")
        for name in measures[:1]
    ]
    lines += [
        Line("error, median, pixels", ("error_px_median",), ".2f", "low"),
        Line("error, mean, pixels", ("error_px_mean",), ".2f", "low"),
        Line("n, keypoints", ("n",), ",d"),
        Line("images", ("images",), ",d"),
        Line("unanswered figures", ("unanswered",), ",d"),
    ]
    ceilings = [
        found for model in task.models if (found := task.value(model, "ceiling", "optimal"))
    ]
    return side_by_side(task, lines, _caption(task), ceilings[0] if ceilings else None)


def _caption(task: Task) -> str:
    references = {model.get("reference", "box") for model in task.models.values()}
    return (
        "PCK_05: share of the seen keypoints that lie within 5% of the reference "
        f"({', '.join(sorted(references))}) of the truth, over all images."
    )


def _differences(task: Task, compared: Metrics) -> Table | None:
    lines = [Line(name, (name,)) for name in thresholds(task)]
    lines += [Line("error, median, pixels", ("error_px_median",), ".2f")]
    lines += [Line("error, mean, pixels", ("error_px_mean",), ".2f")]
    alone = {
        pair: f"{counts['second']:,} against {counts['first']:,}"
        for pair, counts in _by_pair(compared.get("failures", {})).items()
    }
    return differences(task, lines, {"images right alone": alone})


def by_keypoint(task: Task) -> Table | None:
    """PCK at the smallest threshold and the median error of each keypoint by each model."""
    measures = thresholds(task)
    found = {model: one["keypoint"] for model, one in task.models.items() if "keypoint" in one}
    if not found or not measures:
        return None
    names = list(dict.fromkeys(name for one in found.values() for name in one))
    rows = []
    for name in names:
        n = next((at(one, name, "n") for one in found.values()), None)
        cells = [
            Cell(spanned(at(one, name, measure), None, form) or ABSENT)
            for measure, form in ((measures[0], ".3f"), ("error_px_median", ".2f"))
            for one in found.values()
        ]
        rows.append((Cell(name), Cell(ABSENT if n is None else f"{n:,}"), *cells))
    return Table(
        f"{measures[0]}, and the median distance in pixels; n: how often the keypoint is seen.",
        ("keypoint", "n", *found, *found),
        tuple(rows),
        (("", 2), (measures[0], len(found)), ("median error, pixels", len(found))),
        title="Each keypoint",
    )


def _pairs(compared: Metrics) -> dict[tuple[str, str], Metrics]:
    return _by_pair(compared.get("compared", {}))


def _by_pair(entries: Metrics) -> dict[tuple[str, str], Any]:
    """Entries `<after> against <before>` by (before, after); others are left out."""
    named = {tuple(name.split(AGAINST)[::-1]): value for name, value in entries.items()}
    return {pair: value for pair, value in named.items() if len(pair) == 2}
