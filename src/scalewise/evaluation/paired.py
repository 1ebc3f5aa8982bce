"""One statistic of two models on the same images: the difference, and whether it is noise.

Both are resampled with the same draws, so a difference is taken draw by draw: what both find hard
in an image cancels. With the difference d on the data and d* in a draw, d - (d* - d) is where the
truth lies if the data err as the draw does (the basic bootstrap). Source: Davison and Hinkley,
Bootstrap Methods and their Application, 1997, 5.2.
"""

from dataclasses import dataclass

import numpy as np

from scalewise import bootstrap
from scalewise.records import Floats

EQUAL = 1e-9  # differences up to here are rounding


@dataclass(frozen=True)
class Difference:
    """One statistic of two models.

    Attributes:
        before: of the baseline.
        after: of the other one.
        low: lower end of the interval of after - before.
        high: its upper end.
        real: in [0, 1], the share of the reflected differences above 0 less that below 0, without
            its sign (1 - p of the two-sided bootstrap test that there is none).
        verdict: `better`, `worse` or `noise`: 0 lies within the interval.
    """

    before: float
    after: float
    low: float
    high: float
    real: float
    verdict: str

    @property
    def change(self) -> float:
        """After - before."""
        return self.after - self.before


def difference(before: Floats, after: Floats, level: float, lower: bool = False) -> Difference:
    """Compare two models' values of one statistic.

    Args:
        before: [1 + B], of the baseline: on the data, then in each draw; NaN where not defined.
        after: the same of the other one, with the same draws.
        level: share of the draws inside the interval.
        lower: whether a lower value is better.
    """
    found, *drawn = after - before
    moved = 2 * found - np.array(drawn)
    moved = np.where(np.abs(moved) <= EQUAL, 0.0, moved)
    low, high = (float(end) for end in bootstrap.interval(moved, level))
    signs = np.sign(moved[~np.isnan(moved)])
    real = float(abs(signs.mean())) if len(signs) else 0.0
    verdict = "noise" if real <= level else "better" if (found < 0) == lower else "worse"
    return Difference(float(before[0]), float(after[0]), low, high, real, verdict)
