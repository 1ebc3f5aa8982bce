"""SegNet (Badrinarayanan et al. 2017, arXiv 1511.00561): pooling keeps where, unpooling puts back.

A VGG16-like encoder whose poolings remember the place of each maximum, and its mirror image, whose
unpoolings put values back there. Section `segnet` of params.yaml, with `segmenter`.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import torch.nn.functional as F
import torchvision
from pydantic import Field
from torch import Tensor, nn

from scalewise.errors import InputError
from scalewise.examples.images import Examples
from scalewise.models import segmenter, weights
from scalewise.models.segmenter import Segmenter
from scalewise.params import Record
from scalewise.schedule import Schedule

Count = Annotated[int, Field(gt=0)]

PUBLISHED = "IMAGENET1K_V1"
MOST = 8  # the widest groups have this many times the channels of the first


class Parameters(Record):
    """The net, its data and training."""

    dataset: str = "camvid"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with masks."""
    base_width: int = Field(32, gt=0)
    """Channels of the first group; the next have twice as many, up to 8 times. VGG16 has 64."""
    convolutions: tuple[Count, ...] = Field((1, 1, 1, 1, 1), min_length=1, max_length=5)
    """Convolutions of each group, before its pooling; VGG16 has 2, 2, 3, 3, 3."""
    batch_norm_momentum: float = Field(0.1, gt=0, le=1)
    """How fast batch norm's running statistics follow; the source's is .5."""
    weights: str = "none"
    """Where the encoder starts: none (fresh), IMAGENET1K_V1 (VGG16 with batch norm), or a path."""
    frozen: bool = False
    """Whether the encoder stays as it starts, its batch norms' statistics too."""
    training: Schedule = Schedule()
    """The schedule."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each group."""
        return tuple(self.base_width * min(2**n, MOST) for n in range(len(self.convolutions)))


SECTIONS: dict[str, type[Record]] = {"segnet": Parameters, "segmenter": segmenter.Parameters}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> Segmenter:
    """The net for these classes, with fresh weights."""
    net = SegNet(sections["segnet"], len(categories))
    return Segmenter(net, len(categories), sections["segmenter"].mirror)


def warm_start(net: Segmenter, sections: Mapping[str, Record], train: Examples) -> None:
    """Put the asked-for weights into the encoder, and weigh the classes."""
    segmenter.weigh_classes(net, sections["segmenter"], train)
    asked = sections["segnet"].weights
    if asked == PUBLISHED:
        published = torchvision.models.VGG16_BN_Weights[PUBLISHED]
        net.net.load_vgg(weights.downloaded(published, PUBLISHED), asked)
    elif asked != "none":
        net.net.load_vgg(weights.from_file(Path(asked)), asked)


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Segmenter.loss` reads."""
    return segmenter.examples(sections["segmenter"], folder, split)


class SegNet(nn.Module):
    """Images [B, 3, h, w] to logits [B, C, h, w]; any size from 2 to the power of the groups."""

    def __init__(self, parameters: Parameters, classes: int) -> None:
        super().__init__()
        depths, widths = parameters.convolutions, parameters.widths
        momentum, self.frozen = parameters.batch_norm_momentum, parameters.frozen
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        into = 3
        for depth, width in zip(depths, widths, strict=True):
            self.encoder.append(_group([into] + [width] * depth, momentum))
            into = width
        for n in range(len(depths) - 1, 0, -1):
            channels = [widths[n]] * depths[n] + [widths[n - 1]]
            self.decoder.append(_group(channels, momentum))
        last = nn.Conv2d(widths[0], classes, 3, padding=1)
        self.decoder.append(nn.Sequential(*_group([widths[0]] * depths[0], momentum), last))
        if self.frozen:
            self.encoder.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        features, places, sizes = images, [], []
        for group in self.encoder:
            features = group(features)
            sizes.append(features.shape[-2:])
            features, place = F.max_pool2d(features, 2, return_indices=True)
            places.append(place)
        for group in self.decoder:
            features = F.max_unpool2d(features, places.pop(), 2, output_size=sizes.pop())
            features = group(features)
        return features

    def train(self, mode: bool = True) -> "SegNet":
        """Switch modes; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def load_vgg(self, state: Mapping[str, Tensor], source: str) -> None:
        """Take the convolutions and batch norms of a VGG16 with batch norm, in their order.

        Raises:
            InputError: the shapes differ, as with another `base_width` or `convolutions`.
        """
        given = [v for name, v in weights.lasting(state).items() if name.startswith("features.")]
        own = weights.lasting(self.encoder.state_dict())
        if [v.shape for v in given] != [v.shape for v in own.values()]:
            raise InputError(
                f"segnet.weights {source}: expected the layers of a VGG16 with batch norm, which "
                f"needs base_width 64 and convolutions [2, 2, 3, 3, 3]"
            )
        self.encoder.load_state_dict(dict(zip(own, given, strict=True)), strict=False)


def _group(channels: Sequence[int], momentum: float) -> nn.Sequential:
    """3x3 convolutions from each number of channels to the next, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for into, out in pairwise(channels):
        layers += [
            nn.Conv2d(into, out, 3, padding=1),
            nn.BatchNorm2d(out, momentum=momentum),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
