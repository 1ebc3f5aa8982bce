"""tidecv's own figures for all objects, to stand beside ours.

tidecv (https://github.com/dbolya/tide, 1.0.1) matches, types and fixes; what is known to be
wrong around that is left out: its loader, its plots and its settings (only `TIDERun` runs),
its limit of 100 detections for a whole image, its recall grid, classes without objects as AP 0,
divisions by zero, and an order of ties of its own.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from scalewise.boxes import xyxy_to_xywh
from scalewise.coco import Floats, Ints, Results, Truth
from scalewise.diagnosis.curves import RECALLS
from scalewise.diagnosis.matching import Matching
from scalewise.diagnosis.tide import Parameters, falling_place

if TYPE_CHECKING:
    from tidecv.ap import ClassedAPDataObject
    from tidecv.data import Data


def metrics(matching: Matching, parameters: Parameters) -> dict[str, float]:
    """AP50, Cls, Loc, Both, Dupe, Bkg, Miss, FP, FN by tidecv, in percent points.

    Ignored objects that are no crowd are handed over as if they were: tidecv knows no others.
    """
    from tidecv.quantify import TIDE, TIDERun

    # Of equal IoUs tidecv takes the first object, COCO the last; its order of equal scores is
    # its own, so it gets places instead.
    backwards = range(len(matching.truth) - 1, -1, -1)
    scores = 1 - (falling_place(matching) + 1) / (len(matching) + 1)
    run = TIDERun(
        truth_data(matching.truth, backwards),
        detection_data(matching.results, matching.order, scores),
        parameters.iou,
        parameters.background_iou,
        TIDE.BOX,
        max_dets=max(len(matching), 1),  # the matching has taken 100 an image and class
    )
    present = np.flatnonzero(matching.positives(0)).tolist()
    base = _mean_ap(run.ap_data, present)
    fixed = {kind.short_name: _mended(run, kind) for kind in TIDE._error_types}
    fixed["FP"] = run.fix_errors(transform=TIDE._special_error_types[0].fix)
    fixed["FN"] = run.fix_errors(false_neg_dict=run.false_negatives)
    costs = {name: max(_mean_ap(data, present) - base, 0.0) for name, data in fixed.items()}
    return {"AP50": base, **costs}


def _mended(run: Any, kind: type) -> "ClassedAPDataObject":
    return run.fix_errors(condition=lambda error: isinstance(error, kind))


def truth_data(truth: Truth, order: Iterable[int]) -> "Data":
    """The objects in tidecv's form, in the order given; ignored ones as its ignore regions."""
    from tidecv.data import Data

    data = Data("truth")
    for image in range(len(truth.image_ids)):
        data.add_image(image, str(image))
    boxes = xyxy_to_xywh(truth.boxes).tolist()
    for n in order:
        add = data.add_ignore_region if truth.ignore[n] else data.add_ground_truth
        add(int(truth.image[n]), int(truth.category[n]), boxes[n])
    return data


def detection_data(results: Results, order: Ints, scores: Floats) -> "Data":
    """The detections in tidecv's form, in the order given, with scores [D] in that order."""
    from tidecv.data import Data

    data = Data("detections")
    boxes = xyxy_to_xywh(results.boxes[order]).tolist()
    columns = results.image[order].tolist(), results.category[order].tolist(), scores.tolist()
    for image, category, score, box in zip(*columns, boxes, strict=True):
        data.add_detection(image, category, score, box)
    return data


def _mean_ap(data: "ClassedAPDataObject", present: list[int]) -> float:
    """Mean AP over the classes that have objects, on COCO's recall grid, in percent points."""
    classes = [data.objs[category] for category in present]
    if all(c.is_empty() for c in classes):
        return 100.0
    return 100 * math.fsum(_ap(c.data_points, c.num_gt_positives) for c in classes) / len(classes)


def _ap(points: dict[int, tuple], positives: int) -> float:
    """101-point AP of tidecv's (score, hit, info) points."""
    if not positives or not points:
        return 0.0
    score, hit, _ = zip(*points.values(), strict=True)
    hits = np.cumsum(np.array(hit)[np.argsort(-np.array(score), kind="stable")])
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    reached: Ints = np.searchsorted(hits / positives, RECALLS)
    return float(np.append(precision, 0)[reached].mean())
