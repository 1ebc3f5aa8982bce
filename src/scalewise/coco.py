"""COCO truth and results: read, check, write.

The only place that knows COCO's xywh boxes and ids; inside, boxes are xyxy pixels and images
and categories are positions 0..I-1 and 0..C-1. Format: https://cocodataset.org/#format-data
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalewise import boxes as box_ops
from scalewise import records
from scalewise.errors import InputError
from scalewise.files import read_json, write_json
from scalewise.records import Bools, Floats, Ints, Table, kind

STANDARD_RESULT_KEYS = frozenset({"image_id", "category_id", "bbox", "score", "segmentation"})


@dataclass(frozen=True)
class Truth:
    """Annotated images: I images, C categories, T objects, in the file's order.

    Attributes:
        source: where it came from, for messages.
        image_ids: [I], the file's ids.
        file_names: I names; empty strings where the file has none.
        sizes: [I, 2] width and height in pixels; 0 where the file does not say.
        category_ids: [C], the file's ids.
        category_names: C names.
        ids: [T], the annotations' ids.
        image: [T], position of the object's image.
        category: [T], position of the object's category.
        boxes: [T, 4] xyxy pixels.
        areas: [T], the annotation's `area` (the object's own, not its box's), which decides its
            scale; box area where the file has none.
        box_areas: [T], width times height as COCO's IoU computes it.
        crowd: [T], `iscrowd`.
        ignore: [T], neither to be found nor to be missed: `ignore` in the file, or crowd.
        images: folder of the encoded images, where the file names one (`info.images`).
    """

    source: str
    image_ids: Ints
    file_names: tuple[str, ...]
    sizes: Ints
    category_ids: Ints
    category_names: tuple[str, ...]
    ids: Ints
    image: Ints
    category: Ints
    boxes: Floats
    areas: Floats
    box_areas: Floats
    crowd: Bools
    ignore: Bools
    images: str = ""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Results:
    """D detections on a truth's images, in the file's order.

    Attributes:
        source: where they came from, for messages.
        image: [D], position of the image in the truth.
        category: [D], position of the category in the truth.
        boxes: [D, 4] xyxy pixels.
        areas: [D], width times height.
        scores: [D].
        extra: further keys that every record has (pyramid level, source index), each [D].
    """

    source: str
    image: Ints
    category: Ints
    boxes: Floats
    areas: Floats
    scores: Floats
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)


def read_truth(path: str | Path) -> Truth:
    """Read and check a COCO truth file, plain or gzip.

    `segmentation`, `iscrowd`, `area`, `file_name`, `width` and `height` may be absent.
    A file without annotations is a truth of no objects.

    Raises:
        InputError: not COCO, ids twice, unknown image or category, a box with a negative or
            NaN side or wholly outside its image; the message names file and record.
    """
    return parse_truth(read_json(path), str(path))


def parse_truth(document: Any, source: str) -> Truth:
    """Check a COCO truth document that is in memory; see `read_truth`."""
    document = records.as_object(document, source, "images, annotations and categories")
    images = records.images(document, source)
    categories = Table(document, "categories", source)
    objects = Table(document, "annotations", source)
    category_ids = categories.ids()
    xywh = objects.boxes()
    image = objects.positions("image_id", images["image_ids"], "images")
    box_areas = xywh[:, 2] * xywh[:, 3]
    boxes = box_ops.xywh_to_xyxy(xywh)
    _check_inside(boxes, images["sizes"][image], objects)
    areas = objects.floats("area", np.nan)
    if (areas < 0).any():
        n = int(np.argmax(areas < 0))
        raise objects.error(n, f"'area' is {areas[n]:g}, expected at least 0")
    crowd = objects.integers("iscrowd", 0) != 0
    return Truth(
        **images,
        category_ids=category_ids,
        category_names=categories.names(),
        ids=objects.ids(),
        image=image,
        category=objects.positions("category_id", category_ids, "categories"),
        boxes=boxes,
        areas=np.where(np.isnan(areas), box_areas, areas),
        box_areas=box_areas,
        crowd=crowd,
        ignore=crowd | (objects.integers("ignore", 0) != 0),
    )


def select(truth: Truth, images: Sequence[int] | Ints) -> Truth:
    """The truth of some images, given by position, in that order."""
    of_object = ("ids", "image", "category", "boxes", "areas", "box_areas", "crowd", "ignore")
    return records.selected(truth, images, of_object=of_object)


def read_splits(paths: Sequence[str | Path]) -> list[Truth]:
    """Read the splits of one dataset, which must agree on their categories."""
    splits = [read_truth(path) for path in paths]
    for split in splits[1:]:
        check_categories(split, splits[0].category_names, splits[0].source)
    return splits


def check_categories(truth: Truth, names: Sequence[str], source: str) -> None:
    """Raise an InputError unless the truth has just these categories, in this order."""
    records.check_same("categories", truth.category_names, truth.source, names, source)


def read_results(path: str | Path, truth: Truth) -> Results:
    """Read and check COCO results (a list of detections), plain or gzip, against their truth.

    An empty list is a detector that found nothing.

    Raises:
        InputError: not a results list, unknown image or category, a box with a negative or NaN
            side, a score that is no number; the message names file and record.
    """
    return parse_results(read_json(path), truth, str(path))


def parse_results(document: Any, truth: Truth, source: str) -> Results:
    """Check a COCO results list that is in memory; see `read_results`."""
    if not isinstance(document, list):
        raise InputError(
            f"{source}: expected a list of detections with image_id, category_id, "
            f"bbox and score, got {kind(document)}"
        )
    table = Table({"results": document}, "results", source)
    xywh = table.boxes()
    return Results(
        source=source,
        image=table.positions("image_id", truth.image_ids, f"images of {truth.source}"),
        category=table.positions(
            "category_id", truth.category_ids, f"categories of {truth.source}"
        ),
        boxes=box_ops.xywh_to_xyxy(xywh),
        areas=xywh[:, 2] * xywh[:, 3],
        scores=table.floats("score", None),
        extra=table.shared_extra(STANDARD_RESULT_KEYS),
    )


def truth_document(truth: Truth) -> dict[str, Any]:
    """The COCO document of a truth: what `parse_truth` reads."""
    xywh = box_ops.xyxy_to_xywh(truth.boxes).tolist()
    return {
        "info": {"images": truth.images},
        "images": records.image_records(truth.image_ids, truth.file_names, truth.sizes),
        "categories": [
            {"id": int(i), "name": name}
            for i, name in zip(truth.category_ids, truth.category_names, strict=True)
        ],
        "annotations": [
            {
                "id": int(truth.ids[n]),
                "image_id": int(truth.image_ids[truth.image[n]]),
                "category_id": int(truth.category_ids[truth.category[n]]),
                "bbox": xywh[n],
                "area": float(truth.areas[n]),
                "iscrowd": int(truth.crowd[n]),
                "ignore": int(truth.ignore[n]),
            }
            for n in range(len(truth))
        ],
    }


def results_document(truth: Truth, results: Results) -> list[dict[str, Any]]:
    """The COCO results list of detections: what `parse_results` reads."""
    columns = {
        "image_id": truth.image_ids[results.image].tolist(),
        "category_id": truth.category_ids[results.category].tolist(),
        "bbox": box_ops.xyxy_to_xywh(results.boxes).tolist(),
        "score": results.scores.tolist(),
        **{name: np.asarray(values).tolist() for name, values in results.extra.items()},
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def write_truth(path: str | Path, truth: Truth, images: str | Path) -> None:
    """Write a truth as COCO JSON that names the folder of its images."""
    write_json(path, truth_document(replace(truth, images=str(images))))


def write_results(path: str | Path, truth: Truth, results: Results) -> None:
    """Write detections as a COCO results JSON, extra keys included."""
    write_json(path, results_document(truth, results))


def _check_inside(boxes: Floats, sizes: Ints, objects: Table) -> None:
    known = (sizes > 0).all(axis=1)
    outside = (boxes[:, :2] >= sizes).any(axis=1) | (boxes[:, 2:] < 0).any(axis=1)
    outside &= known
    if outside.any():
        n = int(np.flatnonzero(outside)[0])
        width, height = sizes[n]
        raise objects.error(
            n,
            f"bbox {objects.records[n]['bbox']} lies outside its image of "
            f"{width}x{height} pixels ({int(outside.sum()):,} such boxes)",
        )
