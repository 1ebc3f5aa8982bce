"""Detections matched to truth once: the table that every diagnosis reads.

The rules are COCO's (pycocotools `COCOeval.evaluateImg`), held bit for bit: at most 100
detections an image and class, taken by falling score; each takes the free truth of its class
with the highest IoU, the later one on a tie; truth that counts goes before ignored truth; a
crowd may be taken many times, and its IoU is overlap / detection area. A detection on ignored
truth is ignored, and so is one without a match whose own area is outside the scale's range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scalewise import boxes as box_ops
from scalewise.coco import Bools, Floats, Ints, Results, Truth
from scalewise.errors import InputError
from scalewise.scales import Scales

COCO_IOUS = np.linspace(0.5, 0.95, 10)  # pycocotools' own expression: the bits matter
MAX_DETECTIONS = 100  # an image and class
IOU_FLOOR = 0.1  # TIDE calls less than this background
CHUNK = 1 << 20  # candidate pairs held at once

Taken = NDArray[np.int32]


@dataclass(frozen=True)
class Pairs:
    """P overlapping pairs in one image, of any classes, sorted by row, then IoU, then truth.

    Attributes:
        row: [P], row of the matching's table.
        truth: [P], position of the object.
        iou: [P] in (0, 1], with COCO's rule for crowds.
    """

    row: Ints
    truth: Ints
    iou: Floats

    def __len__(self) -> int:
        return len(self.row)

    def of(self, chosen: Ints | Bools) -> "Pairs":
        """The chosen pairs, by mask or by positions."""
        return Pairs(self.row[chosen], self.truth[chosen], self.iou[chosen])


@dataclass(frozen=True)
class Matching:
    """D detections (rows) against N objects, for A groups (`all` and the scales) and T IoUs.

    Rows are sorted by class, then falling score, then image id, then the file's order: the
    order in which COCOeval accumulates, so that a running sum over the rows of a class is its
    precision-recall curve.

    Attributes:
        truth: the annotated images.
        results: the detections as given.
        scales: the groups' area ranges.
        ious: [T] matching thresholds.
        floor: pairs of a lower IoU are not in `pairs`.
        order: [D], position of each row in the results; those beyond the first 100 of an image
            and class are left out.
        rank: [D], place among the detections of its image and class, from 0.
        pairs: overlapping pairs with an IoU of at least the floor.
        taken: [A, T, D], the truth each row takes, or -1.
        ignored: [A, T, D], whether the row is neither right nor wrong.
        truth_ignored: [A, N], whether the object is neither to be found nor to be missed.
    """

    truth: Truth
    results: Results
    scales: Scales
    ious: Floats
    floor: float
    order: Ints
    rank: Ints
    pairs: Pairs
    taken: Taken
    ignored: Bools
    truth_ignored: Bools

    def __len__(self) -> int:
        return len(self.order)

    @property
    def groups(self) -> tuple[str, ...]:
        """`all` and the scales: the names along A."""
        return self.scales.groups

    @property
    def category(self) -> Ints:
        """[D], each row's class."""
        return self.results.category[self.order]

    @property
    def image(self) -> Ints:
        """[D], each row's image."""
        return self.results.image[self.order]

    @property
    def scores(self) -> Floats:
        """[D], each row's score."""
        return self.results.scores[self.order]

    def at(self, iou: float) -> int:
        """Position along T of a threshold, which must be one of `ious`."""
        near = np.flatnonzero(np.isclose(self.ious, iou, rtol=0, atol=1e-9))
        assert len(near), f"matched at {self.ious}, not at {iou}"
        return int(near[0])

    def counted(self, group: int, iou: float) -> Ints:
        """Rows that are right or wrong in a group: those that are not ignored."""
        return np.flatnonzero(~self.ignored[group, self.at(iou)])

    def positives(self, group: int) -> Ints:
        """[C], how many objects of each class a group has to find."""
        found = self.truth.category[~self.truth_ignored[group]]
        return np.bincount(found, minlength=len(self.truth.category_ids))


