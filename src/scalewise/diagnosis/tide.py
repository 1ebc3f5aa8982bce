"""TIDE: what kind of error costs how much AP, over all objects and for each scale.

Each false positive gets the first type that holds, from the IoU with the objects of its image:

| type | the detection |
|---|---|
| Loc | lies badly on an object of its class: background_iou <= IoU <= iou |
| Cls | lies well on an object of another class: IoU >= iou |
| Dupe | lies well on an object of its class that a better detection has taken |
| Bkg | lies on nothing: IoU <= background_iou with every object |
| Both | lies badly on an object of another class: the rest |

Miss is an object that no detection takes and no Loc or Cls error points at. An error's cost is
how much AP rises when its kind is mended, each kind alone:

| fix | does |
|---|---|
| Loc, Cls | the best-scoring one on each free object becomes right, the others go |
| Dupe, Bkg, Both | the detection goes |
| Miss | the object goes |
| FP | every false positive goes |
| FN | every object that is not found goes |

A scale is taken by COCO's ignore rule: objects of other sizes stay in the matching as ignored,
and detections on them, or of another size and on nothing, are neither right nor wrong. **A
false positive may be blamed on an object outside the scale**: its type says what happened in
the picture, so the type of a detection is the same in every group. But such an object is not
to be found, so mending the error removes the detection and no more. Ignored objects and crowds
take no blame.

Ignored detections make no errors, with one exception that tidecv's published figures contain:
in `all`, a detection that only a crowd excuses may still point at an object (Loc, Cls). It
costs no precision, but mending it finds the object, which then is no Miss.

Source: Bolya et al., TIDE, ECCV 2020 (https://arxiv.org/abs/2008.08115) and tidecv 1.0.1.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from pydantic import Field, model_validator

from scalewise.coco import Bools, Floats, Ints
from scalewise.diagnosis.curves import precision_at_recalls
from scalewise.diagnosis.matching import Matching, Pairs
from scalewise.params import Record


class Parameters(Record):
    """Section `tide` of params.yaml."""

    iou: float = Field(0.5, gt=0, lt=1)
    """From this IoU on a detection is in the right place."""
    background_iou: float = Field(0.1, gt=0, lt=1)
    """Up to this IoU a detection is on the background."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        if self.background_iou >= self.iou:
            raise ValueError(
                f"background_iou must be below iou, got {self.background_iou} and {self.iou}"
            )
        return self


class Kind(IntEnum):
    """The types of error, in TIDE's order of report."""

    Cls = 0
    Loc = 1
    Both = 2
    Dupe = 3
    Bkg = 4
    Miss = 5


POINTS_AT = (Kind.Loc, Kind.Cls)  # the types whose mending finds an object


@dataclass(frozen=True)
class Blame:
    """What each of D rows would be if it were wrong; the same for every scale.

    Attributes:
        kind: [D] a `Kind` other than Miss.
        truth: [D], the object the type comes from, or -1 on the background.
        iou: [D] with that object; 0 without one.
        place: [D], place by falling score over all classes, ties as in the table.
    """

    kind: Ints
    truth: Ints
    iou: Floats
    place: Ints


@dataclass(frozen=True)
class Errors:
    """The errors of one group.

    Attributes:
        group: position in the matching's groups.
        right: [D], whether the row is a true positive.
        wrong: [D], whether the row is a false positive.
        mends: [D], whether mending the row makes it right; other wrong rows go.
        wanted: [N], objects to find.
        unfound: [N], those of them that no row takes.
        missed: [N], those of them that no Loc or Cls error points at.
    """

    group: int
    right: Bools
    wrong: Bools
    mends: Bools
    wanted: Bools
    unfound: Bools
    missed: Bools


@dataclass(frozen=True)
class Curve:
    """What an AP is computed from: K rows by class and place, and the objects to find.

    Attributes:
        rows: [K], rows of the matching.
        category: [K] rising, each row's class after the fix.
        hit: [K], right or wrong.
        wanted: [N], objects to find.
    """

    rows: Ints
    category: Ints
    hit: Bools
    wanted: Bools


