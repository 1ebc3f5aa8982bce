"""What any net can reach where two keypoints look alike, from the truth alone.

Let the pixels say that a pair of keypoints (the hands) lies at p and q, and not which is which:
swapping the two gives the same image with swapped labels, so each order has probability 1/2. All
else can be known exactly. With d = |p - q| / reference, a keypoint of the pair is right at the
threshold t with probability

- `guess`: a heatmap's least-squares answer is the mean of its targets, two peaks of equal height;
  its argmax is one of them, at distance 0 or d: 1/2 + 1/2 [d <= t].
- `mean`: the least-squares answer of a regression is the mean (p + q) / 2, at distance d / 2 from
  both: [d / 2 <= t].
- `optimal`: a point near enough to both wins always; otherwise one of the two can be met at
  best: 1/2 + 1/2 [d / 2 <= t]. That is the ceiling of the metric; at a t of its own each, no
  single answer need reach all of them.

A keypoint that is certain has d = 0, for which all three give 1, so with P(x <= t) the share over
all keypoints that count the ceilings are 1/2 + 1/2 P(d <= t), P(d / 2 <= t), 1/2 + 1/2 P(d / 2
<= t); for two hands of five keypoints that is (3 + 2 (1/2 + 1/2 P_hands)) / 5 and so on. Where only
one of a pair is seen, the one seen is the one that counts, and it is certain.

These are expectations: a net that guesses scatters about its ceiling as coins do. A PCK well above
`optimal` is a leak or a mistake.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scalewise.coco_keypoints import SEEN, Truth
from scalewise.evaluation import pck
from scalewise.evaluation.keypoint_distances import Reference, lengths
from scalewise.records import Floats

if TYPE_CHECKING:
    import pandas as pd

Pairs = Sequence[tuple[int, int]]

KINDS = ("guess", "mean", "optimal")


def apart(truth: Truth, reference: Reference, pairs: Pairs) -> Floats:
    """[T, K], how far a keypoint is from the one that it can be taken for, d of the module.

    Args:
        truth: T figures of K keypoints.
        reference: see `keypoint_distances.lengths`.
        pairs: positions of keypoints that cannot be told apart; each in one pair at most.

    Returns:
        In shares of the reference; 0 for what is certain, NaN for what does not count.
    """
    length = lengths(truth, reference)
    gaps = np.zeros(truth.visibility.shape)
    seen = truth.visibility == SEEN
    for one, other in pairs:
        gap = np.hypot(*(truth.keypoints[:, one] - truth.keypoints[:, other]).T)
        both = seen[:, one] & seen[:, other]
        gaps[:, one] = gaps[:, other] = np.where(both, gap, 0)
    return np.where(seen, gaps, np.nan) / length[:, None]


def shares(gaps: Floats, thresholds: Sequence[float] | Floats) -> dict[str, Floats]:
    """The ceilings of the PCK, by kind, each [S]; NaN where nothing counts.

    Args:
        gaps: from `apart`, any shape.
        thresholds: [S], in shares of the reference.
    """
    gaps = gaps[~np.isnan(gaps)]
    if not gaps.size:
        return dict.fromkeys(KINDS, np.full(len(thresholds), np.nan))
    at_peak = np.array([np.mean(gaps <= t) for t in thresholds])
    at_middle = np.array([np.mean(gaps / 2 <= t) for t in thresholds])
    return {"guess": (1 + at_peak) / 2, "mean": at_middle, "optimal": (1 + at_middle) / 2}


def metrics(truth: Truth, parameters: pck.Parameters, pairs: Pairs) -> dict[str, dict[str, float]]:
    """PCK_05 ... by kind of ceiling; arguments as for `apart`. Without pairs all are 1."""
    made = shares(apart(truth, parameters.reference, pairs), parameters.thresholds)
    return {
        kind: {
            pck.measure(t): float(value)
            for t, value in zip(parameters.thresholds, values, strict=True)
        }
        for kind, values in made.items()
    }


def curve(truth: Truth, reference: Reference, pairs: Pairs) -> "pd.DataFrame":
    """The ceilings against the threshold, as further rows of `pck.curve`.

    Returns:
        Columns `group` (`all`, then each keypoint of a pair), `kind` (guess, mean, optimal),
        `threshold`, `PCK`; NaN where nothing counts.
    """
    import pandas as pd

    gaps = apart(truth, reference, pairs)
    parts = {"all": gaps} | {truth.names[k]: gaps[:, k] for pair in pairs for k in pair}
    tables = [
        pd.DataFrame({"group": group, "kind": kind, "threshold": pck.CURVE, "PCK": values})
        for group, part in parts.items()
        for kind, values in shares(part, pck.CURVE).items()
    ]
    return pd.concat(tables, ignore_index=True)
