"""A single-shot detector that looks at three maps of different scale.

Net, targets, losses and decoding. After SSD (Liu et al. 2016, arXiv 1512.02325) with an
objectness score (YOLOv3) and, where asked for, a top-down path (FPN, Lin et al. 2017,
arXiv 1612.03144). Section `multiscale` of params.yaml; anchors are in `scalewise.models.anchors`.

Everything is batched over padded truth: no loop over images or objects, static shapes and no
host synchronisation in a training step.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from torchvision.ops import box_iou

from scalewise import coco
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.examples import detection
from scalewise.examples.images import Examples
from scalewise.models import anchors as anchor_grid
from scalewise.params import Record
from scalewise.schedule import Schedule

CENTRE, SIZE = 0.1, 0.2  # SSD's scaling of centre and size offsets to unit size
OBJECT_PRIOR = 0.01  # initial objectness, so that the background does not swamp the first steps


Count = Annotated[int, Field(gt=0)]


class Assignment(Record):
    """Which anchors answer for which truth."""

    positive_iou: float = Field(0.5, gt=0, le=1)
    """An anchor at least this close to a truth box is positive."""
    negative_iou: float = Field(0.3, gt=0, le=1)
    """An anchor below this with every truth box is negative; between the two it is ignored."""
    forced_iou: float = Field(0.3, ge=0, le=1)
    """The best anchor of a truth box is positive from here, so that no anchor learns nonsense."""
    negatives_per_positive: float = Field(3, gt=0)
    """Only the hardest negatives of an image count, this many for each positive."""

    @model_validator(mode="after")
    def _ordered(self) -> "Assignment":
        if self.negative_iou > self.positive_iou:
            raise ValueError(
                f"negative_iou {self.negative_iou} is above positive_iou {self.positive_iou}"
            )
        return self


class LossWeights(Record):
    """Weight of each loss term in the sum."""

    objectness: float = Field(1, ge=0)
    """Binary cross-entropy: object or background."""
    classification: float = Field(1, ge=0)
    """Cross-entropy over the classes, positives only."""
    box: float = Field(2, ge=0)
    """Smooth L1 of the offsets, positives only."""


class Parameters(Record):
    """The detector and its training."""

    dataset: str = "shapes"
    """Folder under data/ with images.tar (or images/) and train, val, test JSON."""
    image_size: int = Field(224, gt=0, multiple_of=anchor_grid.STRIDES[-1])
    """Side of the square input in pixels; other images are fitted in, and boxes mapped back."""
    stem: tuple[Count, ...] = Field((16,), min_length=1)
    """Channels of the convolutions before the first map; the first of them halves the image."""
    widths: tuple[Count, Count, Count] = (32, 64, 128)
    """Channels of the three maps, finest first."""
    convolutions: tuple[Count, Count, Count] = (2, 2, 4)
    """3x3 convolutions that lead to each map, the first of which halves it; depth at the coarse
    maps widens the field of view for little arithmetic."""
    top_down: bool = True
    """Whether coarse maps are added to finer ones before the heads."""
    neck: int = Field(32, gt=0)
    """Channels of every map on the top-down path."""
    assignment: Assignment = Assignment()
    """Which anchors answer for which truth."""
    loss: LossWeights = LossWeights()
    """Weight of each loss term."""
    flip: bool = True
    """Mirror training images left to right, half of the time."""
    training: Schedule = Schedule()
    """The schedule."""


class Raw(NamedTuple):
    """What the net says of each of A anchors, in the anchors' order."""

    objectness: Tensor  # [B, A] logits
    classes: Tensor  # [B, A, C] logits
    offsets: Tensor  # [B, A, 4] (centre x, centre y, log width, log height), scaled


class Targets(NamedTuple):
    """What each anchor should say."""

    positive: Tensor  # [B, A] bool
    negative: Tensor  # [B, A] bool
    labels: Tensor  # [B, A] int64, 0 where not positive
    boxes: Tensor  # [B, A, 4] xyxy of the truth each anchor is closest to


