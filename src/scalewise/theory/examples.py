"""The tables behind the pictures of the theory, and how far each identity is from its check."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import nn

from scalewise.theory import cost, gradients, losses, receptive_field, windows
from scalewise.theory.losses import Gaussian

CLASSES = (2, 10, 100, 1000)
SMOOTHINGS = (0.0, 0.01, 0.1, 0.3)
KERNEL = 3
DILATIONS = (1, 2, 4, 8, 16)  # of the layers of a stack, each twice the one before
SIDE, CHANNELS = 56, 64  # of the map on which a layer's cost is counted
MEAN_APART = 1.0  # of the two Gaussians whose deviations differ
DRAWS = 2000  # a point; few enough for the pictures to show the error


def smoothed_losses(classes: int = 10) -> pd.DataFrame:
    """The loss of logits (gap, 0, ..., 0): `smoothing`, `gap`, `loss`, and where it is least.

    `optimal` is that gap and `least` the loss there, repeated in each row; an infinite gap is
    left empty.
    """
    gaps = np.linspace(0, 12, 97)
    parts = []
    for smoothing in SMOOTHINGS:
        optimal = losses.optimal_gap(classes, smoothing)
        parts.append(
            pd.DataFrame(
                {
                    "smoothing": smoothing,
                    "gap": gaps,
                    "loss": losses.loss_at_gap(gaps, classes, smoothing),
                    "optimal": optimal if np.isfinite(optimal) else np.nan,
                    "least": losses.least_loss(classes, smoothing),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def optimal_gaps() -> pd.DataFrame:
    """The optimal logit gap: `classes`, `smoothing`, `gap`."""
    rows = product(CLASSES, np.geomspace(0.001, 1, 61))
    return pd.DataFrame(
        [(k, e, losses.optimal_gap(k, e)) for k, e in rows],
        columns=["classes", "smoothing", "gap"],
    )


def gaussian_costs(seed: int = 0) -> pd.DataFrame:
    """Cross-entropy of N(0, 1) under a q whose mean or deviation is `varied` to `value`.

    `cross_entropy` is `entropy` + `divergence`, in nats; `integrated` and `sampled` are the
    same by quadrature and by a mean over draws, whose standard error is `error`.
    """
    means = [("mean", Gaussian(m, 1.0), m) for m in np.linspace(-3, 3, 25)]
    wide = [("deviation", Gaussian(MEAN_APART, s), s) for s in np.geomspace(0.6, 5, 25)]
    p, rows = Gaussian(), []
    for n, (varied, q, value) in enumerate([*means, *wide]):
        sampled, error = losses.cross_entropy_by_sampling(p, q, DRAWS, seed + n)
        rows.append(
            {
                "varied": varied,
                "value": value,
                "cross_entropy": losses.cross_entropy(p, q),
                "entropy": losses.entropy(p),
                "divergence": losses.divergence(p, q),
                "integrated": losses.cross_entropy_by_integration(p, q),
                "sampled": sampled,
                "error": error,
            }
        )
    return pd.DataFrame(rows)


def dilated_stacks() -> pd.DataFrame:
    """Stacks of 1, 2, ... convolutions with dilations 1, 2, 4, ...: one row a stack.

    `layers`, the `dilation` of the last, its field in pixels by the formula (`formula`), by
    following the module (`followed`), by the gradient (`measured`) and by multiplying the
    dilations (`mistaken`); `multiply_adds` of the last layer, counted on a map of `SIDE` x
    `SIDE` x `CHANNELS`, and `by_hand`.
    """
    costs = cost.by_dilation(DILATIONS, SIDE, CHANNELS, KERNEL)
    by_hand = cost.of_convolution(SIDE, SIDE, (CHANNELS, CHANNELS), KERNEL)
    rows = []
    for depth in range(1, len(DILATIONS) + 1):
        kernels, dilations = (KERNEL,) * depth, DILATIONS[:depth]
        formula = windows.stacked(kernels, (1,) * depth, dilations)
        stack, size = _stack(dilations), (2 * formula, 2 * formula)
        (first, last), _ = gradients.measured(stack, "", size, channels=1)
        rows.append(
            {
                "layers": depth,
                "dilation": dilations[-1],
                "formula": formula,
                "followed": receptive_field.uncut(stack, size, "", channels=1).rows.size,
                "measured": last - first + 1,
                "mistaken": windows.dilations_as_strides(kernels, dilations),
                "multiply_adds": costs[dilations[-1]],
                "by_hand": by_hand,
            }
        )
    return pd.DataFrame(rows)


def _stack(dilations: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(
        *(
            nn.Conv2d(1, 1, KERNEL, dilation=r, padding="same", bias=False, dtype=torch.float64)
            for r in dilations
        )
    )


def tables() -> dict[str, pd.DataFrame]:
    """All of the above by name."""
    made = (smoothed_losses, optimal_gaps, gaussian_costs, dilated_stacks)
    return {make.__name__: make() for make in made}


def metrics(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, float]]:
    """How far each identity is from its check, and the deepest stack's fields.

    `torch_difference` and `integration_difference` are the largest absolute differences, in
    nats; `sampling_errors` the largest difference from Monte Carlo, in standard errors.
    """
    gaussians, stacks = tables["gaussian_costs"], tables["dilated_stacks"]
    away = (gaussians["sampled"] - gaussians["cross_entropy"]).abs() / gaussians["error"]
    integrated = (gaussians["integrated"] - gaussians["cross_entropy"]).abs()
    deepest = stacks.iloc[-1]
    return {
        "label_smoothing": {
            "torch_difference": max(
                losses.difference_from_torch(k, e) for k, e in product(CLASSES, SMOOTHINGS)
            ),
            "optimal_gap": losses.optimal_gap(10, 0.1),
        },
        "gaussian": {
            "integration_difference": float(integrated.max()),
            "sampling_errors": float(away.max()),
        },
        "dilation": {
            **{name: int(deepest[name]) for name in ("formula", "measured", "mistaken")},
            "cost_of_dense": float(deepest["multiply_adds"] / stacks["multiply_adds"].iloc[0]),
        },
    }
