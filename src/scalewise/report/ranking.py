"""Which images went worst and best, by the F1 of what a user would see."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalewise.coco import Bools, Results, Truth
from scalewise.diagnosis.matching import match
from scalewise.scales import Scales

HIT_IOU = 0.5
SHOWN_SCORE = 0.3  # detections below it are neither drawn nor counted


@dataclass(frozen=True)
class Outcome:
    """What became of D detections and N objects.

    Attributes:
        shown: [D], at or above the score floor, and right or wrong rather than ignored.
        hit: [D], shown and right.
        found: [N], hit by a detection that is shown.
    """

    shown: Bools
    hit: Bools
    found: Bools


def outcome(truth: Truth, results: Results, floor: float = SHOWN_SCORE) -> Outcome:
    """Match by COCO's rules at IoU .5 and keep the detections from `floor` on.

    Lower scores come later in COCO's order, so leaving them out changes no other match.

    Args:
        truth: I images with N objects.
        results: D detections on them.
        floor: lowest score that counts, in [0, 1].

    Raises:
        InputError: the truth has no object that counts.
    """
    matching = match(truth, results, Scales(), [HIT_IOU])
    every = matching.groups.index("all")
    taken, ignored = matching.taken[every, 0], matching.ignored[every, 0]
    seen = ~ignored & (matching.scores >= floor)
    right = seen & (taken >= 0)
    shown, hit = np.zeros(len(results), bool), np.zeros(len(results), bool)
    shown[matching.order[seen]] = True
    hit[matching.order[right]] = True
    found = np.zeros(len(truth), bool)
    found[taken[right]] = True
    return Outcome(shown, hit, found)


def image_scores(truth: Truth, results: Results, outcome: Outcome) -> pd.DataFrame:
    """Hits, false positives, misses and F1 of each image.

    Returns:
        I rows in the truth's order: `image` (position), `id`, `hits`, `false`, `missed`, and
        `f1` in [0, 1], NaN for an image with neither objects nor detections.
    """
    images = len(truth.image_ids)
    hits = np.bincount(results.image[outcome.hit], minlength=images)
    false = np.bincount(results.image[outcome.shown & ~outcome.hit], minlength=images)
    missed = np.bincount(truth.image[~outcome.found & ~truth.ignore], minlength=images)
    total = 2 * hits + false + missed
    f1 = np.divide(2 * hits, total, out=np.full(images, np.nan), where=total > 0)
    columns = {"id": truth.image_ids, "hits": hits, "false": false, "missed": missed, "f1": f1}
    return pd.DataFrame({"image": np.arange(images), **columns})


def extremes(scores: pd.DataFrame, worst: int, best: int) -> tuple[list[int], list[int]]:
    """Positions of the images with the lowest and the highest F1, ties by id.

    Args:
        scores: what `image_scores` gives; images without an F1 are left out.
        worst: how many of the lowest, lowest first.
        best: how many of the highest, highest first; none that is among the worst already.
    """
    ranked = scores.dropna(subset=["f1"])
    low = ranked.sort_values(["f1", "id"])["image"].tolist()[:worst]
    high = ranked.sort_values(["f1", "id"], ascending=[False, True])["image"].tolist()
    return low, [image for image in high if image not in set(low)][:best]