SECTIONS: dict[str, type[Record]] = {"multiscale": Parameters, "anchors": anchor_grid.Parameters}


def build(sections: Mapping[str, Record], categories: Sequence[str]) -> "Multiscale":
    """The detector for these categories, with fresh weights."""
    parameters, anchors = sections["multiscale"], sections["anchors"]
    boxes, level = anchor_grid.grid(anchors, parameters.image_size)
    widths = parameters.widths
    trunk: list[nn.Module] = [Backbone(parameters.stem, widths, parameters.convolutions)]
    if parameters.top_down:
        trunk.append(TopDown(widths, parameters.neck))
        widths = (parameters.neck,) * len(widths)
    heads = nn.ModuleList(Head(width, anchors.per_cell, len(categories)) for width in widths)
    return Multiscale(
        nn.Sequential(*trunk),
        heads,
        torch.from_numpy(boxes).float(),
        torch.from_numpy(level),
        parameters.assignment,
        parameters.loss,
        parameters.flip,
    )


def examples(sections: Mapping[str, Record], folder: Path, split: str) -> Examples:
    """A split as the tensors that `Multiscale.loss` reads.

    Raises:
        InputError: a split without objects, or an image that cannot be decoded.
    """
    truth, store = coco.read_truth(folder / f"{split}.json"), Store(folder)
    if not (~truth.ignore).any():
        raise InputError(f"{truth.source}: there is no object to train or select on")
    tensors = detection.load(truth, store, sections["multiscale"].image_size).tensors()
    files = (Path(truth.source), *store.files())
    return Examples(truth.file_names, truth.category_names, tensors, files)


class Multiscale(nn.Module):
    """Images [B, 3, S, S] uint8 to a `Raw` answer for every anchor."""

    draws = 8  # numbers an example gets for its augmentation, of which the first is used

    def __init__(
        self,
        trunk: nn.Module,
        heads: nn.ModuleList,
        anchors: Tensor,
        level: Tensor,
        assignment: Assignment,
        weights: LossWeights,
        flip: bool,
    ) -> None:
        super().__init__()
        self.trunk, self.heads = trunk, heads
        self.assignment, self.weights, self.flip = assignment, weights, flip
        self.register_buffer("anchors", anchors, persistent=False)
        self.register_buffer("level", level, persistent=False)

    def forward(self, images: Tensor) -> Raw:
        """The answers for a batch, float32."""
        maps = self.maps(images)
        answers = [head(features) for head, features in zip(self.heads, maps, strict=True)]
        answer = torch.cat(answers, dim=1).float()
        return Raw(answer[..., 0], answer[..., 5:], answer[..., 1:5])

    def maps(self, images: Tensor) -> list[Tensor]:
        """What the heads see: one map [B, D, S/stride, S/stride] a level, finest first."""
        return self.trunk(images.float() / 127.5 - 1)

    def augment(self, batch: dict[str, Tensor], draws: Tensor) -> dict[str, Tensor]:
        """Mirror where the first of the draws [B, K] in [0, 1) is below one half."""
        return mirrored(batch, draws[:, 0] < 0.5) if self.flip else batch

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weighted loss terms of a batch of `images`, `boxes`, `labels`, `ignored`."""
        raw = self(batch["images"])
        targets = assign(self.anchors, batch, self.assignment)
        terms = losses(raw, targets, self.anchors, self.assignment.negatives_per_positive)
        return {name: getattr(self.weights, name) * term for name, term in terms.items()}

    def decode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [B, A, 4] xyxy in input pixels and scores [B, A, C] of every anchor."""
        raw = self(images)
        scores = raw.objectness.sigmoid().unsqueeze(-1) * raw.classes.softmax(-1)
        return decode_boxes(raw.offsets, self.anchors), scores


# The net -----------------------------------------------------------------------------------


