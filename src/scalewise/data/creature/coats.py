"""Coats: the colour at every point of a body, from its colours and a pattern.

Colours are RGB in levels 0..255; points (u, v) are in torso lengths, as in `outlines`. What is
random takes its generator.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalewise.data.drawing import LEVELS, Canvas

Array = NDArray[np.float64]

SOFT = 0.03  # torso lengths over which a mark fades out


@dataclass(frozen=True)
class Coat:
    """What a kind of animal wears.

    Attributes:
        back: [3], its main colour.
        belly: [3], the colour it runs into below.
        mark: [3], the colour of its marks.
        pattern: stripes, spots, dapples (on the upper half), patches or plain.
        strength: of the marks, 0..1.
    """

    back: Array
    belly: Array
    mark: Array
    pattern: str = "plain"
    strength: float = 0.0


def coat(
    back: str, belly: str, mark: str = "000000", pattern: str = "plain", strength: float = 0
) -> Coat:
    """A coat from three colours as hexadecimal digits."""
    return Coat(rgb(back), rgb(belly), rgb(mark), pattern, strength)


def rgb(digits: str) -> Array:
    """[3] levels from six hexadecimal digits."""
    return np.array(list(bytes.fromhex(digits)), np.float64)


def between(one: Coat, other: Coat, share: float) -> Coat:
    """A coat with its own pattern, but fainter and in colours on the way to another's."""
    return Coat(
        one.back + share * (other.back - one.back),
        one.belly + share * (other.belly - one.belly),
        one.mark + share * (other.mark - one.mark),
        one.pattern,
        one.strength * (1 - share),
    )


def varied(rng: np.random.Generator, given: Coat, share: float) -> Coat:
    """One individual's coat: all colours lighter or darker, each channel off by a normal share."""
    colours = np.stack([given.back, given.belly, given.mark])
    colours = colours * rng.uniform(0.8, 1.2) * (1 + rng.normal(0, share, 3))
    back, belly, mark = np.clip(colours, 0, LEVELS)
    return Coat(back, belly, mark, given.pattern, given.strength * rng.uniform(0.55, 1))


def pelt(rng: np.random.Generator, given: Coat, u: Canvas, v: Canvas, torso: Array) -> Canvas:
    """The colour of every point, [3, H, W] levels.

    Args:
        rng: the individual's; the same state gives the same marks.
        given: the coat.
        u: [H, W], forwards.
        v: [H, W], upwards.
        torso: [2] heights of the belly and of the back.
    """
    height = np.clip((v - torso[0]) / (torso[1] - torso[0]), -0.5, 1.5).astype(np.float32)
    below = np.clip(0.75 - 1.5 * height, 0, 1)
    colours = given.belly - given.back, given.back
    ground = below * _plane(colours[0]) + _plane(colours[1])
    marks = np.float32(given.strength) * PATTERNS[given.pattern](rng, u, v, height)
    return ground + marks * (_plane(given.mark) - ground)


def _plane(colour: Array) -> Canvas:
    return colour.astype(np.float32)[:, None, None]


def _stripes(rng: np.random.Generator, u: Canvas, v: Canvas, height: Canvas) -> Canvas:
    """Bars across the body, bent and of uneven width, that run out towards the belly."""
    phase, number, lean = rng.uniform(0, 2 * np.pi, 3), rng.uniform(5, 7), rng.uniform(-0.4, 0.4)
    bent = u + np.float32(lean) * v + 0.05 * np.sin(9 * v + 4 * u + np.float32(phase[0]))
    wave = np.sin(np.float32(2 * np.pi * number) * bent + np.float32(phase[1]))
    width = 0.25 + 0.5 * np.clip(0.2 - height, 0, 1) + 0.3 * np.sin(7 * u + np.float32(phase[2]))
    return np.clip((wave - width) / 0.4, 0, 1)


def _spots(rng: np.random.Generator, u: Canvas, v: Canvas, height: Canvas) -> Canvas:
    """Dots all over, each on its place of a shaken grid."""
    return _dots(rng, u, v, rng.uniform(0.13, 0.17), 0.36)


def _dapples(rng: np.random.Generator, u: Canvas, v: Canvas, height: Canvas) -> Canvas:
    """Dots on the upper half of the torso alone."""
    on_back = np.clip((height - 0.3) / 0.1, 0, 1) * (np.abs(u) < 0.55)
    return _dots(rng, u, v, rng.uniform(0.15, 0.2), 0.27) * on_back


def _patches(rng: np.random.Generator, u: Canvas, v: Canvas, height: Canvas) -> Canvas:
    """A few large blotches."""
    return _dots(rng, u, v, rng.uniform(0.5, 0.8), 0.42)


def _plain(rng: np.random.Generator, u: Canvas, v: Canvas, height: Canvas) -> Canvas:
    return np.zeros_like(u)


def _dots(rng: np.random.Generator, u: Canvas, v: Canvas, step: float, share: float) -> Canvas:
    """Discs of radius `share * step` on a grid of `step`, every other row moved by half."""
    cells = int(np.ceil(4 / step))
    jitter = rng.uniform(-0.18, 0.18, (2, cells, cells)).astype(np.float32)
    row = np.floor(v / step)
    across = u / step + 0.5 * (row % 2)
    column = np.floor(across)
    place = (row.astype(int) % cells, column.astype(int) % cells)
    off = [across - column - 0.5 - jitter[0][place], v / step - row - 0.5 - jitter[1][place]]
    gap = np.hypot(*off) * np.float32(step)
    return np.clip((np.float32(share * step) - gap) / SOFT + 0.5, 0, 1)


PATTERNS = {
    "stripes": _stripes,
    "spots": _spots,
    "dapples": _dapples,
    "patches": _patches,
    "plain": _plain,
}
