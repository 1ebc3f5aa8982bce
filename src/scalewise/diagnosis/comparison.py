"""Two detectors on the same images: what differs, and which differences are noise.

Every detector is resampled with the same draws of images, so a difference is taken draw by
draw (paired): what both find hard in an image cancels. With the difference d on the data and d*
in a draw, d - (d* - d) is where the truth lies if the data err as the draw does (the basic
bootstrap, see `bootstrap`). These reflected differences give the interval and the probability
that a difference is real, which is 1 - p of the two-sided bootstrap test that it is 0:

    real = abs(share of the reflected differences above 0 - share below 0)

It is 0 when as many draws say more as say less, and passes .95 just where the 95% interval of
the difference leaves 0 out. It says nothing of the difference's size. Of a hundred differences
between two detectors that are equally good, about five pass .95 by chance.

Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, 4.4 and 5.2.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from scalewise.coco import Floats, Truth, select
from scalewise.diagnosis.whole import Measured
from scalewise.errors import InputError

EQUAL = 1e-9  # differences up to here are rounding


@dataclass(frozen=True)
class Difference:
    """One statistic of two detectors.

    Attributes:
        before: of the baseline.
        after: of the other one.
        low: lower end of the interval of after - before.
        high: its upper end.
        real: in [0, 1], see the module; 0 where the two are the same in every draw.
        level: share of the resamples inside the interval.
    """

    before: float
    after: float
    low: float
    high: float
    real: float
    level: float

    @property
    def change(self) -> float:
        """After - before."""
        return self.after - self.before

    @property
    def is_noise(self) -> bool:
        """Whether 0 lies within the interval: the difference may be none."""
        return self.real <= self.level


def differences(before: Measured, after: Measured) -> dict[str, Difference]:
    """Every statistic that both have, by the name its samples have.

    Args:
        before: the baseline.
        after: measured on the same images in the same order, by the same rules.
    """
    one, other = before.values(), after.values()
    tails = [(1 - before.level) / 2, (1 + before.level) / 2]
    made = {}
    for name in [name for name in one if name in other]:
        moved = reflected(before.samples[name].to_numpy(), after.samples[name].to_numpy())
        if len(moved):
            low, high = np.quantile(moved, tails)
            made[name] = Difference(
                before=one[name],
                after=other[name],
                low=float(low),
                high=float(high),
                real=probability(moved),
                level=before.level,
            )
    return made


def probability(moved: Floats) -> float:
    """The probability in [0, 1] that reflected differences [B] are not noise; 0 without any."""
    return float(abs(np.mean(np.sign(moved)))) if len(moved) else 0.0


def reflected(before: Floats, after: Floats) -> Floats:
    """The reflected differences of one statistic where both are defined, at most [B].

    Args:
        before: [1 + B], of the baseline: on the data, then in each draw; NaN where undefined.
        after: the same of the other detector.
    """
    found, *drawn = after - before
    drawn = np.array(drawn)[~np.isnan(drawn)]
    moved = 2 * found - drawn
    return np.where(np.abs(moved) <= EQUAL, 0.0, moved)


def verdict(name: str, difference: Difference) -> str:
    """`noise`, `better` (AP up, costs and ECE down), `worse`, or `moved` (the signed gap)."""
    if difference.is_noise:
        return "noise"
    if name.startswith("gap."):
        return "moved"
    lower_is_better = name.startswith(("tide.", "ece.")) and not name.endswith(".AP50")
    return "better" if (difference.change < 0) == lower_is_better else "worse"


def document(compared: Mapping[str, Mapping[str, Difference]]) -> dict[str, object]:
    """For JSON: by detector and statistic before, after, change, low, high, real, verdict."""
    return {
        detector: {
            name: {
                **{k: v for k, v in asdict(found).items() if k != "level"},
                "change": found.change,
                "verdict": verdict(name, found),
            }
            for name, found in of_detector.items()
        }
        for detector, of_detector in compared.items()
    }


def in_order_of(truth: Truth, reference: Truth) -> Truth:
    """A truth with its images in the order of another one, so that their resamples pair.

    Raises:
        InputError: the two are not about the same images.
    """
    own, wanted = set(truth.image_ids.tolist()), set(reference.image_ids.tolist())
    if own != wanted:
        only = sorted(own ^ wanted)
        raise InputError(
            f"{truth.source} and {reference.source} are about different images "
            f"({len(own):,} and {len(wanted):,}; {len(only):,} in one alone, e.g. id {only[0]}), "
            "so there is nothing to compare"
        )
    place = {image_id: n for n, image_id in enumerate(truth.image_ids.tolist())}
    return select(truth, [place[image_id] for image_id in reference.image_ids.tolist()])


def truth_changes(truth: Truth, reference: Truth) -> str:
    """How two truths on the same images in the same order differ, in words; empty if not."""
    told = []
    if truth.category_names != reference.category_names:
        told.append(f"categories {', '.join(truth.category_names)}")
    if len(truth) != len(reference):
        told.append(f"{len(truth):,} annotations for {len(reference):,}")
    elif _objects(truth) != _objects(reference):
        told.append("the same number of annotations with other boxes, classes or areas")
    if not told:
        return ""
    return f"{truth.source} differs from {reference.source}: {', '.join(told)}"


def _objects(truth: Truth) -> list[tuple[float, ...]]:
    columns = [truth.image, truth.category, truth.boxes, truth.areas, truth.ignore]
    return sorted(map(tuple, np.column_stack(columns).tolist()))
