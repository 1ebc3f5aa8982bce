"""The page's last parts in the pipeline: what recalibration wins, and the theory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scalewise.report import theory_tables
from scalewise.report.dossier import Section, pictures
from scalewise.report.inputs import if_there
from scalewise.report.tables import ABSENT, Cell, Table
from scalewise.scales import Scales

BY = {"all": "one map", "scale": "a map for each scale"}


def gather(root: str | Path, detectors: Sequence[str], scales: Scales) -> list[Section]:
    """The sections for which metrics are there, from metrics/ and plots/ under `root`."""
    root = Path(root)
    return [*_recalibrations(root, detectors, scales), *_theory(root, detectors)]


def _recalibrations(root: Path, detectors: Sequence[str], scales: Scales) -> list[Section]:
    sections = []
    for name in detectors:
        if metrics := if_there(root / "metrics" / name / "recalibration.json"):
            title = f"Recalibration of {name}"
            sections.append(Section(title, tables=[recalibrated(metrics, scales)]))
    return sections


def recalibrated(metrics: Mapping[str, Any], scales: Scales) -> Table:
    """ECE and AP on test before and after each map that was fitted on val.

    Args:
        metrics: `recalibration.json`: `before`, and `<method>.<by>`, each with `ece` by group
            and AP in [0, 1].
        scales: the groups' names. A group without detections is shown as absent.
    """
    blocks = {"as trained": metrics["before"]}
    for method, by_kind in metrics.items():
        if method != "before" and isinstance(by_kind, Mapping):
            blocks |= {f"{method}, {BY[by]}": block for by, block in by_kind.items()}
    rows = []
    for name, block in blocks.items():
        values = [block.get("ece", {}).get(group) for group in scales.groups]
        cells = [ABSENT if value is None else f"{value:.3f}" for value in values]
        rows.append((Cell(name), *map(Cell, cells), Cell(f"{100 * block['AP']:.1f}")))
    return Table(
        "ECE on test by scale, and AP (0 to 100), after maps of the scores that were fitted on "
        "val. One rising map for all detections leaves AP as it is.",
        ("scores", *(f"ECE {group}" for group in scales.groups), "AP"),
        tuple(rows),
    )


def _theory(root: Path, detectors: Sequence[str]) -> list[Section]:
    metrics = if_there(root / "metrics" / "theory.json")
    if not metrics:
        return []
    tables = [theory_tables.by_field(metrics, name) for name in detectors]
    return [
        Section(
            "Theory",
            theory_tables.sentences(metrics),
            pictures(root / "plots" / "theory"),
            [table for table in (*tables, theory_tables.by_cost(metrics)) if table],
        )
    ]
