"""Which input pixels a position sees, along one axis: exact intervals through every window.

Fields of convolutions, poolings and resampling are boxes, so rows and columns are followed
apart. An interval is kept for every position and not one size for all: then borders, phases of
a top-down path and cropped maps come out exactly. Terms after Araujo, Norris and Sim 2019,
"Computing Receptive Fields of Convolutional Neural Networks", Distill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scalewise.errors import InputError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NOTHING = (2**31, -1)  # the interval of padding: the hull of it and another is that other
UNREAD = -(2**31)  # a tap that is not there, unlike one that reads padding


@dataclass(frozen=True)
class Axis:
    """What N positions see of the input along one axis.

    Attributes:
        span: [N, 2] first and last input pixel of each position, both inclusive and cut at the
            border; the first is above the last where a position sees nothing but padding.
        whole: [N] whether the layers alone bound what a position sees, and not the image's end.
        stride: input pixels between neighbouring positions; a fraction after enlarging.
    """

    span: Ints
    whole: Bools
    stride: float = 1.0

    @property
    def middle(self) -> int:
        """The position by which the axis is described."""
        return len(self.span) // 2

    @property
    def extent(self) -> tuple[int, int]:
        """First and last pixel that the middle position sees."""
        first, last = self.span[self.middle]
        return int(first), int(last)

    @property
    def size(self) -> int:
        """Pixels that the middle position sees, from the first to the last."""
        first, last = self.extent
        return max(last - first + 1, 0)

    @property
    def centre(self) -> float:
        """Middle of the middle position's field; pixel p covers p to p + 1."""
        return (sum(self.extent) + 1) / 2

    @property
    def offset(self) -> float:
        """Where the first position's field would be centred if nothing were cut."""
        return self.centre - self.middle * self.stride

    @property
    def cut(self) -> bool:
        """Whether a larger image would show the middle position more."""
        return not self.whole[self.middle]

    def through(self, taps: Ints, factor: float) -> "Axis":
        """The axis after a layer.

        Args:
            taps: [M, T] the positions that each of M outputs reads; those outside 0 to N - 1
                are padding, and `UNREAD` ones are not there.
            factor: by how much the layer multiplies the stride.
        """
        count = len(self.span)
        inside = (taps >= 0) & (taps < count)
        place = np.where(inside, taps, count)
        seen = np.vstack([self.span, NOTHING])[place]  # [M, T, 2]
        whole = np.append(self.whole, False)[place] | (taps == UNREAD)
        return Axis(_hull(seen, 1), whole.all(1), self.stride * factor)

    def bounded(self, by_layers: Bools | bool) -> "Axis":
        """The same, but whole only where the layers bound it [N]."""
        return replace(self, whole=self.whole & by_layers)


def whole_input(pixels: int) -> Axis:
    """Each of the input's pixels sees itself."""
    return Axis(np.repeat(np.arange(pixels)[:, None], 2, axis=1), np.ones(pixels, bool))


def union(axes: Sequence[Axis]) -> Axis:
    """Position by position the hull of what all see; an axis of one position is spread."""
    longest = max(axes, key=lambda axis: len(axis.span))
    spans = np.broadcast_arrays(*(axis.span for axis in axes))
    wholes = np.broadcast_arrays(*(axis.whole for axis in axes))
    return Axis(_hull(np.stack(spans), 0), np.stack(wholes).all(0), longest.stride)


def _hull(spans: Ints, along: int) -> Ints:
    return np.stack([spans[..., 0].min(along), spans[..., 1].max(along)], axis=-1)


# Which positions each output reads: [M, T] -------------------------------------------------


def window(count: int, kernel: int, stride: int, padding: int, dilation: int) -> Ints:
    """Of a convolution or pooling with `count` outputs."""
    return np.arange(count)[:, None] * stride - padding + np.arange(kernel) * dilation


def transposed_window(count: int, kernel: int, stride: int, padding: int, dilation: int) -> Ints:
    """Of a transposed convolution: input i reaches output i * stride - padding + t * dilation."""
    start = np.arange(count)[:, None] + padding - np.arange(kernel) * dilation
    return np.where(start % stride == 0, start // stride, UNREAD)


def nearest(count: int, step: float, shift: float = 0.0) -> Ints:
    """Of nearest-neighbour resampling; `step` inputs an output."""
    return np.floor((np.arange(count) + shift) * step).astype(np.int64)[:, None]


def linear(count: int, pixels: int, step: float, aligned: bool) -> Ints:
    """Of linear resampling of `pixels` inputs: two neighbours, or one that is hit exactly."""
    place = np.arange(count) * step if aligned else (np.arange(count) + 0.5) * step - 0.5
    place = np.clip(place, 0, pixels - 1)
    return np.stack([np.floor(place), np.ceil(place)], axis=1).astype(np.int64)


def adaptive(count: int, pixels: int) -> Ints:
    """Of adaptive pooling of `pixels` inputs: from floor(i N / M) to ceil((i + 1) N / M)."""
    outputs = np.arange(count)[:, None]
    taps = outputs * pixels // count + np.arange(pixels // count + 2)
    return np.where(taps < -(-(outputs + 1) * pixels // count), taps, UNREAD)


# In closed form ----------------------------------------------------------------------------


def stacked(kernels: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> int:
    """Field of L stacked convolutions: 1 + sum_l (K_l - 1) r_l prod_{i<l} s_i.

    Raises:
        InputError: lists of different lengths, or a number below 1, with its layer from 1.
    """
    if not len(kernels) == len(strides) == len(dilations):
        lengths = f"{len(kernels)}, {len(strides)} and {len(dilations)}"
        raise InputError(f"receptive field: kernels, strides and dilations differ: {lengths}")
    size, jump = 1, 1
    for n, numbers in enumerate(zip(kernels, strides, dilations, strict=True), 1):
        kernel, stride, dilation = checked(f"layer {n}", *numbers)
        size += (kernel - 1) * dilation * jump
        jump *= stride
    return size


def dilations_as_strides(kernels: Sequence[int], dilations: Sequence[int]) -> int:
    """The mistaken 1 + sum_l (K_l - 1) prod_{i<=l} r_i: dilations multiplied as strides are.

    It is right for one layer alone; `stacked` at stride 1 is right for all.
    """
    return 1 + sum(
        (kernel - 1) * int(np.prod(dilations[: n + 1])) for n, kernel in enumerate(kernels)
    )


def checked(layer: str, kernel: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """The three numbers of a window, each 1 or more; if not, an InputError names the layer."""
    for name, value in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if value < 1:
            raise InputError(
                f"receptive field: {layer}: {name} is {value}, expected a whole number from 1"
            )
    return kernel, stride, dilation
