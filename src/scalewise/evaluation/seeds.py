"""The same model trained from several seeds: how far its numbers vary, and what a change does.

Intervals are Student's, over trainings: mean +- t * s / sqrt(n) with n - 1 degrees of freedom. A
change is compared with the base seed by seed, so that what a seed does to both falls out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scalewise.errors import InputError
from scalewise.records import Floats

LEVEL = 0.95


def table(runs: Mapping[str, Sequence[Mapping[str, Any]]], measures: Sequence[str]) -> pd.DataFrame:
    """One row a variant and measure.

    Args:
        runs: metrics of each seed, by variant; the first variant is the base.
        measures: names of the metrics to compare.

    Returns:
        variant, measure, n, mean, low, high; change, change_low, change_high against the base (NaN
        for the base itself, and where the numbers of seeds differ); verdict: up, down or noise.
        With one seed there is no interval.

    Raises:
        InputError: a run has no such metric.
    """
    base = next(iter(runs), "")
    rows = []
    for measure in measures:
        of_base = _values(runs, base, measure)
        for variant in runs:
            values = _values(runs, variant, measure)
            paired = variant != base and len(values) == len(of_base)
            change = values - of_base if paired else np.full(1, np.nan)
            rows.append((variant, measure, len(values), *interval(values), *interval(change)))
    columns = ["variant", "measure", "n", "mean", "low", "high"]
    found = pd.DataFrame(rows, columns=[*columns, "change", "change_low", "change_high"])
    return found.assign(verdict=[_verdict(row) for row in found.itertuples()])


def _values(runs: Mapping[str, Sequence[Mapping[str, Any]]], name: str, measure: str) -> Floats:
    try:
        return np.array([run[measure] for run in runs[name]], np.float64)
    except KeyError:
        known = ", ".join(runs[name][0])
        raise InputError(f"{name}: its metrics have no '{measure}' (choices: {known})") from None


def interval(values: Floats) -> tuple[float, float, float]:
    """Mean and the ends of its t interval; the ends are NaN for fewer than two values."""
    mean = float(values.mean()) if len(values) else np.nan
    if len(values) < 2:
        return mean, np.nan, np.nan
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values)
    return mean, mean - half, mean + half


def _verdict(row: Any) -> str:
    if row.change_low > 0:
        return "up"
    return "down" if row.change_high < 0 else "noise"


def metrics(found: pd.DataFrame) -> dict[str, Any]:
    """The table as nested metrics: variant, measure, numbers; what is not defined is left out."""
    result: dict[str, Any] = {}
    for row in found.itertuples():
        numbers = {"n": row.n, "mean": row.mean, "low": row.low, "high": row.high}
        if not np.isnan(row.change):
            numbers["change"] = {"mean": row.change, "low": row.change_low, "high": row.change_high,
                                 "verdict": row.verdict}  # fmt: skip
        result.setdefault(row.variant, {})[row.measure] = numbers
    return result
