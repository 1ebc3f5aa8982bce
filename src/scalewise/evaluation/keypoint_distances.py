"""How far predicted keypoints lie from the true ones, in original pixels.

Only keypoints that are seen (COCO's v = 2) count. A distance is put in relation to a length of
its figure, the reference, which must be a length in pixels that treats x and y alike: dividing x
by an image's height and y by its width is a known mistake, and so is the image's diagonal, which
says nothing of the figure.

Which prediction answers which figure: those of an image are asked by falling score (equal scores
in the file's order), and each takes the free figure that it lies nearest to, by the mean distance
over the annotated keypoints (v > 0). So one figure gets the prediction with the highest score. A
figure that none answers, and a keypoint that is NaN, are infinitely far: wrong at every threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scalewise.coco_keypoints import ABSENT, SEEN, Results, Truth
from scalewise.errors import InputError
from scalewise.records import Bools, Floats, Ints

Reference = Literal["box", "image"] | tuple[str, str]


@dataclass(frozen=True)
class Distances:
    """T figures of K keypoints on I images, with one model's distances.

    Attributes:
        names: K keypoint names.
        images: I, images with or without figures.
        image: [T], position of the figure's image.
        size: [T], side in pixels of the square of the area of the figure's box.
        length: [T], the reference in pixels; NaN where the figure has none.
        pixels: [T, K], distance in pixels; inf without a prediction, NaN where not counted (not
            seen, or without a reference).
        tolerant: [T, K], the same with each mirrored pair (left and right) crossed where that
            makes the pair's total distance smaller; at a threshold that may rarely cost a keypoint.
        unanswered: figures that count and that no prediction answers.
        without_reference: figures with seen keypoints that do not count, for want of a reference.
    """

    names: tuple[str, ...]
    images: int
    image: Ints
    size: Floats
    length: Floats
    pixels: Floats
    tolerant: Floats
    unanswered: int
    without_reference: int

    @property
    def relative(self) -> Floats:
        """[T, K], in shares of the reference; inf and NaN as in `pixels`."""
        return self.pixels / self.length[:, None]

    @property
    def counted(self) -> Bools:
        """[T, K], whether the keypoint counts."""
        return ~np.isnan(self.pixels)

    def swap_tolerant(self) -> "Distances":
        """The same figures, with left and right crossed where that is nearer."""
        return replace(self, pixels=self.tolerant)

    def of_keypoint(self, k: int) -> "Distances":
        """The same figures with their k-th keypoint alone."""
        columns = {"pixels": self.pixels[:, [k]], "tolerant": self.tolerant[:, [k]]}
        return replace(self, names=(self.names[k],), **columns)


def distances(truth: Truth, results: Results, reference: Reference) -> Distances:
    """The distance of each predicted keypoint from the true one.

    Args:
        truth: T figures.
        results: predictions on their images, any number of them.
        reference: see `lengths`.

    Raises:
        InputError: the truth has not what the reference needs.
    """
    length = lengths(truth, reference)
    seen = truth.visibility == SEEN
    counted = seen & ~np.isnan(length)[:, None]
    taken = answers(truth, results)
    nowhere = np.full((1, len(truth.names), 2), np.inf)
    found = np.concatenate([results.keypoints, nowhere])[taken]  # -1 is nowhere
    direct = np.where(counted, _apart(found, truth.keypoints), np.nan)
    crossed = np.where(counted, _apart(found[:, truth.swaps], truth.keypoints), np.nan)
    sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
    return Distances(
        names=truth.names,
        images=len(truth.image_ids),
        image=truth.image,
        size=np.sqrt(sides[:, 0] * sides[:, 1]),
        length=length,
        pixels=direct,
        tolerant=_nearer(direct, crossed, truth.swaps),
        unanswered=int((counted.any(axis=1) & (taken < 0)).sum()),
        without_reference=int((seen.any(axis=1) & np.isnan(length)).sum()),
    )


def _nearer(direct: Floats, crossed: Floats, swaps: Ints) -> Floats:
    """Each mirrored pair crossed as a whole, or not at all."""
    totals = [np.nan_to_num(one, posinf=np.inf) for one in (direct, crossed)]
    straight, across = (total + total[:, swaps] for total in totals)
    return np.where(across < straight, crossed, direct)


def lengths(truth: Truth, reference: Reference) -> Floats:
    """[T], the length in pixels that a figure's distances are put in relation to.

    Args:
        truth: T figures.
        reference: `box`, the diagonal of the box around the annotated keypoints (v > 0); `image`,
            the longer side of the image; or the names of two keypoints, the distance between
            them (the torso), where both are annotated.

    Returns:
        Above 0; NaN for a figure without such a length (one keypoint, two in one place).

    Raises:
        InputError: an image without width and height, or a name that no keypoint has.
    """
    annotated = truth.visibility != ABSENT
    if reference == "image":
        return _longer_sides(truth)
    if reference == "box":
        low = np.where(annotated[..., None], truth.keypoints, np.inf).min(axis=1)
        high = np.where(annotated[..., None], truth.keypoints, -np.inf).max(axis=1)
        some = annotated.any(axis=1)
        length = np.hypot(*np.where(some[:, None], high - low, 0).T)
    else:
        ends = keypoint_positions(truth, reference)
        length = np.hypot(*(truth.keypoints[:, ends[0]] - truth.keypoints[:, ends[1]]).T)
        length = np.where(annotated[:, ends].all(axis=1), length, 0)
    return np.where(length > 0, length, np.nan)


def keypoint_positions(truth: Truth, names: Sequence[str]) -> list[int]:
    """The positions of keypoints by name; an InputError where there is no such keypoint."""
    if unknown := [name for name in names if name not in truth.names]:
        raise InputError(
            f"{truth.source}: no keypoint '{unknown[0]}' (choices: {', '.join(truth.names)})"
        )
    return [truth.names.index(name) for name in names]


def reference_name(reference: Reference) -> str:
    """The reference as the metrics name it: `box`, `image` or `torso <name>-<name>`."""
    return reference if isinstance(reference, str) else f"torso {reference[0]}-{reference[1]}"


def _longer_sides(truth: Truth) -> Floats:
    sides = truth.sizes.max(axis=1, initial=0)
    if (unknown := np.flatnonzero(sides[truth.image] == 0)).size:
        image_id = truth.image_ids[truth.image[unknown[0]]]
        raise InputError(
            f"{truth.source}: reference 'image' needs width and height, "
            f"which image {image_id} has not"
        )
    return sides[truth.image].astype(float)


def answers(truth: Truth, results: Results) -> Ints:
    """[T], position of the prediction that answers each figure, -1 for none; see the module."""
    figures = np.flatnonzero((truth.visibility != ABSENT).any(axis=1))
    figures = figures[np.argsort(truth.image[figures], kind="stable")]
    count = np.bincount(truth.image[figures], minlength=len(truth.image_ids))
    asked = np.lexsort((-results.score, results.image))
    turn = _within(np.bincount(results.image, minlength=len(count)))
    kept = turn < count[results.image[asked]]  # as many as there are figures
    asked, turn = asked[kept], turn[kept]
    options = count[results.image[asked]]
    pair = np.repeat(np.arange(len(asked)), options)
    start = (np.cumsum(count) - count)[results.image[asked]]
    figure = figures[start[pair] + _within(options)]
    far = _mean_distance(truth, figure, results.keypoints[asked[pair]])
    taken = np.full(len(truth.image), -1)
    for now in range(turn.max(initial=-1) + 1):
        free = np.flatnonzero((turn[pair] == now) & (taken[figure] < 0))
        free = free[np.lexsort((far[free], pair[free]))]
        nearest = free[np.unique(pair[free], return_index=True)[1]]
        taken[figure[nearest]] = asked[pair[nearest]]
    return taken


def _within(counts: Ints) -> Ints:
    """0, 1, ... inside each of the runs that have these lengths."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _mean_distance(truth: Truth, figure: Ints, found: Floats) -> Floats:
    annotated = truth.visibility[figure] != ABSENT
    apart = np.where(annotated, _apart(found, truth.keypoints[figure]), 0)
    return apart.sum(axis=1) / annotated.sum(axis=1)


def _apart(found: Floats, true: Floats) -> Floats:
    """[..., K], Euclidean; inf where a coordinate is no number."""
    apart = np.hypot(*np.moveaxis(found - true, -1, 0))
    return np.where(np.isnan(apart), np.inf, apart)
