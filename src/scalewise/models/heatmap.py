"""Keypoints by heatmaps: one map a keypoint, its highest cell is the place.

Tompson et al. 2014 (arXiv 1406.2984); the targets keep sub-pixel places (Zhang et al. 2020, "DARK",
arXiv 1910.06278). Section `heatmap` of params.yaml, with `keypoints` for the net and the targets.
How a map becomes a point is decided later: `scalewise.prediction.decoding`.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from scalewise.coco_keypoints import swaps
from scalewise.examples.images import Examples
from scalewise.models import keypoints
from scalewise.models.keypoints import LAST, MapNet
from scalewise.params import Record
from scalewise.records import Ints
from scalewise.schedule import Schedule


class Parameters(Record):
    """The heatmap model's data and training."""

    dataset: str = "figures"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with keypoints."""
    training: Schedule = Schedule()
    """The schedule."""


SECTIONS: dict[str, type[Record]] = {"heatmap": Parameters, "keypoints": keypoints.Parameters}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> "Heatmap":
    """The net for these keypoints, with fresh weights."""
    return Heatmap(sections["keypoints"], swaps(categories)).to(memory_format=LAST)


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Heatmap.loss` reads; see `keypoints.examples`."""
    return keypoints.examples(sections["keypoints"].encoder.input, folder, split)


class Heatmap(nn.Module):
    """Images [B, C, S, S] uint8 to maps [B, K, R, R], 1 at a keypoint and 0 far from it."""

    def __init__(self, rules: keypoints.Parameters, swap: Ints) -> None:
        super().__init__()
        self.rules = rules
        self.register_buffer("swap", torch.tensor(swap), persistent=False)
        self.net = MapNet(rules, len(swap))

    def forward(self, images: Tensor) -> Tensor:
        """The maps, float32."""
        return self.net(images)

    def augment(self, batch: dict[str, Tensor], draws: Tensor) -> dict[str, Tensor]:
        """The batch, moved; see `keypoints.moved`."""
        return keypoints.moved(batch, draws, self.rules.encoder.jitter, self.swap)

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Squared error, summed over a map's cells, of the visible keypoints.

        The mean over cells, as often reported, is this over R * R.
        """
        rules, size = self.rules, batch["images"].shape[-1]
        target = keypoints.gaussians(batch["points"], size, rules.resolution, rules.sigma)
        error = (self(batch["images"]) - target).square().sum(dim=(2, 3))
        return {"heatmap": keypoints.of_visible(error, batch["visible"])}

    def snapshot(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What to keep of each epoch: the maps [B, K, R, R] as uint8, 255 for 1."""
        return {"maps": (self(batch["images"]).clamp(0, 1) * 255).round().byte()}
