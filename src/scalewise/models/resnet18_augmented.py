"""ResNet-18 on augmented images: each image with three augmented copies an epoch.

The source's augmentation, batched and on the fly: RandomAffine(translate .1, scale .9-1.1),
ColorJitter(brightness .3, contrast .2), RandomAdjustSharpness(2), RandomPerspective(.2). The two
changes of place are one resampling here, which blurs once. Section `resnet18_augmented` of
params.yaml, with `classifier`.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from scalewise.examples.images import Examples
from scalewise.models import classifier
from scalewise.models.classifier import Classifier
from scalewise.params import Record
from scalewise.schedule import Schedule

GREY = (0.299, 0.587, 0.114)  # ITU-R 601-2, as PIL; torchvision's red is .2989


class Augmentation(Record):
    """How far an augmented copy is from its image."""

    copies: int = Field(3, ge=0)
    """Augmented copies of each image in an epoch, beside the image itself."""
    translate: float = Field(0.1, ge=0, lt=1)
    """Largest shift, share of the side."""
    scale: tuple[float, float] = (0.9, 1.1)
    """Range of the size."""
    brightness: float = Field(0.3, ge=0, le=1)
    """Largest change of brightness, as a share."""
    contrast: float = Field(0.2, ge=0, le=1)
    """Largest change of contrast, as a share."""
    sharpness: float = Field(2, ge=0)
    """Sharpness of half of the copies; 1 is the image's own, 0 blurred."""
    perspective: float = Field(0.2, ge=0, lt=1)
    """Largest inward move of a corner in half of the copies, share of half the side."""

    @model_validator(mode="after")
    def _checked(self) -> "Augmentation":
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be rising, from above 0, got {list(self.scale)}")
        return self


