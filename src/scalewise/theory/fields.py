"""What every position of a map sees, and one operation of torch that moves it along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from scalewise.errors import InputError
from scalewise.theory import windows
from scalewise.theory.windows import Axis


@dataclass(frozen=True)
class Field:
    """What every position of a map sees; a vector has one position.

    Attributes:
        rows: from top to bottom.
        columns: from left to right.
        statistics: layers up to here whose statistics see the whole map.
    """

    rows: Axis
    columns: Axis
    statistics: tuple[str, ...] = ()

    @property
    def gathered(self) -> "Field":
        """One position that sees what all saw, and would see more of a larger image."""
        return replace(self, rows=_gathered(self.rows), columns=_gathered(self.columns))


def _gathered(axis: Axis) -> Axis:
    count = len(axis.span)
    return axis.through(np.arange(count)[None], count).bounded(False)


@dataclass(frozen=True)
class Untraceable:
    """A tensor of which it is not known what it sees, and why."""

    reason: str


@dataclass(frozen=True)
class Call:
    """One operation as torch dispatches it, and the layer that runs it."""

    function: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    layer: str

    @property
    def name(self) -> str:
        """Its name without namespace and overload: `convolution`."""
        return str(self.function._schema.name.split("::")[-1])

    @cached_property
    def given(self) -> dict[str, Any]:
        """Arguments by name, defaults filled in."""
        declared = self.function._schema.arguments
        values = {a.name: a.default_value for a in declared if a.has_default_value()}
        values |= {a.name: value for a, value in zip(declared, self.args, strict=False)}
        return values | dict(self.kwargs)

    def pair(self, name: str) -> tuple[Any, Any]:
        """An argument with a value an axis; one value holds for both, no value is (None, None)."""
        value = self.given.get(name)
        values = list(value) if isinstance(value, list | tuple) else [value]
        return (values[0], values[-1]) if values else (None, None)


def window_numbers(call: Call) -> list[tuple[int, int]]:
    """Kernel, stride and dilation, each for rows and columns."""
    kernel = call.pair("kernel_size")
    if call.name == "convolution":
        kernel = tuple(call.given["weight"].shape[2:])
    stride = call.pair("stride") if call.given.get("stride") else kernel  # a pooling's default
    dilation = call.pair("dilation") if "dilation" in call.given else (1, 1)
    return [kernel, stride, dilation]


def check(call: Call) -> None:
    """Refuse a convolution or pooling that no input fits, and name its layer."""
    if call.name != "convolution" and "kernel_size" not in call.given:
        return
    if call.given.get("padding") and min(call.pair("padding")) < 0:
        raise InputError(f"receptive field: {call.layer}: padding is below 0")
    for numbers in zip(*window_numbers(call), strict=True):
        windows.checked(call.layer, *numbers)
