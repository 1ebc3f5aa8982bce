"""What the segmentation nets share: input, loss, class weights, examples.

Section `segmenter` of params.yaml.
"""

from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from scalewise.examples import segmentation
from scalewise.examples.images import Examples
from scalewise.examples.segmentation import IGNORED
from scalewise.models.weights import IMAGENET_MEAN, IMAGENET_STD
from scalewise.params import Record


class Parameters(Record):
    """What every segmentation net has."""

    height: int = Field(120, ge=32)
    """Of the input in pixels; the source's is 360."""
    width: int = Field(160, ge=32)
    """Of the input in pixels; the source's is 480."""
    void: Literal["kept", "ignored"] = "kept"
    """Whether pixels of the void class count in the loss; the source keeps them."""
    class_weights: Literal["none", "median_frequency"] = "none"
    """Median frequency: rare classes weigh more (Eigen and Fergus 2015, arXiv 1411.4734)."""
    mirror: bool = True
    """Mirror training images left to right, half of the time."""


class Segmenter(nn.Module):
    """Images [B, 3, h, w] uint8 to logits [B, C, h, w]."""

    def __init__(self, net: nn.Module, classes: int, mirror: bool) -> None:
        super().__init__()
        self.net, self.mirror = net, mirror
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1))
        self.register_buffer("class_weights", torch.ones(classes))
        self.to(memory_format=torch.channels_last)  # what convolutions are fastest in on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """The logits, float32."""
        normal = (images.float() / 255 - self.mean) / self.std
        return self.net(normal.contiguous(memory_format=torch.channels_last)).float()

    def augment(self, batch: dict[str, Tensor], draws: Tensor) -> dict[str, Tensor]:
        """Mirror where the first of the draws [B, K] in [0, 1) is below one half."""
        if not self.mirror:
            return batch
        turned = (draws[:, 0] < 0.5)[:, None, None]
        images, labels = batch["images"], batch["labels"]
        return {
            **batch,
            "images": torch.where(turned.unsqueeze(1), images.flip(-1), images),
            "labels": torch.where(turned, labels.flip(-1), labels),
        }

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of a batch of `images` and `labels`, mean over the pixels that count."""
        logits, labels = self(batch["images"]), batch["labels"].long()
        losses = F.cross_entropy(
            logits, labels, self.class_weights, ignore_index=IGNORED, reduction="none"
        )
        weights = self.class_weights[labels.clamp(max=len(self.class_weights) - 1)]
        counted = (weights * (labels != IGNORED)).sum().clamp(min=1e-6)
        return {"cross_entropy": losses.sum() / counted}


def examples(rules: Parameters, folder: Path, split: str) -> Examples:
    """A split as the tensors that `Segmenter.loss` reads: `images` and `labels`."""
    found = segmentation.read(folder, split)
    return segmentation.examples(found, rules.height, rules.width, rules.void == "ignored")


def weigh_classes(net: Segmenter, rules: Parameters, train: Examples) -> None:
    """Set the class weights that the parameters ask for, from the training split."""
    if rules.class_weights == "median_frequency":
        classes = len(net.class_weights)
        net.class_weights.copy_(median_frequency(train.tensors["labels"], classes))


def median_frequency(labels: Tensor, classes: int) -> Tensor:
    """Weight [C] of each class: median of all frequencies over its own; absent classes have 0.

    A frequency is the share of a class among the pixels of the images that show it.

    Args:
        labels: [N, h, w] uint8.
        classes: C.
    """
    counted = [(labels == one).sum(dim=(1, 2)) for one in range(classes)]
    counts = torch.stack(counted, dim=1).double()  # [N, C]
    shown = (counts > 0) * counts.sum(dim=1, keepdim=True)
    frequency = counts.sum(dim=0) / shown.sum(dim=0).clamp(min=1)
    present = frequency > 0
    middle = frequency[present].quantile(0.5) if present.any() else frequency.sum()
    return torch.where(present, middle / frequency.clamp(min=1e-12), 0.0).float()
