"""What the page tells: metrics, pictures and logs, gathered from a pipeline's folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalewise.coco import read_truth
from scalewise.errors import InputError
from scalewise.report.inputs import if_there, metrics, object_counts
from scalewise.scales import Scales

if TYPE_CHECKING:
    from scalewise.report.tables import Table

Metrics = Mapping[str, Any]

READINGS = {
    "loss": (
        "Losses",
        "If val rises while train falls, the network learns its examples by heart; if both still "
        "fall at the end, it was stopped too early.",
    ),
    "anchors": (
        "Anchor coverage",
        "Sizes at which the upper curve dips have no anchor near enough: no training repairs that, "
        "other anchor sizes do.",
    ),
    "precision_recall": (
        "Precision against recall",
        "Where a curve ends on the right is the share of objects that was found at all; how high "
        "it runs is the share of detections that was right.",
    ),
    "tide": (
        "What each error costs",
        "Compare along a row: an error that is long for one scale only belongs to that scale.",
    ),
    "reliability": (
        "Reliability",
        "On the diagonal a score of .7 means 7 right in 10; bars below it promise too much, bars "
        "above it too little, and wide intervals stand on few detections.",
    ),
    "levels": (
        "Which level finds which size",
        "A dark diagonal says that the levels share the sizes as designed; a dark row says that "
        "one level does the work of others.",
    ),
    "features": (
        "What the levels respond to",
        "A level that serves an object lights up inside its green box and stays dark elsewhere.",
    ),
    "fields": (
        "What each level can see",
        "What a level can see against what it is asked to find: a dashed square outside the thick "
        "white one is an object whose edges hardly move the answer.",
    ),
    "dilation": (
        "Dilated convolutions",
        "Blue is measured; red is what multiplying dilations like strides would promise, for the "
        "same cost.",
    ),
    "label_smoothing": (
        "Label smoothing",
        "The dots are the logit gap beyond which more confidence costs.",
    ),
    "gaussian": (
        "Cross-entropy of two Gaussians",
        "Grey cannot be learnt away; blue is what a wrong q adds.",
    ),
    "detections": (
        "The worst and the best images",
        "Dashed green boxes were missed; a red box without green below it is a false alarm.",
    ),
    "errors": (
        "The costliest errors",
        "One row a type of error, one column a scale: look for what the two crops have in common.",
    ),
}


@dataclass(frozen=True)
class Picture:
    """A picture with its title and one sentence on how to read it (it may be empty)."""

    title: str
    reading: str
    png: bytes


@dataclass(frozen=True)
class Detector:
    """All that is known of one detector on one dataset; what is absent is left out of the page.

    Attributes:
        name: its name.
        average_precision: AP, AP50, AP_<scale>, AR_..., in [0, 1]; `class`: AP and AP50 by class
            name; `ceiling`: AP50 that perfect boxes reach.
        tide: for each group AP50 and the cost of each error type, in points (0 to 100);
            `share`: what each scale's errors cost the AP50 of all; `tidecv`: the costs over all
            objects by that library.
        calibration: `ece` and `gap` in [0, 1] and `n` detections, each by group; and settings.
        levels: `share`: for each scale the share of its found objects by level, in [0, 1].
        objects: how many there are to find, by group.
        pictures: in the order to be shown.
        log: how long it took, on what.
        intervals: `low` and `high` by the parts of a statistic's name (`tide`, `small`, `Cls`).
    """

    name: str
    average_precision: Metrics
    tide: Metrics = field(default_factory=dict)
    calibration: Metrics = field(default_factory=dict)
    levels: Metrics = field(default_factory=dict)
    objects: Mapping[str, int] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    log: Metrics = field(default_factory=dict)
    intervals: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A part of the page beside the detectors: a title, sentences, pictures, tables.

    Attributes:
        title: its heading.
        sentences: what is to be learnt.
        pictures: in order.
        tables: in order; those longer than a screen are folded.
        note: how to read it; may be empty.
    """

    title: str
    sentences: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence["Table"] = ()
    note: str = ""


@dataclass(frozen=True)
class Dossier:
    """A page: detectors, and what they share.

    Attributes:
        title: of the page.
        scales: their names in order.
        detectors: one or more.
        anchors: recall and the like by scale.
        pictures: those that belong to no detector.
        sections: what is shown before the detectors.
        appendix: what is shown after them.
        warnings: what to know before believing the numbers.
        facts: what it was made from and how, by name.
    """

    title: str
    scales: Scales
    detectors: Sequence[Detector]
    anchors: Metrics = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    sections: Sequence[Section] = ()
    appendix: Sequence[Section] = ()
    warnings: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def gather(root: str | Path, names: Sequence[str], scales: Scales) -> Dossier:
    """Read a pipeline's metrics/, plots/ and logs/ for the named detectors.

    Pictures, levels, counts and logs may be absent.

    Raises:
        InputError: no names, or metrics that are missing, with the command that makes them.
    """
    if not names:
        raise InputError("report: expected the name of a detector or more, got none")
    root = Path(root)
    return Dossier(
        title="What is wrong at which scale",
        scales=scales,
        detectors=[_detector(root, name, scales) for name in names],
        anchors=if_there(root / "metrics" / "anchors.json"),
        pictures=pictures(root / "plots"),
    )


def pictures(folder: Path) -> list[Picture]:
    """The PNGs of a folder: those we can explain in our order, then the others by name."""
    known = list(READINGS)
    files = sorted(folder.glob("*.png"), key=lambda file: (_rank(file.stem, known), file.stem))
    return [Picture(*explained(file.stem), file.read_bytes()) for file in files]


def explained(name: str) -> tuple[str, str]:
    """Title and reading of the picture called `name`."""
    return READINGS.get(name, (name.replace("_", " ").capitalize(), ""))


def _rank(name: str, known: list[str]) -> int:
    return known.index(name) if name in known else len(known)


def _detector(root: Path, name: str, scales: Scales) -> Detector:
    folder = root / "metrics" / name
    return Detector(
        name=name,
        average_precision=metrics(
            folder / "average_precision.json", f"dvc repro average-precision@{name}"
        ),
        tide=metrics(folder / "tide.json", f"dvc repro tide@{name}"),
        calibration=metrics(folder / "calibration.json", f"dvc repro calibration@{name}"),
        intervals=if_there(folder / "intervals.json"),
        levels=if_there(folder / "levels.json"),
        objects=_objects(root / "predictions" / name / "test_truth.json", scales),
        pictures=pictures(root / "plots" / name),
        log=if_there(root / "logs" / "train" / f"{name}.json"),
    )


def _objects(path: Path, scales: Scales) -> dict[str, int]:
    return object_counts(read_truth(path), scales) if path.is_file() else {}
