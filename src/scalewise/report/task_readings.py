"""The numbers of a task's models in plain words: which is best, and is that more than noise."""

from collections.abc import Mapping, Sequence

from scalewise.report.task import Task, span


def lead(task: Task, label: str, *path: str) -> str:
    """Which model is best by a number of which more is better, and by how much.

    Args:
        task: its models.
        label: what the number is called.
        path: where it is.

    Returns:
        One sentence; that none stands out where every difference to the best is noise.
    """
    best = task.best(*path)
    if best is None:
        return "There was nothing to measure."
    told = f"{label} {_valued(task, best, *path)}"
    others = [n for n in task.models if n != best and task.value(n, *path) is not None]
    if not others:
        return f"{best} reaches {told}."
    verdicts = {task.between(best, other, *path).get("verdict") for other in others}
    if verdicts == {"noise"}:
        values = ", ".join(f"{n} {_valued(task, n, *path)}" for n in (best, *others))
        return f"No difference in {label} to the best stands out of the noise: {values}."
    parts = "; ".join(_ahead(task, best, other, path) for other in others)
    return f"{best} is best with {told}: {parts}."


def _ahead(task: Task, best: str, other: str, path: Sequence[str]) -> str:
    found = task.between(best, other, *path)
    change = found.get("change", task.value(best, *path) - task.value(other, *path))
    if found.get("verdict") == "noise":
        return f"its lead of {change:.3f} on {other} may be noise{_ends(span(found), '+.3f')}"
    return f"{change:.3f} above {other}{_ends(span(found), '.3f')}"


def seen(task: Task, model: str, shared: str, key: str, label: str) -> str:
    """How many test images have a neighbour in train or val, and the score with and without.

    Args:
        task: its models.
        model: whose score.
        shared: what neighbours share, e.g. `frame`.
        key: the number told of both groups.
        label: what it is called.
    """
    groups = task.value(model, "leakage")
    if not groups:
        return ""
    n, others = groups["seen"]["n"], groups["unseen"]["n"]
    share = f"a {shared} with train or val"
    if not n:
        return f"No test image shares {share}."
    told = f"{n:,} of {n + others:,} test images share {share}"
    if not others:
        return f"{told}: nothing tells what {model} makes of others."
    values = [_valued(task, model, "leakage", group, key) for group in ("seen", "unseen")]
    if not all(values):
        return f"{told}."
    return (
        f"{told}: {model} has {label} {values[0]} on them, {values[1]} on the other {others:,}; "
        "a hint only, for the images differ."
    )


def weakest(
    numbers: Mapping[str, float], counts: Mapping[str, int], unit: str, most: int = 3
) -> str:
    """The lowest numbers by name, each with its count, as a list in words; empty without any."""
    ranked = sorted(numbers, key=lambda name: (numbers[name], name))[:most]
    told = [
        f"{name} {numbers[name]:.3f}"
        + (f" ({_counted(counts[name], unit)})" if name in counts else "")
        for name in ranked
    ]
    return ", ".join(told)


def _counted(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def spanned(value: float | None, ends: tuple[float, float] | None, form: str = ".3f") -> str:
    """`0.412 (0.385 to 0.440)`, as much of it as is known; empty without a value."""
    return "" if value is None else f"{value:{form}}{_ends(ends, form)}"


def _valued(task: Task, model: str, *path: str) -> str:
    return spanned(task.value(model, *path), task.span(model, *path))


def _ends(ends: tuple[float, float] | None, form: str) -> str:
    return f" ({ends[0]:{form}} to {ends[1]:{form}})" if ends else ""
