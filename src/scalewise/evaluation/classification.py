"""Classification: accuracy, F1, cross-entropy and calibration, each with its interval.

The prediction of an image is the class with the highest score, the first of equals, and that score
is its confidence. The numbers are scikit-learn's:

- `f1_weighted`, `f1_macro`: means of the classes' F1, by the number of images of a class and plain.
  A class that occurs neither in the truth nor in the predictions has no F1 and is in no mean; one
  that occurs in only one of them has 0. That is `f1_score` with its default labels, or with all
  labels and `zero_division=nan`.
- `loss`: mean of -ln(score of the true class), scores kept between eps and 1 - eps of float64, as
  `log_loss` does.
- `ece`: mean of abs(confidence - accuracy) over equal-width bins of the confidence, weighted by
  their images; `gap` is the mean confidence - accuracy: above 0 is over-confident.

**Intervals** are percentiles of resamples of whole frames where frames are known, else of images
(`clusters`). That of ECE is reflected: as a sum of absolute values it is too high on average, and
resampling adds the same bias once more (see `diagnosis.bootstrap`). Of 300 made test sets of 400
images a 95% interval of ECE held the true one in .66, .90, .89 where that is 0, .03, .1; the
percentile interval in .00, .25, .95. The others held it in .92 to .96.

Sources: Guo et al. 2017 (https://arxiv.org/abs/1706.04599); Opitz and Burst 2019 on which macro F1
(https://arxiv.org/abs/1911.03347).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from scalewise import bootstrap, class_labels
from scalewise.class_labels import Scores
from scalewise.diagnosis.calibration_measures import bin_of
from scalewise.evaluation.clusters import clusters, weights
from scalewise.params import Record
from scalewise.records import Bools, Floats, Ints

EPS = np.finfo(np.float64).eps
WITH_INTERVALS = ("accuracy", "f1_weighted", "f1_macro", "loss", "ece")
OF_TRAIN = (*WITH_INTERVALS, "gap")


class Parameters(Record):
    """Section `classification` of params.yaml."""

    bins: int = Field(10, ge=1, le=1000)
    """Equal-width bins over the confidence, from 0 to 1, of ECE and the reliability diagram."""


@dataclass(frozen=True)
class Judged:
    """N images of C classes, each judged once.

    Attributes:
        names: C names.
        label: [N], the true class.
        prediction: [N], the class with the highest score, the first of equals.
        confidence: [N], that score.
        loss: [N], -ln(score of the true class).
    """

    names: tuple[str, ...]
    label: Ints
    prediction: Ints
    confidence: Floats
    loss: Floats

    @property
    def hit(self) -> Bools:
        """[N], right or wrong."""
        return self.prediction == self.label


def judged(scores: Scores) -> Judged:
    """Judge each image by its scores."""
    table = scores.scores
    rows = np.arange(len(table))
    prediction = table.argmax(axis=1) if len(table) else rows
    true = np.clip(table[rows, scores.label], EPS, 1 - EPS)
    return Judged(
        names=tuple(scores.category_names),
        label=scores.label,
        prediction=prediction,
        confidence=table[rows, prediction],
        loss=-np.log(true),
    )


def statistics(found: Judged, drawn: Ints | Floats, bins: int) -> dict[str, Floats]:
    """Every statistic for each row of weights.

    Args:
        found: N images.
        drawn: [R, N], how often each image counts; a row of ones gives the data as they are.
        bins: equal-width bins over the confidence.

    Returns:
        accuracy, f1_weighted, f1_macro, loss, ece, gap, each [R]; NaN where no image counts.
    """
    drawn = np.asarray(drawn, np.float64)  # matrix products of whole numbers are slow
    precise = _shares(found, drawn)
    off = found.confidence - found.hit
    of_bin = _sums(drawn, bin_of(found.confidence, bins), bins, off)
    with np.errstate(invalid="ignore"):  # 0 / 0: no image
        total = drawn.sum(axis=1)
        return {
            "accuracy": drawn @ found.hit / total,
            "f1_weighted": (np.nan_to_num(precise["f1"]) * precise["n"]).sum(axis=1) / total,
            "f1_macro": np.nansum(precise["f1"], axis=1) / (~np.isnan(precise["f1"])).sum(axis=1),
            "loss": drawn @ found.loss / total,
            "ece": np.abs(of_bin).sum(axis=1) / total,
            "gap": drawn @ off / total,
        }


def _shares(found: Judged, drawn: Floats) -> dict[str, Floats]:
    """precision, recall, f1 and n (images of the class), each [R, C]; NaN for 0 / 0."""
    classes = len(found.names)
    wanted = _sums(drawn, found.label, classes)
    given = _sums(drawn, found.prediction, classes)
    right = _sums(drawn, found.label, classes, found.hit)
    with np.errstate(invalid="ignore"):
        shares = (right / given, right / wanted, 2 * right / (given + wanted))
    return dict(zip(("precision", "recall", "f1"), shares, strict=True)) | {"n": wanted}


def _sums(drawn: Floats, place: Ints, count: int, values: Floats | Bools | None = None) -> Floats:
    """[R, count], the weights [R, N] times values [N] (1 without), summed by place [N]."""
    from scipy.sparse import csr_array

    filled = np.ones(len(place)) if values is None else np.asarray(values, np.float64)
    columns = np.arange(len(place))
    return (csr_array((filled, (place, columns)), (count, len(place))) @ drawn.T).T


def metrics(
    scores: Scores,
    parameters: Parameters,
    resampling: bootstrap.Parameters,
    frames: Sequence[str] = (),
) -> dict[str, object]:
    """Every number of one model on one split, with the settings beside it.

    Args:
        scores: N images.
        parameters: bins.
        resampling: resamples, level and seed.
        frames: N, the frame of each image, empty where unknown; none at all: images are drawn.

    Returns:
        The statistics, their `interval` (`low`, `high`; not of the gap, whose sign says enough),
        `class` by name with precision, recall, f1 and n, `n` images, the `unit` that was drawn and
        how many `units` there are, the parameters. What is not defined is NaN: the precision of a
        class that is never predicted, the recall of one without images, the F1 of one without
        both. Without images n is 0 and all else is NaN.
    """
    found = judged(scores)
    drawn_together = clusters(frames or [""] * len(found.label))
    point = point_of(found, parameters.bins)
    resampled = statistics(found, weights(drawn_together, resampling), parameters.bins)
    return {
        **point,
        "interval": intervals(point, resampled, resampling.level),
        "class": by_class(found),
        "n": len(found.label),
        "unit": drawn_together.unit,
        "units": drawn_together.count,
        **parameters.model_dump(),
        **resampling.model_dump(),
    }


def of_some(
    scores: Scores,
    parameters: Parameters,
    resampling: bootstrap.Parameters,
    frames: Sequence[str],
    rows: Ints,
) -> dict[str, object]:
    """`metrics` of some of the images, given by position."""
    some = class_labels.select_scores(scores, rows)
    return metrics(some, parameters, resampling, [frames[n] for n in rows])


def point_of(found: Judged, bins: int) -> dict[str, float]:
    """The statistics of the data as they are; NaN without images."""
    of_all = statistics(found, np.ones((1, len(found.label))), bins)
    return {name: float(value[0]) for name, value in of_all.items()}


def intervals(
    point: Mapping[str, float], resampled: Mapping[str, Floats], level: float
) -> dict[str, dict[str, float]]:
    """`low` and `high` of each statistic that has an interval; ECE's is reflected, see above."""
    made = {}
    for name in WITH_INTERVALS:
        low, high = (float(end) for end in bootstrap.interval(resampled[name], level))
        if name == "ece":
            low, high = (np.clip(2 * point[name] - end, 0, 1) for end in (high, low))
        made[name] = {"low": float(low), "high": float(high)}
    return made


def by_class(found: Judged) -> dict[str, dict[str, float]]:
    """precision, recall, f1 and n of each class by its name; NaN where not defined."""
    shares = _shares(found, np.ones((1, len(found.label))))
    made = {}
    for at, name in enumerate(found.names):
        made[name] = {key: float(values[0, at]) for key, values in shares.items()}
        made[name]["n"] = int(made[name]["n"])
    return made


def with_train(of_test: Mapping[str, object], train: Scores, bins: int) -> dict[str, object]:
    """A model's metrics with its numbers on the images it learnt from.

    Args:
        of_test: from `metrics`.
        train: scores of the training images as they are, without augmentation.
        bins: equal-width bins over the confidence.

    Returns:
        Further `train` with the statistics there and n, and
        `generalisation_gap`: the accuracy on train less that on test.
    """
    found = judged(train)
    point = point_of(found, bins)
    return {
        **of_test,
        "train": {name: point[name] for name in OF_TRAIN} | {"n": len(found.label)},
        "generalisation_gap": point["accuracy"] - of_test["accuracy"],
    }
