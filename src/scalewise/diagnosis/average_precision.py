"""Average precision: COCO's twelve statistics, per class and per scale.

Two ways to the same numbers: `official` runs pycocotools (or hotcoco) itself, `from_matching`
reads the matching table; they agree to the last digit.
Source: https://cocodataset.org/#detection-eval
"""

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scalewise.coco import Floats, Results, Truth, results_document, truth_document
from scalewise.diagnosis.curves import RECALLS, precision_at_recalls
from scalewise.diagnosis.matching import COCO_IOUS, MAX_DETECTIONS, Matching, require_objects
from scalewise.errors import InputError
from scalewise.params import Record
from scalewise.scales import Scales

if TYPE_CHECKING:
    import pandas as pd

DETECTION_LIMITS = (1, 10, MAX_DETECTIONS)  # an image and class: AR_1, AR_10, AR_100

Engine = Literal["pycocotools", "hotcoco"]


class Parameters(Record):
    """Section `evaluation` of params.yaml."""

    engine: Engine = "pycocotools"
    """What computes the official numbers; hotcoco is an extra and gives the same bits, faster."""


@dataclass(frozen=True)
class Accumulated:
    """Precision and recall for T IoUs, C classes, A groups; NaN where nothing is to be found.

    Attributes:
        names: C class names.
        class_order: [C], the classes by rising category id: the order of COCO's means.
        groups: A names: `all` and the scales.
        precision: [T, 101, C, A] in [0, 1] at COCO's recalls and 100 detections.
        recall: [T, C, A, 3] in [0, 1] with 1, 10 and 100 detections an image and class.
    """

    names: tuple[str, ...]
    class_order: Any
    groups: tuple[str, ...]
    precision: Floats
    recall: Floats


def from_matching(matching: Matching) -> Accumulated:
    """Accumulate a matching made at `COCO_IOUS` or more, as COCOeval does."""
    shape = (len(COCO_IOUS), len(matching.truth.category_ids), len(matching.groups))
    precision = np.full((shape[0], len(RECALLS), *shape[1:]), np.nan)
    recall = np.full((*shape, len(DETECTION_LIMITS)), np.nan)
    for group in range(len(matching.groups)):
        present = matching.positives(group) > 0
        for level, iou in enumerate(COCO_IOUS):
            at = matching.at(iou)
            precision[level, :, present, group] = _precision(matching, group, at)[present]
            recall[level, present, group] = _recall(matching, group, at)[present]
    return _accumulated(matching.truth, matching.groups, precision, recall)


def _precision(matching: Matching, group: int, level: int) -> Floats:
    """[C, 101] of one group and IoU."""
    counted = ~matching.ignored[group, level]
    hit = matching.taken[group, level, counted] >= 0
    return precision_at_recalls(matching.category[counted], hit, matching.positives(group))


def _recall(matching: Matching, group: int, level: int) -> Floats:
    """[C, 3] of one group and IoU."""
    hit = (matching.taken[group, level] >= 0) & ~matching.ignored[group, level]
    category, rank = matching.category[hit], matching.rank[hit]
    positives = matching.positives(group)
    found = [np.bincount(category[rank < n], minlength=len(positives)) for n in DETECTION_LIMITS]
    return np.stack(found, axis=1) / np.maximum(positives, 1)[:, None]


def _accumulated(
    truth: Truth, groups: tuple[str, ...], precision: Floats, recall: Floats
) -> Accumulated:
    return Accumulated(
        truth.category_names, np.argsort(truth.category_ids), groups, precision, recall
    )


def official(
    truth: Truth, results: Results, scales: Scales, engine: Engine = "pycocotools"
) -> Accumulated:
    """Evaluate with pycocotools' COCOeval itself, or with hotcoco.

    The one addition: truth with `ignore` counts as ignored even where it is no crowd, which
    COCOeval reads and then overwrites.

    Raises:
        InputError: no object to find; hotcoco is not installed, or the truth has such ignored
            objects, which it cannot leave out.
    """
    require_objects(truth)
    evaluate = {"pycocotools": _pycocotools, "hotcoco": _hotcoco}[engine]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluated = evaluate(_truth(truth), _detections(truth, results), scales)
    to_own = np.argsort(np.argsort(truth.category_ids))
    precision = np.asarray(evaluated["precision"])[..., -1][:, :, to_own]
    recall = np.asarray(evaluated["recall"])[:, to_own]
    return _accumulated(truth, scales.groups, _or_nan(precision), _or_nan(recall))


def _or_nan(values: Floats) -> Floats:
    return np.where(values > -1, values, np.nan)


def _truth(truth: Truth) -> dict[str, Any]:
    """The COCO document; ids from 1, because COCOeval takes a match with id 0 for none."""
    document = truth_document(truth)
    for n, record in enumerate(document["annotations"]):
        record |= {"id": n + 1, "left_out": record["ignore"]}
    return document


