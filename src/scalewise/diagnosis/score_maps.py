"""Maps from a score to a better one, and how they are fitted.

With z = logit(score), for the target y (right or wrong, or the IoU with the object found):

| method | map | fitted by |
|---|---|---|
| temperature | sigmoid(z / T), T > 0 | least log-loss |
| platt | sigmoid(a z + b), a > 0 | least log-loss |
| isotonic | a rising line through steps | least squares (scikit-learn) |

Sources: temperature, Guo et al. 2017 (https://arxiv.org/abs/1706.04599); Platt 1999, with his
smoothed targets, which keep T, a and b finite when all or none are right; isotonic, Zadrozny and
Elkan 2002; for detectors, Kuzucu et al. 2024 (https://arxiv.org/abs/2405.20459).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scalewise.coco import Bools, Floats

EDGE = 1e-6  # scores are kept this far from 0 and 1, where logit is infinite
STEEPEST = 100.0  # slopes are kept between 1 / this and this

Method = Literal["temperature", "platt", "isotonic"]


@dataclass(frozen=True)
class Sigmoid:
    """sigmoid(slope * logit(score) + shift).

    Attributes:
        slope: above 0; 1 / T for a temperature T.
        shift: on the scale of logits.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, score: Floats) -> Floats:
        """[N] in [0, 1] for scores [N] in [0, 1]."""
        from scipy.special import expit

        return expit(self.slope * _logit(score) + self.shift)


@dataclass(frozen=True)
class Steps:
    """Straight lines between points, constant before the first and after the last.

    Attributes:
        score: [K] rising, at least one.
        value: [K] not falling.
    """

    score: Floats
    value: Floats

    def __call__(self, score: Floats) -> Floats:
        """[N] in [0, 1] for scores [N] in [0, 1]."""
        return np.interp(score, self.score, self.value)


Map = Sigmoid | Steps


def fit(method: Method, score: Floats, target: Floats | Bools) -> Map:
    """The map of a kind that makes scores fit their targets best.

    Args:
        method: temperature, platt or isotonic.
        score: [N] in [0, 1].
        target: [N] in [0, 1].

    Returns:
        The map; without detections the one that changes nothing. Of detections that are all
        right (or all wrong) temperature and platt approach 1 (0) with N, isotonic is constant.
    """
    if not len(score):
        return Sigmoid()
    fits: dict[str, Callable[[Floats, Floats], Map]] = {
        "temperature": _fit_temperature,
        "platt": _fit_platt,
        "isotonic": _fit_isotonic,
    }
    return fits[method](score, np.asarray(target, np.float64))


def _logit(score: Floats) -> Floats:
    from scipy.special import logit

    return logit(np.clip(score, EDGE, 1 - EDGE))


def _smoothed(target: Floats) -> Floats:
    """[N], targets between Platt's two: (positives + 1) / (positives + 2) for 1, ..."""
    positives = target.sum()
    low, high = 1 / (len(target) - positives + 2), (positives + 1) / (positives + 2)
    return low + (high - low) * target


def _log_loss(answer: Floats, target: Floats) -> float:
    """Mean of -y log p - (1 - y) log(1 - p) for p = sigmoid(answer)."""
    return float(np.mean(np.logaddexp(0, answer) - target * answer))


def _fit_temperature(score: Floats, target: Floats) -> Sigmoid:
    from scipy.optimize import minimize_scalar

    z, y = _logit(score), _smoothed(target)
    bound = float(np.log(STEEPEST))
    best = minimize_scalar(
        lambda log_slope: _log_loss(np.exp(log_slope) * z, y),
        bounds=(-bound, bound),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return Sigmoid(float(np.exp(best.x)))


def _fit_platt(score: Floats, target: Floats) -> Sigmoid:
    from scipy.optimize import minimize
    from scipy.special import expit

    z, y = _logit(score), _smoothed(target)

    def loss(at: Floats) -> tuple[float, Floats]:
        answer = at[0] * z + at[1]
        error = expit(answer) - y
        return _log_loss(answer, y), np.array([np.mean(error * z), np.mean(error)])

    best = minimize(
        loss,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / STEEPEST, STEEPEST), (None, None)],
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    return Sigmoid(float(best.x[0]), float(best.x[1]))


def _fit_isotonic(score: Floats, target: Floats) -> Steps:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(score, target)
    return Steps(fitted.X_thresholds_, fitted.y_thresholds_)


def in_order(new: Floats, old: Floats) -> Floats:
    """New scores that rise wherever the old ones do.

    Args:
        new: [N] above 0, not falling with `old` but for rounding.
        old: [N].

    Returns:
        [N], `new`, but lowered by units in the last place where different old scores have one
        new score. Equal old scores stay equal.
    """
    distinct, place = np.unique(old, return_inverse=True)
    level = np.empty(len(distinct))
    level[place] = new
    # The bits of floats above 0 rise with them: one step is one unit in the last place.
    rank = np.arange(len(level))
    bits = np.minimum.accumulate((level.view(np.int64) - rank)[::-1])[::-1] + rank
    return bits.view(np.float64)[place]