def match(
    truth: Truth,
    results: Results,
    scales: Scales,
    ious: Sequence[float] | Floats = COCO_IOUS,
    floor: float = IOU_FLOOR,
) -> Matching:
    """Match detections to truth by COCO's rules for every scale and IoU threshold at once.

    Args:
        truth: I images with N objects.
        results: detections on them; none is a detector that found nothing.
        scales: which areas count as small, medium, large.
        ious: [T] thresholds in [0, 1]; a pair without overlap never matches.
        floor: pairs below this IoU are forgotten, unless a threshold needs them.

    Returns:
        The matching; its size grows with detections, groups and thresholds.

    Raises:
        InputError: the truth has no object that counts.
    """
    require_objects(truth)
    thresholds = np.asarray(ious, np.float64)
    order, rank = _in_turn(truth, results)
    floor = min(floor, *thresholds)
    pairs = _overlaps(truth, results, order, floor)
    truth_ignored = truth.ignore | outside(truth.areas, scales)
    taken = _take(truth, results, order, pairs, thresholds, truth_ignored)
    return Matching(
        truth=truth,
        results=results,
        scales=scales,
        ious=thresholds,
        floor=floor,
        order=order,
        rank=rank,
        pairs=pairs,
        taken=taken,
        ignored=_ignored(taken, truth_ignored, outside(results.areas[order], scales)),
        truth_ignored=truth_ignored,
    )


def require_objects(truth: Truth) -> None:
    """Refuse a truth in which nothing is to be found.

    Raises:
        InputError: no objects, or only ignored ones.
    """
    if truth.ignore.all():
        raise InputError(
            f"{truth.source}: expected at least one object to find, got {len(truth)} "
            f"annotations in {len(truth.image_ids)} images, all of them crowd or ignored"
        )


def outside(areas: Floats, scales: Scales) -> Bools:
    """[A, N], whether areas [N] in pixels squared lie outside each group's inclusive range."""
    low, high = scales.ranges().T[:, :, None]
    return (areas < low) | (areas > high)


def place_in_group(group: Ints) -> Ints:
    """[N], how many earlier entries have the same group; groups in any order."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    start = np.flatnonzero(np.diff(ordered, prepend=-1))
    place = np.empty(len(group), np.int64)
    place[order] = np.arange(len(group)) - np.repeat(start, np.diff(start, append=len(group)))
    return place


def _in_turn(truth: Truth, results: Results) -> tuple[Ints, Ints]:
    """Rows in COCOeval's order and their rank in image and class, cut at 100."""
    by_id = np.argsort(np.argsort(truth.image_ids))
    order = np.lexsort((by_id[results.image], -results.scores, results.category))
    rank = place_in_group(_cell(truth, results, order))
    kept = rank < MAX_DETECTIONS
    return order[kept], rank[kept]


def _cell(truth: Truth, results: Results, order: Ints) -> Ints:
    """[D], one number for each row's image and class."""
    return results.image[order] * len(truth.category_ids) + results.category[order]


def _overlaps(truth: Truth, results: Results, order: Ints, floor: float) -> Pairs:
    """Pairs of a row and an object in one image with an IoU of at least `floor`, above 0."""
    by_image = np.argsort(truth.image, kind="stable")
    objects = np.bincount(truth.image, minlength=len(truth.image_ids))
    image = results.image[order]
    ends = np.cumsum(objects[image])
    first = (np.cumsum(objects) - objects)[image] - (ends - objects[image])
    chunks = []
    for start, stop in _chunks(ends):
        row = np.repeat(np.arange(start, stop), objects[image[start:stop]])
        nth = np.arange(len(row)) + (ends[start - 1] if start else 0)
        pairs = _measured(truth, results, order, row, by_image[first[row] + nth])
        chunks.append(pairs.of((pairs.iou >= floor) & (pairs.iou > 0)))
    columns = zip(*((c.row, c.truth, c.iou) for c in chunks), strict=True)
    joined = Pairs(*map(np.concatenate, columns))
    return joined.of(np.lexsort((joined.truth, joined.iou, joined.row)))


