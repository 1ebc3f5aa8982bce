"""Recalibration: maps from a score to a better one, fitted on val and measured on test.

The kinds of map, with their sources, are in `score_maps`.

**Without a val split** the test images are dealt into folds, and the scores of each fold are
mapped by what the other folds teach: no detection is measured under a map that has seen its
image. The maps that are reported are those of all folds together. Folds have maps of their own,
so that the ranking across folds, and with it AP, may change a little.

**The ranking stays.** A map never falls, but it may tie scores that differed (a step of
isotonic; sigmoids near 0 and 1). Such ties are parted again in the old order by units in the
last place, so with one map for all detections AP keeps its bits. With a map a scale, detections
of different scales may pass each other: AP may change, and is reported.

The scale of a map is that of the detection's own box: what is known when it is used.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, field_validator

from scalewise.coco import Bools, Floats, Ints, Results
from scalewise.diagnosis import average_precision, calibration
from scalewise.diagnosis.calibration import Judged
from scalewise.diagnosis.calibration_measures import bin_of, diagram, ece
from scalewise.diagnosis.matching import COCO_IOUS, Matching, match
from scalewise.diagnosis.score_maps import EDGE, Map, Method, Sigmoid, fit, in_order
from scalewise.params import Record
from scalewise.scales import Scales

if TYPE_CHECKING:
    import pandas as pd

DRAWN = np.linspace(0, 1, 101)  # scores at which a map is tabulated

By = Literal["all", "scale"]
Target = Literal["hit", "iou"]


class Parameters(Record):
    """Section `recalibration` of params.yaml."""

    methods: tuple[Method, ...] = Field(("temperature", "platt", "isotonic"), min_length=1)
    """Kinds of map, each once: temperature, platt, isotonic."""
    by: tuple[By, ...] = Field(("all", "scale"), min_length=1)
    """One map for `all` detections, one for each `scale`, or both to compare."""
    folds: int = Field(5, ge=2)
    """Parts of the test images that are mapped by the others, where there is no val."""
    target: Target = "hit"
    """What a score should tell: the share of `hit`s at the calibration IoU, or the mean `iou`."""

    @field_validator("methods", "by")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"expected each name once, got {list(names)}")
        return names


@dataclass(frozen=True)
class Outcome:
    """The test split under one kind of map.

    Attributes:
        method: the kind of map; `none` for the scores as they are.
        by: `all`, or `scale` for a map a scale.
        maps: name of each map (`all` or a scale) and the map.
        found: the test detections with their new scores, judged anew.
        target: [D], what each of those scores should tell, in [0, 1].
        precision: AP, AP50, AP75 and AP_<scale>.
        fitted_on: what the maps were fitted on: `val`, or `<n> folds of test`.
    """

    method: str
    by: str
    maps: dict[str, Map]
    found: Judged
    target: Floats
    precision: dict[str, float]
    fitted_on: str = "val"


def fit_maps(
    val: Matching,
    rules: calibration.Parameters,
    method: Method,
    by: By,
    target: Target,
    images: Bools | None = None,
) -> dict[str, Map]:
    """One map for `all`, or one a scale; a scale without detections on val takes that of all.

    Args:
        val: the tuning split's matching, made at `rules.iou` or more.
        rules: from which IoU on a detection is right, and the floor.
        method: the kind of map.
        by: `all` or `scale`.
        target: `hit` or `iou`.
        images: [I], those to learn from; all of them without.

    Raises:
        InputError: a score outside [0, 1].
    """
    found = calibration.judged(val, rules.iou, rules.floor)
    if images is not None:
        found = found.of(images[found.image])
    wanted = _target(found, target)
    whole = fit(method, found.score, wanted)
    if by == "all":
        return {"all": whole}
    own = val.scales.of(val.results.areas[found.detection])
    return {
        name: fit(method, found.score[own == n], wanted[own == n]) if (own == n).any() else whole
        for n, name in enumerate(val.scales.names)
    }


def _target(found: Judged, target: Target) -> Floats:
    return found.iou if target == "iou" else found.hit.astype(np.float64)


def recalibrated(results: Results, maps: dict[str, Map], scales: Scales) -> Results:
    """The detections with new scores in [EDGE, 1 - EDGE], ranked as before under each map."""
    own = scales.of(results.areas)
    scores = results.scores.copy()
    for name, curve in maps.items():
        chosen = np.flatnonzero((name == "all") | (own == _position(name, scales)))
        new = np.clip(curve(results.scores[chosen]), EDGE, 1 - EDGE)
        scores[chosen] = in_order(new, results.scores[chosen])
    return replace(results, scores=scores)


def _position(name: str, scales: Scales) -> int:
    return -1 if name == "all" else scales.names.index(name)


def needed_ious(rules: calibration.Parameters) -> Floats:
    """The IoUs that the test split's matching needs: COCO's ten and that of the parameters."""
    known = np.isclose(COCO_IOUS, rules.iou).any()
    return COCO_IOUS if known else np.append(COCO_IOUS, rules.iou)


def study(
    val: Matching | None,
    test: Matching,
    parameters: Parameters,
    rules: calibration.Parameters,
) -> list[Outcome]:
    """Fit every map on val and measure it on test; without val, fit and measure across folds.

    Args:
        val: made at `rules.iou` or more; None where there is no such split.
        test: made at `needed_ious(rules)` or more.
        parameters: kinds of map and their target.
        rules: IoU, bins and floor; the floor is one on the old scores, before and after.

    Returns:
        First the scores as they are (method `none`, by `all`), then an outcome for each `by` of
        each method.

    Raises:
        InputError: a score outside [0, 1].
    """
    outcomes = [_outcome("none", "all", {}, test, test, parameters, rules)]
    for method in parameters.methods:
        for by in parameters.by:
            maps = fit_maps(test if val is None else val, rules, method, by, parameters.target)
            if val is None:
                results = across_folds(test, rules, method, by, parameters)
            else:
                results = recalibrated(test.results, maps, test.scales)
            new = match(test.truth, results, test.scales, test.ious)
            outcomes.append(_outcome(method, by, maps, test, new, parameters, rules))
    if val is not None:
        return outcomes
    return [replace(made, fitted_on=f"{parameters.folds} folds of test") for made in outcomes]


def across_folds(
    test: Matching, rules: calibration.Parameters, method: Method, by: By, parameters: Parameters
) -> Results:
    """The detections, those of each fold of the images under maps fitted on the other folds.

    Image n is in fold n modulo `folds`, n its position in the truth.
    """
    results = test.results
    fold_of = np.arange(len(test.truth.image_ids)) % parameters.folds
    scores = results.scores.copy()
    for fold in range(parameters.folds):
        own = fold_of[results.image] == fold
        maps = fit_maps(test, rules, method, by, parameters.target, fold_of != fold)
        part = replace(results, scores=results.scores[own], areas=results.areas[own])
        scores[own] = recalibrated(part, maps, test.scales).scores
    return replace(results, scores=scores)


def _outcome(
    method: str,
    by: str,
    maps: dict[str, Map],
    old: Matching,
    new: Matching,
    parameters: Parameters,
    rules: calibration.Parameters,
) -> Outcome:
    found = calibration.judged(new, rules.iou, 0)
    found = found.of(old.results.scores[found.detection] >= rules.floor)
    values = average_precision.statistics(average_precision.from_matching(new))
    precision = {name: value for name, value in values.items() if name.startswith("AP")}
    return Outcome(method, by, maps, found, _target(found, parameters.target), precision)


def metrics(
    outcomes: list[Outcome],
    scales: Scales,
    parameters: Parameters,
    rules: calibration.Parameters,
) -> dict[str, object]:
    """ECE, gap, count and AP on test before and after, with the settings beside them.

    Returns:
        `before` and `<method>.<by>`, each with `ece` (abs(mean score - mean target) over the
        bins), `gap` (mean score - mean target) and `n` by group, AP, AP50, AP75, AP_<scale>;
        after a sigmoid also its `temperature` or `slope` and `shift` by map. Then fitted_on (`val`
        or `<n> folds of test`), target, iou, bins and floor. The groups are those of
        `calibration.metrics`: the scale of the object found.
    """
    before, *after = (_measured(outcome, scales, rules.bins) for outcome in outcomes)
    made: dict[str, object] = {"before": before}
    for method in parameters.methods:
        made[method] = {
            outcome.by: values | _constants(outcome)
            for outcome, values in zip(outcomes[1:], after, strict=True)
            if outcome.method == method
        }
    made |= {"fitted_on": outcomes[0].fitted_on, "target": parameters.target}
    return {**made, **rules.model_dump()}


def _measured(outcome: Outcome, scales: Scales, bins: int) -> dict[str, object]:
    made: dict[str, dict[str, float]] = {"ece": {}, "gap": {}, "n": {}}
    for name, chosen in _groups(outcome, scales):
        score, target = outcome.found.score[chosen], outcome.target[chosen]
        made["n"][name] = len(score)
        if len(score):
            made["ece"][name] = ece(score, target, bin_of(score, bins))
            made["gap"][name] = float(np.mean(score - target))
    return {**made, **outcome.precision}


def _groups(outcome: Outcome, scales: Scales) -> list[tuple[str, Ints]]:
    """`all` and each scale, with the positions of its detections."""
    scale = outcome.found.scale
    parts = [(name, np.flatnonzero(scale == n)) for n, name in enumerate(scales.names)]
    return [("all", np.arange(len(scale))), *parts]


def _constants(outcome: Outcome) -> dict[str, dict[str, float]]:
    """What a user needs to apply the sigmoids; the steps are in `maps_table`."""
    made = {name: m for name, m in outcome.maps.items() if isinstance(m, Sigmoid)}
    if outcome.method == "temperature":
        return {"temperature": {name: 1 / m.slope for name, m in made.items()}}
    return {
        "slope": {name: m.slope for name, m in made.items()},
        "shift": {name: m.shift for name, m in made.items()},
    }


def reliability(outcomes: list[Outcome], scales: Scales, bins: int) -> "pd.DataFrame":
    """The reliability diagrams before (method `none`) and after.

    Returns:
        Columns method, by, group and those of `diagram`; precision is the mean
        target. A row a bin, NaN where it is empty.
    """
    import pandas as pd

    tables = []
    for outcome in outcomes:
        for name, chosen in _groups(outcome, scales):
            score, target = outcome.found.score[chosen], outcome.target[chosen]
            names = {"method": outcome.method, "by": outcome.by, "group": name}
            tables.append(pd.DataFrame({**names, **diagram(score, target, bins)}))
    return pd.concat(tables, ignore_index=True)


def maps_table(outcomes: list[Outcome]) -> "pd.DataFrame":
    """The maps themselves, to draw them or to use them by interpolation.

    Returns:
        Columns method, by, map (`all` or a scale), score (0, .01 ... 1), recalibrated.
    """
    import pandas as pd

    tables = [
        pd.DataFrame(
            {
                "method": outcome.method,
                "by": outcome.by,
                "map": name,
                "score": DRAWN,
                "recalibrated": np.clip(curve(DRAWN), EDGE, 1 - EDGE),
            }
        )
        for outcome in outcomes
        for name, curve in outcome.maps.items()
    ]
    return pd.concat(tables, ignore_index=True)
