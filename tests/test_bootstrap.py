import numpy as np
import pytest

from scalewise import bootstrap
from scalewise.bootstrap import Parameters


def test_every_resample_draws_as_many_images_as_there_are():
    drawn = bootstrap.weights(7, Parameters(resamples=50))
    assert drawn.shape == (50, 7) and (drawn.sum(axis=1) == 7).all()
    assert len(np.unique(drawn, axis=0)) > 40


def test_the_seed_alone_decides():
    one, two, other = (bootstrap.weights(9, Parameters(resamples=5, seed=s)) for s in (3, 3, 4))
    assert (one == two).all() and (one != other).any()


def test_weights_equal_drawing_one_by_one():
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 6, (20, 6))
    expected = [[int((row == image).sum()) for image in range(6)] for row in drawn]
    assert bootstrap.weights(6, Parameters(resamples=20)).tolist() == expected


def test_no_images_give_an_empty_table():
    assert bootstrap.weights(0, Parameters(resamples=5)).shape == (5, 0)


def test_an_interval_of_a_mean_holds_it_as_often_as_it_says():
    """Means of 60 exponential numbers, whose true mean is 1: in 400 trials, .95 of the time."""
    rng, held = np.random.default_rng(1), 0
    drawn = bootstrap.weights(60, Parameters(resamples=400))
    for _ in range(400):
        low, high = bootstrap.interval(drawn @ rng.exponential(1, 60) / 60, 0.95)
        held += low <= 1 <= high
    assert 0.89 < held / 400 < 0.98


def test_undefined_resamples_are_left_out():
    """Of 0..100 the middle 95% runs from 2.5 to 97.5; the second column has no value at all."""
    values = np.stack([np.arange(101.0), np.full(101, np.nan)], axis=1)
    low, high = bootstrap.interval(np.vstack([values, [np.nan, np.nan]]), 0.95)
    assert low[0] == pytest.approx(2.5) and high[0] == pytest.approx(97.5)
    assert np.isnan(low[1]) and np.isnan(high[1])
