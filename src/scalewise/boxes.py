"""Boxes in pixels, xyxy = (left, top, right, bottom), shape [N, 4], as numpy arrays.

Nothing here changes its inputs. Empty inputs [0, 4] give empty outputs of the matching shape.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def xywh_to_xyxy(boxes: Array) -> Array:
    """[N, 4] of (left, top, width, height) to (left, top, right, bottom)."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_xywh(boxes: Array) -> Array:
    """[N, 4] of (left, top, right, bottom) to (left, top, width, height)."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def area(boxes: Array) -> Array:
    """Width times height, [N], pixels squared; 0 for a box turned inside out."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def intersection(a: Array, b: Array) -> Array:
    """Overlap of a[i] with b[i], [N], pixels squared; the two broadcast over leading axes."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    sides = np.maximum(sides, 0)
    return sides[..., 0] * sides[..., 1]


def iou(a: Array, b: Array) -> Array:
    """Intersection over union of every pair, [N, M] in [0, 1]; 0 for two boxes without area."""
    overlap = intersection(a[:, None], b[None])
    union = area(a)[:, None] + area(b)[None] - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
