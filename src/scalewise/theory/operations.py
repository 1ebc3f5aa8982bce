"""How each operation of torch moves a receptive field: one small rule an operation.

Operations are torch's own (`aten`), to which every layer and every function comes down. What is
not in the table and not elementwise cannot be followed; the field then says so, by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scalewise.errors import InputError
from scalewise.theory import windows
from scalewise.theory.fields import Call, Field, Untraceable, window_numbers
from scalewise.theory.windows import Axis

SPATIAL = (2, 3)  # of [B, C, H, W]
Rule = Callable[[Call, Field, Tensor], Field | None]  # None: cannot be followed


def follow(call: Call, fields: Sequence[Field | Untraceable], out: Tensor) -> Field | Untraceable:
    """What an output of an operation sees, given what its inputs see.

    Raises:
        InputError: a window over an input that could not be followed.
    """
    lost = next((known for known in fields if isinstance(known, Untraceable)), None)
    if lost and call.name in WINDOWS:
        raise InputError(f"receptive field: {call.layer}: its input is lost: {lost.reason}")
    if lost:
        return lost
    seen = _through(call, [known for known in fields if isinstance(known, Field)], out)
    if seen is None or not _fits(seen, out):
        return Untraceable(f"cannot follow aten.{call.name} of {call.layer}")
    return seen


def _through(call: Call, fields: Sequence[Field], out: Tensor) -> Field | None:
    if call.name in RULES:
        # Weights that depend on the image are beyond a rule; where a pooling's values came from
        # only decides which of the window's places they return to.
        alone = len(fields) == 1 or call.name == "max_unpool2d"
        return RULES[call.name](call, fields[0], out) if alone else None
    if call.name == "cat":
        return _union(fields) if call.given["dim"] % out.ndim == 1 else None
    if torch.Tag.pointwise in call.function.tags or call.name in ALIKE:
        return _union(fields)
    return None


def _fits(seen: Field, out: Tensor) -> bool:
    shape = (len(seen.rows.span), len(seen.columns.span))
    return shape == (tuple(out.shape[2:]) if out.ndim == 4 else (1, 1)) and out.ndim in (2, 4)


def _union(fields: Sequence[Field]) -> Field:
    names = dict.fromkeys(name for f in fields for name in f.statistics)
    return Field(
        windows.union([f.rows for f in fields]),
        windows.union([f.columns for f in fields]),
        tuple(names),
    )


# Rules -------------------------------------------------------------------------------------


def _window(call: Call, seen: Field, out: Tensor) -> Field | None:
    if out.ndim != 4:
        return None
    transposed = call.given.get("transposed", False)
    taps = windows.transposed_window if transposed else windows.window
    numbers = list(zip(*window_numbers(call), call.pair("padding"), strict=True))

    def moved(axis: Axis, count: int, n: int) -> Axis:
        kernel, stride, dilation, padding = numbers[n]
        factor = 1 / stride if transposed else stride
        return axis.through(taps(count, kernel, stride, padding, dilation), factor)

    return _each(seen, out, moved)


def _nearest(call: Call, seen: Field, out: Tensor) -> Field | None:
    shift = 0.5 if "exact" in call.name else 0.0

    def moved(axis: Axis, count: int, n: int) -> Axis:
        step = _step(call, axis, count, n)
        return axis.through(windows.nearest(count, step, shift), step)

    return _each(seen, out, moved)


def _bilinear(call: Call, seen: Field, out: Tensor) -> Field | None:
    aligned = call.given["align_corners"]

    def moved(axis: Axis, count: int, n: int) -> Axis:
        pixels = len(axis.span)
        step = (pixels - 1) / max(count - 1, 1) if aligned else _step(call, axis, count, n)
        return axis.through(windows.linear(count, pixels, step, aligned), step)

    return _each(seen, out, moved)


def _step(call: Call, axis: Axis, count: int, n: int) -> float:
    """Inputs an output of a resampling: by the scale that was asked for, else by the sizes."""
    scale = call.given.get("scales_h" if n == 0 else "scales_w")
    return 1 / scale if scale else len(axis.span) / count


def _unpooled(call: Call, seen: Field, out: Tensor) -> Field | None:
    """A value returns to some place of the window it came from; windows lie side by side."""

    def moved(axis: Axis, count: int, n: int) -> Axis:
        step = 1 / max(count // len(axis.span), 1)
        return axis.through(windows.nearest(count, step), step)

    return _each(seen, out, moved)


def _adaptive(call: Call, seen: Field, out: Tensor) -> Field | None:
    def moved(axis: Axis, count: int, n: int) -> Axis:
        pixels = len(axis.span)
        return axis.through(windows.adaptive(count, pixels), pixels / count).bounded(False)

    return _each(seen, out, moved)


def _padded(call: Call, seen: Field, out: Tensor) -> Field | None:
    left, _, top, _ = (*call.given.get("pad", call.given.get("padding")), 0, 0)[:4]

    def moved(axis: Axis, count: int, n: int) -> Axis:
        place, last = np.arange(count) - (top, left)[n], len(axis.span) - 1
        taps = place
        if call.name == "reflection_pad2d":
            taps = last - np.abs(last - np.abs(place))
        elif call.name == "replication_pad2d":
            taps = np.clip(place, 0, last)
        return axis.through(taps[:, None], 1).bounded((place >= 0) & (place <= last))

    return _each(seen, out, moved)


def _sliced(call: Call, seen: Field, out: Tensor) -> Field | None:
    if out.ndim != 4:
        return seen
    start, step, dim = call.given["start"] or 0, call.given["step"], call.given["dim"] % 4

    def moved(axis: Axis, count: int, n: int) -> Axis:
        if dim != SPATIAL[n]:
            return axis
        first = range(len(axis.span))[start:].start
        return axis.through(first + np.arange(count)[:, None] * step, step)

    return _each(seen, out, moved)


def _shuffled(call: Call, seen: Field, out: Tensor) -> Field | None:
    step = 1 / call.given["upscale_factor"]
    return _each(seen, out, lambda axis, count, n: axis.through(windows.nearest(count, step), step))


def _each(seen: Field, out: Tensor, moved: Callable[[Axis, int, int], Axis]) -> Field:
    """Rows and columns moved: the axis, how many outputs there are along it, and 0 or 1."""
    height, width = out.shape[2:]
    return replace(seen, rows=moved(seen.rows, height, 0), columns=moved(seen.columns, width, 1))


def _viewed(call: Call, seen: Field, out: Tensor) -> Field | None:
    shape = call.args[0].shape
    if out.ndim == len(shape) and out.shape[2:] == shape[2:]:
        return seen
    return seen.gathered if out.ndim == 2 and len(shape) == 4 and len(out) == shape[0] else None


def _reduced(call: Call, seen: Field, out: Tensor) -> Field | None:
    count, given = len(call.args[0].shape), call.given.get("dim")
    dims = sorted(dim % count for dim in np.atleast_1d(given)) if given else []
    if dims == [1]:
        return seen
    return seen.gathered if dims == [2, 3] else None


def _along_channels(call: Call, seen: Field, out: Tensor) -> Field | None:
    return seen if call.given["dim"] % out.ndim == 1 else None


def _normalised(call: Call, seen: Field, out: Tensor) -> Field | None:
    over_space = call.given.get("training", True)  # batch norm at rest knows its statistics
    added = (call.layer,) if over_space and call.layer not in seen.statistics else ()
    return replace(seen, statistics=(*seen.statistics, *added))


WINDOWS: dict[str, Rule] = {
    "convolution": _window,
    "max_pool2d_with_indices": _window,
    "avg_pool2d": _window,
    "max_unpool2d": _unpooled,
    "_adaptive_avg_pool2d": _adaptive,
    "adaptive_max_pool2d": _adaptive,
    "upsample_nearest2d": _nearest,
    "_upsample_nearest_exact2d": _nearest,
    "upsample_bilinear2d": _bilinear,
}
RULES: dict[str, Rule] = {
    **WINDOWS,
    "constant_pad_nd": _padded,
    "reflection_pad2d": _padded,
    "replication_pad2d": _padded,
    "slice": _sliced,
    "pixel_shuffle": _shuffled,
    "view": _viewed,
    "_unsafe_view": _viewed,
    "mean": _reduced,
    "sum": _reduced,
    "amax": _reduced,
    "linalg_vector_norm": _reduced,
    "_softmax": _along_channels,
    "_log_softmax": _along_channels,
    "split": _along_channels,
    "native_group_norm": _normalised,
    "native_layer_norm": _normalised,
    "native_batch_norm": _normalised,
}
# Elementwise without torch's tag for it, and what mixes channels alone.
ALIKE = {
    "_to_copy", "alias", "detach", "expand", "hardswish", "native_dropout", "addmm", "mm",
}  # fmt: skip
