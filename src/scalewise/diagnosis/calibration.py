"""Calibration: does a detection with score s turn out right in s of all cases?

Detections are matched over all scales, as COCO does; those on ignored objects and crowds are
left out. Each is then put with the scale of the object it found at the `iou` parameter, or its
own where it found none: a true partition, so that ece.all <= sum of n_s / n * ece.s over the
scales. The measures that match at a lower IoU keep that partition: an overlap of one pixel says
something about the score, and nothing about a detection's scale.

The measures themselves, with their sources, are in `calibration_measures`; the thresholds of
laece0 are in `lrp`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from scalewise.coco import Bools, Floats, Ints
from scalewise.diagnosis.calibration_measures import (
    NAN,
    adaptive_ece,
    bin_of,
    diagram,
    ece,
    laace,
    laece,
)
from scalewise.diagnosis.matching import Matching
from scalewise.errors import InputError
from scalewise.params import Record

if TYPE_CHECKING:
    import pandas as pd

LOCATION_IOU, LOCATION_BINS = 0.1, 25  # LaECE as published
ANY_OVERLAP = 0.0  # LaACE0, LaECE0: right from the first pixel on
MEASURES = ("ece", "adaptive_ece", "gap", "laece", "laace0", "n")
TUNED_MEASURES = ("laece0", "laece0_n")  # need thresholds chosen on another split


class Parameters(Record):
    """Section `calibration` of params.yaml."""

    iou: float = Field(0.5, gt=0, le=1)
    """From this IoU on a detection is right."""
    bins: int = Field(10, ge=1, le=1000)
    """Equal-width bins over the scores from 0 to 1."""
    floor: float = Field(0.0, ge=0, lt=1)
    """Detections with a lower score are left out; it decides the number, so report it."""


@dataclass(frozen=True)
class Judged:
    """D detections that count, each judged once.

    Attributes:
        score: [D] in [0, 1].
        hit: [D], right or wrong.
        iou: [D], with the object found; 0 for a wrong one.
        scale: [D], position in the scales' names.
        category: [D], its class.
        image: [D], its image.
        detection: [D], its position in the results.
    """

    score: Floats
    hit: Bools
    iou: Floats
    scale: Ints
    category: Ints
    image: Ints
    detection: Ints

    def of(self, chosen: Bools) -> "Judged":
        """The chosen detections."""
        return Judged(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def judged(matching: Matching, iou: float, floor: float, scale_iou: float | None = None) -> Judged:
    """The detections that count over all scales, with a score of at least `floor`.

    Args:
        matching: made at `iou` and `scale_iou` or more.
        iou: from here on a detection is right.
        floor: lower scores are left out.
        scale_iou: from here on an object gives a detection its scale; `iou` without one.

    Raises:
        InputError: a score outside [0, 1].
    """
    _check_scores(matching)
    rows = matching.counted(0, iou)
    rows = rows[matching.scores[rows] >= floor]
    taken = matching.taken[0, matching.at(iou), rows]
    hit = taken >= 0
    return Judged(
        score=matching.scores[rows],
        hit=hit,
        iou=np.where(hit, _iou_of(matching, rows, taken), 0.0),
        scale=_scale_of(matching, rows, iou if scale_iou is None else scale_iou),
        category=matching.category[rows],
        image=matching.image[rows],
        detection=matching.order[rows],
    )


def _scale_of(matching: Matching, rows: Ints, iou: float) -> Ints:
    """[R], the scale of the object each row takes, its own where it takes none."""
    taken = matching.taken[0, matching.at(iou), rows]
    own = matching.results.areas[matching.order[rows]]
    return matching.scales.of(np.where(taken >= 0, matching.truth.areas[taken], own))


def _check_scores(matching: Matching) -> None:
    scores = matching.scores
    if (bad := np.flatnonzero((scores < 0) | (scores > 1))).size:
        raise InputError(
            f"{matching.results.source}: calibration needs scores in [0, 1], got "
            f"{scores[bad[0]]:g} in record {matching.order[bad[0]]} ({bad.size:,} such scores)"
        )


def _iou_of(matching: Matching, rows: Ints, taken: Ints) -> Floats:
    """[R], the IoU of each row with the truth it takes; anything where it takes none."""
    pairs, width = matching.pairs, len(matching.truth) + 1
    key = pairs.row * width + pairs.truth
    order = np.argsort(key)
    at = np.searchsorted(key, rows * width + taken, sorter=order)
    return np.append(pairs.iou[order], 0.0)[at]


def thresholds(parameters: Parameters) -> list[float]:
    """The IoUs that a matching for `metrics` needs."""
    return [parameters.iou, LOCATION_IOU, ANY_OVERLAP]


def metrics(
    matching: Matching, parameters: Parameters, tuned: Floats | None = None
) -> dict[str, object]:
    """Calibration of `all`, each scale and each class, with the settings beside it.

    Args:
        matching: made at `thresholds(parameters)`.
        parameters: IoU, bins and floor.
        tuned: [C] a score for each class, chosen on another split (`lrp.thresholds`).

    Returns:
        By group: `ece` (D-ECE), `adaptive_ece`, `laece`, `laace0` in [0, 1], `gap` (mean score -
        precision: above 0 is over-confident), `n`. By `class.<name>`: ece, gap, n. Then iou,
        bins and floor, which laece (IoU .1, 25 bins) and laace0 (any overlap) share only in the
        floor. A group without detections has n 0 and nothing else. With `tuned` also `laece0`
        (any overlap, 25 bins, over the `laece0_n` detections that reach their class's score,
        whatever the floor) and by class `laece0_threshold`.
    """
    groups = _measured(matching, parameters, tuned)
    names = MEASURES if tuned is None else MEASURES + TUNED_MEASURES
    by_measure = {
        name: {group: values[name] for group, values in groups.items() if name in values}
        for name in names
    }
    return {
        **by_measure,
        "class": _by_class(matching, parameters, tuned),
        **parameters.model_dump(),
    }


def _measured(
    matching: Matching, parameters: Parameters, tuned: Floats | None
) -> dict[str, dict[str, float]]:
    """Every measure of every group that has it, by group and name."""
    at, floor = parameters.iou, parameters.floor
    made = {
        name: _basic(chosen, parameters.bins)
        for name, chosen in by_group(matching, judged(matching, at, floor))
    }
    for name, chosen in by_group(matching, judged(matching, LOCATION_IOU, floor, at)):
        made[name]["laece"] = laece(chosen.score, chosen.iou, chosen.category, LOCATION_BINS)
    for name, chosen in by_group(matching, judged(matching, ANY_OVERLAP, floor, at)):
        made[name]["laace0"] = laace(chosen.score, chosen.iou, chosen.category)
    if tuned is not None:
        found = judged(matching, ANY_OVERLAP, 0, at)
        kept = found.of(found.score >= tuned[found.category])
        for name, chosen in by_group(matching, kept):
            made[name]["laece0"] = laece(chosen.score, chosen.iou, chosen.category, LOCATION_BINS)
            made[name]["laece0_n"] = len(chosen.score)
    return {
        group: {name: value for name, value in values.items() if not np.isnan(value)}
        for group, values in made.items()
    }


def _basic(found: Judged, bins: int) -> dict[str, float]:
    """ECE, adaptive ECE, signed gap and count; NaN without detections."""
    some = len(found.score) > 0
    return {
        "ece": ece(found.score, found.hit, bin_of(found.score, bins)),
        "adaptive_ece": adaptive_ece(found.score, found.hit, bins),
        "gap": float(np.mean(found.score - found.hit)) if some else NAN,
        "n": len(found.score),
    }


def _by_class(
    matching: Matching, parameters: Parameters, tuned: Floats | None
) -> dict[str, dict[str, float]]:
    found = judged(matching, parameters.iou, parameters.floor)
    made = {}
    for n, name in enumerate(matching.truth.category_names):
        values = _basic(found.of(found.category == n), parameters.bins)
        if values["n"]:
            made[name] = {key: values[key] for key in ("ece", "gap", "n")}
            if tuned is not None:
                made[name]["laece0_threshold"] = float(tuned[n])
    return made


def by_group(matching: Matching, found: Judged) -> list[tuple[str, Judged]]:
    """`all` and each scale with its detections; a true partition."""
    scales = [(name, found.of(found.scale == n)) for n, name in enumerate(matching.scales.names)]
    return [("all", found), *scales]


def reliability(matching: Matching, parameters: Parameters) -> "pd.DataFrame":
    """The reliability diagram of every group.

    Returns:
        Columns group, bin_low, bin_high, confidence (mean score), precision, precision_low and
        precision_high (Wilson's 95% interval), count; a row a bin, NaN where it is empty.
    """
    import pandas as pd

    found = judged(matching, parameters.iou, parameters.floor)
    tables = [
        pd.DataFrame({"group": name, **diagram(chosen.score, chosen.hit, parameters.bins)})
        for name, chosen in by_group(matching, found)
    ]
    return pd.concat(tables, ignore_index=True)
