"""The page's parts after the detectors: recalibration, the other tasks, the theory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scalewise.report import (
    classification_section,
    keypoint_section,
    segmentation_section,
    theory_tables,
)
from scalewise.report.dossier import Section, pictures
from scalewise.report.inputs import if_there
from scalewise.report.tables import ABSENT, Cell, Table
from scalewise.scales import Scales

TASKS = (keypoint_section, classification_section, segmentation_section)
ON_VAL = "val"  # where a val split taught the maps
BY = {"all": "one map", "scale": "a map for each scale"}


def gather(root: str | Path, detectors: Sequence[str], scales: Scales) -> list[Section]:
    """The sections for which metrics are there, from metrics/ and plots/ under `root`."""
    root = Path(root)
    tasks = [section for task in TASKS if (section := task.section(root))]
    return [*_recalibrations(root, detectors, scales), *tasks, *_theory(root, detectors)]


def _recalibrations(root: Path, detectors: Sequence[str], scales: Scales) -> list[Section]:
    sections = []
    for name in detectors:
        if metrics := if_there(root / "metrics" / name / "recalibration.json"):
            title, table = f"Recalibration of {name}", recalibrated(metrics, scales)
            sections.append(Section(title, gain(metrics), tables=[table]))
    return sections


def gain(metrics: Mapping[str, Any]) -> list[str]:
    """The ECE of all detections on test as trained, and after the map that leaves the least."""
    before = metrics["before"].get("ece", {}).get("all")
    after = {
        f"{method}, {BY[by]}": block["ece"]["all"]
        for method, by_kind in metrics.items()
        if method != "before" and isinstance(by_kind, Mapping)
        for by, block in by_kind.items()
        if "all" in block.get("ece", {})
    }
    if before is None or not after:
        return []
    best = min(after, key=lambda name: after[name])
    return [f"ECE on test is {before:.3f} as trained and {after[best]:.3f} after {best}."]


def recalibrated(metrics: Mapping[str, Any], scales: Scales) -> Table:
    """ECE and AP on test before and after each map, with what the maps were fitted on.

    Args:
        metrics: `recalibration.json`: `before`, and `<method>.<by>`, each with `ece` by group
            and AP in [0, 1]; `fitted_on`.
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
        + _fitted_on(metrics.get("fitted_on", ON_VAL)),
        ("scores", *(f"ECE {group}" for group in scales.groups), "AP"),
        tuple(rows),
    )


def _fitted_on(told: str) -> str:
    if told == ON_VAL:
        return f"{told}. One rising map for all detections leaves AP as it is."
    return f"{told}, each fold under the maps of the others, so that AP may change a little."


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