def _detections(truth: Truth, results: Results) -> list[dict[str, Any]]:
    """The COCO results as annotations, with the areas as read rather than recomputed."""
    records = results_document(truth, results)
    areas = results.areas.tolist()
    return [
        record | {"id": n + 1, "area": area, "iscrowd": 0}
        for n, (record, area) in enumerate(zip(records, areas, strict=True))
    ]


def _pycocotools(
    truth: dict[str, Any], detections: list[dict[str, Any]], scales: Scales
) -> dict[str, Any]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Evaluation(COCOeval):
        def _prepare(self) -> None:
            super()._prepare()
            for objects in self._gts.values():
                for record in objects:
                    record["ignore"] = record["left_out"]

    def indexed(document: dict[str, Any]) -> COCO:
        coco = COCO()
        coco.dataset = document
        coco.createIndex()
        return coco

    found = indexed(truth | {"annotations": detections})
    evaluation = Evaluation(indexed(truth), found, "bbox")
    evaluation.params.areaRng = scales.ranges().tolist()
    evaluation.params.areaRngLbl = list(scales.groups)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval


def _hotcoco(
    truth: dict[str, Any], detections: list[dict[str, Any]], scales: Scales
) -> dict[str, Any]:
    try:
        import hotcoco
    except ImportError:
        raise InputError(
            "evaluation.engine: hotcoco is not installed; `pip install hotcoco`, or "
            "choose pycocotools"
        ) from None
    if hidden := sum(r["left_out"] > r["iscrowd"] for r in truth["annotations"]):
        raise InputError(
            f"evaluation.engine: hotcoco cannot leave out the {hidden} objects that are "
            "ignored without being a crowd; choose pycocotools"
        )
    coco = hotcoco.COCO(truth)
    evaluation = hotcoco.COCOeval(coco, coco.load_res(detections), "bbox")
    evaluation.params.area_rng = scales.ranges().tolist()
    evaluation.params.area_rng_lbl = list(scales.groups)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval


def statistics(accumulated: Accumulated) -> dict[str, float]:
    """COCO's statistics under their standard names, in [0, 1]; absent where not defined.

    AP (mean over IoU .5:.05:.95), AP50, AP75, AP_<scale>, AR_1, AR_10, AR_100, AR_<scale>:
    for COCO's scales the twelve of `COCOeval.summarize`, to the last digit. A class without
    objects is left out of a mean; a class that is never found counts as 0.
    """
    precision = accumulated.precision[:, :, accumulated.class_order]
    recall = accumulated.recall[:, accumulated.class_order]
    values = {
        "AP": _mean(precision[..., 0]),
        "AP50": _mean(precision[[_level(0.5)], ..., 0]),
        "AP75": _mean(precision[[_level(0.75)], ..., 0]),
    }
    for n, limit in enumerate(DETECTION_LIMITS):
        values[f"AR_{limit}"] = _mean(recall[:, :, 0, n])
    for a, scale in enumerate(accumulated.groups[1:], start=1):
        values[f"AP_{scale}"] = _mean(precision[..., a])
        values[f"AR_{scale}"] = _mean(recall[:, :, a, -1])
    return {name: value for name, value in values.items() if value is not None}


def per_class(accumulated: Accumulated) -> dict[str, dict[str, float]]:
    """AP and AP50 of each class that has objects, in [0, 1], by class name."""
    return {
        name: {
            "AP": float(np.mean(accumulated.precision[:, :, c, 0])),
            "AP50": float(np.mean(accumulated.precision[_level(0.5), :, c, 0])),
        }
        for c, name in enumerate(accumulated.names)
        if not np.isnan(accumulated.precision[0, 0, c, 0])
    }


def precision_recall(accumulated: Accumulated) -> "pd.DataFrame":
    """Precision-recall curves, mean over the classes that have objects.

    Returns:
        Columns group, iou, recall, precision: every group at IoU .5, `all` at .75 too. A group
        without objects has no rows.
    """
    import pandas as pd

    wanted = [(group, 0.5) for group in accumulated.groups]
    wanted.insert(1, ("all", 0.75))
    tables = []
    for group, iou in wanted:
        curves = accumulated.precision[_level(iou), :, :, accumulated.groups.index(group)]
        present = ~np.isnan(curves[0])
        if present.any():
            columns = {"recall": RECALLS, "precision": curves[:, present].mean(axis=1)}
            tables.append(pd.DataFrame({"group": group, "iou": iou, **columns}))
    return pd.concat(tables, ignore_index=True)


def _level(iou: float) -> int:
    return int(np.argmin(np.abs(COCO_IOUS - iou)))


def _mean(values: Floats) -> float | None:
    """As `COCOeval.summarize`: over what is defined, in memory order, for the same bits."""
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if len(defined) else None
