"""Where creatures are seen: the ground behind them, what grows in front, light and lens.

Canvases are [3, S, S] levels as in `drawing`. What is random takes its generator.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from scalewise.data import drawing
from scalewise.data.creature.coats import rgb
from scalewise.data.drawing import Canvas

Array = NDArray[np.float64]

REACH = 1.5  # a place's side, in sides of a crop
LANDS = tuple(  # far, near, what grows there
    tuple(map(rgb, colours))
    for colours in (
        ("5c7048", "6c7a3c", "3a4a24"),  # wood
        ("a08a58", "8a6a34", "6a4c22"),  # autumn
        ("c8d0d8", "e4e8ec", "8a8c88"),  # snow
        ("8c8a84", "76706a", "54504a"),  # rock
        ("98b8d0", "90a058", "5c7434"),  # meadow under the sky
        ("48504a", "3c4034", "262a20"),  # dusk
    )
)


@dataclass(frozen=True)
class Place:
    """What the crops of one frame share.

    Attributes:
        ground: [3, P, P] levels, the frame without its creature; a crop is a window of it.
        growth: [3] colour of what grows there.
        light: [3] factor of each channel.
        infrared: whether the camera saw no colours.
        blur: standard deviation of the lens's blur, in sides of a crop.
    """

    ground: Canvas
    growth: Array
    light: Array
    infrared: bool
    blur: float


def place(rng: np.random.Generator, size: int, blur: tuple[float, float], infrared: float) -> Place:
    """A random place.

    Args:
        rng: the generator.
        size: side of the crops, px.
        blur: least and most, in 64ths of a crop's side.
        infrared: chance of a frame without colours.
    """
    land = LANDS[int(rng.integers(len(LANDS)))]
    far, near, growth = (
        np.clip(c * rng.uniform(0.75, 1.2) + rng.normal(0, 5, 3), 0, 255) for c in land
    )
    side = round(REACH * size)
    horizon = np.clip(
        (np.linspace(0, 1, side) - rng.uniform(0.2, 0.6)) / rng.uniform(0.05, 0.4), 0, 1
    )
    ground = far[:, None] + horizon * (near - far)[:, None]
    ground = np.repeat(ground[:, :, None], side, axis=2).astype(np.float32)
    for _ in range(2):
        drawing.add_texture(rng, ground, rng.uniform(5, 14))
    for _ in range(rng.integers(7)):
        _trunk(rng, ground, growth * rng.uniform(0.5, 1.3))
    return Place(
        ground=ground,
        growth=growth,
        light=rng.uniform(0.65, 1.15) * rng.uniform(0.92, 1.08, 3),
        infrared=rng.random() < infrared,
        blur=rng.uniform(*blur) / 64,
    )


def _trunk(rng: np.random.Generator, ground: Canvas, colour: Array) -> None:
    """A tree's trunk or a shrub's stem from above the frame. Changes the ground."""
    size = ground.shape[1]
    x, foot, width, lean = (
        rng.uniform(0, 1),
        rng.uniform(0.4, 0.9),
        rng.uniform(0.01, 0.06),
        rng.normal(0, 0.08),
    )
    corners = [
        (x + lean, 0.0),
        (x + lean + width, 0.0),
        (x + 1.3 * width, foot),
        (x - 0.3 * width, foot),
    ]
    drawing.paint(ground, drawing.polygon(size * np.array(corners), size), np.clip(colour, 0, 255))


def window(rng: np.random.Generator, seen: Place, size: int) -> Canvas:
    """What a crop shows of its frame's ground, somewhat enlarged; a canvas of its own."""
    side = int(rng.integers(round(0.8 * size), seen.ground.shape[1], endpoint=True))
    x, y = rng.integers(0, seen.ground.shape[1] - side, 2, endpoint=True)
    planes = [
        Image.fromarray(plane).resize(
            (size, size), Image.Resampling.BILINEAR, (x, y, x + side, y + side)
        )
        for plane in seen.ground
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def grow(rng: np.random.Generator, canvas: Canvas, colour: Array, most: int) -> None:
    """Blades in front of everything, up to `most` of them. Changes the canvas."""
    size = canvas.shape[1]
    for _ in range(rng.integers(most + 1)):
        x, height = rng.uniform(0, 1), rng.uniform(0.15, 0.6)
        width, lean = rng.uniform(0.01, 0.05), rng.normal(0, 0.12)
        corners = [(x + lean, 1 - height), (x + width, 1.02), (x, 1.02)]
        shade = np.clip(colour * rng.uniform(0.6, 1.4), 0, 255)
        drawing.paint(canvas, drawing.polygon(size * np.array(corners), size), shade)


def photograph(rng: np.random.Generator, canvas: Canvas, seen: Place, noise: float) -> Canvas:
    """What a camera in this place makes of a canvas: light, infrared, blur, noise in levels."""
    size = canvas.shape[1]
    lit = canvas * (seen.light * rng.uniform(0.92, 1.08)).astype(np.float32)[:, None, None]
    if seen.infrared:
        lit = np.repeat(lit.mean(axis=0, keepdims=True), 3, axis=0)
    sigma = seen.blur * size
    blurred = ndimage.gaussian_filter(lit, (0, sigma, sigma))
    planes = 1 if seen.infrared else 3
    grain = rng.standard_normal((planes, size, size), dtype=np.float32)
    return blurred + np.float32(noise) * grain
