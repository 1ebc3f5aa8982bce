"""Label maps over images: one class alone in its colour, or what was found, missed, invented."""

from typing import Any

import numpy as np
from PIL import Image

from scalewise.data.store import Pixels
from scalewise.records import Bools, Ints

# Safe for the colour-blind, of different brightness: Okabe and Ito's blue, orange, Tol's wine.
FOUND, MISSED, INVENTED = (0, 114, 178), (230, 159, 0), (136, 34, 85)
OUTLINE = (31, 41, 51)
PALEST, CONTRAST = 175, 0.31  # the grey of what is not shown: from 175 to 255


def dimmed(pixels: Pixels) -> Pixels:
    """[H, W, 3] in pale greys, on which every class's colour stands out."""
    grey = pixels.mean(axis=2, keepdims=True)
    return np.broadcast_to(PALEST + CONTRAST * grey, pixels.shape).astype(np.uint8)


def only(pixels: Pixels, mask: Bools, colour: Any) -> Pixels:
    """The image dimmed, but for one class: its mask [H, W] filled with its colour [3], outlined."""
    made = dimmed(pixels)
    made[mask] = colour
    made[ring(mask)] = OUTLINE
    return made


def overlap(pixels: Pixels, truth: Bools, prediction: Bools) -> Pixels:
    """The image dimmed, but for one class: what was found, missed, invented of it, by [H, W]."""
    made = dimmed(pixels)
    made[truth & prediction] = FOUND
    made[truth & ~prediction] = MISSED
    made[prediction & ~truth] = INVENTED
    return made


def ring(mask: Bools) -> Bools:
    """[H, W], the pixels beside a mask."""
    padded = np.pad(mask, 1)
    beside = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return beside & ~mask


def shrunk(pixels: Pixels, width: int) -> Pixels:
    """[H, W, 3] at most `width` pixels wide, each the mean of those it stands for."""
    size = _size(pixels.shape, width)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def shrunk_mask(mask: Bools, width: int) -> Bools:
    """[H, W] at most `width` pixels wide; a pixel is set if any is that it stands for."""
    size = _size(mask.shape, width)
    image = Image.fromarray(mask.astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BOX)) > 0


def _size(shape: tuple[int, ...], width: int) -> tuple[int, int]:
    factor = min(width / shape[1], 1)
    return max(round(shape[1] * factor), 1), max(round(shape[0] * factor), 1)


def spread_out(scores: Ints, sequences: tuple[str, ...], most: int) -> list[int]:
    """The positions of the highest scores above 0, first the best one of each sequence.

    Args:
        scores: [I].
        sequences: I texts; an image without one stands alone.
        most: how many at most; equal scores by position.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > 0]
    names = np.array([sequences[n] or f"\0{n}" for n in order], str)
    first = np.zeros(len(order), bool)
    first[np.unique(names, return_index=True)[1]] = True
    return [*order[first], *order[~first]][:most]
