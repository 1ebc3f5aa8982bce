"""ResNet-18 (He et al. 2016, arXiv 1512.03385), torchvision's, with a new last layer.

Section `resnet18` of params.yaml, with `classifier`.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from scalewise.examples.images import Examples
from scalewise.models import classifier
from scalewise.models.classifier import Classifier
from scalewise.params import Record
from scalewise.schedule import Schedule


class Parameters(Record):
    """The net's weights, data and training."""

    dataset: str = "wildlife"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with classes."""
    weights: str = "none"
    """Where training starts: none (fresh), IMAGENET1K_V1 (the source's), or a path."""
    training: Schedule = Schedule()
    """The schedule."""


SECTIONS: dict[str, type[Record]] = {"resnet18": Parameters, "classifier": classifier.Parameters}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> Classifier:
    """The net for these classes, with fresh weights."""
    backbone, width = classifier.resnet18()
    head = nn.Linear(width, len(categories))
    return Classifier(backbone, head, sections["classifier"].label_smoothing)


def warm_start(net: Classifier, sections: Mapping[str, Record], train: Examples) -> None:
    """Put the asked-for weights into the net; every layer is trained from there."""
    del train
    classifier.load_resnet18(net, sections["resnet18"].weights)


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Classifier.loss` reads."""
    return classifier.examples(sections["classifier"], folder, split)
