"""Bootstrap over images: how far AP, TIDE costs and calibration would move on other images.

A resample draws as many images as there are, with replacement, so each image gets a weight: how
often it was drawn. Matching and error types stay inside an image, so they are made once and
only counted anew, with weights. The numbers are those of `average_precision`, `tide` and
`calibration`, but for float32.

**Intervals are reflected** (the basic bootstrap): with the statistic x on the data and the
quantiles l and h of its resamples, [2x - h, 2x - l], cut off where the statistic ends. The
percentile interval [l, h] is unsound here. AP takes the best precision from each recall on, and
so is too high on average, the more the fewer images; ECE, a sum of absolute values, likewise;
FP and FN are too low. A resample has fewer different images than the data and adds the same bias
once more, which the percentile interval shows on the wrong side: [l, h] then sits two biases too
high, [2x - h, 2x - l] takes the estimated bias off.

Measured by `benchmarks/coverage.py` on draws of 5,000 images from COCO val2017 with a YOLOv8x,
how often a 95% interval holds the value on the whole set (in brackets the percentile interval):
AP .96 (.70), AP50 .92 (.82), AP_large .91 (.80), FP of all .92 (.72), the other costs of all .88
to .95 (.79 to .93), ECE .93 (.93), ECE of large .88 (.77). Too narrow are both where few objects
or errors decide: 12 of the 79 classes with small objects have fewer than 10; AP_small .80 (.86),
Cls of small .64 (.79), Both of large .42 (.56).

Sources: Efron and Tibshirani 1993, chapters 12 and 13; Davison and Hinkley 1997, 5.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scalewise import bootstrap
from scalewise.bootstrap import Parameters
from scalewise.coco import Floats, Ints
from scalewise.diagnosis import calibration, tide
from scalewise.diagnosis.calibration_measures import bin_of
from scalewise.diagnosis.matching import COCO_IOUS, Matching
from scalewise.diagnosis.resampled_curves import Runs, Weights, counts, mean_ap, runs_of
from scalewise.progress import Step, silent

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

BLOCK = 256  # resamples at once: bounds memory


@dataclass(frozen=True)
class Prepared:
    """All that resampling needs, by group.

    Attributes:
        precision: the curve at each of COCO's IoUs.
        tide: the curve as it is (`AP50`) and after each fix.
        errors: [bins, I] sparse, sum of hit - score of each score bin by image.
        counts: [1, I] sparse, detections that calibration counts, by image.
    """

    precision: dict[str, list[Runs]]
    tide: dict[str, dict[str, Runs]]
    errors: dict[str, "csr_array"]
    counts: dict[str, "csr_array"]


def weights(images: int, parameters: Parameters) -> Weights:
    """[I, 1 + B], how often each image counts: once as the data are, then as drawn B times."""
    drawn = bootstrap.weights(images, parameters)
    every = np.vstack([np.ones((1, images), np.int64), drawn])
    return np.ascontiguousarray(every.T, np.float32)


def prepare(
    matching: Matching, tide_rules: tide.Parameters, calibration_rules: calibration.Parameters
) -> Prepared:
    """Bring a matching into the form that is resampled.

    Args:
        matching: made at `needed_ious` or more.
        tide_rules: IoU and background IoU.
        calibration_rules: IoU, bins and floor.
    """
    present = [
        (group, name)
        for group, name in enumerate(matching.groups)
        if matching.positives(group).any()
    ]
    return Prepared(
        precision={
            name: [runs_of(matching, _as_it_is(matching, group, iou)) for iou in COCO_IOUS]
            for group, name in present
        },
        tide={
            name: {
                fix: runs_of(matching, curve)
                for fix, curve in tide.curves(matching, blamed, found).items()
            }
            for name, blamed, found in tide.groups(matching, tide_rules)
        },
        **_calibration(matching, calibration_rules),
    )


def needed_ious(tide_rules: tide.Parameters, calibration_rules: calibration.Parameters) -> Floats:
    """The IoUs a matching needs for every statistic: COCO's ten and those of the parameters."""
    further = [tide_rules.iou, *calibration.thresholds(calibration_rules)]
    new = [iou for iou in dict.fromkeys(further) if not np.isclose(COCO_IOUS, iou).any()]
    return np.append(COCO_IOUS, new)


def _as_it_is(matching: Matching, group: int, iou: float) -> tide.Curve:
    rows = matching.counted(group, iou)
    hit = matching.taken[group, matching.at(iou), rows] >= 0
    return tide.Curve(rows, matching.category[rows], hit, ~matching.truth_ignored[group])


def _calibration(
    matching: Matching, rules: calibration.Parameters
) -> dict[str, dict[str, "csr_array"]]:
    found = calibration.judged(matching, rules.iou, rules.floor)
    images = len(matching.truth.image_ids)
    errors, number = {}, {}
    for name, chosen in calibration.by_group(matching, found):
        if len(chosen.score):
            place = bin_of(chosen.score, rules.bins)
            errors[name] = counts(
                place, chosen.image, (rules.bins, images), chosen.hit - chosen.score
            )
            number[name] = counts(np.zeros_like(place), chosen.image, (1, images))
    return {"errors": errors, "counts": number}


