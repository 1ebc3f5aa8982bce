"""A detector's raw answers -> COCO results in original pixels. Section `prediction.detection`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torchvision.ops import batched_nms
from tqdm import tqdm

from scalewise import boxes as box_ops
from scalewise import coco
from scalewise.checkpoint import Trained
from scalewise.coco import Results, Truth
from scalewise.data.store import Store
from scalewise.examples import detection
from scalewise.examples.detection import Split
from scalewise.params import Record


class Parameters(Record):
    """Which answers become detections."""

    score_floor: float = Field(0.01, ge=0, lt=1)
    """Lowest score kept. Low, since a cut at .25 looks like missed objects in every metric."""
    nms_iou: float = Field(0.5, gt=0, le=1)
    """Of two boxes of a class above this IoU, on any levels, the lower-scored goes."""
    candidates: int = Field(1000, gt=0)
    """Best-scored answers of an image that reach the suppression."""
    max_detections: int = Field(100, gt=0)
    """Most detections of an image, as COCO counts them."""
    batch_size: int = Field(32, gt=0)
    """Images at a time."""


class Detections(NamedTuple):
    """D detections of a batch, best score first within each image."""

    image: Tensor  # [D] position in the batch
    boxes: Tensor  # [D, 4] xyxy
    scores: Tensor  # [D]
    labels: Tensor  # [D]
    anchor: Tensor  # [D] position of the answer they come from


class Detector(Protocol):
    """What prediction asks of a model."""

    level: Tensor

    def decode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [B, A, 4] xyxy and scores [B, A, C] of images [B, 3, S, S] uint8."""


def write(
    trained: Trained, folder: Path, out: Path, rules: Parameters, device: torch.device
) -> None:
    """Detections on val and test, beside the truth they answer to, and what perfect boxes reach.

    Args:
        trained: the detector.
        folder: its dataset.
        out: gets `<split>.json`, `<split>_truth.json` and `ceiling.json` (on test).
        rules: which answers become detections.
        device: where to compute.
    """
    net: Any = trained.net.to(device)
    for split in ("val", "test"):
        truth = coco.read_truth(folder / f"{split}.json")
        coco.check_categories(truth, trained.categories, trained.source)
        images = detection.load(truth, Store(folder), trained.parameters.image_size)
        found = predict(net, images, truth, rules, device)
        coco.write_results(out / f"{split}.json", truth, found)
        coco.write_truth(out / f"{split}_truth.json", truth, folder)
    coco.write_results(out / "ceiling.json", truth, ceiling(images, truth, rules))


def suppress(boxes: Tensor, scores: Tensor, parameters: Parameters) -> Detections:
    """Score floor, suppression across levels within each class, and the cap per image.

    Args:
        boxes: [B, A, 4] xyxy.
        scores: [B, A, C] in [0, 1]; every class of an answer is a candidate.
        parameters: the thresholds.
    """
    classes = scores.shape[2]
    flat = scores.flatten(1)
    best, spot = flat.topk(min(parameters.candidates, flat.shape[1]), dim=1)
    image, rank = (best >= parameters.score_floor).nonzero(as_tuple=True)
    score, spot = best[image, rank], spot[image, rank]
    anchor, label = spot // classes, spot % classes
    box = boxes[image, anchor]
    # It moves each image and class to a place of its own: far out, float32 is too coarse for IoU.
    kept = batched_nms(box.double(), score.double(), image * classes + label, parameters.nms_iou)
    kept = kept[image[kept].argsort(stable=True)]
    kept = kept[_rank_within(image[kept]) < parameters.max_detections]
    return Detections(image[kept], box[kept], score[kept], label[kept], anchor[kept])


def _rank_within(groups: Tensor) -> Tensor:
    """Position [N] of each element in its run of equal, sorted values [N]."""
    position = torch.arange(len(groups), device=groups.device)
    return position - torch.searchsorted(groups, groups)


@torch.inference_mode()
def predict(
    detector: Detector, split: Split, truth: Truth, parameters: Parameters, device: torch.device
) -> Results:
    """Detections on every image of a split, in original pixels, `level` kept beside each."""
    parts = [
        _to_numpy(suppress(*detector.decode(images.to(device)), parameters), start)
        for start, images in _batches(split.images, parameters.batch_size)
    ]
    image, boxes, scores, labels, anchor = map(np.concatenate, zip(*parts, strict=True))
    return as_results(truth, split, image, boxes, scores, labels, detector.level.cpu()[anchor])


def ceiling(split: Split, truth: Truth, parameters: Parameters) -> Results:
    """The truth itself pushed through the same suppression: the best any boxes can reach.

    Every box has score 1; ignored objects are left out.
    """
    shown = (split.labels >= 0) & ~split.ignored
    classes = max(len(truth.category_ids), 1)
    hot = torch.nn.functional.one_hot(split.labels.clamp(min=0), classes)
    sure = parameters.model_copy(update={"score_floor": 0.5})  # what is not there scores 0
    found = suppress(split.boxes, (hot * shown.unsqueeze(-1)).float(), sure)
    image, boxes, scores, labels, _ = _to_numpy(found, 0)
    return as_results(truth, split, image, boxes, scores, labels, None)


def as_results(
    truth: Truth,
    split: Split,
    image: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    level: Tensor | None,
) -> Results:
    """Detections in input pixels [D, 4] as results in original pixels, cut to the image.

    What lies wholly in the padding is left out.
    """
    scaled = boxes.astype(np.float64) / split.shrink.numpy()[image, None]
    sizes = truth.sizes[image]
    scaled = np.clip(scaled, 0, np.tile(np.where(sizes > 0, sizes, np.inf), 2)).round(3)
    kept = (scaled[:, 2:] > scaled[:, :2]).all(axis=1)  # others lie wholly beside the image
    return Results(
        source="prediction",
        image=image[kept],
        category=labels[kept],
        boxes=scaled[kept],
        areas=box_ops.area(scaled[kept]),
        scores=scores[kept].astype(np.float64).round(6),
        extra={} if level is None else {"level": level.numpy()[kept]},
    )


def _batches(images: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    shown = tqdm(total=len(images), unit="image", disable=not sys.stderr.isatty())
    with shown:
        for start in range(0, len(images), size):
            yield start, images[start : start + size]
            shown.update(min(size, len(images) - start))


def _to_numpy(found: Detections, start: int) -> tuple[np.ndarray, ...]:
    image, *rest = (tensor.cpu().numpy() for tensor in found)
    return image + start, *rest
