"""Anchors of the multi-scale detector: which boxes stand on each map.

Section `anchors` of params.yaml. Numpy alone, so that the anchors stage starts without torch.
One order of anchors holds everywhere (targets, predictions, decoding): level, row, column,
scale, ratio.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from scalewise.params import Record

Floats = NDArray[np.float64]
Sides = tuple[tuple[float, ...], ...]

STRIDES = (4, 8, 16)  # pixels between neighbouring cells of the three maps
PRESETS: dict[str, Sides] = {
    # Neighbours differ by 1.2 to 1.4: fine steps, and nothing above 90 pixels is reached.
    "small": ((8, 10, 12), (16, 20, 26), (34, 46, 64)),
    # Each side is sqrt(2) times the one before: every square from 10 to 190 pixels is reached.
    "balanced": ((10, 14, 20), (28, 40, 56), (80, 112, 160)),
    # The same for large objects; nothing below 23 pixels is reached.
    "large": ((32, 44, 56), (72, 88, 104), (128, 152, 176)),
}


class Parameters(Record):
    """Which anchors stand on each map."""

    scales: Literal["small", "balanced", "large"] | Sides = "balanced"
    """A preset, or one list of sides in pixels for each level, finest first."""
    ratios: tuple[float, ...] = Field((1.0,), min_length=1)
    """Width over height; an anchor of side s is s*sqrt(r) by s/sqrt(r)."""

    @field_validator("scales")
    @classmethod
    def _levels(cls, scales: str | Sides) -> str | Sides:
        if isinstance(scales, str):
            return scales
        if len(scales) != len(STRIDES) or not all(scales):
            raise ValueError(
                f"expected one list of sides for each of {len(STRIDES)} levels, got "
                f"{len(scales)} lists of lengths {[len(level) for level in scales]}"
            )
        if any(side <= 0 for level in scales for side in level):
            raise ValueError("every side must be above 0 pixels")
        if len({len(level) for level in scales}) > 1:
            raise ValueError(
                f"every level needs as many sides, got {[len(level) for level in scales]}"
            )
        return scales

    @field_validator("ratios")
    @classmethod
    def _positive(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        if min(ratios) <= 0:
            raise ValueError(f"every ratio must be above 0, got {list(ratios)}")
        return ratios

    @property
    def sides(self) -> Sides:
        """Sides in pixels, one tuple a level, a preset spelled out."""
        return PRESETS[self.scales] if isinstance(self.scales, str) else self.scales

    @property
    def per_cell(self) -> int:
        """How many anchors stand on one cell."""
        return len(self.sides[0]) * len(self.ratios)


def grid(parameters: Parameters, image_size: int) -> tuple[Floats, NDArray[np.int64]]:
    """Every anchor of a square image.

    Args:
        parameters: sides and ratios.
        image_size: side in pixels, a multiple of the coarsest stride.

    Returns:
        boxes [A, 4] xyxy pixels, not cut at the border, and the level [A] of each.
    """
    levels = [
        _level(sides, parameters.ratios, stride, image_size)
        for sides, stride in zip(parameters.sides, STRIDES, strict=True)
    ]
    level = np.repeat(np.arange(len(levels)), [len(boxes) for boxes in levels])
    return np.concatenate(levels), level


def _level(sides: tuple[float, ...], ratios: tuple[float, ...], stride: int, size: int) -> Floats:
    roots = np.sqrt(ratios)
    widths = np.outer(sides, roots).ravel()
    heights = np.outer(sides, 1 / roots).ravel()
    centre = (np.arange(size // stride) + 0.5) * stride
    y, x = np.meshgrid(centre, centre, indexing="ij")
    cells = np.stack([x, y, x, y], axis=-1)[:, :, None]  # [R, R, 1, 4]
    halves = np.stack([-widths, -heights, widths, heights], axis=-1) / 2  # [K, 4]
    return (cells + halves).reshape(-1, 4)
