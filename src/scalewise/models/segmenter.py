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
    class_weights: Literal["none", "median_frequency", "inverse_log"] = "inverse_log"
    """How much more rare classes weigh: `median_frequency`, `inverse_log`, or not at all."""
    inverse_log_offset: float = Field(1.1, gt=1)
    """c of `inverse_log`; the nearer to 1, the more the rarest weigh. ENet's is 1.02."""
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
        labels = batch["labels"].flatten().long()
        # A row a pixel: with the classes side by side in memory the softmax is three times as fast.
        logits = self(batch["images"]).permute(0, 2, 3, 1).flatten(0, 2)
        total = F.cross_entropy(
            logits, labels, self.class_weights, ignore_index=IGNORED, reduction="sum"
        )
        weights = self.class_weights[labels.clamp(max=len(self.class_weights) - 1)]
        counted = (weights * (labels != IGNORED)).sum().clamp(min=1e-6)
        return {"cross_entropy": total / counted}


def examples(rules: Parameters, folder: Path, split: str) -> Examples:
    """A split as the tensors that `Segmenter.loss` reads: `images` and `labels`."""
    found = segmentation.read(folder, split)
    return segmentation.examples(found, rules.height, rules.width, rules.void == "ignored")


def weigh_classes(net: Segmenter, rules: Parameters, train: Examples) -> None:
    """Set the class weights that the parameters ask for, from the training split."""
    labels, classes = train.tensors["labels"], len(net.class_weights)
    if rules.class_weights == "median_frequency":
        net.class_weights.copy_(median_frequency(labels, classes))
    elif rules.class_weights == "inverse_log":
        net.class_weights.copy_(inverse_log(labels, classes, rules.inverse_log_offset))


def median_frequency(labels: Tensor, classes: int) -> Tensor:
    """Weight [C] of each class: median of all frequencies over its own; absent classes have 0.

    A frequency is the share of a class among the pixels of the images that show it (Eigen and
    Fergus 2015, arXiv 1411.4734).

    Args:
        labels: [N, h, w] uint8.
        classes: C.
    """
    counts = _counts(labels, classes)
    shown = (counts > 0) * counts.sum(dim=1, keepdim=True)
    frequency = counts.sum(dim=0) / shown.sum(dim=0).clamp(min=1)
    present = frequency > 0
    middle = frequency[present].quantile(0.5) if present.any() else frequency.sum()
    return torch.where(present, middle / frequency.clamp(min=1e-12), 0.0).float()


def inverse_log(labels: Tensor, classes: int, offset: float) -> Tensor:
    """Weight [C] of each class: 1 / ln(offset + its share of all pixels); absent classes have 0.

    With 1.02 from 1.4 for a class that fills every image to 50 for the rarest, with 1.1 from 1.3
    to 10.5: bounded, so that the rare do not drown the frequent, as they can by median frequency
    (Paszke et al. 2016, arXiv 1606.02147).

    Args:
        labels: [N, h, w] uint8.
        classes: C.
        offset: above 1.
    """
    counts = _counts(labels, classes).sum(dim=0)
    share = counts / counts.sum().clamp(min=1)
    return torch.where(counts > 0, 1 / torch.log(offset + share), 0.0).float()


def _counts(labels: Tensor, classes: int) -> Tensor:
    """Pixels [N, C] of each class in each image, float64."""
    counted = [(labels == one).sum(dim=(1, 2)) for one in range(classes)]
    return torch.stack(counted, dim=1).double()
