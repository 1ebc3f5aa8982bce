"""Metrics as tables, for the page and for a paper."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalewise.report.dossier import Detector, Metrics
from scalewise.report.inputs import MAIN_ERRORS, SPECIAL_ERRORS, ends, settings
from scalewise.scales import Scales

ABSENT = "-"
HEAT_FULL = 40.0  # points of AP50 that tint a cell fully
CUT_MEASURES = {"AP": ".1f", "Miss": ".1f", "FP": ".1f", "ece": ".3f"}
CUT_NAMES = {"Miss": "cost of Miss", "FP": "cost of FP", "ece": "ECE"}
DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Cell:
    """A text; `strong` in bold; `heat` in [0, 1] tints it."""

    text: str
    strong: bool = False
    heat: float = 0.0


@dataclass(frozen=True)
class Table:
    """A table of R rows and K columns; the first column names the rows.

    Attributes:
        caption: what it shows, with units and n.
        head: K column names.
        rows: R rows of K cells.
        spans: headings over several columns, as (name, number of columns); they add up to K.
        good: whether heat is good rather than bad.
        title: its heading; may be empty.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    spans: tuple[tuple[str, int], ...] = ()
    good: bool = False
    title: str = ""


def by_scale(detector: Detector, scales: Scales) -> Table:
    """AP, the cost of each error and calibration of each group side by side."""
    counted = ("objects",) if detector.objects else ()
    found, errors = (*counted, "AP", "AP50"), (*MAIN_ERRORS, *SPECIAL_ERRORS)
    judged = settings(detector.calibration)
    return Table(
        "AP, AP50 and the cost of each error in points (0 to 100), ECE and gap as shares of 1; "
        f"n detections are judged{f' ({judged})' if judged else ''}. "
        "Bold: the error that costs most.",
        ("scale", *found, *errors, "ECE", "gap", "n"),
        tuple(_scale_row(detector, group, bool(counted)) for group in scales.groups),
        (("", 1), ("found", len(found)), ("cost of each error", len(errors)), ("calibration", 3)),
    )


def _scale_row(detector: Detector, group: str, counted: bool) -> tuple[Cell, ...]:
    costs, calibration = _of(detector.tide, group), detector.calibration
    ap = detector.average_precision.get("AP" if group == "all" else f"AP_{group}")
    return (
        Cell(group),
        *([Cell(_count(detector.objects.get(group)))] if counted else []),
        Cell(points(ap)),
        Cell(_number(costs.get("AP50"), ".1f")),
        *_cost_cells(costs),
        *_calibration_cells(*(_of(calibration, key).get(group) for key in ("ece", "gap", "n"))),
    )


def with_intervals(detector: Detector, scales: Scales) -> Table | None:
    """AP, each cost and calibration with the interval of each; None where none is known.

    AP, AP50, costs, ECE and gap in points (0 to 100): one unit for all, to compare intervals.
    """
    known = detector.intervals
    groups = [
        g for g in scales.groups if any(ends(known, name) for name in statistic_names(g).values())
    ]
    if not groups:
        return None
    rows = [
        (Cell(label), *(Cell(_spanned(detector, label, group)) for group in groups))
        for label in statistic_names("all")
    ]
    return Table(
        "Each number with its interval, in points (ECE and gap too: 100 times the share): where "
        "other images of the same kind would put it.",
        ("", *groups),
        tuple(row for row in rows if any(cell.text != ABSENT for cell in row[1:])),
    )


def statistic_names(group: str) -> dict[str, str]:
    """What a row is called and the statistic's name among the intervals, for one group."""
    whole = {"AP": "AP", "AP50": "AP50", "AP75": "AP75"}
    of_scale = {"AP": f"AP_{group}", "AP50": f"tide.{group}.AP50"}
    return {
        **(whole if group == "all" else of_scale),
        **{kind: f"tide.{group}.{kind}" for kind in (*MAIN_ERRORS, *SPECIAL_ERRORS)},
        "ECE": f"ece.{group}",
        "gap": f"gap.{group}",
    }


def _spanned(detector: Detector, label: str, group: str) -> str:
    name = statistic_names(group).get(label, "")
    value, span = _value(detector, name), ends(detector.intervals, name)
    if value is None or not span:
        return ABSENT
    in_points = name.startswith("tide.")
    middle, low, high = (_point(v, in_points) for v in (value, *span))
    return f"{middle} ({low} to {high})"


def _point(value: float, in_points: bool) -> str:
    return f"{value if in_points else 100 * value:.1f}"


def _value(detector: Detector, name: str) -> float | None:
    """A statistic by the name it has among the intervals."""
    first, *rest = name.split(".", 2)
    if first == "tide":
        return _of(detector.tide, rest[0]).get(rest[1])
    if rest:
        return _of(detector.calibration, first).get(rest[0])
    return detector.average_precision.get(name)


