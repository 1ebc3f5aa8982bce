"""DeepLabV3 (Chen et al. 2017, arXiv 1706.05587): torchvision's, on its backbones.

The published net is sized for images of 500 pixels and more: a feature stands for 8 or 16 of them.
On images a quarter as large the same grid needs an output stride of 4, and the pyramid's rates
shrink alike; so both are parameters. Section `deeplabv3` of params.yaml, with `segmenter`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import torch.nn.functional as F
import torchvision
import torchvision.models.segmentation as published
from pydantic import Field, model_validator
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabV3

from scalewise import environment
from scalewise.errors import InputError
from scalewise.examples.images import Examples
from scalewise.models import atrous, segmenter, weights
from scalewise.models.segmenter import Segmenter
from scalewise.params import Record
from scalewise.schedule import Schedule

Count = Annotated[int, Field(gt=0)]

WHOLE, BACKBONE = "COCO_WITH_VOC_LABELS_V1", "IMAGENET1K_V1"  # names of published weights
NEW = ("classifier.4.", "aux_classifier.")  # the layer for other classes, and an unused head


class Parameters(Record):
    """The net, its data and training."""

    dataset: str = "camvid"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with masks."""
    backbone: Literal["resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v3_large"] = (
        "resnet18"
    )
    """What looks at the image; the source's is resnet50."""
    groups: int = Field(2, ge=1, le=atrous.GROUPS)
    """How many of a ResNet's four groups of blocks are kept; the source's are all."""
    output_stride: Literal[4, 8, 16] = 4
    """Input pixels to the side of a feature; the source's are 8, mobilenet's always 16."""
    atrous_rates: tuple[Count, ...] = Field((3, 6, 9), min_length=1)
    """Dilations of the pyramid; the source's are 12, 24, 36."""
    pyramid_channels: int = Field(64, gt=0)
    """Channels of each part of the pyramid; the source's are 256."""
    weights: str = "none"
    """Where training starts: none (fresh), IMAGENET1K_V1 (the backbone's), COCO_WITH_VOC_LABELS_V1
    (the source's), or a path of a whole net's."""
    batch_norm_momentum: float = Field(0.1, gt=0, le=1)
    """How fast batch norm's running statistics follow; torchvision's mobilenet has .01, which a few
    hundred steps from fresh weights leave far behind."""
    training: Schedule = Field(Schedule())
    """The schedule; batch norm over a pooled image needs batches of two or more."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        if self.training.batch_size < 2:
            raise ValueError("training.batch_size must be at least 2: batch norm has one pixel")
        if self.backbone == atrous.MOBILENET and (self.groups, self.output_stride) != (4, 16):
            raise ValueError(
                f"{atrous.MOBILENET} needs groups 4 and output_stride 16, "
                f"got {self.groups} and {self.output_stride}"
            )
        if self.output_stride > (most := atrous.STEM_STRIDE * 2 ** (self.groups - 1)):
            raise ValueError(
                f"output_stride is {self.output_stride}, but groups {self.groups} stride by {most}"
            )
        return self


SECTIONS: dict[str, type[Record]] = {"deeplabv3": Parameters, "segmenter": segmenter.Parameters}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> Segmenter:
    """The net for these classes, with fresh weights."""
    own = sections["deeplabv3"]
    if own.backbone == atrous.MOBILENET:
        backbone, width = atrous.mobilenet()
    else:
        backbone, width = atrous.resnet(own.backbone, own.groups, own.output_stride)
    net = DeepLabV3(backbone, _head(width, own, len(categories)))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = own.batch_norm_momentum
    return Segmenter(Logits(net), len(categories), sections["segmenter"].mirror)


def _check_share(batch_size: int, processes: int) -> None:
    """Raise an InputError where a process gets a single image: see `Parameters.training`."""
    if batch_size < 2 * processes:
        raise InputError(
            f"SCALEWISE_PROCESSES is {processes}: deeplabv3.training.batch_size {batch_size} must "
            f"be at least {2 * processes}, two images each"
        )


def _head(width: int, own: Parameters, classes: int) -> nn.Sequential:
    """torchvision's DeepLabHead, of any number of channels."""
    channels = own.pyramid_channels
    return nn.Sequential(
        ASPP(width, list(own.atrous_rates), channels),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, classes, 1),
    )


def warm_start(net: Segmenter, sections: Mapping[str, Record], train: Examples) -> None:
    """Put the asked-for weights into the backbone or all layers but the last, weigh the classes."""
    segmenter.weigh_classes(net, sections["segmenter"], train)
    _check_share(sections["deeplabv3"].training.batch_size, environment.processes())
    own, inner = sections["deeplabv3"], net.net.net
    where = f"deeplabv3.weights {own.weights}"
    if own.weights == BACKBONE:
        entry = torchvision.models.get_model_weights(own.backbone)[BACKBONE]
        kept = inner.backbone.state_dict()
        named = _backbone_names(weights.downloaded(entry, BACKBONE), own.backbone)
        _load(inner.backbone, {n: v for n, v in named.items() if n in kept}, where, own.backbone)
    elif own.weights == WHOLE:
        entry = _published(own.backbone)
        _load(inner, weights.downloaded(entry, WHOLE), where, f"deeplabv3_{own.backbone}")
    elif own.weights != "none":
        state = weights.from_file(Path(own.weights))
        _load(inner, state, where, f"deeplabv3_{own.backbone}")


def _backbone_names(state: Mapping[str, Tensor], backbone: str) -> dict[str, Tensor]:
    """A whole classifier's state by the names of what `atrous` keeps of it."""
    prefix = "features." if backbone == atrous.MOBILENET else ""
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}


def _load(net: nn.Module, state: Mapping[str, Tensor], where: str, kind: str) -> None:
    """Load all but what is `NEW`; an InputError unless names and shapes are the net's."""
    given, expected = (
        {name: value for name, value in held.items() if not name.startswith(NEW)}
        for held in map(weights.lasting, (state, net.state_dict()))
    )
    both = given.keys() & expected.keys()
    problems = {
        "missing": [name for name in expected if name not in both],
        "unknown": [name for name in given if name not in both],
        "of another shape": [
            n for n in expected if n in both and given[n].shape != expected[n].shape
        ],
    }
    if any(problems.values()):
        told = [f"{what}: {', '.join(names[:3]) or 'none'}" for what, names in problems.items()]
        raise InputError(
            f"{where}: not the weights of a {kind} of these sizes; {'; '.join(told)}. A published "
            f"net needs groups {atrous.GROUPS} and pyramid_channels 256"
        )
    net.load_state_dict(given, strict=False)


def _published(backbone: str) -> object:
    """torchvision's entry of the whole net's weights; an InputError where it has none."""
    names = {
        "resnet50": "ResNet50",
        "resnet101": "ResNet101",
        "mobilenet_v3_large": "MobileNet_V3_Large",
    }
    if backbone not in names:
        raise InputError(
            f"deeplabv3.weights: no {WHOLE} for {backbone} (choices: {', '.join(names)})"
        )
    return getattr(published, f"DeepLabV3_{names[backbone]}_Weights")[WHOLE]


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Segmenter.loss` reads."""
    return segmenter.examples(sections["segmenter"], folder, split)


class Logits(nn.Module):
    """torchvision's net giving its logits [B, C, h, w], enlarged to the input's size.

    Enlarged in float32 whatever the precision: in bfloat16 that took nine times as long on a CPU,
    a tenth of a training step.
    """

    def __init__(self, net: DeepLabV3) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        logits = self.net.classifier(self.net.backbone(images)["out"])
        size = images.shape[-2:]
        return F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)
