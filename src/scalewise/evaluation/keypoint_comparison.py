"""Several models on the same figures: which is better, and where each fails.

Every model is resampled with the same draws of images, and differences are taken draw by draw; see
`paired`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from scalewise import bootstrap
from scalewise.coco_keypoints import Truth
from scalewise.errors import InputError
from scalewise.evaluation import pck
from scalewise.evaluation.keypoint_distances import Distances, reference_name
from scalewise.evaluation.paired import difference
from scalewise.records import Bools, Floats, Ints


@dataclass(frozen=True)
class Kinds:
    """Positions of images by who is right there, the clearest first.

    An image is right when its farthest keypoint is; images where nothing counts are in none.

    Attributes:
        first: the first model is right and the second wrong, by how much farther the second is.
        second: the reverse.
        neither: both are wrong, by how far the better one is.
        both: both are right, by how near the worse one is.
    """

    first: Ints
    second: Ints
    neither: Ints
    both: Ints


def same_truth(truths: Sequence[Truth]) -> None:
    """Raise an InputError unless all are about the same figures, in the same order."""
    for other in truths[1:]:
        alike = [
            np.array_equal(getattr(truths[0], name), getattr(other, name))
            for name in ("names", "image_ids", "image", "keypoints", "visibility")
        ]
        if not all(alike):
            raise InputError(
                f"{truths[0].source} and {other.source} are about different figures "
                f"({len(truths[0].image):,} and {len(other.image):,}), so the models cannot be "
                "compared; predict the same split of the same dataset"
            )


def compared(
    models: Mapping[str, Distances], thresholds: Sequence[float], resampling: bootstrap.Parameters
) -> dict[str, dict[str, dict[str, Any]]]:
    """What every two models differ by.

    Args:
        models: distances by name, on the same figures, the baseline first.
        thresholds: of PCK.
        resampling: how intervals are made.

    Returns:
        By `<later> against <earlier>` and measure (PCK_05 ..., error_px_mean, error_px_median):
        `before` (the earlier one), `after`, `change`, its `low` and `high`, `real` and `verdict`
        (better, worse, noise) of the later one. What is not defined for both is absent.
    """
    drawn = pck.draws(next(iter(models.values())).images, resampling)
    sampled = {
        name: pck.samples(found, np.asarray(thresholds), drawn) for name, found in models.items()
    }
    return {
        f"{after} against {before}": _differences(sampled[before], sampled[after], resampling.level)
        for before, after in combinations(models, 2)
    }


def metrics(
    models: Mapping[str, Distances], parameters: pck.Parameters, resampling: bootstrap.Parameters
) -> dict[str, Any]:
    """`compared`, and how many images fail for whom.

    Returns:
        `compared`; `failures` of every two models, by the same names, with the number of images
        that are `first` (only the earlier model is right), `second`, `neither` and `both`, and
        the `threshold` of that; `n` keypoints that count and `reference`.
    """
    made = {}
    for before, after in combinations(models, 2):
        found = kinds(models[before], models[after], parameters.failure)
        counts = {name: len(images) for name, images in vars(found).items()}
        made[f"{after} against {before}"] = counts
    return {
        "compared": compared(models, parameters.thresholds, resampling),
        "failures": {"threshold": parameters.failure, **made} if made else {},
        "n": int(next(iter(models.values())).counted.sum()),
        "reference": reference_name(parameters.reference),
        **resampling.model_dump(),
    }


def _differences(
    before: Mapping[str, Floats], after: Mapping[str, Floats], level: float
) -> dict[str, dict[str, Any]]:
    found = {
        name: difference(before[name], after[name], level, lower=name in pck.ERRORS)
        for name in before
        if not np.isnan(after[name][0] - before[name][0])
    }
    return {name: asdict(one) | {"change": one.change} for name, one in found.items()}


def kinds(first: Distances, second: Distances, threshold: float) -> Kinds:
    """Sort the images by who is right at a threshold, in shares of the reference."""
    one, other = _farthest(first), _farthest(second)
    counts = ~np.isnan(one)
    right, wrong = (one <= threshold, other <= threshold), (one > threshold, other > threshold)
    return Kinds(
        first=_clearest(counts & right[0] & wrong[1], other, one),
        second=_clearest(counts & wrong[0] & right[1], one, other),
        neither=_clearest(counts & wrong[0] & wrong[1], np.fmin(one, other)),
        both=_clearest(counts & right[0] & right[1], -np.fmax(one, other)),
    )


def _farthest(found: Distances) -> Floats:
    """[I], the largest relative distance of each image; NaN where nothing counts."""
    most = np.full(found.images, np.nan)
    np.fmax.at(most, found.image, np.fmax.reduce(found.relative, axis=1, initial=np.nan))
    return most


def _clearest(chosen: Bools, high: Floats, low: Floats | None = None) -> Ints:
    """The chosen images by falling high - low, equals in order."""
    images = np.flatnonzero(chosen)
    clear = high[images] if low is None else high[images] - low[images]
    return images[np.argsort(-clear, kind="stable")]
