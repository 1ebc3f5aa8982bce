"""Mistakes that leave a file readable and its numbers meaningless: ids, boxes, scores.

What cannot be used is refused with the count, an example and the likely cause. What can still
be measured, such as classes under wrong ids, is told beside the numbers.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scalewise import boxes as box_ops
from scalewise import coco
from scalewise.coco import Bools, Floats, Ints, Results, Truth
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.files import read_json
from scalewise.scales import Scales

ON_OBJECT = 0.5  # IoU from which on a box lies on an object, whatever its class
FEW_BOXES = 5  # fewer say nothing about how boxes are written
MOST = 0.5  # of the boxes leave their image: they are read wrongly
NEARLY_ALL = 0.95  # of the boxes fit another reading
SLACK = 0.01  # of the image's side, and a pixel, that detectors overshoot
RELATIVE = 1.5  # coordinates up to here are shares of the image, with some overshoot
FEW_MOVED = 20  # boxes that a renaming must put right before it is spoken of
GAIN = 0.25  # share of the boxes on objects that it must put right
AGREED = 0.75  # share that must be right after it
COVERED = 0.5  # share of the images with objects that results should touch
SHOWN = 4  # examples in a message


def read_truth(path: str | Path) -> Truth:
    """`coco.read_truth`, and refuse boxes that are plainly not x, y, width, height in pixels.

    Raises:
        InputError: not COCO (see there); xyxy or relative boxes, with the count and an example.
    """
    truth = coco.read_truth(path)
    sizes = truth.sizes[truth.image]
    check_boxes(truth.boxes, sizes, str(path), lambda n: f"annotation {truth.ids[n]}")
    return truth


def read_results(path: str | Path, truth: Truth) -> Results:
    """`coco.read_results`, and refuse what is readable but plainly something else.

    Raises:
        InputError: not COCO results (see there); masks without boxes, images or categories the
            truth lacks, scores outside [0, 1], xyxy or relative boxes. The message has the count,
            an example and the likely cause.
    """
    return parse_results(read_json(path), truth, str(path))


def parse_results(document: Any, truth: Truth, source: str) -> Results:
    """Check results that are in memory; see `read_results`."""
    if _is_records(document):
        _check_has_boxes(document, source)
        _check_images(document, truth, source)
        _check_categories(document, truth, source)
    results = coco.parse_results(document, truth, source)
    check_scores(results)
    check_boxes(results.boxes, truth.sizes[results.image], source, "record {}".format)
    return results


def warnings(truth: Truth, results: Results) -> list[str]:
    """What a user should know before believing the numbers; empty for sound results."""
    found = [_of_classes(truth, results), _of_coverage(truth, results)]
    return [f"{results.source}: {text}" for text in found if text]


def _is_records(document: Any) -> bool:
    return isinstance(document, list) and all(isinstance(record, dict) for record in document)


def _check_has_boxes(records: Sequence[Mapping[str, Any]], source: str) -> None:
    without = [n for n, record in enumerate(records) if "bbox" not in record]
    if not without:
        return
    keys = ", ".join(map(str, records[without[0]])) or "nothing"
    cure = "; make boxes from the masks first" if "segmentation" in records[without[0]] else ""
    raise InputError(
        f"{source}: {len(without):,} of {len(records):,} records have no 'bbox', e.g. record "
        f"{without[0]} (it has {keys}): boxes are needed{cure}"
    )


def _check_images(records: Sequence[Mapping[str, Any]], truth: Truth, source: str) -> None:
    unknown = _unknown(records, "image_id", truth.image_ids.tolist())
    if not unknown:
        return
    ids = sorted({records[n]["image_id"] for n in unknown})
    raise InputError(
        f"{source}: {len(unknown):,} of {len(records):,} detections are on {_images(len(ids))} "
        f"that {truth.source} lacks, e.g. image_id {ids[0]} in record {unknown[0]}; it has "
        f"{_images(len(truth.image_ids))} with ids {_range(truth.image_ids)}. Another split?"
    )


def _check_categories(records: Sequence[Mapping[str, Any]], truth: Truth, source: str) -> None:
    unknown = _unknown(records, "category_id", truth.category_ids.tolist())
    if not unknown:
        return
    ids = sorted({records[n]["category_id"] for n in unknown})
    raise InputError(
        f"{source}: {len(unknown):,} of {len(records):,} detections have a category_id that "
        f"{truth.source} lacks: {_listed(ids)}, e.g. record {unknown[0]}; it has "
        f"{len(truth.category_ids)} categories with ids {_range(truth.category_ids)}."
        f"{_hint(records, truth, source)}"
    )


def _unknown(records: Sequence[Mapping[str, Any]], key: str, known: Collection[int]) -> list[int]:
    """Positions of records whose id is a number, but none of the known."""
    known = set(known)
    ids = [record.get(key) for record in records]
    return [n for n, i in enumerate(ids) if isinstance(i, int | float) and i not in known]


def _hint(records: Sequence[Mapping[str, Any]], truth: Truth, source: str) -> str:
    """What the ids seem to mean, from where the boxes lie; empty where that is not clear."""
    ids = [record.get("category_id") for record in records]
    stand_in = {"category_id": int(truth.category_ids[0])} if len(truth.category_ids) else {}
    try:
        results = coco.parse_results([r | stand_in for r in records], truth, source)
        found = renaming(np.array(ids, np.int64), truth, results)
    except (InputError, ValueError, TypeError, OverflowError):
        return ""  # another mistake, which is told when this one is mended
    return f" {found.told(truth)}" if found else ""


def check_scores(results: Results) -> None:
    """Refuse scores outside [0, 1], which neither rank nor calibrate as probabilities do.

    Raises:
        InputError: with the count, an example and what they might be.
    """
    scores = results.scores
    spread = f"{scores.min():g} to {scores.max():g}" if len(scores) else ""
    bad = np.flatnonzero((scores < 0) | (scores > 1))
    if not len(bad):
        return
    if scores.min() < 0:
        meant = "logits? A sigmoid makes scores of them"
    elif scores.max() <= 100:
        meant = "percent? Divide them by 100"
    else:
        meant = "what are they?"
    raise InputError(
        f"{results.source}: {len(bad):,} of {len(scores):,} scores are outside [0, 1], e.g. "
        f"{scores[bad[0]]:g} in record {bad[0]} (all: {spread}): {meant}"
    )


RELATIVE_BOXES = (
    "are within 0 to 1",
    "relative to the image? Pixels are needed: multiply by width and height",
)
CORNER_BOXES = (
    "leave their image when read as x, y, width, height",
    "corners x, y, x, y? Nearly all fit as that: give x, y, width, height",
)


def check_boxes(boxes: Floats, sizes: Ints, source: str, where: Callable[[int], str]) -> None:
    """Refuse boxes written as x, y, x, y or as shares of the image.

    Args:
        boxes: [N, 4] xyxy pixels, as made from x, y, width, height.
        sizes: [N, 2] width and height of each one's image; 0 where unknown, which tells nothing.
        source: the file.
        where: the name of a box's record from its position.

    Raises:
        InputError: most boxes leave their image, while nearly all would fit as xyxy; or nearly
            all coordinates are at most 1.5. With the count and an example. Fewer than 5
            boxes pass.
    """
    known = np.flatnonzero((sizes > 2 * RELATIVE).all(axis=1))
    if len(known) < FEW_BOXES:
        return
    given, sizes = box_ops.xyxy_to_xywh(boxes[known]), sizes[known]
    bad, (wrong, meant) = _misread(given, sizes)
    if not bad.any():
        return
    n = int(np.flatnonzero(bad)[0])
    box = ", ".join(f"{value:g}" for value in given[n])
    raise InputError(
        f"{source}: {int(bad.sum()):,} of {len(bad):,} boxes {wrong}, e.g. [{box}] in "
        f"{where(known[n])} on an image of {sizes[n, 0]}x{sizes[n, 1]} pixels: {meant}"
    )


def _misread(given: Floats, sizes: Ints) -> tuple[Bools, tuple[str, str]]:
    """Which of the boxes [N, 4] as written are read wrongly, and in words what they are."""
    room = sizes * (1 + SLACK) + 1
    leave = (given[:, :2] + given[:, 2:] > room).any(axis=1)
    as_corners = ((given[:, 2:] <= room) & (given[:, 2:] >= given[:, :2])).all(axis=1)
    relative = (given <= RELATIVE).all(axis=1)
    if relative.mean() >= NEARLY_ALL:
        return relative, RELATIVE_BOXES
    if leave.mean() > MOST and as_corners.mean() >= NEARLY_ALL:
        return leave, CORNER_BOXES
    return np.zeros(len(given), bool), ("", "")


@dataclass(frozen=True)
class Renaming:
    """What the category ids of a file seem to mean.

    Attributes:
        on_objects: detections that lie on an object.
        right: those that carry its class as the ids are.
        right_after: those that would after the renaming.
        pairs: id in the file and category id meant, of those that differ; by falling support.
        pattern: the rule in words; empty where there is none.
    """

    on_objects: int
    right: int
    right_after: int
    pairs: tuple[tuple[int, int], ...]
    pattern: str = ""

    def told(self, truth: Truth) -> str:
        """The finding in a few sentences."""
        names = dict(zip(truth.category_ids.tolist(), truth.category_names, strict=True))
        shown = ", ".join(f"{old} means {new} ({names[new]})" for old, new in self.pairs[:SHOWN])
        more = f" and {len(self.pairs) - SHOWN} more" if len(self.pairs) > SHOWN else ""
        rule = f" {self.pattern[0].upper()}{self.pattern[1:]}." if self.pattern else ""
        return (
            f"Wrong category ids? Of {self.on_objects:,} boxes on an object (IoU {ON_OBJECT:g} or "
            f"more, any class) {self.right:,} carry its class, and {self.right_after:,} would "
            f"if ids were renamed: {shown}{more}.{rule}"
        )


def renaming(ids: Ints, truth: Truth, results: Results) -> Renaming | None:
    """The one-to-one renaming of category ids that would put many boxes right, if there is one.

    Boxes are matched to objects whatever their class. An id means a category when most of
    its boxes lie on that category and most of that category's boxes carry that id.

    Args:
        ids: [D], each detection's category id as written; any number.
        truth: the objects.
        results: the detections; their classes are not read.

    Returns:
        None unless it puts at least 20 boxes and a quarter of all those on objects right,
        and leaves three in four right: a weak detector is no mistake in the ids.
    """
    if truth.ignore.all():
        return None
    rows, objects = _on_objects(truth, results)
    written, meant = ids[rows], truth.category_ids[truth.category[objects]]
    pairs, pattern = _best_rule(written, meant, truth.category_ids)
    moved = dict(pairs)
    after = int(sum(moved.get(w, w) == m for w, m in zip(written.tolist(), meant.tolist(),
                                                        strict=True)))  # fmt: skip
    right = int((written == meant).sum())
    if after - right < max(FEW_MOVED, GAIN * len(rows)) or after < AGREED * len(rows):
        return None
    return Renaming(len(rows), right, after, pairs, pattern)


def _on_objects(truth: Truth, results: Results) -> tuple[Ints, Ints]:
    """Detections that lie on an object that counts, whatever their class, and that object."""
    alike = replace(truth, category=np.zeros_like(truth.category))
    found = replace(results, category=np.zeros_like(results.category))
    matching = match(alike, found, Scales(), [ON_OBJECT])
    taken = matching.taken[0, 0]
    rows = np.flatnonzero((taken >= 0) & ~matching.ignored[0, 0])
    return matching.order[rows], taken[rows]


def _best_rule(written: Ints, meant: Ints, known: Ints) -> tuple[tuple[tuple[int, int], ...], str]:
    """The pairs that differ, and the rule in words where a simple one says nearly the same."""
    both = _mutual(written, meant)
    explained = sum(n for _, n in both.values())
    for pattern, rule in _rules(np.sort(known)):
        agrees = [(w, m, n) for w, (m, n) in both.items() if rule(w) == m]
        if sum(n for *_, n in agrees) >= NEARLY_ALL * explained:
            return _differing({w: (m, n) for w, m, n in agrees}), pattern
    return _differing(both), ""


def _mutual(written: Ints, meant: Ints) -> dict[int, tuple[int, int]]:
    """By written id, the category that is its most frequent one and the other way round."""
    old, row = np.unique(written, return_inverse=True)
    new, column = np.unique(meant, return_inverse=True)
    count = np.bincount(row * len(new) + column, minlength=len(old) * len(new))
    count = count.reshape(len(old), len(new))
    if not count.size:
        return {}
    best = count.argmax(axis=1)
    kept = [r for r in range(len(old)) if count[:, best[r]].argmax() == r]
    return {int(old[r]): (int(new[best[r]]), int(count[r, best[r]])) for r in kept}


def _rules(known: Ints) -> Iterator[tuple[str, Callable[[int], int | None]]]:
    """Common ways to number categories otherwise, beside the sorted ids of the truth."""

    def counted_from(first: int) -> Callable[[int], int | None]:
        return lambda i: int(known[i - first]) if 0 <= i - first < len(known) else None

    for first in (0, 1):
        words = f"the file seems to count the truth's categories from {first} without gaps"
        yield words, counted_from(first)
    yield "each id seems to be one too low", lambda i: i + 1
    yield "each id seems to be one too high", lambda i: i - 1


def _differing(pairs: Mapping[int, tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    ranked = sorted(pairs.items(), key=lambda item: (-item[1][1], item[0]))
    return tuple((old, new) for old, (new, _) in ranked if old != new)


def _of_classes(truth: Truth, results: Results) -> str:
    found = renaming(truth.category_ids[results.category], truth, results)
    return found.told(truth) if found else ""


def _of_coverage(truth: Truth, results: Results) -> str:
    wanted = np.unique(truth.image[~truth.ignore])
    touched = np.isin(wanted, results.image).sum()
    if not len(results):
        return "no detections: a detector that found nothing, or an unfinished file?"
    if touched >= COVERED * len(wanted):
        return ""
    return (
        f"detections on only {touched:,} of the {_images(len(wanted))} with objects; the objects "
        "of the others count as missed. Results of a part of the images?"
    )


def _images(number: int) -> str:
    return f"{number:,} image{'' if number == 1 else 's'}"


def _range(ids: Ints) -> str:
    return f"{ids.min()} to {ids.max()}" if len(ids) else "none"


def _listed(ids: Sequence[Any]) -> str:
    shown = ", ".join(map(str, ids[:SHOWN]))
    return f"{shown} and {len(ids) - SHOWN} more" if len(ids) > SHOWN else shown