def interval(detector: Detector, name: str) -> str:
    """Where a statistic of AP lies, in points; empty where it is not known."""
    span = ends(detector.intervals, name)
    return " to ".join(map(points, span)) if span else ""


def by_share(detector: Detector, scales: Scales) -> Table | None:
    """What the errors of each scale cost the AP50 of all objects; None where not known."""
    shares = _of(detector.tide, "share")
    known = [scale for scale in scales.names if _of(shares, scale)]
    if not known:
        return None
    return Table(
        "What mending the errors of one scale alone would add to the AP50 of all objects, in "
        "points: a scale with few objects loses little here however badly it does.",
        ("scale", *MAIN_ERRORS, *SPECIAL_ERRORS),
        tuple((Cell(scale), *_cost_cells(_of(shares, scale))) for scale in known),
    )


def comparison(detectors: Sequence[Detector], scales: Scales) -> Table:
    """AP of several detectors; the best of each column in bold."""
    names = ["AP", "AP50", "AP75", *(f"AP_{scale}" for scale in scales.names)]
    best = {
        name: max((d.average_precision[name] for d in detectors if name in d.average_precision),
                  default=None)
        for name in names
    }  # fmt: skip
    rows = []
    for detector in detectors:
        values = [detector.average_precision.get(name) for name in names]
        cells = [
            Cell(points(value), strong=value is not None and value == best[name])
            for name, value in zip(names, values, strict=True)
        ]
        rows.append((Cell(detector.name), *cells))
    return Table("AP in points (0 to 100). Bold: the best.", ("detector", *names), tuple(rows))


def by_class(detector: Detector) -> Table | None:
    """AP and calibration of each class, the worst first; None without classes."""
    classes = _of(detector.average_precision, "class")
    calibration = _of(detector.calibration, "class")
    if not classes:
        return None
    ranked = sorted(classes, key=lambda name: (classes[name].get("AP", 0), name))
    return Table(
        f"{len(classes)} classes, the worst AP first; AP in points (0 to 100), ECE and gap as "
        "shares of 1.",
        ("class", "AP", "AP50", "ECE", "gap", "n"),
        tuple(_class_row(name, classes[name], _of(calibration, name)) for name in ranked),
    )


def _class_row(
    name: str, found: Mapping[str, float], calibration: Mapping[str, float]
) -> tuple[Cell, ...]:
    return (
        Cell(name),
        Cell(points(found.get("AP"))),
        Cell(points(found.get("AP50"))),
        *_calibration_cells(*(calibration.get(key) for key in ("ece", "gap", "n"))),
    )


def _calibration_cells(
    ece: float | None, gap: float | None, n: float | None
) -> tuple[Cell, Cell, Cell]:
    return Cell(_number(ece, ".3f")), Cell(_number(gap, "+.3f")), Cell(_count(n))


def statistics(detector: Detector) -> Table:
    """Every statistic of average precision that is one number."""
    values = [(k, v) for k, v in detector.average_precision.items() if isinstance(v, int | float)]
    values.sort(key=lambda item: item[0])
    return Table(
        "COCO's statistics, in points (0 to 100).",
        ("statistic", "value"),
        tuple((Cell(name), Cell(points(value))) for name, value in values),
    )


def beside_tidecv(detector: Detector) -> Table | None:
    """Our errors over all objects beside tidecv's; None where they are not known."""
    ours, theirs = _of(detector.tide, "all"), _of(detector.tide, "tidecv")
    names = [n for n in ("AP50", *MAIN_ERRORS, *SPECIAL_ERRORS) if n in ours and n in theirs]
    if not names:
        return None
    lines = {
        "ours": [_number(ours[n], ".2f") for n in names],
        "tidecv": [_number(theirs[n], ".2f") for n in names],
        "difference": [_number(ours[n] - theirs[n], "+.2f") for n in names],
    }
    return Table(
        "Errors over all objects in points of AP50, against the reference implementation.",
        ("", *names),
        tuple((Cell(name), *map(Cell, cells)) for name, cells in lines.items()),
    )


def by_level(detector: Detector, scales: Scales) -> Table | None:
    """Share of each scale's found objects by the level that found them; None without."""
    shares = level_shares(detector.levels, scales)
    if not shares:
        return None
    levels = list(dict.fromkeys(level for of_scale in shares.values() for level in of_scale))
    levels.sort(key=natural)
    rows = []
    for scale, of_scale in shares.items():
        values = [of_scale.get(level, 0.0) for level in levels]
        cells = [Cell(f"{v:.0%}", strong=v == max(values), heat=v) for v in values]
        rows.append((Cell(scale), *cells))
    return Table(
        "Share of the objects found of each scale, by the pyramid level that found them.",
        ("scale", *map(level_name, levels)),
        tuple(rows),
        good=True,
    )


