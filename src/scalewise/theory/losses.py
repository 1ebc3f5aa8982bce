"""Two cross-entropies in closed form: smoothed labels, and one Gaussian under another.

Everything is in nats. Each formula stands beside an independent way to the same number, so that
it can be checked where it is used.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.integrate import quad

from scalewise.errors import InputError

Floats = NDArray[np.float64]

TAIL = 12.0  # deviations about the mean that integration covers; e^-72 lies beyond


# Label smoothing (Szegedy et al. 2016, arXiv 1512.00567, section 7) -------------------------


def smoothed_target(classes: int, smoothing: float) -> Floats:
    """[K] probabilities asked for when the true class is the first: 1 - e + e/K, then e/K.

    Args:
        classes: K, 2 or more.
        smoothing: e in [0, 1].

    Raises:
        InputError: either is out of its range.
    """
    _check_smoothing(classes, smoothing)
    target = np.full(classes, smoothing / classes)
    target[0] += 1 - smoothing
    return target


def smoothed_cross_entropy(logits: Floats, label: int, smoothing: float) -> float:
    """(1 - e) * CE(label) + e * mean over the classes of CE(class).

    Args:
        logits: [K].
        label: the true class, from 0.
        smoothing: e in [0, 1].
    """
    _check_smoothing(len(logits), smoothing)
    costs = np.logaddexp.reduce(logits) - logits  # [K] cross-entropy if that class were true
    return float((1 - smoothing) * costs[label] + smoothing * costs.mean())


def optimal_gap(classes: int, smoothing: float) -> float:
    """By how much the true logit exceeds each other one where the loss is least.

    There softmax equals the target, so the gap is the logarithm of the target's odds:
    ln((1 - e + e/K) / (e/K)) = ln((1 - e) K / e + 1). Without smoothing it is infinite.
    """
    _check_smoothing(classes, smoothing)
    if smoothing == 0:
        return math.inf
    return math.log((1 - smoothing) * classes / smoothing + 1)


def least_loss(classes: int, smoothing: float) -> float:
    """The smoothed loss at the optimal gap: the entropy of the target, above 0 for e > 0."""
    target = smoothed_target(classes, smoothing)
    present = target[target > 0]
    return float(-(present * np.log(present)).sum()) + 0.0  # no minus zero


def loss_at_gap(gap: Floats, classes: int, smoothing: float) -> Floats:
    """[N] smoothed loss of logits (gap, 0, ..., 0) for gaps [N]."""
    _check_smoothing(classes, smoothing)
    total = np.logaddexp(gap, math.log(classes - 1))
    return total - (1 - smoothing + smoothing / classes) * gap


def difference_from_torch(classes: int, smoothing: float, seed: int = 0) -> float:
    """|ours - torch.nn.functional.cross_entropy(label_smoothing=e)| for random logits."""
    logits = np.random.default_rng(seed).normal(0, 3, classes)
    wanted = F.cross_entropy(
        torch.from_numpy(logits), torch.tensor(classes - 1), label_smoothing=smoothing
    )
    return abs(smoothed_cross_entropy(logits, classes - 1, smoothing) - float(wanted))


def _check_smoothing(classes: int, smoothing: float) -> None:
    if classes < 2:
        raise InputError(f"label smoothing: expected 2 classes or more, got {classes}")
    if not 0 <= smoothing <= 1:
        raise InputError(f"label smoothing: expected e in [0, 1], got {smoothing}")


# Gaussians (Bishop 2006, exercise 1.30) -----------------------------------------------------


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution of one variable.

    Attributes:
        mean: any finite number.
        deviation: standard deviation, above 0.
    """

    mean: float = 0.0
    deviation: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.deviation < math.inf):
            raise InputError(
                "Gaussian: expected a finite mean and a deviation above 0, got "
                f"{self.mean} and {self.deviation}"
            )

    def log_density(self, x: Floats) -> Floats:
        """Logarithm of the density at x, any shape."""
        scaled = (np.asarray(x) - self.mean) / self.deviation
        return -0.5 * scaled**2 - math.log(self.deviation * math.sqrt(2 * math.pi))


def entropy(p: Gaussian) -> float:
    """.5 ln(2 pi e s_p^2); negative for a narrow p."""
    return 0.5 * math.log(2 * math.pi * math.e * p.deviation**2)


def divergence(p: Gaussian, q: Gaussian) -> float:
    """KL(p || q) = ln(s_q / s_p) + (s_p^2 + (m_p - m_q)^2) / (2 s_q^2) - .5; 0 or more."""
    spread = p.deviation**2 + (p.mean - q.mean) ** 2
    return math.log(q.deviation / p.deviation) + spread / (2 * q.deviation**2) - 0.5


def cross_entropy(p: Gaussian, q: Gaussian) -> float:
    """-E_p[ln q] = .5 ln(2 pi s_q^2) + (s_p^2 + (m_p - m_q)^2) / (2 s_q^2).

    It is `entropy(p) + divergence(p, q)`. For equal deviations s it is
    entropy(p) + (m_p - m_q)^2 / (2 s^2): the squared error, up to a constant.
    """
    spread = p.deviation**2 + (p.mean - q.mean) ** 2
    return 0.5 * math.log(2 * math.pi * q.deviation**2) + spread / (2 * q.deviation**2)


def cross_entropy_by_integration(p: Gaussian, q: Gaussian) -> float:
    """The same by adaptive quadrature of -p ln q over `TAIL` deviations about p's mean."""
    value, _ = quad(
        lambda x: -np.exp(p.log_density(x)) * q.log_density(x),
        p.mean - TAIL * p.deviation,
        p.mean + TAIL * p.deviation,
        epsabs=1e-11,
        epsrel=1e-11,
        limit=200,
    )
    return float(value)


def cross_entropy_by_sampling(
    p: Gaussian, q: Gaussian, draws: int, seed: int = 0
) -> tuple[float, float]:
    """The same as a mean over draws from p, 2 or more, and that mean's standard error."""
    if draws < 2:
        raise InputError(f"Monte Carlo: expected 2 draws or more, got {draws}")
    costs = -q.log_density(np.random.default_rng(seed).normal(p.mean, p.deviation, draws))
    return float(costs.mean()), float(costs.std(ddof=1) / math.sqrt(draws))
