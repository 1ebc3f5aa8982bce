"""A keypoint net's answers -> COCO keypoint results in original pixels.

Section `prediction.keypoints` of params.yaml.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from scalewise import coco_keypoints
from scalewise.checkpoint import Trained
from scalewise.coco_keypoints import Results
from scalewise.examples import keypoints
from scalewise.examples.keypoints import Split
from scalewise.params import Record
from scalewise.prediction.decoding import decode


class Parameters(Record):
    """How maps become points."""

    decoding: Literal["argmax", "quarter", "taylor", "expectation"] = "taylor"
    """From a heatmap to a point; the other nets give points themselves."""
    batch_size: int = Field(64, gt=0)
    """Images at a time."""


def write(
    trained: Trained, folder: Path, out: Path, rules: Parameters, device: torch.device
) -> None:
    """Keypoints on val and test, beside the truth they answer to.

    Args:
        trained: offers maps (`forward`) or `points`.
        folder: its dataset.
        out: gets `<split>.json` and `<split>_truth.json`.
        rules: how maps become points.
        device: where to compute.
    """
    net: Any = trained.net.to(device)
    encoder = trained.sections.get("keypoints.encoder") or trained.sections["keypoints"].encoder
    for name in ("val", "test"):
        split = keypoints.load(folder, name, encoder.input)
        coco_keypoints.check_names(split.truth, trained.categories, str(trained.source))
        found = predict(net, split, rules, device)
        coco_keypoints.write_results(out / f"{name}.json", split.truth, found)
        coco_keypoints.write_truth(out / f"{name}_truth.json", split.truth, folder)


@torch.inference_mode()
def predict(net: Any, split: Split, rules: Parameters, device: torch.device) -> Results:
    """One result for each figure of a split, in their order, in original pixels."""
    batches = split.images.split(rules.batch_size)
    parts = [located(net, images.to(device), rules.decoding) for images in batches]
    points, scores = (torch.cat(part).cpu().double().numpy() for part in zip(*parts, strict=True))
    size = split.images.shape[-1]
    return Results(
        source="prediction",
        image=split.truth.image,
        keypoints=keypoints.original(points, split.windows, size).round(3),
        scores=scores.round(6),
        score=scores.mean(axis=1).round(6),
    )


def located(net: Any, images: Tensor, decoding: str) -> tuple[Tensor, Tensor]:
    """Points [B, K, 2] in input pixels and scores [B, K] of images [B, C, S, S]."""
    if hasattr(net, "points"):
        return net.points(images)
    return decode(net(images), images.shape[-1], decoding)
