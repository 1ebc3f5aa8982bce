"""From a heatmap to a point: the highest cell, and four ways to look between cells.

Cell i of an R-wide map of an S-wide input is centred on pixel (i + .5) * S / R.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Decoder = Callable[[Tensor, Tensor], Tensor]

SMALLEST = 1e-6  # below, a heatmap's logarithm says nothing
WINDOW = 2  # cells to each side that the expectation looks at


def decode(maps: Tensor, size: int, method: str) -> tuple[Tensor, Tensor]:
    """Points [B, K, 2] xy in input pixels, and the highest value [B, K] as their score.

    Args:
        maps: [B, K, R, R].
        size: side S of the input in pixels.
        method: one of `METHODS`.
    """
    cells = maps.shape[-1]
    score, place = maps.flatten(2).max(dim=2)
    cell = torch.stack([place % cells, place // cells], dim=-1)  # x, y
    middle = cell + 0.5 + METHODS[method](maps, cell)
    return middle.clamp(0, cells) * (size / cells), score


def argmax(maps: Tensor, cell: Tensor) -> Tensor:
    """No step: the middle of the highest cell."""
    return torch.zeros_like(cell, dtype=maps.dtype)


def quarter(maps: Tensor, cell: Tensor) -> Tensor:
    """A quarter of a cell towards the higher neighbour (Newell et al. 2016, arXiv 1603.06937).

    None along an axis on whose border the cell lies: it has one neighbour there.
    """
    around = neighbourhood(maps, cell, 1)
    x = around[..., 1, 2] - around[..., 1, 0]
    y = around[..., 2, 1] - around[..., 0, 1]
    inside = (cell > 0) & (cell < maps.shape[-1] - 1)
    return torch.stack([x, y], dim=-1).sign() * inside * 0.25


def taylor(maps: Tensor, cell: Tensor) -> Tensor:
    """Newton's step on the map's logarithm (Zhang et al. 2020, "DARK"): exact for a Gaussian.

    At a border cell, where the logarithm is not concave, or where the step would leave the cell's
    neighbourhood, a quarter step is taken.
    """
    log = neighbourhood(maps, cell, 1).clamp(min=SMALLEST).log()
    middle = log[..., 1, 1]
    dx, dy = (log[..., 1, 2] - log[..., 1, 0]) / 2, (log[..., 2, 1] - log[..., 0, 1]) / 2
    dxx = log[..., 1, 2] + log[..., 1, 0] - 2 * middle
    dyy = log[..., 2, 1] + log[..., 0, 1] - 2 * middle
    dxy = (log[..., 2, 2] - log[..., 2, 0] - log[..., 0, 2] + log[..., 0, 0]) / 4
    determinant = dxx * dyy - dxy.square()
    concave = (dxx < 0) & (determinant > 0)
    safe = torch.where(concave, determinant, 1.0)
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1) / safe.unsqueeze(-1)
    inside = ((cell > 0) & (cell < maps.shape[-1] - 1)).all(dim=-1)
    near = (step.abs() <= 1).all(dim=-1)
    return torch.where((concave & inside & near).unsqueeze(-1), step, quarter(maps, cell))


def expectation(maps: Tensor, cell: Tensor) -> Tensor:
    """Mean place of the cells around the highest, each weighed by its value above 0."""
    around = neighbourhood(maps, cell, WINDOW).clamp(min=0)
    total = around.sum(dim=(-2, -1)).clamp(min=SMALLEST)
    steps = torch.arange(-WINDOW, WINDOW + 1, device=maps.device, dtype=maps.dtype)
    x, y = around.sum(dim=-2) @ steps, around.sum(dim=-1) @ steps
    return torch.stack([x, y], dim=-1) / total.unsqueeze(-1)


def neighbourhood(maps: Tensor, cell: Tensor, reach: int) -> Tensor:
    """The cells around `cell` [B, K, 2], as [B, K, side, side]; edges are repeated."""
    padded = F.pad(maps, (reach,) * 4, mode="replicate")
    steps = torch.arange(2 * reach + 1, device=maps.device)
    rows = (cell[..., 1, None] + steps)[..., :, None]
    columns = (cell[..., 0, None] + steps)[..., None, :]
    flat = (rows * padded.shape[-1] + columns).flatten(2)
    side = 2 * reach + 1
    return padded.flatten(2).gather(2, flat).view(*cell.shape[:2], side, side)


METHODS: dict[str, Decoder] = {
    "argmax": argmax,
    "quarter": quarter,
    "taylor": taylor,
    "expectation": expectation,
}