def blame(matching: Matching, parameters: Parameters) -> Blame:
    """The type of error of every detection, from its best overlaps with objects that count."""
    assert matching.floor <= parameters.background_iou, "the matching forgot pairs it needs"
    pairs = matching.pairs.of(~matching.truth.ignore[matching.pairs.truth])
    own = matching.category[pairs.row] == matching.truth.category[pairs.truth]
    same_truth, same = _best(pairs.of(own), len(matching))
    other_truth, other = _best(pairs.of(~own), len(matching))
    low, high = parameters.background_iou, parameters.iou
    # Same-class overlap above `high` and yet wrong: a better detection must have the object.
    tests = [(same >= low) & (same <= high), other >= high, same > high]
    tests.append(np.maximum(same, other) <= low)
    kind = np.select(tests, [Kind.Loc, Kind.Cls, Kind.Dupe, Kind.Bkg], Kind.Both)
    by_same, nothing = np.isin(kind, (Kind.Loc, Kind.Dupe)), kind == Kind.Bkg
    return Blame(
        kind=kind,
        truth=np.where(nothing, -1, np.where(by_same, same_truth, other_truth)),
        iou=np.where(nothing, 0.0, np.where(by_same, same, other)),
        place=falling_place(matching),
    )


def _best(pairs: Pairs, size: int) -> tuple[Ints, Floats]:
    """Each row's object of highest IoU, -1 without one, and that IoU; the later one on a tie."""
    last = np.flatnonzero(np.diff(pairs.row, append=-1))
    truth, iou = np.full(size, -1), np.zeros(size)
    truth[pairs.row[last]], iou[pairs.row[last]] = pairs.truth[last], pairs.iou[last]
    return truth, iou


def falling_place(matching: Matching) -> Ints:
    """[D], each row's place by falling score over all classes, ties as in the table."""
    image = np.argsort(np.argsort(matching.truth.image_ids))[matching.image]
    place = np.empty(len(matching), np.int64)
    place[np.lexsort((matching.order, image, -matching.scores))] = np.arange(len(matching))
    return place


def errors(matching: Matching, blamed: Blame, group: int, iou: float) -> Errors:
    """The false positives and the missed objects of a group."""
    level = matching.at(iou)
    taken, counted = matching.taken[group, level], ~matching.ignored[group, level]
    wanted = ~matching.truth_ignored[group]
    unfound = wanted & ~_marked(taken[taken >= 0], len(wanted))
    wrong = counted & (taken < 0)
    excused = (taken >= 0) & matching.truth.crowd[taken] & (group == 0)
    points = np.flatnonzero((wrong | excused) & np.isin(blamed.kind, POINTS_AT))
    first = _first_on_each(points, blamed, unfound)
    pointed = _marked(blamed.truth[points], len(wanted))
    return Errors(
        group=group,
        right=counted & (taken >= 0),
        wrong=wrong,
        mends=_marked(first, len(matching)),
        wanted=wanted,
        unfound=unfound,
        missed=unfound & ~pointed,
    )


def _marked(positions: Ints, size: int) -> Bools:
    mask = np.zeros(size, bool)
    mask[positions] = True
    return mask


def _first_on_each(rows: Ints, blamed: Blame, wanted: Bools) -> Ints:
    """Of the rows that point at each wanted object, the best-scoring one."""
    rows = rows[np.argsort(blamed.place[rows])]
    objects, first = np.unique(blamed.truth[rows], return_index=True)
    return rows[first[wanted[objects]]]


def curves(
    matching: Matching, blamed: Blame, found: Errors, scale: int | None = None
) -> dict[str, Curve]:
    """The group's curve as it is (`AP50`) and after each fix, by the fix's name.

    Args:
        matching: detections and truth.
        blamed: what each wrong row is.
        found: the group's errors.
        scale: mend only the errors of this scale (position in the scales' names): that of the
            object blamed or missed, of the detection itself where it lies on nothing.
    """
    of_row, of_object = _of_scale(matching, blamed, scale)
    rows, category, wanted = found.right | found.wrong, matching.category, found.wanted
    made = {"AP50": _curve(rows, category, found.right, wanted)}
    for kind in (Kind.Cls, Kind.Loc, Kind.Both, Kind.Dupe, Kind.Bkg):
        chosen = found.wrong & of_row & (blamed.kind == kind)
        mended = found.mends & of_row & (blamed.kind == kind)
        own = category
        if kind == Kind.Cls:
            own = np.where(mended, matching.truth.category[blamed.truth], category)
        made[kind.name] = _curve(rows & ~chosen | mended, own, found.right | mended, wanted)
    made["Miss"] = _curve(rows, category, found.right, wanted & ~(found.missed & of_object))
    made["FP"] = _curve(rows & ~(found.wrong & of_row), category, found.right, wanted)
    made["FN"] = _curve(rows, category, found.right, wanted & ~(found.unfound & of_object))
    order = np.lexsort((blamed.place[made["Cls"].rows], made["Cls"].category))
    return made | {"Cls": _ordered(made["Cls"], order)}


