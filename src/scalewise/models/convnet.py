"""A plain convolutional classifier, the source's: three convolutions, one linear layer.

3x3 convolutions to 32, 64 and 128 channels, each with ReLU and max-pooling by 4, 2 and 2.
Section `convnet` of params.yaml, with `classifier`.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from scalewise.examples.images import Examples
from scalewise.models import classifier
from scalewise.models.classifier import Classifier
from scalewise.params import Record
from scalewise.schedule import Schedule

WIDTHS, POOLS = (32, 64, 128), (4, 2, 2)


class Parameters(Record):
    """The net's data and training."""

    dataset: str = "wildlife"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with classes."""
    training: Schedule = Schedule()
    """The schedule."""


SECTIONS: dict[str, type[Record]] = {"convnet": Parameters, "classifier": classifier.Parameters}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> Classifier:
    """The net for these classes, with fresh weights."""
    rules, layers, into = sections["classifier"], [], 3
    for width, pool in zip(WIDTHS, POOLS, strict=True):
        layers += [nn.Conv2d(into, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(pool)]
        into = width
    head = nn.Linear(into * (rules.image_size // 16) ** 2, len(categories))
    return Classifier(nn.Sequential(*layers, nn.Flatten()), head, rules.label_smoothing)


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Classifier.loss` reads."""
    return classifier.examples(sections["classifier"], folder, split)
