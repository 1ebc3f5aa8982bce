"""What a pyramid level is really moved by, against the anchors it is asked to fill.

After Luo et al. 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks" (arXiv 1701.04128): the gradient of one output unit falls off like a Gaussian about its
centre, so that a field is felt far less widely than it reaches. Section `effective_field` of
params.yaml.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from scalewise import checkpoint
from scalewise.checkpoint import Trained
from scalewise.errors import InputError
from scalewise.params import Record
from scalewise.theory import gradients, receptive_field
from scalewise.theory.receptive_field import Layer

Floats = NDArray[np.float64]
Point = tuple[float, float]  # row and column; pixel p covers p to p + 1

HALF = 0.5  # of the gradient: what lies within is the core of a field


class Parameters(Record):
    """How effective fields are measured."""

    images: int = Field(32, ge=1)
    """Images of the validation split over which the gradient is averaged."""
    share: float = Field(0.9545, gt=0, lt=1)
    """Of the gradient that the effective field holds; a Gaussian holds .9545 within two sigma."""
    seed: int = Field(0, ge=0)
    """Of the untrained weights and of the random mix of a unit's channels."""


@dataclass(frozen=True)
class Level:
    """One pyramid level: the field of its answers, and what they are asked to find.

    Attributes:
        name: `level 0`, from the finest.
        anchors: sides in pixels of the anchors that stand on a cell.
        layer: the theoretical field of the answers, seen whole.
        measured: its height and width in pixels by the gradient, cut at the image's border.
        place: the point on which the anchors of the middle cell are centred.
        box: [4] xyxy pixels of the middle cell's theoretical field, cut at the border.
        moved: how strongly each pixel moves the middle cell's answers, [H, W], by the name of
            the net.
    """

    name: str
    anchors: tuple[float, ...]
    layer: Layer
    measured: tuple[int, int]
    place: Point
    box: Floats
    moved: Mapping[str, Floats]


def study(
    nets: Mapping[str, nn.Module],
    answers: Sequence[str],
    anchors: Sequence[Sequence[float]],
    images: Tensor,
    seed: int = 0,
) -> list[Level]:
    """The fields of each level's answers.

    Args:
        nets: one architecture with different weights, by name (`trained`, `untrained`).
        answers: the layer that gives each level's answers, finest level first.
        anchors: sides in pixels for each level.
        images: [N, 3, H, W].
        seed: of the random mix of channels.
    """
    return [
        _level(f"level {n}", nets, layer, tuple(sides), images, seed)
        for n, (layer, sides) in enumerate(zip(answers, anchors, strict=True))
    ]


def of_detector(trained: Trained, images: Tensor, seed: int) -> list[Level]:
    """The levels of a trained detector and of the same net with fresh weights.

    Args:
        trained: built with anchors; its heads give their answers by a layer called `answer`.
        images: [N, 3, H, W] of its input size.
        seed: of the fresh weights and of the random mix of channels.
    """
    torch.manual_seed(seed)
    fresh = checkpoint.find_model(trained.name).build(trained.sections, trained.categories)
    answers = [part for part, _ in trained.net.named_modules() if part.endswith(".answer")]
    nets = {"untrained": fresh, "trained": trained.net}
    return study(nets, answers, trained.sections["anchors"].sides, images, seed)


def _level(
    name: str,
    nets: Mapping[str, nn.Module],
    layer: str,
    sides: tuple[float, ...],
    images: Tensor,
    seed: int,
) -> Level:
    net, size = next(iter(nets.values())), (images.shape[2], images.shape[3])
    here = receptive_field.trace(net, size).layer(layer)
    (top, bottom), (left, right) = here.rows.extent, here.columns.extent
    rows, columns = gradients.measured(net, layer, size)
    return Level(
        name=name,
        anchors=sides,
        layer=receptive_field.uncut(net, size, layer),
        measured=(rows[1] - rows[0] + 1, columns[1] - columns[0] + 1),
        place=(_cell(here.rows), _cell(here.columns)),
        box=np.array([left, top, right + 1, bottom + 1], float),
        moved={key: gradients.unit_gradient(n, layer, images, seed) for key, n in nets.items()},
    )


def _cell(axis: receptive_field.Axis) -> float:
    """Where the middle cell lies if the cells share the image evenly."""
    return (axis.middle + 0.5) * axis.stride


def metrics(levels: Sequence[Level], share: float) -> dict[str, dict[str, float]]:
    """By level (`level_0`), in pixels and along rows.

    `theoretical` and `measured` are the field's size; `effective_<net>` and `half_<net>` the
    sides of the squares that hold `share` and half of the gradient; `offset` and
    `offset_<net>` how far the centres of field and gradient lie below the anchors' centre;
    `anchor_smallest` and `anchor_largest` the sides of the anchors; `stride` the distance
    between cells.
    """
    return {level.name.replace(" ", "_"): _numbers(level, share) for level in levels}


def _numbers(level: Level, share: float) -> dict[str, float]:
    sizes = outline(level, share)["sizes"]
    offsets = {f"offset_{net}": centre(moved)[0] for net, moved in level.moved.items()}
    offsets["offset"] = float(level.box[1] + level.box[3]) / 2
    return {
        **sizes,
        **{name: middle - level.place[0] for name, middle in offsets.items()},
        "measured": level.measured[0],
        "stride": level.layer.rows.stride,
        "anchor_smallest": min(level.anchors),
        "anchor_largest": max(level.anchors),
    }


def outline(level: Level, share: float) -> dict[str, Any]:
    """A level as the picture of it asks: what `scalewise.report.fields.LevelField` holds."""
    sizes: dict[str, float] = {"theoretical": level.layer.rows.size}
    for net, moved in level.moved.items():
        sizes[f"effective_{net}"] = side(moved, share)
        sizes[f"half_{net}"] = side(moved, HALF)
    return {
        "name": level.name,
        "anchors": level.anchors,
        "place": level.place,
        "box": level.box,
        "moved": level.moved,
        "sizes": sizes,
        "centres": {net: centre(moved) for net, moved in level.moved.items()},
    }


def centre(moved: Floats) -> Point:
    """The centre of mass of a gradient's magnitudes [H, W], not all 0."""
    if not moved.any():
        raise InputError("effective field: the gradient is 0 everywhere")
    rows, columns = ((np.arange(count) + 0.5) for count in moved.shape)
    total = moved.sum()
    return float(moved.sum(1) @ rows / total), float(moved.sum(0) @ columns / total)


def side(moved: Floats, share: float) -> float:
    """Side in pixels of the smallest square about a gradient's centre that holds a share of it.

    A uniform gradient over r x r pixels gives about sqrt(share) r; a Gaussian of deviation s
    about 4.55 s for a share of .9545.

    Args:
        moved: [H, W] magnitudes, 0 or more, not all 0.
        share: in (0, 1).
    """
    middle = centre(moved)
    rows, columns = np.indices(moved.shape) + 0.5
    # Half the side of the square that just covers each pixel.
    reach = np.maximum(abs(rows - middle[0]), abs(columns - middle[1])).ravel() + 0.5
    order = np.argsort(reach, kind="stable")
    held = np.cumsum(moved.ravel()[order])
    return float(2 * reach[order][np.searchsorted(held, share * held[-1])])