def samples(prepared: Prepared, drawn: Weights, step: Step = silent) -> "pd.DataFrame":
    """Every statistic for each column of weights.

    Args:
        prepared: from `prepare`.
        drawn: [I, 1 + B] from `weights`.
        step: is told of each block of resamples before it is counted.

    Returns:
        1 + B rows, first the data as they are, then the resamples; columns AP, AP50, AP75 and
        AP_<scale> in [0, 1], tide.<group>.<name> in percent points, ece.<group> and
        gap.<group>. A group with nothing to measure has no columns; a resample that leaves it
        nothing has NaN.
    """
    import pandas as pd

    tables = []
    for at in blocks(drawn.shape[1] - 1):
        step(f"resampling the images, {at:,} of {drawn.shape[1] - 1:,}")
        block = np.ascontiguousarray(drawn[:, at : at + BLOCK])
        tables.append(pd.DataFrame(_measured(prepared, block)))
    return pd.concat(tables, ignore_index=True)


def blocks(resamples: int) -> range:
    """Where each block of columns begins; the data as they are come before the resamples."""
    return range(0, 1 + resamples, BLOCK)


def _measured(prepared: Prepared, block: Weights) -> dict[str, Floats]:
    made: dict[str, Floats] = {}
    present: dict[str, Ints] = {}
    for group, by_iou in prepared.precision.items():
        present[group] = np.count_nonzero(by_iou[0].wanted @ block, axis=0)
        values = np.array([mean_ap(runs, block, present[group]) for runs in by_iou])
        made["AP" if group == "all" else f"AP_{group}"] = values.mean(axis=0)
        if group == "all":
            made["AP50"], made["AP75"] = values[0], values[5]
    for group, curves in prepared.tide.items():
        ap = {name: 100 * mean_ap(runs, block, present[group]) for name, runs in curves.items()}
        base = made[f"tide.{group}.AP50"] = ap.pop("AP50")
        for name, mended in ap.items():
            made[f"tide.{group}.{name}"] = np.maximum(mended - base, 0)
    for group, errors in prepared.errors.items():
        of_bin, n = errors @ block, (prepared.counts[group] @ block)[0]
        with np.errstate(invalid="ignore"):  # 0 / 0: no detection drawn
            made[f"ece.{group}"] = np.abs(of_bin).sum(axis=0) / n
            made[f"gap.{group}"] = -of_bin.sum(axis=0) / n
    return made


def intervals(resampled: "pd.DataFrame", level: float) -> dict[str, dict[str, float]]:
    """The reflected interval of each statistic: `low` and `high` by its name.

    Args:
        resampled: from `samples`: the data as they are, then the resamples.
        level: share of the cases in which an interval should hold the true value.

    Returns:
        Ends within the statistic's range; NaN where no resample has the statistic.
    """
    tails = [(1 + level) / 2, (1 - level) / 2]
    edges = 2 * resampled.iloc[0] - resampled.iloc[1:].quantile(tails)
    return {
        name: dict(zip(("low", "high"), column.clip(*_range(name)).tolist(), strict=True))
        for name, column in edges.items()
    }


def _range(name: str) -> tuple[float, float]:
    """The lowest and highest value that a statistic can have."""
    ends = {"tide": (0.0, 100.0), "gap": (-1.0, 1.0)}
    return ends.get(name.split(".")[0], (0.0, 1.0))


def metrics(
    matching: Matching,
    parameters: Parameters,
    tide_rules: tide.Parameters,
    calibration_rules: calibration.Parameters,
) -> dict[str, object]:
    """The intervals of every statistic, by the parts of its name, with their settings.

    Args:
        matching: made at `needed_ious` or more.
        parameters: resamples, level and seed.
        tide_rules: IoU and background IoU.
        calibration_rules: IoU, bins and floor.

    Returns:
        `AP.low`, `AP.high`, `AP_<scale>.low`, `tide.<group>.<name>.low`, `ece.<group>.low` ...,
        then `images` and the parameters. What no resample leaves defined is NaN.

    Raises:
        InputError: a score outside [0, 1].
    """
    images = len(matching.truth.image_ids)
    prepared = prepare(matching, tide_rules, calibration_rules)
    found = intervals(samples(prepared, weights(images, parameters)), parameters.level)
    return {**nested(found), "images": images, **parameters.model_dump()}


def nested(by_name: Mapping[str, object]) -> dict[str, Any]:
    """Values by dotted names as mappings by the parts: `tide`, `small`, `Loc`."""
    made: dict[str, Any] = {}
    for name, value in by_name.items():
        *path, last = name.split(".")
        at = made
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return made
