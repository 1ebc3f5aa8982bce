"""The rules of the study this project set out from, to reproduce its table.

Both distort; the other modules of this package do it right.

- TIDE for each scale: truth and detections are each filtered by the area of their own box. A
  pair at a bound is torn apart: its object is missed in one scale, its detection is background
  in the next. On COCO val2017 with 34,600 detections of a YOLOv8x, at 36 and 96 pixels: AP50
  32.10, 58.26, 75.18, where COCO's ignore rule at the same bounds gives 36.65, 63.59, 77.56.
- Calibration by counting: in each image and class the best N detections are right, N the number
  of objects there, wherever they lie. It makes ECE .1598 where matching by IoU makes .0752.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from scalewise.coco import Bools, Floats, Ints, Results, Truth
from scalewise.diagnosis.calibration_measures import bin_of, ece
from scalewise.diagnosis.matching import place_in_group
from scalewise.diagnosis.tide import Parameters
from scalewise.diagnosis.tidecv_reference import detection_data, truth_data
from scalewise.scales import Scales

SCALES = Scales(bounds=(36, 96))
BINS = 10
NAMES = {"FalsePos": "FP", "FalseNeg": "FN"}  # tidecv's names for ours


def by_box_area(
    truth: Truth, results: Results, scales: Scales = SCALES
) -> Iterator[tuple[str, Truth, Results]]:
    """Each scale's objects and detections, each filtered by the area of its own box."""
    of_truth, of_results = scales.of(truth.box_areas), scales.of(results.areas)
    for n, name in enumerate(scales.names):
        yield name, _objects(truth, of_truth == n), _detections(results, of_results == n)


def _objects(truth: Truth, kept: Bools) -> Truth:
    names = ("ids", "image", "category", "boxes", "areas", "box_areas", "crowd", "ignore")
    return replace(truth, **{name: getattr(truth, name)[kept] for name in names})


def _detections(results: Results, kept: Bools) -> Results:
    names = ("image", "category", "boxes", "areas", "scores")
    extra = {name: values[kept] for name, values in results.extra.items()}
    return replace(results, **{name: getattr(results, name)[kept] for name in names}, extra=extra)


def filtered_tide(
    truth: Truth,
    results: Results,
    scales: Scales = SCALES,
    parameters: Parameters | None = None,
) -> dict[str, dict[str, float]]:
    """What tidecv as it is makes of each scale's filtered objects and detections.

    Returns:
        For each scale AP50, Cls, Loc, Both, Dupe, Bkg, Miss, FP, FN in percent points, with
        tidecv's recall grid, means and limit of 100 detections an image. A scale without
        objects or without detections, on which tidecv divides by zero, is absent.
    """
    parameters = parameters or Parameters()
    return {
        name: _tidecv(objects, found, parameters)
        for name, objects, found in by_box_area(truth, results, scales)
        if not objects.ignore.all() and len(found)
    }


def _tidecv(truth: Truth, results: Results, parameters: Parameters) -> dict[str, float]:
    from tidecv.quantify import TIDE, TIDERun

    order = np.arange(len(results))
    run = TIDERun(
        truth_data(truth, range(len(truth))),
        detection_data(results, order, results.scores),
        parameters.iou,
        parameters.background_iou,
        TIDE.BOX,
        max_dets=100,
    )
    costs = {**run.fix_main_errors(), **run.fix_special_errors()}
    named = {NAMES.get(kind.short_name, kind.short_name): cost for kind, cost in costs.items()}
    return {"AP50": run.ap, **named}


def counted_calibration(
    truth: Truth, results: Results, scales: Scales = SCALES, bins: int = BINS
) -> dict[str, dict[str, float]]:
    """ECE, gap and count by the counting rule, for `all` and each scale's filtered sets.

    Returns:
        `ece.<group>`, `gap.<group>`, `n.<group>` as in `calibration.metrics`; a group without
        detections is absent.
    """
    made: dict[str, dict[str, float]] = {"ece": {}, "gap": {}, "n": {}}
    for name, objects, found in [("all", truth, results), *by_box_area(truth, results, scales)]:
        if len(found):
            hit = counted_hits(objects, found)
            made["ece"][name] = ece(found.scores, hit, bin_of(found.scores, bins))
            made["gap"][name] = float(np.mean(found.scores) - np.mean(hit))
            made["n"][name] = len(found)
    return made


def counted_hits(truth: Truth, results: Results) -> Bools:
    """[D], whether a detection is among the best N of its image and class; N objects there.

    Crowds are objects like others, IoU plays no part.
    """
    classes = len(truth.category_ids)
    cell = results.image * classes + results.category
    objects = np.bincount(
        truth.image * classes + truth.category, minlength=len(truth.image_ids) * classes
    )
    return _rank(cell, results.scores) < objects[cell]


def _rank(cell: Ints, scores: Floats) -> Ints:
    order = np.argsort(-scores, kind="stable")
    rank = np.empty(len(cell), np.int64)
    rank[order] = place_in_group(cell[order])
    return rank
