"""How an output unit depends on the pixels, by its gradient.

The statistics of normalisation layers are held constant: through them every pixel moves every
unit a little, whatever the layers between them see.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules import activation
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm as InstanceNorm

from scalewise.errors import InputError

Floats = NDArray[np.float64]
Interval = tuple[int, int]


def unit_gradient(module: nn.Module, name: str, images: Tensor, seed: int = 0) -> Floats:
    """How strongly each pixel moves the middle unit of a layer, [H, W].

    The mean over images of |d (w . y) / d pixel|, summed over colours; y are the unit's channels
    and w random weights of N(0, 1), new for each image, so that no channel cancels another.

    Args:
        module: takes the images; it is left as it is, and gives its answers at rest (`eval`).
        name: a layer as in `receptive_field.trace`.
        images: [B, C, H, W] in what the module takes, any floating or integer type.
        seed: of the weights.
    """
    at_rest = frozen(module)
    total = np.zeros(images.shape[2:])
    generator = torch.Generator().manual_seed(seed)
    for image in images.float().split(1):
        image.requires_grad_(True)
        unit = _middle(_output(at_rest, name, image), name)  # [D]
        weights = torch.randn(unit.shape, generator=generator)
        (moved,) = torch.autograd.grad((unit * weights).sum(), image)
        total += moved.abs().sum(1)[0].double().numpy()
    return total / len(images)


def measured(
    module: nn.Module, name: str, size: tuple[int, int], channels: int = 3, seed: int = 0
) -> tuple[Interval, Interval]:
    """First and last row, first and last column that move the middle unit of a layer.

    Taken where nothing can hide: positive random weights, so that no paths cancel;
    normalisation and activations left out; the maximum of a window replaced by its mean, since
    a maximum has one path only.

    Args:
        module: takes images [1, channels, H, W] of its own floating type; left as it is.
        name: a layer as in `receptive_field.trace`.
        size: H and W.
        channels: of the input.
        seed: of the weights.

    Raises:
        InputError: nothing moves the unit, or a pooling whose mean torch does not offer.
    """
    bare = _bare(module, seed)
    kind = next((p.dtype for p in bare.parameters()), torch.float32)
    image = torch.full((1, channels, *size), 255.0, dtype=kind, requires_grad=True)
    unit = _middle(_output(bare, name, image), name)
    (moved,) = torch.autograd.grad(unit.sum(), image)
    touched = (moved[0] != 0).any(0)  # [H, W]
    if not touched.any():
        raise InputError(f"gradient: no pixel moves the middle unit of layer '{name}'")
    return _extent(touched.any(1)), _extent(touched.any(0))


def frozen(module: nn.Module) -> nn.Module:
    """A copy at rest whose group and instance norms hold their statistics constant.

    Raises:
        InputError: a layer norm over rows and columns, which has no such copy.
    """
    at_rest = copy.deepcopy(module).eval().requires_grad_(False)
    return _replaced(at_rest, _frozen_norm)


class FrozenNorm(nn.Module):
    """A group or instance norm with the same output, through whose statistics nothing flows.

    Wu and He 2018, arXiv 1803.08494: (x - mean) / sqrt(variance + eps) over the pixels and
    channels of each group, then a scale and a shift a channel.
    """

    def __init__(self, norm: nn.GroupNorm | InstanceNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.groups = norm.num_groups if isinstance(norm, nn.GroupNorm) else norm.num_features

    def forward(self, x: Tensor) -> Tensor:
        """[B, D, H, W] to the same shape."""
        variance, mean = torch.var_mean(
            x.detach().unflatten(1, (self.groups, -1)), dim=(2, 3, 4), correction=0
        )  # [B, G]
        wide = x.shape[1] // self.groups
        mean, scale = (
            value.repeat_interleave(wide, dim=1)[..., None, None]
            for value in (mean, torch.rsqrt(variance + self.eps))
        )
        y = (x - mean) * scale
        if self.weight is None:
            return y
        return y * self.weight[:, None, None] + self.bias[:, None, None]


def _frozen_norm(name: str, part: nn.Module) -> nn.Module | None:
    if isinstance(part, nn.LayerNorm) and len(part.normalized_shape) > 1:
        raise InputError(f"gradient: layer '{name}': a layer norm over space cannot be held")
    tracks = getattr(part, "track_running_stats", False)
    grouped = isinstance(part, nn.GroupNorm) or (isinstance(part, InstanceNorm) and not tracks)
    return FrozenNorm(part) if grouped else None


def _bare(module: nn.Module, seed: int) -> nn.Module:
    """A copy that is linear in its input, with positive weights; sums stay near the input's."""
    bare = _replaced(copy.deepcopy(module).eval(), _linear)
    generator = torch.Generator().manual_seed(seed)
    for parameter in bare.parameters():
        drawn = 0.5 + torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
        spread = parameter[0].numel() if parameter.ndim > 1 else 1
        parameter.data = (drawn / spread).to(parameter.dtype)
    return bare.requires_grad_(False)