def convolution(into: int, out: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, group norm, ReLU.

    Group norm and not batch norm: an image's loss then depends on that image alone, so that
    any number of processes at the same global batch trains alike.
    """
    return nn.Sequential(
        nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.GroupNorm(_groups(out), out), nn.ReLU()
    )


def _groups(channels: int, most: int = 8) -> int:
    return next(n for n in range(most, 0, -1) if channels % n == 0)


class Backbone(nn.Module):
    """Images to three maps at strides 4, 8 and 16."""

    def __init__(
        self, stem: tuple[int, ...], widths: tuple[int, ...], convolutions: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.stem = _stack(3, stem)
        inputs = (stem[-1], *widths[:-1])
        self.levels = nn.ModuleList(
            _stack(into, (width,) * depth)
            for into, width, depth in zip(inputs, widths, convolutions, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, S, S] to a list of [B, width, S/stride, S/stride]."""
        features, maps = self.stem(images), []
        for level in self.levels:
            features = level(features)
            maps.append(features)
        return maps


def _stack(into: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Convolutions one after the other; the first halves the map."""
    inputs = (into, *widths[:-1])
    return nn.Sequential(
        *(
            convolution(i, o, stride=2 if n == 0 else 1)
            for n, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )
    )


class TopDown(nn.Module):
    """Adds each coarse map, enlarged, to the next finer one."""

    def __init__(self, widths: tuple[int, ...], out: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, out, 1) for width in widths)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of several widths to maps of one, finest first."""
        sides = [lateral(features) for lateral, features in zip(self.lateral, maps, strict=True)]
        for n in range(len(sides) - 2, -1, -1):
            sides[n] = sides[n] + F.interpolate(sides[n + 1], scale_factor=2.0, mode="nearest")
        return sides


class Head(nn.Module):
    """A map to 1 + 4 + C answers for each of its anchors."""

    def __init__(self, width: int, per_cell: int, categories: int) -> None:
        super().__init__()
        self.hidden = convolution(width, width)
        self.answer = nn.Conv2d(width, per_cell * (5 + categories), 1)
        self.per_cell = per_cell
        nn.init.normal_(self.answer.weight, std=0.01)
        nn.init.zeros_(self.answer.bias)
        with torch.no_grad():
            prior = torch.logit(torch.tensor(OBJECT_PRIOR))
            self.answer.bias.view(per_cell, -1)[:, 0] = prior

    def forward(self, features: Tensor) -> Tensor:
        """[B, D, R, R] to [B, R*R*K, 5 + C], in the order of `anchors.grid`."""
        answer = self.answer(self.hidden(features)).permute(0, 2, 3, 1)
        return answer.reshape(len(answer), -1, answer.shape[-1] // self.per_cell)


# Targets -----------------------------------------------------------------------------------


def mirrored(batch: dict[str, Tensor], flip: Tensor) -> dict[str, Tensor]:
    """The batch with images and boxes mirrored left to right where `flip` [B] holds."""
    images, boxes = batch["images"], batch["boxes"]
    width = images.shape[-1]
    present = (batch["labels"] >= 0).unsqueeze(-1)
    x1, y1, x2, y2 = boxes.unbind(-1)
    turned = torch.stack([width - x2, y1, width - x1, y2], dim=-1) * present
    return {
        **batch,
        "images": torch.where(flip[:, None, None, None], images.flip(-1), images),
        "boxes": torch.where(flip[:, None, None], turned, boxes),
    }


def assign(anchors: Tensor, batch: dict[str, Tensor], rule: Assignment) -> Targets:
    """Give every anchor a truth box, the background, or nothing.

    Args:
        anchors: [A, 4] xyxy.
        batch: `boxes` [B, M, 4], `labels` [B, M] (-1: no object), `ignored` [B, M].
        rule: the thresholds.

    An anchor whose closest box is ignored takes no part unless it is clearly background, and one
    that lies mostly inside an ignored box is never background: a crowd is full of objects.
    """
    boxes, labels = batch["boxes"], batch["labels"]
    iou = box_iou(anchors, boxes.flatten(0, 1)).view(len(anchors), *labels.shape)
    iou = iou.permute(1, 2, 0) * (labels >= 0).unsqueeze(-1)  # [B, M, A]
    wanted = ~batch["ignored"].unsqueeze(-1)
    best_of_truth = iou.amax(dim=2, keepdim=True)
    forced = (iou == best_of_truth) & (iou >= rule.forced_iou) & (iou > 0) & wanted
    # A forced pair outranks every IoU, so that a truth box keeps its best anchor.
    closest_iou, closest = (iou + 2 * forced).max(dim=1)  # [B, A]
    usable = wanted.squeeze(-1).gather(1, closest)
    return Targets(
        positive=(closest_iou >= rule.positive_iou) & usable,
        negative=(closest_iou < rule.negative_iou) & ~_inside_ignored(anchors, batch, iou),
        labels=labels.gather(1, closest).clamp(min=0),
        boxes=boxes.gather(1, closest.unsqueeze(-1).expand(-1, -1, 4)),
    )


def _inside_ignored(anchors: Tensor, batch: dict[str, Tensor], iou: Tensor) -> Tensor:
    """[B, A], whether at least half of an anchor is inside an ignored box; `iou` is [B, M, A]."""
    own = (anchors[:, 2:] - anchors[:, :2]).prod(-1)
    area = (batch["boxes"][..., 2:] - batch["boxes"][..., :2]).prod(-1).unsqueeze(-1)
    overlap = iou / (1 + iou) * (area + own)
    return ((overlap >= 0.5 * own) & batch["ignored"].unsqueeze(-1)).any(dim=1)


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets [..., A, 4] that turn anchors into boxes (SSD, eq. 2); sides are kept above 0."""
    centre, size = _centre_size(boxes)
    anchor_centre, anchor_size = _centre_size(anchors)
    shift = (centre - anchor_centre) / (anchor_size * CENTRE)
    stretch = (size.clamp(min=1e-3) / anchor_size).log() / SIZE
    return torch.cat([shift, stretch], dim=-1)


def decode_boxes(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Boxes [..., A, 4] xyxy: the inverse of `encode_boxes`."""
    shift, stretch = offsets.split(2, dim=-1)
    centre, size = _centre_size(anchors)
    centre = centre + shift * CENTRE * size
    # e^6: wider than any image, not yet infinite
    half = (stretch * SIZE).clamp(max=6).exp() * size / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes.split(2, dim=-1)
    return (low + high) / 2, high - low


# Losses ------------------------------------------------------------------------------------


def losses(
    raw: Raw, targets: Targets, anchors: Tensor, negatives_per_positive: float
) -> dict[str, Tensor]:
    """Unweighted terms: each image's sum over its number of positives, averaged over images.

    An image's terms depend on that image alone. An image without positives
    counts `negatives_per_positive` negatives.
    """
    positive = targets.positive
    count = positive.sum(dim=1).clamp(min=1)
    objectness = F.binary_cross_entropy_with_logits(
        raw.objectness, positive.float(), reduction="none"
    )
    hard = hardest(objectness.detach(), targets.negative, count * negatives_per_positive)
    classes = F.cross_entropy(raw.classes.mT, targets.labels, reduction="none")
    offsets = F.smooth_l1_loss(
        raw.offsets, encode_boxes(targets.boxes, anchors), reduction="none"
    ).sum(-1)
    return {
        "objectness": _mean(objectness, positive | hard, count),
        "classification": _mean(classes, positive, count),
        "box": _mean(offsets, positive, count),
    }


def hardest(loss: Tensor, candidates: Tensor, count: Tensor) -> Tensor:
    """The `count` [B] candidates [B, A] with the largest loss of each image, as a mask [B, A]."""
    ranked = loss.masked_fill(~candidates, -1).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(ranked)
    rank.scatter_(1, ranked, torch.arange(loss.shape[1], device=loss.device).expand_as(ranked))
    return candidates & (rank < count.unsqueeze(1))


def _mean(loss: Tensor, mask: Tensor, count: Tensor) -> Tensor:
    # `where`, not a product: an infinite offset of an unused anchor must not become NaN.
    return (torch.where(mask, loss, 0).sum(dim=1) / count).mean()
