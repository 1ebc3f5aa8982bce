"""DeepLabV3 (Chen et al. 2017, arXiv 1706.05587), torchvision's, with a new last layer.

Section `deeplabv3` of params.yaml, with `segmenter`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torchvision.models.segmentation as published
from pydantic import Field, model_validator
from torch import Tensor, nn

from scalewise.errors import InputError
from scalewise.examples.images import Examples
from scalewise.models import segmenter, weights
from scalewise.models.segmenter import Segmenter
from scalewise.params import Record
from scalewise.schedule import Schedule

PUBLISHED = "COCO_WITH_VOC_LABELS_V1"
NEW = ("classifier.4.", "aux_classifier.")  # the layer for other classes, and an unused head


class Parameters(Record):
    """The net, its data and training."""

    dataset: str = "camvid"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with masks."""
    backbone: Literal["resnet50", "resnet101", "mobilenet_v3_large"] = "mobilenet_v3_large"
    """What looks at the image; the source's is resnet50."""
    weights: str = "none"
    """Where training starts: none (fresh), COCO_WITH_VOC_LABELS_V1 (the source's), or a path."""
    batch_norm_momentum: float = Field(0.1, gt=0, le=1)
    """How fast batch norm's running statistics follow; torchvision's mobilenet has .01, which a few
    hundred steps from fresh weights leave far behind."""
    training: Schedule = Field(Schedule())
    """The schedule; batch norm over a pooled image needs batches of two or more."""

    @model_validator(mode="after")
    def _enough(self) -> "Parameters":
        if self.training.batch_size < 2:
            raise ValueError("training.batch_size must be at least 2: batch norm has one pixel")
        return self


SECTIONS: dict[str, type[Record]] = {"deeplabv3": Parameters, "segmenter": segmenter.Parameters}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> Segmenter:
    """The net for these classes, with fresh weights."""
    builder = getattr(published, f"deeplabv3_{sections['deeplabv3'].backbone}")
    net = builder(weights=None, weights_backbone=None, num_classes=len(categories))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = sections["deeplabv3"].batch_norm_momentum
    return Segmenter(Logits(net), len(categories), sections["segmenter"].mirror)


def warm_start(net: Segmenter, sections: Mapping[str, Record], train: Examples) -> None:
    """Put the asked-for weights into all layers but the last, and weigh the classes."""
    segmenter.weigh_classes(net, sections["segmenter"], train)
    own = sections["deeplabv3"]
    if own.weights == "none":
        return
    if own.weights == PUBLISHED:
        state = weights.downloaded(_published(own.backbone), PUBLISHED)
    else:
        state = weights.from_file(Path(own.weights))
    _load(net.net.net, state, f"deeplabv3.weights {own.weights}", own.backbone)


def _load(net: nn.Module, state: Mapping[str, Tensor], where: str, backbone: str) -> None:
    """Load all but what is `NEW`; an InputError unless names and shapes are the net's."""
    given, expected = (
        {name: value for name, value in held.items() if not name.startswith(NEW)}
        for held in (state, net.state_dict())
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
        raise InputError(f"{where}: not the weights of a deeplabv3_{backbone}; {'; '.join(told)}")
    net.load_state_dict(given, strict=False)


def _published(backbone: str) -> object:
    names = {
        "resnet50": "ResNet50",
        "resnet101": "ResNet101",
        "mobilenet_v3_large": "MobileNet_V3_Large",
    }
    return getattr(published, f"DeepLabV3_{names[backbone]}_Weights")[PUBLISHED]


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Segmenter.loss` reads."""
    return segmenter.examples(sections["segmenter"], folder, split)


class Logits(nn.Module):
    """torchvision's net, which answers with a dict, giving its logits [B, C, h, w]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """The logits, enlarged to the input's size."""
        return self.net(images)["out"]