def level_shares(levels: Metrics, scales: Scales) -> dict[str, dict[str, float]]:
    """For each scale of which something was found, the share of each level, in [0, 1]."""
    shares = _of(levels, "share")
    return {scale: dict(_of(shares, scale)) for scale in scales.names if _of(shares, scale)}


def level_name(level: str) -> str:
    """`level 0` for a bare number, otherwise the name itself."""
    return f"level {level}" if level.isdigit() else level


def by_cut(detector: Detector, scales: Scales) -> Table | None:
    """AP, the costs of Miss and FP, and ECE of each group at each score cut; None without cuts."""
    cuts = {cut: one for cut, one in detector.score_cut.items() if isinstance(one, Mapping)}
    if not cuts:
        return None
    groups = [g for g in scales.groups if any(_of(one, g) for one in cuts.values())]
    rows = [
        (
            Cell(f"{cut:g}"),
            Cell(_count(_of(one, "all").get("n"))),
            *(
                Cell(_number(_of(one, group).get(measure), form))
                for measure, form in CUT_MEASURES.items()
                for group in groups
            ),
        )
        for cut, one in sorted((float(cut), one) for cut, one in cuts.items())
    ]
    lowest = detector.score_cut.get("lowest")
    ends = "" if lowest is None else f" The results' lowest score is {lowest:.3g}."
    return Table(
        "Detections of a lower score are left out; n: those of all sizes that stay. AP and costs "
        f"in points (0 to 100), ECE as a share of 1.{ends}",
        ("cut", "n", *(group for _ in CUT_MEASURES for group in groups)),
        tuple(rows),
        (("", 2), *((CUT_NAMES.get(measure, measure), len(groups)) for measure in CUT_MEASURES)),
    )


def by_group(metrics: Metrics, scales: Scales, caption: str) -> Table | None:
    """Every metric that is given by scale, however deep; None without one."""
    found = sorted(_by_group(metrics, scales, ()), key=lambda row: natural(row[0]))
    groups = [g for g in scales.groups if any(g in values for _, values in found)]
    if not found:
        return None
    rows = [
        (Cell(name), *(Cell(_either(values.get(group))) for group in groups))
        for name, values in found
    ]
    return Table(caption, ("", *groups), tuple(rows))


def of_log(log: Metrics) -> Table | None:
    """A log's entries line by line; None without any."""
    lines = {key: value for key, value in log.items() if isinstance(value, int | float | str)}
    if not lines:
        return None
    return Table(
        "Of this run; other machines differ.",
        ("", "value"),
        tuple((Cell(key.replace("_", " ")), Cell(f"{value}")) for key, value in lines.items()),
    )


def scale_statistics(scales: Scales) -> list[str]:
    """The names of AP for each scale, in order."""
    return [f"AP_{scale}" for scale in scales.names]


def scale_words(scales: Scales) -> str:
    """The scales' bounds in a sentence."""
    bounds = [f"{bound:g}" for bound in scales.bounds]
    first = f"{scales.names[0]} below {bounds[0]}² pixels of area"
    between = [
        f"{name} {low}² to {high}²"
        for name, low, high in zip(scales.names[1:-1], bounds, bounds[1:], strict=False)
    ]
    return ", ".join([first, *between, f"{scales.names[-1]} from {bounds[-1]}²"])


def points(share: float | None) -> str:
    """A share in [0, 1] as points with one digit."""
    return ABSENT if share is None else f"{100 * share:.1f}"


def _of(metrics: Metrics, key: str) -> Mapping[str, Any]:
    value = metrics.get(key, {})
    return value if isinstance(value, Mapping) else {}


def _cost_cells(costs: Mapping[str, float]) -> list[Cell]:
    most = max((costs.get(kind, 0) for kind in MAIN_ERRORS), default=0)
    return [
        Cell(
            _number(costs.get(kind), ".2f"),
            strong=kind in MAIN_ERRORS and costs.get(kind, 0) == most > 0,
            heat=min(costs.get(kind, 0) / HEAT_FULL, 1) if kind in MAIN_ERRORS else 0,
        )
        for kind in (*MAIN_ERRORS, *SPECIAL_ERRORS)
    ]


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)


def _either(value: float | None) -> str:
    return _count(value) if isinstance(value, int) else _number(value, ".3f")


def _count(value: float | None) -> str:
    return ABSENT if value is None else f"{value:,.0f}"


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts numbers inside texts by value: stride 4 before stride 16."""
    return [(int(part or 0), "") if part.isdigit() else (0, part) for part in DIGITS.split(text)]


def _by_group(metrics: Metrics, scales: Scales, path: tuple[str, ...]) -> Any:
    """Mappings from groups to numbers, however deep, with their path as a name."""
    if metrics and set(metrics) <= set(scales.groups) and _numbers(metrics):
        yield ", ".join(path).replace("_", " "), metrics
        return
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _by_group(value, scales, (*path, key))


def _numbers(metrics: Metrics) -> bool:
    return all(isinstance(value, int | float) for value in metrics.values())
