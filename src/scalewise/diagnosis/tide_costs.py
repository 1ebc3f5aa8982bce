"""What each single TIDE error costs: the AP its group would gain if it alone were mended.

Exact: the class's AP is computed anew for each error, on the 101 recalls only. The costs of
many errors do not add up to the cost of their type, because AP is not linear in them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scalewise.coco import Bools, Floats, Ints
from scalewise.diagnosis.curves import hits_needed
from scalewise.diagnosis.matching import Matching
from scalewise.diagnosis.tide import Blame, Errors, Kind, Parameters, groups

if TYPE_CHECKING:
    import pandas as pd


def table(matching: Matching, parameters: Parameters) -> "pd.DataFrame":
    """Every error of every group, the costliest first within a group and type.

    Returns:
        Columns type (Cls, Loc, Both, Dupe, Bkg, Miss), scale (`all` or a scale), image, detection
        and truth (positions in the images, the results and the truth; -1 for none), iou (with
        that truth; NaN for Miss), score (NaN for Miss), cost (percent points of the group's
        AP50, at least 0). `all` also lists the crowd-excused detections that point at an object.
    """
    import pandas as pd

    tables = [
        pd.DataFrame({"scale": name, **_rows(matching, blamed, found)})
        for name, blamed, found in groups(matching, parameters)
    ]
    whole = pd.concat(tables, ignore_index=True)
    order = ["scale", "type", "cost", "score", "image", "detection", "truth"]
    scales = pd.CategoricalDtype(list(matching.groups), ordered=True)
    types = pd.CategoricalDtype([kind.name for kind in Kind], ordered=True)
    whole = whole.astype({"scale": scales, "type": types})
    rising = [True, True, False, False, True, True, True]
    return whole.sort_values(order, ascending=rising, ignore_index=True)[
        ["type", "scale", "image", "detection", "truth", "iou", "score", "cost"]
    ]


def _rows(matching: Matching, blamed: Blame, found: Errors) -> dict[str, object]:
    """The table's columns for one group: detections, then missed objects."""
    rows = np.flatnonzero(found.wrong | found.mends)
    objects = np.flatnonzero(found.missed)
    detection_costs, object_costs = costs(matching, blamed, found)
    names = np.array([kind.name for kind in Kind])
    return {
        "type": np.r_[names[blamed.kind[rows]], np.full(len(objects), Kind.Miss.name)],
        "image": np.r_[matching.image[rows], matching.truth.image[objects]],
        "detection": np.r_[matching.order[rows], np.full(len(objects), -1)],
        "truth": np.r_[blamed.truth[rows], objects],
        "iou": np.r_[blamed.iou[rows], np.full(len(objects), np.nan)],
        "score": np.r_[matching.scores[rows], np.full(len(objects), np.nan)],
        "cost": np.r_[detection_costs[rows], object_costs[objects]],
    }


def costs(matching: Matching, blamed: Blame, found: Errors) -> tuple[Floats, Floats]:
    """The cost of each wrong row [D] and of each missed object [N], 0 elsewhere.

    Wrong rows go or, where `found.mends`, become right; missed objects go. Percent points.
    """
    category = matching.category
    target = np.where(found.mends, matching.truth.category[blamed.truth], -1)
    of_rows, of_objects = np.zeros(len(matching)), np.zeros(len(matching.truth))
    positives = matching.positives(found.group)
    share = 100 / np.count_nonzero(positives)
    for c in np.flatnonzero(positives):  # classes, not detections
        rows = np.flatnonzero((category == c) & (found.right | found.wrong))
        curve = _class_curve(found.right[rows], int(positives[c]))
        gone = rows[found.wrong[rows] & (target[rows] != c)]
        of_rows[gone] += curve.without(np.searchsorted(rows, gone)) - curve.ap
        come = np.flatnonzero(target == c)
        before = np.searchsorted(blamed.place[rows], blamed.place[come])
        stays = (category[come] == c) & found.wrong[come]
        of_rows[come] += curve.with_hit(before, stays) - curve.ap
        missed = found.missed & (matching.truth.category == c)
        of_objects[missed] = curve.with_fewer_objects() - curve.ap
    return np.maximum(of_rows * share, 0), np.maximum(of_objects * share, 0)


@dataclass(frozen=True)
class _ClassCurve:
    """One class: K rows by falling score, H of them hits.

    Attributes:
        hits_before: [K + 1], hits among the first k rows.
        seen: [H], rows up to and with each hit.
        positives: objects to find.
    """

    hits_before: Ints
    seen: Ints
    positives: int

    @property
    def ap(self) -> float:
        """AP as it is, in [0, 1]."""
        return float(self._reached(_best_after(self._precision())).mean())

    def _precision(self) -> Floats:
        return np.arange(1, len(self.seen) + 1) / self.seen

    def _index(self, positives: int) -> Ints:
        """[101], the hit that reaches each recall, from 0; beyond the last one: never."""
        return np.maximum(hits_needed(np.array([positives]))[0] - 1, 0)

    def _reached(self, best: Floats) -> Floats:
        """[101], the best precision from each recall on; `best` is [H + 1]."""
        return best[np.minimum(self._index(self.positives), len(self.seen))]

    def without(self, row: Ints) -> Floats:
        """AP after each of the wrong rows [E] alone is gone, [E].

        The hits after it gain precision. A recall reached before it takes the higher of what
        it had and what the later hits now have.
        """
        nth = np.arange(1, len(self.seen) + 1)
        better = _best_after(nth / np.maximum(self.seen - 1, 1))
        first = np.arange(len(self.seen) + 1)[:, None]  # the first hit after the row
        index = np.minimum(self._index(self.positives), len(self.seen))
        had = self._reached(_best_after(self._precision()))
        after = np.where(index >= first, better[index], np.maximum(had, better[first]))
        return after.mean(axis=1)[self.hits_before[row]]

    def with_hit(self, before: Ints, stays: Bools) -> Floats:
        """AP after one hit comes in behind `before` rows [E], [E].

        Args:
            before: rows of the class with a better score.
            stays: whether it is a row of this class that was wrong (no further row).
        """
        return np.where(stays, self._with_hit(before, 0), self._with_hit(before, 1))

    def _with_hit(self, before: Ints, added: int) -> Floats:
        nth = np.arange(2, len(self.seen) + 2)
        better = _best_after(nth / (self.seen + added))
        first = self.hits_before[before][:, None]  # hits before it: its own place among hits
        own = (first + 1) / (before[:, None] + 1)
        index = self._index(self.positives)
        later = better[np.clip(index - 1, 0, len(self.seen))]
        had = np.maximum(self._reached(_best_after(self._precision())), better[first])
        return np.where(index > first, later, np.maximum(had, own)).mean(axis=1)

    def with_fewer_objects(self) -> float:
        """AP after one object that is not found is gone; 0 when it was the only one."""
        if self.positives == 1:
            return 0.0
        best = _best_after(self._precision())
        return float(best[np.minimum(self._index(self.positives - 1), len(self.seen))].mean())


def _class_curve(hit: Bools, positives: int) -> _ClassCurve:
    return _ClassCurve(np.r_[0, np.cumsum(hit)], np.flatnonzero(hit) + 1, positives)


def _best_after(precision: Floats) -> Floats:
    """[H + 1], the highest precision from each hit on; 0 after the last."""
    return np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
