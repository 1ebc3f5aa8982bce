"""Random truths and results with everything that trips an evaluator, and the real pair."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalewise import coco

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "coco"

# Sides whose squares are COCO's bounds, beside ordinary ones.
SIDES = np.array([4, 10, 20, 32, 32, 33, 50, 64, 96, 96, 97, 120, 150])
CROWDED, LEFT_OUT = 0.06, 0.06


@dataclass(frozen=True)
class Case:
    """A truth and results: as COCO documents and as the project reads them."""

    truth_document: dict[str, Any]
    results_document: list[dict[str, Any]]
    truth: coco.Truth
    results: coco.Results

    @classmethod
    def of(cls, truth_document: dict[str, Any], results_document: list[dict[str, Any]]) -> "Case":
        truth = coco.parse_truth(truth_document, "truth")
        results = coco.parse_results(results_document, truth, "results")
        return cls(truth_document, results_document, truth, results)


def random_case(
    seed: int,
    images: int = 12,
    left_out: bool = False,
    crowd: bool = True,
    ties: bool = True,
) -> Case:
    """Ids without order, empty images, a class without objects, one without detections,
    tied scores and IoUs, duplicates, crowds, areas on the bounds and unlike their boxes."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(4, 7))
    image_ids = rng.permutation(np.arange(1, images + 1) * 3)
    category_ids = rng.permutation(np.arange(classes) * 2 + 1)
    objects, found = [], []
    for image_id in image_ids[: images - 2]:  # two images without objects
        boxes = [_box(rng) for _ in range(rng.integers(1, 9))]
        boxes += boxes[: rng.integers(0, 2) * ties]  # the same object twice
        for box in boxes:
            objects.append(_object(rng, image_id, category_ids[1:], box, crowd, left_out))
            found += _found(rng, image_id, category_ids[:-1], objects[-1], ties)
    for image_id in image_ids[1:]:
        found += [
            _detection(rng, image_id, rng.choice(category_ids[:-1]), _box(rng), ties)
            for _ in range(rng.integers(0, 4))
        ]
    truth_document = {
        "images": [{"id": int(i), "width": 400, "height": 400} for i in image_ids],
        "categories": [{"id": int(c), "name": f"class {c}"} for c in category_ids],
        "annotations": [record | {"id": n + 1} for n, record in enumerate(objects)],
    }
    order = rng.permutation(len(found))
    return Case.of(truth_document, [found[n] for n in order])


def _box(rng: np.random.Generator) -> list[float]:
    width, height = rng.choice(SIDES), rng.choice(SIDES)
    if rng.random() < 0.5:
        height = width
    return [float(v) for v in (*rng.integers(0, 200, 2), width, height)]


def _object(rng, image_id, category_ids, box, crowd, left_out) -> dict[str, Any]:
    area = box[2] * box[3] * (1.0 if rng.random() < 0.5 else rng.uniform(0.4, 1))
    return {
        "image_id": int(image_id),
        "category_id": int(rng.choice(category_ids)),
        "bbox": box,
        "area": area,
        "iscrowd": int(crowd and rng.random() < CROWDED),
        "ignore": int(left_out and rng.random() < LEFT_OUT),
    }


def _found(rng, image_id, category_ids, record, ties) -> list[dict[str, Any]]:
    """None to three detections near an object: exact, shifted, of another class, doubled."""
    found = []
    for _ in range(rng.integers(0, 4)):
        spread = rng.choice([0, 0.05, 0.2, 0.4]) * record["bbox"][2]
        box = np.maximum(np.round(record["bbox"] + rng.uniform(-1, 1, 4) * spread), 1)
        own = record["category_id"] in category_ids and rng.random() < 0.75
        category = record["category_id"] if own else rng.choice(category_ids)
        found.append(_detection(rng, image_id, category, box.tolist(), ties))
    return found


def _detection(rng, image_id, category_id, box, ties) -> dict[str, Any]:
    score = rng.integers(1, 11) / 10 if ties else rng.uniform(0.01, 1)
    record = {"image_id": int(image_id), "category_id": int(category_id), "bbox": box}
    return record | {"score": float(score)}


def simple_case(
    objects: list[tuple], found: list[tuple], classes: int = 2, images: int = 1
) -> Case:
    """Objects (image, class, xywh, record keys) and detections (image, class, xywh, score)."""
    truth_document = {
        "images": [{"id": i, "width": 1000, "height": 1000} for i in range(images)],
        "categories": [{"id": c, "name": "abcdef"[c]} for c in range(classes)],
        "annotations": [
            {
                "id": n,
                "image_id": i,
                "category_id": c,
                "bbox": list(box),
                **(more[0] if more else {}),
            }
            for n, (i, c, box, *more) in enumerate(objects)
        ],
    }
    results_document = [
        {"image_id": i, "category_id": c, "bbox": list(box), "score": score}
        for i, c, box, score in found
    ]
    return Case.of(truth_document, results_document)


def evaluate(case: Case) -> Any:
    """pycocotools on the documents as they are, apart from the project's own code."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = case.truth_document
        truth.createIndex()
        found = COCO()
        found.dataset = case.truth_document | {
            "annotations": [
                {**record, "id": n + 1, "area": record["bbox"][2] * record["bbox"][3]}
                for n, record in enumerate(case.results_document)
            ]
        }
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.fixture(scope="session")
def cases() -> Callable[..., Case]:
    return random_case


@pytest.fixture(scope="session")
def simple() -> Callable[..., Case]:
    return simple_case


@pytest.fixture(scope="session")
def cocoeval() -> Callable[[Case], Any]:
    return evaluate


@pytest.fixture(scope="session")
def real() -> tuple[coco.Truth, coco.Results]:
    """COCO val2017's boxes and 34,600 detections of a YOLOv8x."""
    if not REAL.is_dir():
        pytest.skip("the real COCO pair is not on this machine (shared/data/coco)")
    truth = coco.read_truth(REAL / "val2017_boxes.json.gz")
    return truth, coco.read_results(REAL / "yolov8x_detections.json.gz", truth)
