"""What the keypoint nets share: encoder, decoder with skips, augmentation, examples.

Section `keypoints` of params.yaml. The encoder and the decoder are the homework's: four times 3x3
convolution, batch norm, ReLU and pooling; transposed convolutions that double the map, each
joined with the encoder's map of the same size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from scalewise.examples import keypoints as split_of
from scalewise.examples.images import Examples
from scalewise.examples.keypoints import Input
from scalewise.params import Record

Count = Annotated[int, Field(gt=0)]

HALVINGS = 4  # the encoder's poolings
DOUBLINGS = {4: 2, 2: 3, 1: 4}  # the decoder's steps, by pixels a cell
LAST = torch.channels_last  # the order of values that convolutions are fastest in on a CPU


class Jitter(Record):
    """How training images are moved, each draw uniform up to either side."""

    rotation: float = Field(0, ge=0, le=180)
    """Degrees."""
    scale: float = Field(0, ge=0, lt=1)
    """Share of the size."""
    shift: float = Field(0, ge=0, lt=0.5)
    """Share of the image's side."""
    mirror: Literal["none", "renamed", "kept"] = "none"
    """Left to right, half of the time. Renamed: left and right keypoints change names, as they must
    where nothing but their place tells them apart; kept: they do not, as they must not where a mark
    on the figure does, like the light left limbs of the figures of style `varied`."""


class Encoder(Record):
    """What every keypoint net has."""

    input: Input = Input()
    """What the net looks at."""
    widths: tuple[Count, Count, Count, Count] = (16, 32, 64, 128)
    """Channels of the four blocks, each of which halves the map; the homework's are 32 to 256."""
    jitter: Jitter = Jitter()
    """How training images are moved."""


