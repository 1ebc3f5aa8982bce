"""Keypoints by soft-argmax: the mean place of a map, trained as coordinates.

Joins heatmap and regression: the net of the one, the loss of the other. Sun et al. 2018 ("Integral
human pose regression", arXiv 1711.08229); the map is held to one peak as by Nibali et al. 2018
("DSNT", arXiv 1801.07372). Section `soft_argmax` of params.yaml, with `keypoints`.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn

from scalewise.coco_keypoints import swaps
from scalewise.examples.images import Examples
from scalewise.models import keypoints
from scalewise.models.keypoints import LAST, MapNet
from scalewise.params import Record
from scalewise.records import Ints
from scalewise.schedule import Schedule


class Parameters(Record):
    """The soft-argmax model's loss, data and training."""

    dataset: str = "figures"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with keypoints."""
    one_peak: float = Field(1, ge=0)
    """Weight of the divergence between a map and a Gaussian around the point."""
    training: Schedule = Schedule()
    """The schedule."""


SECTIONS: dict[str, type[Record]] = {"soft_argmax": Parameters, "keypoints": keypoints.Parameters}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> "SoftArgmax":
    """The net for these keypoints, with fresh weights."""
    own, swap = sections["soft_argmax"], swaps(categories)
    return SoftArgmax(own.one_peak, sections["keypoints"], swap).to(memory_format=LAST)


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `SoftArgmax.loss` reads; see `keypoints.examples`."""
    return keypoints.examples(sections["keypoints"].encoder.input, folder, split)


class SoftArgmax(nn.Module):
    """Images [B, C, S, S] uint8 to distributions over cells [B, K, R, R]."""

    def __init__(self, one_peak: float, rules: keypoints.Parameters, swap: Ints) -> None:
        super().__init__()
        self.one_peak, self.rules = one_peak, rules
        self.register_buffer("swap", torch.tensor(swap), persistent=False)
        self.net = MapNet(rules, len(swap))

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities of the cells, float32."""
        maps = self.net(images)
        return maps.flatten(2).log_softmax(dim=-1).view_as(maps)

    def points(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Points [B, K, 2] in input pixels, and as scores the probability within a sigma's reach.

        Reach: of the cells within one sigma of the point, so 1 for a sharp peak.
        """
        shares = self(images).exp()
        points = mean_place(shares, self.rules.encoder.input.size)
        near = keypoints.gaussians(
            points, self.rules.encoder.input.size, shares.shape[-1], self.rules.sigma
        )
        return points, (shares * (near >= torch.e**-0.5)).sum(dim=(2, 3))

    def augment(self, batch: dict[str, Tensor], draws: Tensor) -> dict[str, Tensor]:
        """The batch, moved; see `keypoints.moved`."""
        return keypoints.moved(batch, draws, self.rules.encoder.jitter, self.swap)

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Absolute error of the points in cells, and the divergence from one peak."""
        rules, logs = self.rules, self(batch["images"])
        size, visible = batch["images"].shape[-1], batch["visible"]
        cells = rules.resolution
        away = (mean_place(logs.exp(), size) - batch["points"]).abs().mean(dim=2) * cells / size
        target = keypoints.gaussians(batch["points"], size, cells, rules.sigma)
        spread = divergence(target / target.sum(dim=(2, 3), keepdim=True).clamp(min=1e-9), logs)
        return {
            "distance": keypoints.of_visible(away, visible),
            "one_peak": self.one_peak * keypoints.of_visible(spread, visible),
        }

    def snapshot(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What to keep of each epoch: the maps [B, K, R, R] as uint8.

        255 is the height of the Gaussian they are held to, and more.
        """
        height = 1 / (2 * torch.pi * self.rules.sigma**2)
        return {"maps": ((self(batch["images"]).exp() / height).clamp(max=1) * 255).round().byte()}


def mean_place(shares: Tensor, size: int) -> Tensor:
    """The mean [B, K, 2] xy pixels of distributions over cells [B, K, R, R]."""
    cells = shares.shape[-1]
    middle = (torch.arange(cells, device=shares.device) + 0.5) * (size / cells)
    # A product of matrices would be taken in bfloat16 where training is mixed: half a pixel coarse.
    return torch.stack([(shares.sum(dim=n) * middle).sum(dim=2) for n in (2, 3)], dim=-1)


def divergence(target: Tensor, logs: Tensor) -> Tensor:
    """Jensen-Shannon divergence [B, K], nats, of distributions [B, K, R, R], the second as logs."""
    shares = logs.exp()
    middle = ((target + shares) / 2).clamp(min=1e-12).log()
    own = target * (target.clamp(min=1e-12).log() - middle) + shares * (logs - middle)
    return own.sum(dim=(2, 3)) / 2