def _of_scale(matching: Matching, blamed: Blame, scale: int | None) -> tuple[Bools, Bools]:
    """[D] and [N], whether the errors of a row or object are of the scale; all without one."""
    areas = matching.truth.areas
    if scale is None:
        return np.ones(len(matching), bool), np.ones(len(areas), bool)
    own = matching.results.areas[matching.order]
    of_row = np.where(blamed.truth >= 0, areas[blamed.truth], own)
    return matching.scales.of(of_row) == scale, matching.scales.of(areas) == scale


def _curve(kept: Bools, category: Ints, hit: Bools, wanted: Bools) -> Curve:
    rows = np.flatnonzero(kept)
    return Curve(rows, category[rows], hit[rows], wanted)


def _ordered(curve: Curve, order: Ints) -> Curve:
    return Curve(curve.rows[order], curve.category[order], curve.hit[order], curve.wanted)


def mean_ap(curve: Curve, category: Ints, present: Bools) -> float:
    """Mean AP of a curve over the classes that have an object before any fix, percent points.

    A class that a fix leaves with nothing to find counts as 0. When no object and no detection
    of any class is left, nothing is wrong: 100.

    Args:
        curve: as it is or after a fix.
        category: [N], the objects' classes.
        present: [C], classes with an object in the group; the others do not count (COCOeval).
    """
    positives = np.bincount(category[curve.wanted], minlength=len(present))
    if not positives.any() and not len(curve.rows):
        return 100.0
    precision = precision_at_recalls(curve.category, curve.hit, positives)
    return 100 * float(np.mean(precision[present]))


def costs(
    matching: Matching, blamed: Blame, found: Errors, scale: int | None = None
) -> dict[str, float]:
    """AP50 (AP at the `iou` parameter) and the cost of each type, in percent points.

    With a `scale` only its errors are mended; see `curves`.

    Returns:
        AP50, Cls, Loc, Both, Dupe, Bkg, Miss, FP, FN; nothing where the group has no objects.
        Without detections AP50 is 0 and Miss and FN are 100.
    """
    present = matching.positives(found.group) > 0
    if not present.any():
        return {}
    category = matching.truth.category
    made = curves(matching, blamed, found, scale)
    ap = {name: mean_ap(curve, category, present) for name, curve in made.items()}
    base = ap.pop("AP50")
    return {"AP50": base, **{name: max(value - base, 0.0) for name, value in ap.items()}}


def groups(matching: Matching, parameters: Parameters) -> list[tuple[str, Blame, Errors]]:
    """Every group that has objects, with its errors."""
    blamed = blame(matching, parameters)
    return [
        (name, blamed, errors(matching, blamed, group, parameters.iou))
        for group, name in enumerate(matching.groups)
        if matching.positives(group).any()
    ]


def metrics(matching: Matching, parameters: Parameters) -> dict[str, dict[str, float]]:
    """`costs` of `all` and each scale that has objects, by name."""
    return {
        name: costs(matching, blamed, found) for name, blamed, found in groups(matching, parameters)
    }


def shares(matching: Matching, parameters: Parameters) -> dict[str, dict[str, float]]:
    """What the errors of each scale cost the AP50 of `all`, by scale, in percent points.

    The other view beside `metrics`: not how good each scale is, but how much of the whole loss
    it makes. Each scale's errors are mended alone, so the shares do not add up exactly.
    """
    blamed = blame(matching, parameters)
    found = errors(matching, blamed, 0, parameters.iou)
    made = {
        name: costs(matching, blamed, found, scale)
        for scale, name in enumerate(matching.scales.names)
    }
    return {name: {k: v for k, v in c.items() if k != "AP50"} for name, c in made.items()}
