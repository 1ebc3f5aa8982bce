"""Everything about one detector's results: matched once, measured, resampled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any

from scalewise.coco import Results, Truth
from scalewise.diagnosis import average_precision, bootstrap, calibration, tide
from scalewise.diagnosis.average_precision import Accumulated
from scalewise.diagnosis.bootstrap import Parameters as BootstrapRules
from scalewise.diagnosis.calibration import Parameters as CalibrationRules
from scalewise.diagnosis.matching import Matching, match
from scalewise.diagnosis.tide import Parameters as TideRules
from scalewise.progress import Step, silent
from scalewise.scales import Scales

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rules:
    """What decides the numbers: a section of params.yaml each."""

    scales: Scales = field(default_factory=Scales)
    tide: TideRules = field(default_factory=TideRules)
    calibration: CalibrationRules = field(default_factory=CalibrationRules)
    bootstrap: BootstrapRules = field(default_factory=BootstrapRules)


@dataclass(frozen=True)
class Measured:
    """One detector's numbers.

    Attributes:
        rules: what decided them.
        matching: detections and truth, matched at every IoU that is needed.
        accumulated: precision and recall as COCOeval has them.
        average_precision: COCO's statistics in [0, 1], and `class`.
        tide: AP50 and costs in points by group, and `share`.
        calibration: measures by group, and the settings.
        samples: a column a statistic; the data as they are, then a row a resample.
    """

    rules: Rules
    matching: Matching
    accumulated: Accumulated
    average_precision: Mapping[str, Any]
    tide: Mapping[str, Any]
    calibration: Mapping[str, Any]
    samples: "pd.DataFrame"

    def intervals(self) -> dict[str, Any]:
        """`low` and `high` of each statistic, by the parts of its name: `tide`, `small`, `Cls`."""
        found = bootstrap.intervals(self.samples, self.level)
        # NaN is what no resample leaves defined.
        return bootstrap.nested({k: ends for k, ends in found.items() if not isnan(ends["low"])})

    @property
    def level(self) -> float:
        """Share of the resamples inside an interval."""
        return self.rules.bootstrap.level

    def values(self) -> dict[str, float]:
        """Each statistic under the name its column in `samples` has; those without are left out."""
        made = {k: v for k, v in self.average_precision.items() if k != "class"}
        for group in self.matching.groups:
            costs = self.tide.get(group, {})
            made |= {f"tide.{group}.{name}": value for name, value in costs.items()}
            for measure in ("ece", "gap"):
                if group in self.calibration[measure]:
                    made[f"{measure}.{group}"] = self.calibration[measure][group]
        return {name: made[name] for name in self.samples.columns if name in made}


def steps(rules: Rules) -> int:
    """How many steps `measure` tells of."""
    return 2 + len(bootstrap.blocks(rules.bootstrap.resamples))


def measure(truth: Truth, results: Results, rules: Rules, step: Step = silent) -> Measured:
    """Match, then AP, TIDE and calibration for all and each scale, then the bootstrap.

    Args:
        truth: I images with N objects.
        results: D detections on them; none is a detector that found nothing.
        rules: scales, IoUs, bins, floor, resamples and seed.
        step: is told what begins.

    Raises:
        InputError: no object to find, or a score outside [0, 1].
    """
    step(f"matching {len(results):,} detections to {len(truth):,} objects")
    ious = bootstrap.needed_ious(rules.tide, rules.calibration)
    matching = match(truth, results, rules.scales, ious, rules.tide.background_iou)
    step("AP, TIDE, calibration")
    accumulated = average_precision.from_matching(matching)
    statistics = average_precision.statistics(accumulated)
    return Measured(
        rules=rules,
        matching=matching,
        accumulated=accumulated,
        average_precision={**statistics, "class": average_precision.per_class(accumulated)},
        tide={
            **tide.metrics(matching, rules.tide),
            "share": tide.shares(matching, rules.tide),
        },
        calibration=calibration.metrics(matching, rules.calibration),
        samples=_samples(matching, rules, step),
    )


def _samples(matching: Matching, rules: Rules, step: Step) -> "pd.DataFrame":
    prepared = bootstrap.prepare(matching, rules.tide, rules.calibration)
    drawn = bootstrap.weights(len(matching.truth.image_ids), rules.bootstrap)
    return bootstrap.samples(prepared, drawn, step)
