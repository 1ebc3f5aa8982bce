"""Several classifiers on the same images: what differs, and which differences are noise.

Every pair is compared in two ways. McNemar's exact test counts the images that only one of two
models has right: if they were equally good, each such image would fall to either with probability
1/2. The paired bootstrap (`paired`) gives the difference of accuracy, F1, loss and ECE an interval
and so the verdict. McNemar takes images as independent; where several crops share a frame, frames
are drawn, and the verdict is the one to trust.

Of a hundred differences between models that are equally good about five stand out by chance.

Sources: McNemar 1947; Dietterich 1998 on comparing classifiers
(https://doi.org/10.1162/089976698300017197).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from scalewise import bootstrap
from scalewise.class_labels import Scores
from scalewise.errors import InputError
from scalewise.evaluation.classification import Parameters, judged, statistics
from scalewise.evaluation.clusters import clusters, weights
from scalewise.evaluation.paired import Difference, difference
from scalewise.records import Bools, Floats

if TYPE_CHECKING:
    import pandas as pd

COMPARED = ("accuracy", "f1_weighted", "f1_macro", "loss", "ece")
LOWER_IS_BETTER = ("loss", "ece")


@dataclass(frozen=True)
class McNemar:
    """Images that only one of two models has right.

    Attributes:
        only_before: right by the baseline alone.
        only_after: right by the other one alone.
        p: two-sided exact p-value that they are equally good; 1 where no image tells them apart.
    """

    only_before: int
    only_after: int
    p: float


@dataclass(frozen=True)
class Pair:
    """Two models on the same images.

    Attributes:
        before: the baseline's name.
        after: the other one's.
        differences: by statistic.
        mcnemar: of their right and wrong images.
    """

    before: str
    after: str
    differences: dict[str, Difference]
    mcnemar: McNemar


def compare(
    models: Mapping[str, Scores],
    parameters: Parameters,
    resampling: bootstrap.Parameters,
    frames: Sequence[str] = (),
) -> list[Pair]:
    """Every pair of models, the earlier one as baseline; one model alone gives none.

    Args:
        models: scores by name, all of the same images in the same order
            (`class_labels.aligned`).
        parameters: bins of ECE.
        resampling: resamples, level and seed.
        frames: N, the frame of each image, empty where unknown; none at all: images are drawn.

    Raises:
        InputError: other images, another order, or other labels.
    """
    _check_same_images(models)
    found = {name: judged(scores) for name, scores in models.items()}
    count = len(next(iter(models.values())).label) if models else 0
    drawn = weights(clusters(frames or [""] * count), resampling)
    drawn = np.vstack([np.ones((1, count), np.int64), drawn])
    resampled = {name: statistics(one, drawn, parameters.bins) for name, one in found.items()}
    return [
        Pair(
            before,
            after,
            _differences(resampled[before], resampled[after], resampling.level),
            mcnemar(found[before].hit, found[after].hit),
        )
        for before, after in combinations(models, 2)
    ]


def _differences(
    before: Mapping[str, Floats], after: Mapping[str, Floats], level: float
) -> dict[str, Difference]:
    return {
        name: difference(before[name], after[name], level, lower=name in LOWER_IS_BETTER)
        for name in COMPARED
    }


def _check_same_images(models: Mapping[str, Scores]) -> None:
    for first, other in list(combinations(models.values(), 2))[: max(len(models) - 1, 0)]:
        if first.file_names != other.file_names or first.category_names != other.category_names:
            raise InputError(
                f"{other.source} and {first.source}: expected the same classes and images in the "
                "same order, since only then there is something to compare"
            )
        if (first.label != other.label).any():
            at = first.file_names[int(np.argmax(first.label != other.label))]
            raise InputError(f"{other.source}: image '{at}' has another class in {first.source}")


def mcnemar(before: Bools, after: Bools) -> McNemar:
    """McNemar's exact test of two models' hits, [N] each.

    The smaller count of a fair coin's tosses: p = min(1, 2 P(X <= min(b, c))), X ~ B(b + c, 1/2).
    """
    from scipy.special import bdtr

    only_before, only_after = int((before & ~after).sum()), int((after & ~before).sum())
    tosses = only_before + only_after
    p = min(1.0, 2 * float(bdtr(min(only_before, only_after), tosses, 0.5))) if tosses else 1.0
    return McNemar(only_before, only_after, p)


def metrics(
    pairs: Sequence[Pair], resampling: bootstrap.Parameters, frames: Sequence[str] = ()
) -> dict[str, object]:
    """Every pair for the metrics: by `<after>`, then `<before>`.

    Returns:
        By pair and statistic before, after, change, low, high, real, verdict; `mcnemar` with
        only_before, only_after and p. Then the unit drawn and the parameters.
    """
    made: dict[str, dict[str, object]] = {}
    for pair in pairs:
        told = {name: _told(one) for name, one in pair.differences.items()}
        made.setdefault(pair.after, {})[pair.before] = told | {"mcnemar": asdict(pair.mcnemar)}
    return {"against": made, "unit": clusters(frames).unit, **resampling.model_dump()}


def _told(one: Difference) -> dict[str, object]:
    return asdict(one) | {"change": one.change}


def table(pairs: Sequence[Pair]) -> "pd.DataFrame":
    """A row a pair and statistic: before and after (names), statistic, from, to, change, low, high,
    real, verdict; `p` is McNemar's, of the accuracy alone.
    """
    import pandas as pd

    rows = [
        {
            "before": pair.before,
            "after": pair.after,
            "statistic": name,
            "from": one.before,
            "to": one.after,
            "change": one.change,
            "low": one.low,
            "high": one.high,
            "real": one.real,
            "verdict": one.verdict,
            "p": pair.mcnemar.p if name == "accuracy" else np.nan,
        }
        for pair in pairs
        for name, one in pair.differences.items()
    ]
    columns = ["before", "after", "statistic", "from", "to", "change", "low", "high", "real",
               "verdict", "p"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
