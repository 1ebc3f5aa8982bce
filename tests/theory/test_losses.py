import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scalewise.errors import InputError
from scalewise.theory import losses
from scalewise.theory.losses import Gaussian

SMOOTHINGS = (0, 0.01, 0.1, 0.5, 1)


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_the_decomposition_is_what_torch_computes(classes, smoothing):
    rng = np.random.default_rng(classes)
    for spread in (0.1, 3, 50):
        logits, label = rng.normal(0, spread, classes), int(rng.integers(classes))
        wanted = F.cross_entropy(
            torch.from_numpy(logits), torch.tensor(label), label_smoothing=smoothing
        )
        ours = losses.smoothed_cross_entropy(logits, label, smoothing)
        assert ours == pytest.approx(float(wanted), abs=1e-6)
    assert losses.difference_from_torch(classes, smoothing) < 1e-6


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_the_decomposition_is_the_cross_entropy_with_the_target(smoothing):
    logits = np.array([1.0, -2.0, 0.5, 3.0])
    target = losses.smoothed_target(4, smoothing)
    assert target.sum() == pytest.approx(1)
    direct = -(target * torch.from_numpy(logits).log_softmax(0).numpy()).sum()
    assert losses.smoothed_cross_entropy(logits, 0, smoothing) == pytest.approx(direct)


@pytest.mark.parametrize("classes", [2, 5, 100])
@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.4])
def test_descent_ends_at_the_optimal_gap(classes, smoothing):
    logits = torch.randn(classes, generator=torch.Generator().manual_seed(0)).double()
    logits.requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=300, tolerance_grad=1e-10, tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(logits, torch.tensor(0), label_smoothing=smoothing)
        loss.backward()
        return loss

    optimizer.step(closure)
    gaps = (logits[0] - logits[1:]).detach().numpy()
    np.testing.assert_allclose(gaps, losses.optimal_gap(classes, smoothing), atol=1e-4)
    assert closure().item() == pytest.approx(losses.least_loss(classes, smoothing), abs=1e-8)


def test_gaps_by_hand():
    """K = 10, e = .1: odds of .91 to .01 are 91."""
    assert losses.optimal_gap(10, 0.1) == pytest.approx(math.log(91))
    assert losses.optimal_gap(10, 1) == 0
    assert losses.optimal_gap(10, 0) == math.inf
    assert losses.least_loss(10, 0) == 0
    assert losses.least_loss(10, 1) == pytest.approx(math.log(10))


def test_loss_at_a_gap_is_the_loss_of_its_logits():
    gaps = np.array([-1.0, 0.0, 4.0])
    logits = np.zeros((3, 6))
    logits[:, 0] = gaps
    wanted = [losses.smoothed_cross_entropy(row, 0, 0.2) for row in logits]
    np.testing.assert_allclose(losses.loss_at_gap(gaps, 6, 0.2), wanted)


@pytest.mark.parametrize(("classes", "smoothing"), [(1, 0.1), (0, 0.1), (3, -0.1), (3, 1.1)])
def test_bad_smoothing_is_named(classes, smoothing):
    with pytest.raises(InputError, match="label smoothing: expected"):
        losses.smoothed_target(classes, smoothing)
    with pytest.raises(InputError, match="label smoothing: expected"):
        losses.optimal_gap(classes, smoothing)


def gaussians(seed):
    rng = np.random.default_rng(seed)
    return [Gaussian(rng.normal(0, 3), float(np.exp(rng.normal()))) for _ in range(2)]


@pytest.mark.parametrize("seed", range(20))
def test_closed_form_is_the_integral(seed):
    p, q = gaussians(seed)
    closed = losses.cross_entropy(p, q)
    assert losses.cross_entropy_by_integration(p, q) == pytest.approx(closed, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_sampling_comes_within_its_error(seed):
    p, q = gaussians(seed)
    value, error = losses.cross_entropy_by_sampling(p, q, 200_000, seed)
    assert abs(value - losses.cross_entropy(p, q)) < 4 * error
    assert error < 0.02 * abs(value) + 0.1


@pytest.mark.parametrize("seed", range(10))
def test_cross_entropy_is_entropy_and_divergence(seed):
    p, q = gaussians(seed)
    assert losses.cross_entropy(p, q) == pytest.approx(losses.entropy(p) + losses.divergence(p, q))
    assert losses.cross_entropy(p, p) == pytest.approx(losses.entropy(p))
    assert losses.divergence(p, p) == pytest.approx(0)
    assert losses.divergence(p, q) > 0
    torch_p, torch_q = (torch.distributions.Normal(g.mean, g.deviation) for g in (p, q))
    wanted = float(torch.distributions.kl_divergence(torch_p, torch_q))
    assert losses.divergence(p, q) == pytest.approx(wanted, rel=1e-4)


def test_equal_deviations_leave_the_squared_error():
    p, q = Gaussian(1.0, 0.7), Gaussian(3.0, 0.7)
    wanted = losses.entropy(p) + 4 / (2 * 0.49)
    assert losses.cross_entropy(p, q) == pytest.approx(wanted)


@pytest.mark.parametrize("values", [(0, 0), (0, -1), (math.nan, 1), (0, math.inf)])
def test_no_gaussian_without_a_deviation(values):
    with pytest.raises(InputError, match="deviation above 0"):
        Gaussian(*values)


def test_one_draw_has_no_error():
    with pytest.raises(InputError, match="2 draws or more"):
        losses.cross_entropy_by_sampling(Gaussian(), Gaussian(), 1)
