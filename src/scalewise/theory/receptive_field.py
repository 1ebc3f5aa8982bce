"""The theoretical receptive field of every layer of a real module, exact for every position.

The module runs once on a tensor without data (device `meta`), and every tensor operation that
torch dispatches moves the intervals of `scalewise.theory.windows` along. So whatever the forward
pass does is followed: strides, dilations, poolings, unpooling, residual sums, top-down paths.

A normalisation over space (group, instance, layer norm) lets every pixel touch every position
through two statistics. These are taken as given constants: a field here is what the
convolutions see, and the layers whose statistics see the whole map are named beside it.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scalewise.errors import InputError
from scalewise.theory import operations
from scalewise.theory.fields import Call, Field, Untraceable, check
from scalewise.theory.windows import Axis, whole_input

LARGEST_CANVAS = 16  # times the image's side, to see a field that the image cuts


@dataclass(frozen=True)
class Layer:
    """What one layer's outputs see of the input.

    Attributes:
        name: as in `named_modules`; `[n]` follows for the nth of several outputs.
        kind: its class.
        rows: the field from top to bottom.
        columns: the field from left to right.
        statistics: layers up to here whose statistics see the whole map.
        image: height and width of the input in pixels.
    """

    name: str
    kind: str
    rows: Axis
    columns: Axis
    statistics: tuple[str, ...]
    image: tuple[int, int]

    @property
    def cut(self) -> bool:
        """Whether the image is too small to show the middle position's whole field."""
        return self.rows.cut or self.columns.cut


@dataclass(frozen=True)
class Trace:
    """The layers of a module by name, in the order in which they ran; the module itself is ''.

    Attributes:
        layers: those that gave a map or a vector that could be followed.
        lost: why the others could not be followed, by name.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)

    def layer(self, name: str) -> Layer:
        """The layer called `name`; an InputError says why there is none."""
        if name in self.lost:
            raise InputError(f"receptive field: layer '{name}': {self.lost[name]}")
        if name not in self.layers:
            close = get_close_matches(name, self.layers, n=1)
            meant = f"; did you mean '{close[0]}'?" if close else ""
            raise InputError(f"receptive field: no layer '{name}' gave a map{meant}")
        return self.layers[name]


def trace(module: nn.Module, size: tuple[int, int], channels: int = 3) -> Trace:
    """Follow the field of every layer through one forward pass.

    Args:
        module: takes images [1, channels, H, W]; it is left as it is.
        size: H and W.
        channels: of the input.

    Returns:
        A layer for each submodule whose output is a map [1, D, h, w], or a vector [1, D] after
        a flattened map, which counts as one position that sees what all of the map saw.

    Raises:
        InputError: a layer whose window is impossible (kernel 0, negative dilation), that does
            not fit its input, or that needs a map that could not be followed; it is named.
            A layer that could not be followed and that no window needs raises when asked for.
    """
    shadow = copy.deepcopy(module).to("meta", torch.float32).eval()
    follower = _Follower(size)
    image = torch.zeros(1, channels, *size, device="meta")
    follower.begin(image)
    with torch.no_grad(), follower.watching(shadow), follower:
        try:
            shadow(image)
        except (RuntimeError, ZeroDivisionError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"receptive field: {follower.here}: {reason}") from error
    return follower.trace


def uncut(module: nn.Module, size: tuple[int, int], name: str, channels: int = 3) -> Layer:
    """The layer's field on the smallest canvas that shows all of it.

    The canvas is the image doubled again and again. What is still cut on `LARGEST_CANVAS` times
    the image has no bound of its own (global pooling): its `cut` is true.
    """
    factor = 1
    while True:
        layer = trace(module, (size[0] * factor, size[1] * factor), channels).layer(name)
        if not layer.cut or factor >= LARGEST_CANVAS:
            return layer
        factor *= 2


def table(found: Trace) -> pd.DataFrame:
    """One row a layer, for the middle position: sizes and offsets in pixels of the input.

    `offset` is where the first position's field is centred if nothing is cut; `cut` whether the
    image is too small to show the field; `statistics` how many norms over space lie before.
    """
    return pd.DataFrame(
        {
            "layer": layer.name,
            "kind": layer.kind,
            "height": layer.rows.size,
            "width": layer.columns.size,
            "stride": layer.rows.stride,
            "offset": layer.rows.offset,
            "cut": layer.cut,
            "statistics": len(layer.statistics),
        }
        for layer in found.layers.values()
    )


class _Follower(TorchDispatchMode):
    """Knows the field of every tensor that depends on the image, and the layer that runs."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size, self.trace = size, Trace()
        self.running: list[tuple[str, nn.Module]] = []
        # Tensors are kept beside their fields: the id of one that is gone may come again.
        self.known: dict[int, tuple[Tensor, Field | Untraceable]] = {}

    @property
    def here(self) -> str:
        """The layer that runs, for messages."""
        if not self.running:
            return "the module"
        name, module = self.running[-1]
        return f"layer '{name}' ({type(module).__name__})" if name else type(module).__name__

    def begin(self, image: Tensor) -> None:
        rows, columns = map(whole_input, self.size)
        self.known[id(image)] = image, Field(rows, columns)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        fields = [self.known[id(leaf)][1] for leaf in tree_leaves((args, kwargs))
                  if id(leaf) in self.known]  # fmt: skip
        call = Call(func, args, kwargs, self.here)
        if fields:
            check(call)  # torch looks at windows on real devices only
        out = func(*args, **kwargs)
        if fields:
            for tensor in filter(torch.is_tensor, tree_leaves(out)):
                self.known[id(tensor)] = tensor, operations.follow(call, fields, tensor)
        return out

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Keep track of the layer that runs, and of what each one gives."""
        hooks = []
        for name, part in module.named_modules():
            hooks.append(part.register_forward_pre_hook(self._entering(name)))
            hooks.append(part.register_forward_hook(self._leaving(name)))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _entering(self, name: str) -> Callable[..., None]:
        return lambda module, _: self.running.append((name, module))

    def _leaving(self, name: str) -> Callable[..., None]:
        def leave(module: nn.Module, _: Any, out: Any) -> None:
            self.running.pop()
            parts = list(out) if isinstance(out, list | tuple) else [out]
            for n, part in enumerate(parts):
                suffix = f"[{n}]" if len(parts) > 1 else ""
                self._note(f"{name}{suffix}", type(module).__name__, part)

        return leave

    def _note(self, name: str, kind: str, out: Any) -> None:
        """Write down a layer's output; a layer that runs again gets a number."""
        if id(out) not in self.known:
            return
        runs = sum(1 for known in self.trace.layers if known.split("#")[0] == name)
        name = f"{name}#{runs + 1}" if runs else name
        seen = self.known[id(out)][1]
        if isinstance(seen, Untraceable):
            self.trace.lost[name] = seen.reason
        else:
            self.trace.layers[name] = Layer(
                name, kind, seen.rows, seen.columns, seen.statistics, self.size
            )
