import numpy as np
import pytest
from scipy import stats

from scalewise.errors import InputError
from scalewise.evaluation import seeds

RUNS = {
    "base": [{"PCK": 0.5}, {"PCK": 0.6}, {"PCK": 0.7}],
    "better": [{"PCK": 0.61}, {"PCK": 0.7}, {"PCK": 0.81}],
    "same": [{"PCK": 0.7}, {"PCK": 0.6}, {"PCK": 0.5}],
}


def test_by_hand():
    """.5 .6 .7: mean .6, s = .1, standard error .1 / sqrt(3) = .0577, t(2, .975) = 4.303."""
    row = seeds.table(RUNS, ["PCK"]).iloc[0]
    assert row["mean"] == pytest.approx(0.6) and row["n"] == 3
    assert row["high"] - row["mean"] == pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-4)
    assert np.isnan(row["change"]) and row["verdict"] == "noise"


def test_changes_are_paired_by_seed():
    table = seeds.table(RUNS, ["PCK"]).set_index("variant")
    assert table.loc["better", "change"] == pytest.approx((0.11 + 0.1 + 0.11) / 3)
    assert table["verdict"].tolist() == ["noise", "up", "noise"]
    turned = seeds.table(dict(reversed(RUNS.items())), ["PCK"]).set_index("variant")
    assert turned.loc["base", "verdict"] == "noise"


@pytest.mark.parametrize("seed", range(5))
def test_intervals_equal_scipys(seed):
    values = np.random.default_rng(seed).normal(size=int(3 + seed))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert seeds.interval(values) == pytest.approx((values.mean(), *expected))


def test_the_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = sum(low <= 2 <= high for _, low, high in
               (seeds.interval(rng.normal(2, 1, 3)) for _ in range(2000)))  # fmt: skip
    assert 0.93 < held / 2000 < 0.97


def test_one_seed_has_no_interval_and_other_counts_no_change():
    table = seeds.table({"a": [{"x": 1}], "b": [{"x": 2}, {"x": 3}]}, ["x"])
    assert table["low"].isna().tolist() == [True, False]
    assert table["change"].isna().all() and (table["verdict"] == "noise").all()


def test_metrics_leave_out_what_is_not_defined():
    found = seeds.metrics(seeds.table(RUNS, ["PCK"]))
    assert "change" not in found["base"]["PCK"]
    assert found["better"]["PCK"]["change"]["verdict"] == "up"


def test_no_runs_and_unknown_metrics():
    assert len(seeds.table({}, [])) == 0
    with pytest.raises(InputError, match=r"base: its metrics have no 'AP' \(choices: PCK\)"):
        seeds.table(RUNS, ["AP"])
