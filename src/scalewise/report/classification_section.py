"""Classification on the page: accuracy and its kin, overfitting, the worst classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalewise.report.dossier import Metrics, Section
from scalewise.report.tables import ABSENT, Cell, Table
from scalewise.report.task import Task, at, galleries, read
from scalewise.report.task_readings import lead, seen, spanned, weakest
from scalewise.report.task_tables import Line, differences, side_by_side

NAME = "classification"
OF_BEST = ("precision", "recall")
SMALL_GAP = 0.02  # scores this near to the accuracy are called right
LINES = (
    Line("accuracy", ("accuracy",), best="high"),
    Line("F1, weighted", ("f1_weighted",), best="high"),
    Line("F1, macro", ("f1_macro",), best="high"),
    Line("loss", ("loss",), best="low"),
    Line("ECE", ("ece",), best="low"),
)
FURTHER = (
    Line("gap: score - accuracy", ("gap",), "+.3f"),
    Line("accuracy on train", ("train", "accuracy")),
    Line("train - test", ("generalisation_gap",), "+.3f", "low"),
    Line("n, images", ("n",), ",d"),
    Line("accuracy, frame also in train or val", ("leakage", "seen", "accuracy")),
    Line("accuracy, frame in test alone", ("leakage", "unseen", "accuracy")),
)


def section(root: Path) -> Section | None:
    """Everything of the classifiers under `root`; None without metrics."""
    models, compared, logs = read(root, NAME)
    if not models:
        return None
    task = Task(models, _pairs(compared), logs, _level(models))
    tables = (
        side_by_side(task, [*LINES, *FURTHER], "On test; shares of 1."),
        differences(task, LINES, _mcnemar(task)),
        by_class(task),
    )
    return Section(
        "Classification",
        sentences(task),
        tables=[table for table in tables if table],
        parts=galleries(root, NAME, list(models)),
    )


def sentences(task: Task) -> list[str]:
    """Which model is best, its worst classes, who overfits, whether scores can be believed."""
    best = task.best("accuracy")
    if best is None:
        return ["There was nothing to measure."]
    told = (lead(task, "accuracy", "accuracy"), _of_classes(task, best), _of_train(task),
            _of_scores(task, best), seen(task, best, "frame", "accuracy", "accuracy"))  # fmt: skip
    return [sentence for sentence in told if sentence]


def _of_classes(task: Task, best: str) -> str:
    found = task.value(best, "class") or {}
    numbers = {name: one["f1"] for name, one in found.items() if "f1" in one}
    counts = {name: one["n"] for name, one in found.items() if "n" in one}
    told = weakest(numbers, counts, "image")
    return f"The worst classes of {best} by F1: {told}." if told else ""


def _of_train(task: Task) -> str:
    gaps = {model: task.value(model, "generalisation_gap") for model in task.models}
    told = [f"{model} {gap:+.3f}" for model, gap in gaps.items() if gap is not None]
    return f"Accuracy on train less that on test: {', '.join(told)}." if told else ""


def _of_scores(task: Task, best: str) -> str:
    gap = task.value(best, "gap")
    if gap is None:
        return ""
    if abs(gap) < SMALL_GAP:
        return f"The scores of {best} are about right on average."
    return f"The scores of {best} are {abs(gap):.2f} too {'high' if gap > 0 else 'low'} on average."


def by_class(task: Task) -> Table | None:
    """F1 of each class by each model, and what it is made of for the best one, worst first."""
    found = {model: one["class"] for model, one in task.models.items() if one.get("class")}
    if not found:
        return None
    best = task.best("accuracy")
    best = best if best in found else next(iter(found))
    names = list(dict.fromkeys(name for one in found.values() for name in one))
    names.sort(key=lambda name: (at(found[best], name, "f1") or 0.0, name))
    return Table(
        f"The worst F1 of {best} first; n: images of the class in test.",
        ("class", "n", *found, *OF_BEST),
        tuple(_class_row(name, found, best) for name in names),
        (("", 2), ("F1", len(found)), (best, len(OF_BEST))),
        good=True,
        title="Each class",
    )


def _class_row(name: str, found: Mapping[str, Metrics], best: str) -> tuple[Cell, ...]:
    scores = [at(one, name, "f1") for one in found.values()]
    shares = [at(found[best], name, key) for key in OF_BEST]
    n = at(found[best], name, "n")
    return (
        Cell(name),
        Cell(ABSENT if n is None else f"{n:,}"),
        *(Cell(spanned(value, None) or ABSENT, heat=value or 0.0) for value in scores),
        *(Cell(spanned(value, None) or ABSENT) for value in shares),
    )


def _pairs(compared: Metrics) -> dict[tuple[str, str], Any]:
    return {
        (before, after): found
        for after, of_before in compared.get("against", {}).items()
        for before, found in of_before.items()
    }


def _mcnemar(task: Task) -> dict[str, dict[tuple[str, str], str]]:
    """Who alone is right, and McNemar's p that both are equally good."""
    tests = {pair: one["mcnemar"] for pair, one in task.pairs.items() if "mcnemar" in one}
    return {
        "images right alone": {
            pair: f"{one['only_after']:,} against {one['only_before']:,}"
            for pair, one in tests.items()
        },
        "McNemar's p": {pair: f"{one['p']:.3f}" for pair, one in tests.items()},
    }


def _level(models: Mapping[str, Metrics]) -> float | None:
    return next((one["level"] for one in models.values() if "level" in one), None)
