"""The models of a task side by side, and what each two of them differ by, as tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalewise.report.dossier import Metrics
from scalewise.report.tables import ABSENT, Cell, Table
from scalewise.report.task import Task, span
from scalewise.report.task_readings import spanned

REAL = ("better", "worse")
HARDWARE = ("device", "threads", "processes", "precision")


@dataclass(frozen=True)
class Line:
    """A row: one number of every model.

    Attributes:
        label: what it is called.
        path: the keys that lead to it.
        form: how it is written.
        best: `high` or `low` where the best model is to be in bold; empty where none is better.
    """

    label: str
    path: tuple[str, ...]
    form: str = ".3f"
    best: str = ""


def side_by_side(
    task: Task, lines: Sequence[Line], caption: str, ceiling: Mapping[str, float] | None = None
) -> Table:
    """A column a model, a row a number with its interval; then the seconds of training.

    Args:
        task: its models.
        lines: the numbers; those that no model has are left out.
        caption: what they are.
        ceiling: by label what no model can go beyond; without, there is no such column.
    """
    shown = [
        line for line in lines if any(task.value(m, *line.path) is not None for m in task.models)
    ]
    rows = [_row(task, line, ceiling) for line in shown]
    rows += _trainings(task, bool(ceiling))
    told = (caption, _interval(task), "Bold: the best, by however little.", _hardware(task))
    return Table(
        " ".join(filter(None, told)),
        ("", *task.models, *(("ceiling",) if ceiling else ())),
        tuple(rows),
        title="The models side by side",
    )


def _row(task: Task, line: Line, ceiling: Mapping[str, float] | None) -> tuple[Cell, ...]:
    values = {model: task.value(model, *line.path) for model in task.models}
    known = [value for value in values.values() if value is not None]
    best = {"high": max, "low": min}[line.best](known) if line.best else None
    cells = [
        Cell(
            spanned(value, task.span(model, *line.path), line.form) or ABSENT,
            strong=value is not None and value == best and len(values) > 1,
        )
        for model, value in values.items()
    ]
    if ceiling:
        cells.append(Cell(spanned(ceiling.get(line.label), None, line.form)))
    return (Cell(line.label), *cells)


def _trainings(task: Task, with_ceiling: bool) -> list[tuple[Cell, ...]]:
    seconds = [task.logs.get(model, {}).get("seconds") for model in task.models]
    if all(value is None for value in seconds):
        return []
    cells = [Cell(spanned(value, None, ",.0f") or ABSENT) for value in seconds]
    return [(Cell("training, seconds"), *cells, *([Cell("")] if with_ceiling else []))]


def _hardware(task: Task) -> str:
    """What the models were trained on: once if it was the same for all."""
    machines = {
        model: text for model in task.models if (text := _machine(task.logs.get(model, {})))
    }
    if not machines:
        return ""
    if len(set(machines.values())) == 1 and len(machines) == len(task.models):
        return f"Trained on {next(iter(machines.values()))}."
    return f"Trained on: {'; '.join(f'{model} {text}' for model, text in machines.items())}."


def _machine(log: Metrics) -> str:
    units = {"threads": " threads", "processes": " processes"}
    known = [f"{log[key]}{units.get(key, '')}" for key in HARDWARE if log.get(key, 1) != 1]
    return ", ".join(known)


def _interval(task: Task) -> str:
    """What the brackets hold, and how many of what were drawn anew for it."""
    level = "" if task.level is None else f"{task.level:.0%} "
    drawn = {f"{one['units']:,} " for one in task.models.values() if "units" in one}
    unit = {one.get("unit", "image") for one in task.models.values()}
    count = drawn.pop() if len(drawn) == 1 else ""
    named = f"{unit.pop()}s" if len(unit) == 1 else "images"
    return f"In brackets the {level}interval over {count}resampled {named}."


def differences(
    task: Task, lines: Sequence[Line], extra: Mapping[str, Mapping[tuple[str, str], str]]
) -> Table | None:
    """A column a pair, a row a number: the change, its interval and the verdict; None if none.

    Args:
        task: its models and pairs.
        lines: the numbers; those that no pair has are left out.
        extra: further rows, by label, and in them by pair, what to write.
    """
    if not task.pairs:
        return None
    rows = [row for line in lines if (row := _changes(task, line))]
    rows += [
        (Cell(label), *(Cell(texts.get(pair, ABSENT)) for pair in task.pairs))
        for label, texts in extra.items()
        if texts
    ]
    return Table(
        "The first less the second, on the same resampled images; in brackets the interval of the "
        f"change. Bold: more than noise{_by_chance(task, lines)}.",
        ("", *(f"{after} - {before}" for before, after in task.pairs)),
        tuple(rows),
        title="Which differences are real",
    )


def _changes(task: Task, line: Line) -> tuple[Cell, ...] | None:
    found = [task.between(after, before, *line.path) for before, after in task.pairs]
    if not any(found):
        return None
    return (Cell(line.label), *(_change(one, line.form) for one in found))


def _change(found: Metrics, form: str) -> Cell:
    if not found:
        return Cell(ABSENT)
    told = spanned(found["change"], span(found), f"+{form}")
    return Cell(f"{told} {found['verdict']}", strong=found["verdict"] in REAL)


def _by_chance(task: Task, lines: Sequence[Line]) -> str:
    """How many of the differences would stand out if all models were equally good."""
    if task.level is None:
        return ""
    count = sum(bool(found) for found in _compared(task, lines))
    return f"; of {count} differences between equals about {(1 - task.level) * count:.1f} would be"


def _compared(task: Task, lines: Sequence[Line]) -> Iterator[Any]:
    for before, after in task.pairs:
        for line in lines:
            yield task.between(after, before, *line.path)
