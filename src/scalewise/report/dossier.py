"""What the page tells: metrics, pictures and logs, gathered from a pipeline's folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalewise.coco import read_truth
from scalewise.errors import InputError
from scalewise.report.captions import READINGS, explained, name_of
from scalewise.report.inputs import if_there, metrics, object_counts
from scalewise.scales import Scales

if TYPE_CHECKING:
    from scalewise.report.tables import Table

Metrics = Mapping[str, Any]


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
        score_cut: AP, Miss, FP (points), ece (0 to 1) and n by cut and group; `lowest` score.
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
    score_cut: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A part of the page beside the detectors: a title, sentences, pictures, tables, parts.

    Attributes:
        title: its heading.
        sentences: what is to be learnt.
        pictures: in order.
        tables: in order; those longer than a screen are folded.
        note: how to read it; may be empty.
        parts: sections within it, which have none of their own.
    """

    title: str
    sentences: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence["Table"] = ()
    note: str = ""
    parts: Sequence["Section"] = ()


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
        about: what the page is, in a sentence.
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
    about: str = (
        "Detectors taken apart by object scale: average precision, the cost of each kind of error, "
        "and whether scores can be believed."
    )


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
        title="What is wrong, and where",
        scales=scales,
        detectors=[_detector(root, name, scales) for name in names],
        anchors=if_there(root / "metrics" / "anchors.json"),
        pictures=pictures(root / "plots"),
        about="Models taken apart: how good they are, what they get wrong and where, and which "
        "differences are more than noise.",
    )


def pictures(folder: Path) -> list[Picture]:
    """The PNGs of a folder: those we can explain in our order, then the others by name."""
    known = list(READINGS)
    named = {name_of(file.parent.name, file.stem): file for file in folder.glob("*.png")}
    ranked = sorted(named, key=lambda name: (_rank(name, known), name))
    return [Picture(*explained(name), named[name].read_bytes()) for name in ranked]


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
        score_cut=if_there(folder / "score_cut.json"),
        objects=_objects(root / "predictions" / name / "test_truth.json", scales),
        pictures=pictures(root / "plots" / name),
        log=if_there(root / "logs" / "train" / f"{name}.json"),
    )


def _objects(path: Path, scales: Scales) -> dict[str, int]:
    return object_counts(read_truth(path), scales) if path.is_file() else {}
