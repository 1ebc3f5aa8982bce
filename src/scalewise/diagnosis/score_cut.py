"""What a score cut does: results cut at several scores, measured at each.

A detector's own default (.25 in YOLO's pictures) hides what it is unsure of. AP falls, for its
curve ends early; TIDE calls the hidden objects Miss; and the calibration error changes with the
detections it is taken over. None of that is the detector's: the same results, cut lower, show it.

A cut leaves the matching of what stays as it is: COCO's matching goes by falling score.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, field_validator

from scalewise.coco import Results, Truth
from scalewise.diagnosis import average_precision, calibration, recalibration, tide
from scalewise.diagnosis.calibration_measures import NAN, bin_of, ece
from scalewise.diagnosis.matching import match
from scalewise.params import Record
from scalewise.scales import Scales

if TYPE_CHECKING:
    import pandas as pd

ERRORS = ("Miss", "FP")
MEASURES = ("AP", "AP50", *ERRORS, "ece", "gap", "n")


class Parameters(Record):
    """Section `score_cut` of params.yaml."""

    cuts: tuple[float, ...] = Field((0.001, 0.01, 0.05, 0.25, 0.5), min_length=1)
    """Scores in [0, 1), rising; detections of a lower score are left out."""

    @field_validator("cuts")
    @classmethod
    def _rising(cls, cuts: tuple[float, ...]) -> tuple[float, ...]:
        if list(cuts) != sorted(set(cuts)) or cuts[0] < 0 or cuts[-1] >= 1:
            raise ValueError(f"expected rising scores in [0, 1), got {list(cuts)}")
        return cuts


def table(
    truth: Truth,
    results: Results,
    scales: Scales,
    parameters: Parameters,
    of_tide: tide.Parameters,
    of_scores: calibration.Parameters,
) -> "pd.DataFrame":
    """One row a cut and group (`all` and each scale that has objects).

    Args:
        truth: I images with N objects.
        results: D detections, scores in [0, 1].
        scales: the groups.
        parameters: the cuts.
        of_tide: the IoUs of the errors.
        of_scores: IoU and bins of the calibration; its floor holds too where it is higher.

    Returns:
        Columns cut, group, AP (mean over IoU .5:.05:.95), AP50, Miss and FP (TIDE's costs), all
        in percent points, ece in [0, 1], gap (mean score - precision) and n, the detections
        behind ece and gap, which are NaN without any.

    Raises:
        InputError: no object to find, or a score outside [0, 1].
    """
    import pandas as pd

    rows = [
        {"cut": cut, "group": group, **values}
        for cut in parameters.cuts
        for group, values in _measured(truth, _cut(results, cut), scales, of_tide, of_scores)
    ]
    return pd.DataFrame(rows, columns=["cut", "group", *MEASURES])


def _cut(results: Results, cut: float) -> Results:
    kept = results.scores >= cut
    names = ("image", "category", "boxes", "areas", "scores")
    extra = {name: values[kept] for name, values in results.extra.items()}
    return replace(results, **{name: getattr(results, name)[kept] for name in names}, extra=extra)


def _measured(
    truth: Truth,
    results: Results,
    scales: Scales,
    of_tide: tide.Parameters,
    of_scores: calibration.Parameters,
) -> Iterator[tuple[str, dict[str, float]]]:
    """Each group's name and measures."""
    ious = recalibration.needed_ious(of_scores)
    if not np.isclose(ious, of_tide.iou).any():
        ious = np.append(ious, of_tide.iou)
    matching = match(truth, results, scales, ious, of_tide.background_iou)
    judged = calibration.judged(matching, of_scores.iou, of_scores.floor)
    by_group = dict(calibration.by_group(matching, judged))
    precision = average_precision.statistics(average_precision.from_matching(matching))
    for group, costs in tide.metrics(matching, of_tide).items():
        found = by_group[group]
        yield (
            group,
            {
                "AP": 100 * precision["AP" if group == "all" else f"AP_{group}"],
                **{name: costs[name] for name in ("AP50", *ERRORS)},
                "ece": ece(found.score, found.hit, bin_of(found.score, of_scores.bins)),
                "gap": float(np.mean(found.score - found.hit)) if len(found.score) else NAN,
                "n": len(found.score),
            },
        )


def metrics(cuts: "pd.DataFrame", results: Results) -> dict[str, object]:
    """The table for `dvc metrics`: `<cut>.<group>.<measure>`, and the results' `lowest` score.

    Cuts at or below the lowest score leave all the results as they are. What is not defined is
    absent; without detections so is `lowest`.
    """
    made: dict[str, object] = {}
    for cut, rows in cuts.groupby("cut"):
        measures = rows.set_index("group")[list(MEASURES)].to_dict("index")
        made[f"{cut:g}"] = {g: v | {"n": int(v["n"])} for g, v in measures.items()}
    return {**made, **({"lowest": float(results.scores.min())} if len(results) else {})}
