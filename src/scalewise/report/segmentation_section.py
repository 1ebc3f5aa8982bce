"""Segmentation on the page: mIoU and its kin, how many classes gain, the worst classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalewise.report.dossier import Metrics, Section
from scalewise.report.tables import ABSENT, Cell, Table
from scalewise.report.task import Task, at, galleries, read
from scalewise.report.task_readings import lead, seen, spanned, weakest
from scalewise.report.task_tables import Line, differences, side_by_side

NAME = "segmentation"
FEW_UNITS = 20  # below, intervals are too narrow to be taken at their word
MEANS = (
    Line("mIoU", ("mIoU",), best="high"),
    Line("pixel accuracy", ("pixel_accuracy",), best="high"),
)
LINES = (
    *MEANS,
    Line("mean Dice", ("mDice",), best="high"),
    Line("mean precision", ("mPrecision",), best="high"),
    Line("mean recall", ("mRecall",), best="high"),
    Line("loss", ("loss",), best="low"),
    Line("classes present", ("classes",), ",d"),
    Line("classes absent", ("absent",), ",d"),
    Line("classes never predicted", ("unpredicted",), ",d"),
    Line("n, images", ("n",), ",d"),
    Line("pixels", ("pixels",), ",d"),
)


def section(root: Path) -> Section | None:
    """Everything of the segmentation models under `root`; None without metrics."""
    models, compared, logs = read(root, NAME)
    if not models:
        return None
    level = next((one["level"] for one in models.values() if "level" in one), None)
    task = Task(models, _pairs(compared), logs, level)
    tables = (
        side_by_side(task, LINES, _caption(task)),
        differences(task, [*MEANS, *_class_lines(task)], {}),
        by_class(task),
    )
    return Section(
        "Segmentation",
        sentences(task),
        tables=[table for table in tables if table],
        parts=galleries(root, NAME, list(models)),
    )


def sentences(task: Task) -> list[str]:
    """Which model is best, in how many classes, and which are its worst."""
    best = task.best("mIoU")
    if best is None:
        return ["There was nothing to measure."]
    told = (
        lead(task, "mIoU", "mIoU"),
        *(_of_verdicts(task, best, other) for other in task.models if other != best),
        _of_classes(task, best),
        _of_units(task.models[best]),
        seen(task, best, "stretch of a sequence", "pixel_accuracy", "pixel accuracy"),
    )
    return [sentence for sentence in told if sentence]


def _of_verdicts(task: Task, best: str, other: str) -> str:
    paths = [line.path for line in _class_lines(task)]
    verdicts = [found["verdict"] for path in paths if (found := task.between(best, other, *path))]
    if not verdicts:
        return ""
    counts = (verdicts.count(verdict) for verdict in ("better", "worse", "noise"))
    return "Of {} classes it is better than {} in {}, worse in {}; in {} that may be noise.".format(
        len(verdicts), other, *counts
    )


def _of_classes(task: Task, best: str) -> str:
    found = task.value(best, "class") or {}
    numbers = {name: one["IoU"] for name, one in found.items() if "IoU" in one}
    counts = {name: one["images"] for name, one in found.items() if "images" in one}
    told = weakest(numbers, counts, "image")
    return f"The worst classes of {best} by IoU: {told}." if told else ""


def _of_units(metrics: Metrics) -> str:
    units = metrics.get("units", FEW_UNITS)
    if units >= FEW_UNITS:
        return ""
    unit = f"{metrics.get('unit', 'image')}{'' if units == 1 else 's'}"
    return f"The intervals rest on {units} {unit} and are too narrow."


def _caption(task: Task) -> str:
    """What is in the means, and what the intervals rest on."""
    void = {one["void"] for one in task.models.values() if "void" in one}
    told = f" Void is {' and '.join(sorted(void))}." if void else ""
    return (
        "On test, from the pixels of all images together; shares of 1. Means are over the classes "
        "present: an absent class has no IoU, one that is never predicted no precision." + told
    )


def _class_lines(task: Task) -> list[Line]:
    """A line for the IoU of each class, the commonest first."""
    pixels: dict[str, int] = {}
    for model in task.models.values():
        for name, one in model.get("class", {}).items():
            pixels.setdefault(name, one.get("pixels", 0))
    names = sorted(pixels, key=lambda name: (-pixels[name], name))
    return [Line(name, ("class", name, "IoU")) for name in names]


def by_class(task: Task) -> Table | None:
    """IoU of each class by each model with its interval, the best model's worst class first."""
    found = {model: one["class"] for model, one in task.models.items() if one.get("class")}
    if not found:
        return None
    best = found.get(task.best("mIoU") or "", next(iter(found.values())))
    names = [line.label for line in _class_lines(task)]
    names = [
        name for name in names if any(at(one, name, "IoU") is not None for one in found.values())
    ]
    names.sort(key=lambda name: at(best, name, "IoU") or 0.0)
    total = sum(at(best, name, "pixels") or 0 for name in best)
    return Table(
        "IoU, the worst of the best model first; in brackets its interval, which a class that a "
        "single unit has lacks. Share: of the test pixels; images: in which it occurs.",
        ("class", "share", "images", *found),
        tuple(_class_row(name, task, found, (best, total)) for name in names),
        good=True,
        title="Each class",
    )


def _class_row(
    name: str, task: Task, found: Mapping[str, Metrics], counted: tuple[Metrics, int]
) -> tuple[Cell, ...]:
    best, total = counted
    images, pixels = at(best, name, "images"), at(best, name, "pixels")
    path = ("class", name, "IoU")
    return (
        Cell(name),
        Cell(ABSENT if pixels is None else f"{100 * pixels / max(total, 1):.2g}%"),
        Cell(ABSENT if images is None else f"{images:,}"),
        *(
            Cell(
                spanned(task.value(model, *path), task.span(model, *path)) or ABSENT,
                heat=task.value(model, *path) or 0.0,
            )
            for model in found
        ),
    )


def _pairs(compared: Metrics) -> dict[tuple[str, str], Any]:
    base = compared.get("baseline", "")
    return {(base, name): found for name, found in compared.get("models", {}).items()}
