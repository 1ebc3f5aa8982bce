"""What the classifiers share: loss, normalisation, ResNet-18, published weights, examples.

Section `classifier` of params.yaml.
"""

from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
import torchvision
from pydantic import Field
from torch import Tensor, nn

from scalewise.errors import InputError
from scalewise.examples import classification
from scalewise.examples.images import Examples
from scalewise.models import weights
from scalewise.models.weights import IMAGENET_MEAN, IMAGENET_STD
from scalewise.params import Record

PUBLISHED = "IMAGENET1K_V1"


class Parameters(Record):
    """What every classifier has."""

    image_size: int = Field(64, ge=16, multiple_of=16)
    """Side of the square input in pixels; the source's is 224."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target that goes to all classes alike (Szegedy et al. 2016, arXiv 1512.00567);
    `scalewise.theory.losses` says what it does. Validation is by the plain loss."""


class Classifier(nn.Module):
    """Images [B, 3, S, S] uint8 to logits [B, C]."""

    MEASURES: ClassVar = ("accuracy",)

    def __init__(self, backbone: nn.Module, head: nn.Module, smoothing: float) -> None:
        super().__init__()
        self.backbone, self.head, self.smoothing = backbone, head, smoothing
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))
        self.to(memory_format=torch.channels_last)  # what convolutions are fastest in on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """The logits, float32."""
        return self.head(self.features(images)).float()

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, [B, D]."""
        normal = (images.float() / 255 - self.mean) / self.std
        return self.backbone(normal.contiguous(memory_format=torch.channels_last))

    def normalise_as_imagenet(self) -> None:
        """See colours as the published weights do; without them they run from 0 to 1."""
        self.mean.copy_(torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.std.copy_(torch.tensor(IMAGENET_STD).view(3, 1, 1))

    def augment(self, batch: dict[str, Tensor], draws: Tensor) -> dict[str, Tensor]:
        """The batch as it is."""
        del draws
        return batch

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of a batch of `images` and `labels`; `accuracy` is only reported."""
        logits, labels = self(batch["images"]), batch["labels"]
        smoothing = self.smoothing if self.training else 0.0
        return {
            "cross_entropy": F.cross_entropy(logits, labels, label_smoothing=smoothing),
            "accuracy": (logits.detach().argmax(dim=1) == labels).float().mean(),
        }


def examples(rules: Parameters, folder: Path, split: str) -> Examples:
    """A split as the tensors that `Classifier.loss` reads: `images` and `labels`."""
    return classification.load(folder, split, rules.image_size).examples()


# ResNet-18 ---------------------------------------------------------------------------------


def resnet18() -> tuple[nn.Module, int]:
    """torchvision's ResNet-18 without its last layer, fresh, and the width of its features."""
    net = torchvision.models.resnet18(weights=None)
    width = net.fc.in_features
    net.fc = nn.Identity()
    return net, width


def load_resnet18(net: Classifier, asked: str) -> None:
    """Put published weights or those of a file into the backbone.

    Args:
        net: with `resnet18` as backbone.
        asked: `none`, `IMAGENET1K_V1` (torchvision's, downloaded once) or a path of a
            `state_dict`; its last layer is left out.

    Raises:
        InputError: the download fails, or the file is no state of a ResNet-18.
    """
    if asked == "none":
        return
    if asked == PUBLISHED:
        state = weights.downloaded(torchvision.models.ResNet18_Weights[PUBLISHED], PUBLISHED)
    else:
        state = weights.from_file(Path(asked))
    kept = {name: value for name, value in state.items() if not name.startswith("fc.")}
    try:
        net.backbone.load_state_dict(kept)
    except RuntimeError as error:
        lines = " ".join(str(error).split())
        raise InputError(f"weights {asked}: not those of a ResNet-18: {lines[:300]}") from None
    net.normalise_as_imagenet()
