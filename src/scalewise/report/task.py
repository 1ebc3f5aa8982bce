"""What is known of the models of one task: their metrics, comparisons and logs, from the files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalewise.report.dossier import Metrics, Section, pictures
from scalewise.report.inputs import if_there

OPPOSITE = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Task:
    """The models of one task on the same images; what is absent is left out of the page.

    Attributes:
        models: metrics by name, the baseline of the comparison first.
        pairs: by (before, after) what the two differ by: at each path to a number `change`, `low`
            and `high` (may be absent) and `verdict` (better, worse, noise), of the later one.
        logs: by model how long its training took, on what.
        level: of the intervals; None where the metrics do not say.
    """

    models: Mapping[str, Metrics]
    pairs: Mapping[tuple[str, str], Metrics] = field(default_factory=dict)
    logs: Mapping[str, Metrics] = field(default_factory=dict)
    level: float | None = None

    def between(self, one: str, other: str, *path: str) -> Metrics:
        """What `one` differs by from `other`, whichever came first; empty if not compared."""
        if found := at(self.pairs.get((other, one)), *path):
            return found
        return _turned(at(self.pairs.get((one, other)), *path) or {})

    def best(self, *path: str) -> str | None:
        """The first model with the highest number there; None where none has it."""
        known = {name: value for name in self.models if (value := self.value(name, *path))
                 is not None}  # fmt: skip
        return max(known, key=lambda name: known[name]) if known else None

    def value(self, model: str, *path: str) -> Any:
        """A model's number; None where it is absent."""
        return at(self.models[model], *path)

    def span(self, model: str, *path: str) -> tuple[float, float] | None:
        """The ends of a number's interval; None where it has none."""
        return span(at(self.models[model], "interval", *path) or {})


def read(root: Path, name: str) -> tuple[dict[str, Metrics], dict[str, Any], dict[str, Metrics]]:
    """Metrics of every model of a task by name, their comparison, and the logs of training.

    Models are those with a metrics/<model>/<name>.json, by name; the comparison's `baseline`, if
    it names one, comes first.
    """
    compared = if_there(root / "metrics" / f"{name}.json")
    names = sorted(path.parent.name for path in (root / "metrics").glob(f"*/{name}.json"))
    names.sort(key=lambda model: model != compared.get("baseline"))
    models = {model: if_there(root / "metrics" / model / f"{name}.json") for model in names}
    logs = {model: if_there(root / "logs" / "train" / f"{model}.json") for model in names}
    return models, compared, logs


def galleries(root: Path, name: str, models: Sequence[str]) -> list[Section]:
    """The pictures of the task, then those of each model; folders without any are left out."""
    folders = {"All models": root / "plots" / name}
    folders |= {model: root / "plots" / model for model in models}
    shown = {title: pictures(folder) for title, folder in folders.items()}
    return [Section(title, pictures=found) for title, found in shown.items() if found]


def at(metrics: Any, *path: str) -> Any:
    """What lies at the end of a path of keys; None where it breaks off."""
    for key in path:
        metrics = metrics.get(key) if isinstance(metrics, Mapping) else None
    return metrics


def span(entry: Metrics) -> tuple[float, float] | None:
    """The two ends of an entry with `low` and `high`; None unless it has both."""
    return (entry["low"], entry["high"]) if {"low", "high"} <= set(entry) else None


def _turned(found: Metrics) -> dict[str, Any]:
    """A difference the other way round."""
    ends = {new: -found[old] for new, old in (("low", "high"), ("high", "low")) if old in found}
    if not found:
        return {}
    verdict = found["verdict"]
    return {"change": -found["change"], **ends, "verdict": OPPOSITE.get(verdict, verdict)}