def _chunks(ends: Ints) -> list[tuple[int, int]]:
    """Ranges of rows that have about CHUNK candidates each, at least one range."""
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(CHUNK, total, CHUNK)).tolist()
    edges = [0, *cuts, len(ends)]
    return list(pairwise(edges))


def _measured(truth: Truth, results: Results, order: Ints, row: Ints, item: Ints) -> Pairs:
    """The pairs that overlap, with the IoU of maskApi's `bbIou`: the same operations."""
    at = order[row]
    overlap = box_ops.intersection(results.boxes[at], truth.boxes[item])
    some = np.flatnonzero(overlap)
    row, item, at, overlap = row[some], item[some], at[some], overlap[some]
    own = results.areas[at]
    union = np.where(truth.crowd[item], own, own + truth.box_areas[item] - overlap)
    return Pairs(row, item, overlap / union)


def _take(
    truth: Truth,
    results: Results,
    order: Ints,
    pairs: Pairs,
    thresholds: Floats,
    truth_ignored: Bools,
) -> Taken:
    """[A, T, D], the truth each row takes, or -1.

    Rows of different images and classes do not meet, so all of them move at once: first the
    best-scoring row of each image and class, then the second, and so on.
    """
    reach = np.minimum(thresholds, 1 - 1e-10)  # as COCOeval: an IoU of 1 is reached at 1
    own = results.category[order[pairs.row]] == truth.category[pairs.truth]
    pairs = pairs.of(own & (pairs.iou >= reach.min(initial=1)))
    shape = (len(truth_ignored), len(reach))
    taken = np.full((len(order), *shape), -1, np.int32)
    free = np.ones((len(truth), *shape), bool)
    for turn in _turns(pairs, _cell(truth, results, order)):
        rows, choice = _choose(turn, reach, free, truth_ignored)
        taken[rows] = choice
        row, group, level = np.nonzero(choice >= 0)
        item = choice[row, group, level]
        free[item, group, level] = truth.crowd[item]
    return np.ascontiguousarray(taken.transpose(1, 2, 0))


def _turns(pairs: Pairs, cell: Ints) -> list[Pairs]:
    """The pairs of the first row with any in each image and class, of the second, ..."""
    if not len(pairs):
        return []
    rows, first = np.unique(pairs.row, return_index=True)
    turn = np.repeat(place_in_group(cell[rows]), np.diff(first, append=len(pairs)))
    pairs = pairs.of(np.argsort(turn, kind="stable"))
    cuts = np.cumsum(np.bincount(turn)).tolist()
    return [pairs.of(np.arange(*cut)) for cut in pairwise([0, *cuts])]


def _choose(pairs: Pairs, reach: Floats, free: Bools, truth_ignored: Bools) -> tuple[Ints, Taken]:
    """The rows of one turn, [R], and the truth each takes, [R, A, T].

    Within a row the pairs rise by IoU, then by truth: the last one allowed is COCO's choice.
    """
    allowed = free[pairs.truth] & (pairs.iou[:, None, None] >= reach)
    counts = ~truth_ignored.T[pairs.truth][:, :, None]
    place = np.arange(len(pairs), dtype=np.int32)[:, None, None]
    merit = np.where(allowed, place + counts * np.int32(len(pairs)), np.int32(-1))
    rows, first = np.unique(pairs.row, return_index=True)
    best = np.maximum.reduceat(merit, first, axis=0)
    choice = pairs.truth[best % len(pairs)]
    return rows, np.where(best >= 0, choice, -1).astype(np.int32)


def _ignored(taken: Taken, truth_ignored: Bools, outside_own: Bools) -> Bools:
    """[A, T, D]: on ignored truth, or without a match and outside the range."""
    group = np.arange(len(truth_ignored))[:, None, None]
    on_ignored = truth_ignored[group, np.maximum(taken, 0)]
    return np.where(taken >= 0, on_ignored, outside_own[:, None, :])
