"""Images and boxes in axes, for the pictures that show them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from scalewise.report import style

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

TRUTH_WIDTH, PREDICTION_WIDTH = 2.8, 1.3  # points; they differ for who cannot tell the colours
LABEL_HEIGHT = 0.055  # of the frame


def image(
    axes: Axes, pixels: Pixels, origin: tuple[float, float] = (0, 0), aspect: float = 1
) -> None:
    """Show [H, W, 3] pixels whose left top corner lies at `origin`, without axes.

    The image is centred in a frame whose height is `aspect` times its width, so that a grid
    of images of several shapes stays a grid.
    """
    height, width = pixels.shape[:2]
    left, top = origin
    axes.imshow(pixels, extent=(left, left + width, top + height, top))
    half = max(width, height / aspect) / 2
    x, y = left + width / 2, top + height / 2
    axes.set(xlim=(x - half, x + half), ylim=(y + half * aspect, y - half * aspect))
    axes.set_axis_off()


def truth_box(axes: Axes, box: Floats, found: bool = True) -> None:
    """Outline an object, [4] xyxy, in green; dashed if it was not found."""
    _outline(axes, box, style.TRUTH, TRUTH_WIDTH, "-" if found else (0, (2, 1)))


def prediction_box(axes: Axes, box: Floats, label: str = "") -> None:
    """Outline a detection, [4] xyxy, in red, with its label above it."""
    _outline(axes, box, style.PREDICTION, PREDICTION_WIDTH, "-")
    if label:
        text = axes.text(
            *_label_place(axes, box),
            style.plain(label),
            fontsize=7,
            color="white",
            va="bottom",
            bbox={"fc": style.PREDICTION, "ec": "none", "pad": 0.8, "alpha": 0.85},
        )
        text.set_clip_on(True)


def crop(
    pixels: Pixels, box: Floats, margin: float, least: float
) -> tuple[Pixels, tuple[int, int]]:
    """A square about a box, moved inside the image where it fits.

    Args:
        pixels: [H, W, 3].
        box: [4] xyxy.
        margin: context on each side, as a share of the box's longer side.
        least: shortest side of the crop in pixels.

    Returns:
        The crop, at least 1x1, and the pixel of the image at its left top corner.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    side = int(np.ceil(max((1 + 2 * margin) * max(right - left, bottom - top), least)))
    x, y = _start(left, right, side, width), _start(top, bottom, side, height)
    return pixels[y : y + side, x : x + side], (x, y)


def _start(low: float, high: float, side: int, size: int) -> int:
    return int(np.clip(round((low + high - side) / 2), 0, max(size - side, 0)))


def _outline(axes: Axes, box: Floats, colour: str, width: float, dashes: object) -> None:
    """Draw the part of the box that lies on the image."""
    image_left, image_right, image_bottom, image_top = axes.images[0].get_extent()
    left, right = np.clip(box[[0, 2]], image_left, image_right)
    top, bottom = np.clip(box[[1, 3]], image_top, image_bottom)
    if right > left and bottom > top:
        sides = (right - left, bottom - top)
        axes.add_patch(Rectangle((left, top), *sides, fill=False, ec=colour, lw=width, ls=dashes))


def _label_place(axes: Axes, box: Floats) -> tuple[float, float]:
    """Above the box, or inside it where the image ends."""
    left, _ = axes.get_xlim()
    bottom, top = axes.get_ylim()
    line = LABEL_HEIGHT * (bottom - top)
    return max(box[0], left), max(box[1], top + line)
