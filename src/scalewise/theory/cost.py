"""What a module costs: parameters and multiply-adds, counted on the module itself."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scalewise.errors import InputError


@dataclass(frozen=True)
class Cost:
    """Of one image.

    Attributes:
        parameters: numbers that training changes.
        multiply_adds: multiplications with their addition, of convolutions and matrix products
            alone, as torch's counter has it; half its FLOPs.
    """

    parameters: int
    multiply_adds: int


def count(module: nn.Module, size: tuple[int, int], channels: int = 3) -> Cost:
    """Parameters, and multiply-adds of one forward pass, without computing it.

    Args:
        module: takes images [1, channels, H, W]; it is left as it is.
        size: H and W.
        channels: of the input.

    Raises:
        InputError: the module cannot take such an image.
    """
    shadow = copy.deepcopy(module).to("meta", torch.float32).eval()
    image = torch.zeros(1, channels, *size, device="meta")
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            shadow(image)
    except (RuntimeError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cost: {type(module).__name__}: {reason}") from error
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return Cost(trained, counter.get_total_flops() // 2)


def of_convolution(
    height: int, width: int, channels: tuple[int, int], kernel: int, groups: int = 1
) -> int:
    """Multiply-adds by hand: H W C_in C_out K^2 / groups.

    Args:
        height: of the output map; `width` likewise.
        width: of the output map.
        channels: C_in and C_out.
        kernel: K. Its dilation spreads the same K^2 taps and costs nothing.
        groups: into which the channels fall.
    """
    return height * width * channels[0] * channels[1] * kernel**2 // groups


def by_dilation(dilations: Iterable[int], side: int, channels: int, kernel: int) -> dict[int, int]:
    """Counted multiply-adds of a convolution that keeps a square map, by its dilation."""
    costs = {}
    for dilation in dilations:
        layer = nn.Conv2d(channels, channels, kernel, padding="same", dilation=dilation)
        costs[dilation] = count(layer, (side, side), channels).multiply_adds
    return costs