def _linear(name: str, part: nn.Module) -> nn.Module | None:
    if isinstance(part, nn.GroupNorm | nn.LayerNorm | BatchNorm | InstanceNorm):
        return nn.Identity()
    if type(part).__module__ == activation.__name__ and not isinstance(part, nn.MultiheadAttention):
        return nn.Identity()
    if isinstance(part, nn.MaxPool2d) and not part.return_indices:
        if part.dilation not in (1, (1, 1)):
            raise InputError(f"gradient: layer '{name}': a dilated pooling has no mean")
        return nn.AvgPool2d(part.kernel_size, part.stride, part.padding, part.ceil_mode)
    return nn.AdaptiveAvgPool2d(part.output_size) if _is_adaptive_max(part) else None


def _is_adaptive_max(part: nn.Module) -> bool:
    return isinstance(part, nn.AdaptiveMaxPool2d) and not part.return_indices


def _replaced(
    module: nn.Module, replacement: Callable[[str, nn.Module], nn.Module | None]
) -> nn.Module:
    """The module with each part, itself included, exchanged where there is a replacement."""
    if (new := replacement("", module)) is not None:
        return new
    for name, part in list(module.named_modules()):
        for child_name, child in list(part.named_children()):
            path = f"{name}.{child_name}".lstrip(".")
            if (new := replacement(path, child)) is not None:
                setattr(part, child_name, new)
    return module


def _output(module: nn.Module, name: str, image: Tensor) -> Tensor:
    """What the layer called `name` gives while the module runs on an image."""
    path, _, position = name.removesuffix("]").partition("[")
    with _watching(module, path) as given:
        module(image)
    if not given:
        raise InputError(f"gradient: layer '{name}' did not run")
    out = given[-1]
    return out[int(position)] if position else out


@contextmanager
def _watching(module: nn.Module, path: str) -> Iterator[list[Tensor]]:
    given: list[Tensor] = []
    try:
        part = module.get_submodule(path)
    except AttributeError:
        raise InputError(f"gradient: no layer '{path}'") from None
    hook = part.register_forward_hook(lambda _, __, out: given.append(out))
    try:
        yield given
    finally:
        hook.remove()


def _middle(out: Tensor, name: str) -> Tensor:
    """[D] the channels of the middle position of a map [1, D, h, w], or of a vector [1, D]."""
    if not isinstance(out, Tensor) or out.ndim not in (2, 4):
        raise InputError(f"gradient: layer '{name}' gives no map [B, D, h, w]")
    return out[0] if out.ndim == 2 else out[0, :, out.shape[2] // 2, out.shape[3] // 2]


def _extent(touched: Tensor) -> Interval:
    places = touched.nonzero()
    return int(places[0]), int(places[-1])
