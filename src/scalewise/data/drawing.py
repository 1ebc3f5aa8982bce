"""Pictures from numbers: outlines with exact edges, backgrounds, noise.

A canvas is [3, H, W] float32 in levels 0..255: planes are what numpy is fast at. Points are
(x, y) in pixels, y downwards; pixel (column, row) covers [column, column + 1] x [row, row + 1].
What is random takes its generator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]
Canvas = NDArray[np.float32]
Distance = Callable[[Canvas, Canvas], Canvas]

LEVELS = 255


@dataclass(frozen=True)
class Patch:
    """What a shape covers of a canvas.

    Attributes:
        rows: the canvas rows it reaches.
        columns: the canvas columns it reaches.
        alpha: [rows, columns] float32, covered share of each pixel in [0, 1].
    """

    rows: slice
    columns: slice
    alpha: Canvas

    @property
    def mask(self) -> NDArray[np.bool_]:
        """[rows, columns], the pixels whose centre is inside the shape."""
        return self.alpha >= 0.5

    def hard(self) -> "Patch":
        """The same shape with every pixel either covered or not."""
        return Patch(self.rows, self.columns, self.mask.astype(np.float32))


def disc(centre: Array, radius: float, size: int) -> Patch:
    """A disc on a canvas of `size` x `size` pixels; what lies outside is cut off."""
    box = np.concatenate([centre - radius, centre + radius])
    return _patch(box, lambda x, y: np.hypot(x - centre[0], y - centre[1]) - radius, size)


def polygon(corners: Array, size: int) -> Patch:
    """A convex polygon on a canvas of `size` x `size` pixels; what lies outside is cut off.

    Args:
        corners: [V, 2] xy pixels, clockwise as seen (y points down).
        size: the canvas's side in pixels.
    """
    edges = np.roll(corners, -1, axis=0) - corners
    outwards = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    outwards = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    offsets = (outwards * corners).sum(axis=1)

    def distance(x: Canvas, y: Canvas) -> Canvas:
        sides = [
            np.float32(nx) * x + np.float32(ny) * y - np.float32(offset)
            for (nx, ny), offset in zip(outwards, offsets, strict=True)
        ]
        return np.maximum.reduce(sides)

    return _patch(np.concatenate([corners.min(axis=0), corners.max(axis=0)]), distance, size)


def segment(start: Array, end: Array, width: float, size: int) -> Patch:
    """A straight line with round ends on a canvas of `size` x `size` pixels.

    Args:
        start: [2] xy pixels, the middle of one round end.
        end: [2] xy pixels, the middle of the other.
        width: of the line, pixels.
        size: the canvas's side in pixels.
    """
    along, square = end - start, max(float(((end - start) ** 2).sum()), 1e-12)

    def distance(x: Canvas, y: Canvas) -> Canvas:
        share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / square
        share = np.clip(share, 0, 1)
        off = np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])
        return off - width / 2

    low, high = np.minimum(start, end) - width / 2, np.maximum(start, end) + width / 2
    return _patch(np.concatenate([low, high]), distance, size)


def _patch(box: Array, distance: Distance, size: int) -> Patch:
    """The pixels of `box` [4] xyxy; `distance` is signed, negative inside the shape.

    Half a pixel on either side of the edge makes the ramp that smooths it.
    """
    low = np.clip(np.floor(box[:2]), 0, size).astype(int)
    high = np.clip(np.ceil(box[2:]), 0, size).astype(int)
    x, y = (np.arange(a, b, dtype=np.float32) + 0.5 for a, b in zip(low, high, strict=True))
    alpha = np.clip(0.5 - distance(x[None, :], y[:, None]), 0, 1).astype(np.float32)
    return Patch(slice(low[1], high[1]), slice(low[0], high[0]), alpha)


def paint(canvas: Canvas, patch: Patch, colour: Array) -> None:
    """Lay a colour [3] over a canvas where the patch covers it. Changes the canvas."""
    window = canvas[:, patch.rows, patch.columns]
    window += patch.alpha * (colour.astype(np.float32)[:, None, None] - window)


def gradient(rng: np.random.Generator, size: int) -> Canvas:
    """A canvas that runs from one muted colour to another in some direction."""
    start, end = rng.uniform(40, 215, (2, 3, 1, 1)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    t = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    along = np.float32(np.cos(angle)) * t[None, :] + np.float32(np.sin(angle)) * t[:, None]
    share = (along - along.min()) / np.ptp(along)
    return start + share * (end - start)


def add_texture(rng: np.random.Generator, canvas: Canvas, levels: float) -> None:
    """Add smooth blotches, each a quarter to a tenth of the side. Changes the canvas.

    Args:
        rng: the generator.
        canvas: what to change.
        levels: standard deviation of the blotches, in levels.
    """
    cells = int(rng.integers(4, 11))
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    shape = (canvas.shape[2], canvas.shape[1])
    fine = np.asarray(Image.fromarray(coarse).resize(shape, Image.Resampling.BICUBIC))
    canvas += (levels * rng.uniform(0.4, 1.3, (3, 1, 1))).astype(np.float32) * fine


def add_line(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw one straight line of 1-3 px somewhere, in some colour. Changes the canvas."""
    size = canvas.shape[1]
    middle, angle = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    length, width = rng.uniform(0.1, 0.6) * size, rng.uniform(1, 3)
    half, across = along * length / 2, np.array([-along[1], along[0]]) * width / 2
    corners = middle + np.array([-half - across, half - across, half + across, across - half])
    paint(canvas, polygon(corners, size), rng.uniform(0, LEVELS, 3))


def to_pixels(canvas: Canvas) -> NDArray[np.uint8]:
    """[H, W, 3] uint8: rounded and cut to 0..255."""
    return np.clip(np.rint(canvas), 0, LEVELS).astype(np.uint8).transpose(1, 2, 0)


def contrasting(
    rng: np.random.Generator, ground: Canvas, contrast: float, tries: int = 16
) -> Array:
    """A random colour [3] that stands out from what lies under it.

    Args:
        rng: the generator.
        ground: [3, h, w] what lies under and around; wide ones are thinned out.
        contrast: root mean square difference over the channels, in levels, that at least 19 of
            20 of the pixels shall have.
        tries: colours to choose from; the first that stands out, else the one that does best.
    """
    colours = rng.uniform(0, LEVELS, (tries, 3))
    rows, columns = (max(1, length // 24) for length in ground.shape[1:])
    pixels = ground[:, ::rows, ::columns].reshape(3, -1)
    squares = np.square(colours.astype(np.float32)[..., None] - pixels)  # [tries, 3, P]
    least = np.quantile(np.sqrt(squares.mean(axis=1)), 0.05, axis=1)
    return colours[np.argmax(np.minimum(least, contrast))]
