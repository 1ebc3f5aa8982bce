"""A look inside a trained detector: what each level answers to, for one object of each scale."""

from typing import Any

import numpy as np
import torch

from scalewise import coco
from scalewise.coco import Truth
from scalewise.data.store import Store
from scalewise.examples import detection
from scalewise.scales import Scales


def typical_objects(truth: Truth, scales: Scales) -> dict[str, int]:
    """For each scale that has objects, the position of the one with the median area."""
    scale = np.where(truth.ignore, -1, scales.of(truth.areas))
    chosen = {}
    for n, name in enumerate(scales.names):
        members = np.flatnonzero(scale == n)
        if len(members):
            order = members[np.argsort(truth.areas[members], kind="stable")]
            chosen[name] = int(order[len(order) // 2])
    return chosen


@torch.inference_mode()
def view(
    detector: torch.nn.Module, truth: Truth, store: Store, size: int, scale: str, n: int
) -> dict[str, Any]:
    """Object `n` of a truth through a detector that offers `maps`.

    Args:
        detector: `maps(images)` gives [1, D, h, w] a level, finest first.
        truth: the objects.
        store: the truth's images.
        size: side of the detector's input, pixels.
        scale: name of the object's scale, for the label.
        n: the object's position.

    Returns:
        What `scalewise.report.features.FeatureView` takes: label, image [S, S, 3] (the input), box
        [4] xyxy pixels of it, and maps: mean absolute activation [h, w] of each level.
    """
    split = detection.load(coco.select(truth, [truth.image[n]]), store, size)
    maps = [level[0].float().abs().mean(dim=0).numpy() for level in detector.maps(split.images)]
    name, side = truth.category_names[truth.category[n]], truth.areas[n] ** 0.5
    return {
        "label": f"{scale}: {name}, {side:.0f} px",
        "image": split.images[0].permute(1, 2, 0).numpy(),
        "box": truth.boxes[n] * float(split.shrink[0]),
        "maps": {f"level {k}": level for k, level in enumerate(maps)},
    }