class Parameters(Record):
    """The net's weights, augmentation, data and training."""

    dataset: str = "wildlife"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON with classes."""
    weights: str = "none"
    """Where training starts: none (fresh), IMAGENET1K_V1 (the source's), or a path."""
    augmentation: Augmentation = Augmentation()
    """What copies look like."""
    training: Schedule = Schedule()
    """The schedule; an epoch has 1 + copies times as many steps as without augmentation."""


SECTIONS: dict[str, type[Record]] = {
    "resnet18_augmented": Parameters,
    "classifier": classifier.Parameters,
}


def build(sections: Mapping[str, Record], categories: tuple[str, ...]) -> "Augmented":
    """The net for these classes, with fresh weights."""
    backbone, width = classifier.resnet18()
    head = nn.Linear(width, len(categories))
    smoothing = sections["classifier"].label_smoothing
    return Augmented(backbone, head, smoothing, sections["resnet18_augmented"].augmentation)


def warm_start(net: Classifier, sections: Mapping[str, Record], train: Examples) -> None:
    """Put the asked-for weights into the net; every layer is trained from there."""
    del train
    classifier.load_resnet18(net, sections["resnet18_augmented"].weights)


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Classifier.loss` reads."""
    return classifier.examples(sections["classifier"], folder, split)


class Augmented(Classifier):
    """A classifier that sees augmented copies beside each image."""

    def __init__(
        self, backbone: nn.Module, head: nn.Module, smoothing: float, rules: Augmentation
    ) -> None:
        super().__init__(backbone, head, smoothing)
        self.rules, self.copies = rules, 1 + rules.copies

    def augment(self, batch: dict[str, Tensor], draws: Tensor) -> dict[str, Tensor]:
        """The batch with every copy but the first (`copy` 0) augmented."""
        changed = augmented(batch["images"], draws, self.rules)
        first = (batch["copy"] == 0)[:, None, None, None]
        return {**batch, "images": torch.where(first, batch["images"].float(), changed)}


# Augmentation ------------------------------------------------------------------------------


def augmented(images: Tensor, draws: Tensor, rules: Augmentation) -> Tensor:
    """Images changed in place, light, contrast and sharpness.

    Args:
        images: [B, 3, S, S] in levels 0..255.
        draws: [B, 16] uniform in [0, 1).
        rules: how far.

    Returns:
        [B, 3, S, S] float in levels 0..255; what comes in from outside is black.
    """
    signed = 2 * draws - 1
    turn = perspective(draws[:, 8:16] * rules.perspective * (draws[:, 7:8] < 0.5))
    grid = sampling_grid(affine(signed[:, :2], draws[:, 2], rules) @ turn, images.shape[-1])
    moved = F.grid_sample(images.float(), grid, padding_mode="zeros", align_corners=False)
    light, contrast = signed[:, 3] * rules.brightness, signed[:, 4] * rules.contrast
    early = draws[:, 5] < 0.5  # light before contrast, or after it
    lit = contrasted(brightened(moved, 1 + light * early), 1 + contrast)
    lit = brightened(lit, 1 + light * ~early)
    sharp = (draws[:, 6] < 0.5)[:, None, None, None]
    return torch.where(sharp, sharpened(lit, rules.sharpness), lit)


def affine(shift: Tensor, size: Tensor, rules: Augmentation) -> Tensor:
    """Matrices [B, 3, 3] from places in the new image to places in the old, both in [-1, 1].

    Args:
        shift: [B, 2] in [-1, 1), of the largest.
        size: [B] in [0, 1), between the ends of the range.
        rules: how far.
    """
    low, high = rules.scale
    scale = low + size * (high - low)
    matrix = torch.zeros(len(size), 3, 3, device=size.device)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / scale
    matrix[:, :2, 2] = -2 * shift * rules.translate / scale[:, None]
    matrix[:, 2, 2] = 1
    return matrix


def perspective(inward: Tensor) -> Tensor:
    """Matrices [B, 3, 3] that take the moved corners back to the corners of [-1, 1] squared.

    Args:
        inward: [B, 8], how far each corner's x and y move towards the middle, in halves of the
            side; clockwise from the upper left.
    """
    # Counted out where they are needed: a table of constants would be copied from the host.
    corner = torch.arange(4, device=inward.device)
    corners = 2.0 * torch.stack([(corner + 1) // 2 % 2, corner // 2], dim=-1) - 1
    x, y = (corners * (1 - inward.view(-1, 4, 2))).unbind(dim=-1)  # [B, 4]
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    to_x, to_y = corners[:, 0].expand_as(x), corners[:, 1].expand_as(x)
    rows_x = torch.stack([x, y, one, zero, zero, zero, -to_x * x, -to_x * y], dim=-1)
    rows_y = torch.stack([zero, zero, zero, x, y, one, -to_y * x, -to_y * y], dim=-1)
    system, right = torch.cat([rows_x, rows_y], dim=1), torch.cat([to_x, to_y], dim=1)
    solved = torch.linalg.solve_ex(system, right).result
    return torch.cat([solved, torch.ones_like(solved[:, :1])], dim=1).view(-1, 3, 3)


def sampling_grid(matrix: Tensor, size: int) -> Tensor:
    """Where each pixel [B, size, size, 2] of the new image comes from, in [-1, 1]."""
    middle = (torch.arange(size, device=matrix.device) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(-1, 3)
    old = places @ matrix.mT
    return (old[..., :2] / old[..., 2:]).view(len(matrix), size, size, 2)


def brightened(images: Tensor, factor: Tensor) -> Tensor:
    """Levels times a factor [B], cut to 0..255."""
    return (images * factor[:, None, None, None]).clamp(0, 255)


def contrasted(images: Tensor, factor: Tensor) -> Tensor:
    """Levels away from the image's mean grey by a factor [B], cut to 0..255."""
    means = images.mean(dim=(2, 3), keepdim=True)
    mean = sum(share * means[:, n : n + 1] for n, share in enumerate(GREY))
    return (mean + factor[:, None, None, None] * (images - mean)).clamp(0, 255)


def sharpened(images: Tensor, factor: float) -> Tensor:
    """Levels away from the smoothed image by a factor, cut to 0..255; the border stays."""
    smooth = images.clone()
    inner = smooth[:, :, 1:-1, 1:-1]
    inner.copy_((9 * F.avg_pool2d(images, 3, stride=1) + 4 * inner) / 13)  # 1s around a 5
    return (smooth + factor * (images - smooth)).clamp(0, 255)
