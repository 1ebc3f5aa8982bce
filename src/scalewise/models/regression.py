"""Keypoints by direct regression: the encoder's last map to coordinates.

Toshev and Szegedy 2014 ("DeepPose", arXiv 1312.4659). Section `regression` of params.yaml, with
`keypoints.encoder`. The homework's head averages the last map over its cells, and with that throws
away where things are; `head: spatial` keeps the cells.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from scalewise.coco_keypoints import swaps
from scalewise.examples.images import Examples
from scalewise.models import keypoints
from scalewise.models.keypoints import HALVINGS, LAST, Blocks, Encoder
from scalewise.params import Record
from scalewise.records import Ints
from scalewise.schedule import Schedule


class Parameters(Record):
    """The regression model's head, data and training."""

    dataset: str = "figures"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with keypoints."""
    head: Literal["pooled", "spatial"] = "spatial"
    """What the head sees: the mean of the last map (the homework's), or every cell of it."""
    hidden: tuple[int, ...] = (128, 64)
    """Widths of the head's hidden layers."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the hidden values that are dropped in training; the homework's is .5."""
    error: Literal["l1", "l2"] = "l1"
    """The loss: absolute or squared error of each coordinate, in shares of the side."""
    training: Schedule = Schedule()
    """The schedule."""


SECTIONS: dict[str, type[Record]] = {"regression": Parameters, "keypoints.encoder": Encoder}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> "Regression":
    """The net for these keypoints, with fresh weights."""
    own, encoder = sections["regression"], sections["keypoints.encoder"]
    return Regression(own, encoder, swaps(categories)).to(memory_format=LAST)


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Regression.loss` reads; see `keypoints.examples`."""
    return keypoints.examples(sections["keypoints.encoder"].input, folder, split)


class Regression(nn.Module):
    """Images [B, C, S, S] uint8 to coordinates [B, K, 2] in [0, 1]."""

    def __init__(self, parameters: Parameters, encoder: Encoder, swap: Ints) -> None:
        super().__init__()
        self.jitter, self.size = encoder.jitter, encoder.input.size
        self.register_buffer("swap", torch.tensor(swap), persistent=False)
        self.squared = parameters.error == "l2"
        self.encoder = Blocks(encoder.input.channels, encoder.widths)
        cells = 1 if parameters.head == "pooled" else (self.size >> HALVINGS) ** 2
        pool = nn.AdaptiveAvgPool2d(1) if parameters.head == "pooled" else nn.Identity()
        layers: list[nn.Module] = [pool, nn.Flatten()]
        into = encoder.widths[-1] * cells
        for out in parameters.hidden:
            layers += [nn.Linear(into, out), nn.ReLU(), nn.Dropout(parameters.dropout)]
            into = out
        self.head = nn.Sequential(*layers, nn.Linear(into, 2 * len(swap)))

    def forward(self, images: Tensor) -> Tensor:
        """Coordinates as shares of the input's side, float32."""
        answer = self.head(self.encoder(images)[-1]).float().sigmoid()
        return answer.view(len(images), -1, 2)

    def points(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Points [B, K, 2] in input pixels and their scores [B, K], which are 1: it knows none."""
        points = self(images) * self.size
        return points, points.new_ones(points.shape[:2])

    def augment(self, batch: dict[str, Tensor], draws: Tensor) -> dict[str, Tensor]:
        """The batch, moved; see `keypoints.moved`."""
        return keypoints.moved(batch, draws, self.jitter, self.swap)

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Error of the coordinates of the visible keypoints."""
        away = self(batch["images"]) - batch["points"] / self.size
        error = away.square() if self.squared else away.abs()
        return {"regression": keypoints.of_visible(error.mean(dim=2), batch["visible"])}