class Parameters(Record):
    """Section `keypoints`: what the nets with maps have beside the encoder."""

    encoder: Encoder = Encoder()
    """What every keypoint net has."""
    sigma: float = Field(2, gt=0)
    """Standard deviation of a target's Gaussian, in cells of the map."""
    resolution: int = Field(64, gt=0)
    """Side of the maps in cells: a quarter, a half or all of the input's side in pixels."""
    skips: bool = True
    """Whether the decoder sees the encoder's maps."""

    @model_validator(mode="after")
    def _fits(self) -> "Parameters":
        size = self.encoder.input.size
        fitting = [size // pixels for pixels in DOUBLINGS]
        if self.resolution not in fitting:
            raise ValueError(
                f"resolution {self.resolution} does not fit encoder.input.size {size} "
                f"(choices: {', '.join(map(str, fitting))})"
            )
        return self


def examples(rules: Input, folder: Path, split: str) -> Examples:
    """A split as the tensors that the losses read: `images`, `points`, `visible`.

    Raises:
        InputError: there is no figure, or an image cannot be used.
    """
    found = split_of.load(folder, split, rules)
    tensors = {"images": found.images, "points": found.points, "visible": found.visible}
    names = tuple(found.truth.file_names[n] for n in found.truth.image)
    return Examples(names, found.truth.names, tensors, found.files)


# The net -----------------------------------------------------------------------------------


class Blocks(nn.Module):
    """Images to a map of each size from S/2 to S/16."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (channels, *widths[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(into, out, 3, padding=1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
                nn.MaxPool2d(2),
            )
            for into, out in zip(inputs, widths, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, C, S, S] uint8 to [B, width, S/2, S/2], ..., [B, width, S/16, S/16]."""
        features, maps = (images.float() / 127.5 - 1).contiguous(memory_format=LAST), []
        for block in self.blocks:
            features = block(features)
            maps.append(features)
        return maps


class Decoder(nn.Module):
    """The encoder's maps to one map a keypoint."""

    def __init__(self, widths: tuple[int, ...], doublings: int, skips: bool, count: int) -> None:
        super().__init__()
        into, rising = widths[-1], []
        sides = [*widths[-2::-1], 0][:doublings]  # the full image has no map to join
        outs = (*widths[-2::-1], max(widths[0] // 2, 1))[:doublings]
        for out, side in zip(outs, sides, strict=True):
            rising.append(
                nn.Sequential(
                    nn.ConvTranspose2d(into, out, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(out),
                    nn.ReLU(),
                )
            )
            into = out + (side if skips else 0)
        self.rising, self.skips = nn.ModuleList(rising), skips
        self.answer = nn.Conv2d(into, count, 1)
        nn.init.normal_(self.answer.weight, std=0.01)
        nn.init.zeros_(self.answer.bias)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps finest first to [B, K, R, R]."""
        features, sides = maps[-1], maps[-2::-1]
        for n, rise in enumerate(self.rising):
            features = rise(features)
            if self.skips and n < len(sides):
                features = torch.cat([features, sides[n]], dim=1)
        return self.answer(features)


class MapNet(nn.Module):
    """Images to one map a keypoint: encoder and decoder."""

    def __init__(self, parameters: Parameters, count: int) -> None:
        super().__init__()
        encoder = parameters.encoder
        doublings = DOUBLINGS[encoder.input.size // parameters.resolution]
        self.encoder = Blocks(encoder.input.channels, encoder.widths)
        self.decoder = Decoder(encoder.widths, doublings, parameters.skips, count)

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, S, S] uint8 to [B, K, R, R] float32."""
        return self.decoder(self.encoder(images)).float()


# Targets -----------------------------------------------------------------------------------


def gaussians(points: Tensor, size: int, cells: int, sigma: float) -> Tensor:
    """Maps [B, K, cells, cells] with a Gaussian of height 1 around each point.

    Args:
        points: [B, K, 2] xy pixels of a size x size input; cell i covers the pixels from
            i * size / cells to (i + 1) * size / cells, and its value is that at its middle, so the
            Gaussian keeps the point's place within the cell.
        size: side of the input in pixels.
        cells: side of the map.
        sigma: in cells.
    """
    middle = torch.arange(cells, device=points.device) + 0.5
    away = middle - points.unsqueeze(-1) * (cells / size)  # [B, K, 2, cells]
    x, y = (-away.square() / (2 * sigma**2)).exp().unbind(dim=2)
    return y.unsqueeze(-1) * x.unsqueeze(-2)


def of_visible(losses: Tensor, visible: Tensor) -> Tensor:
    """The sum of losses [B, K] over the visible keypoints, over B * K; 0 where there are none.

    Each visible keypoint counts the same and none of the others does. Over B * K and not over the
    visible ones, so that a figure's part in it does not depend on the rest of its batch.
    """
    return (losses * visible).mean()


# Augmentation ------------------------------------------------------------------------------


def moved(
    batch: Mapping[str, Tensor], draws: Tensor, jitter: Jitter, swap: Tensor
) -> dict[str, Tensor]:
    """The batch rotated, scaled, shifted and mirrored about the image's middle.

    Points that leave the image are no longer visible; what comes in is the edge, drawn out.

    Args:
        batch: `images` [B, C, S, S] uint8, `points` [B, K, 2], `visible` [B, K].
        draws: [B, 5 or more] uniform in [0, 1).
        jitter: how far.
        swap: [K] position of each keypoint's mirror image.
    """
    if jitter == Jitter():
        return dict(batch)
    images, size = batch["images"], batch["images"].shape[-1]
    signed = 2 * draws - 1
    angle = signed[:, 0] * (jitter.rotation * torch.pi / 180)
    scale = 1 + signed[:, 1] * jitter.scale
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    flip = (draws[:, 4] < 0.5) & (jitter.mirror != "none")
    sign = torch.stack([1 - 2 * flip.float(), torch.ones_like(angle)], dim=1)
    matrix = scale[:, None, None] * turn * sign.unsqueeze(1)  # old to new, about the middle
    shift = signed[:, 2:4] * jitter.shift * size
    points = (batch["points"] - size / 2) @ matrix.mT + shift.unsqueeze(1) + size / 2
    back = turn.mT * sign.unsqueeze(2) / scale[:, None, None]  # and new to old
    offset = -(back @ shift.unsqueeze(-1)) * (2 / size)
    grid = F.affine_grid(torch.cat([back, offset], dim=2), list(images.shape), align_corners=False)
    seen = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    turned = flip[:, None] & (jitter.mirror == "renamed")
    points = torch.where(turned.unsqueeze(-1), points[:, swap], points)
    visible = torch.where(turned, batch["visible"][:, swap], batch["visible"])
    inside = ((points >= 0) & (points <= size)).all(dim=-1)
    return {**batch, "images": seen, "points": points, "visible": visible & inside}
