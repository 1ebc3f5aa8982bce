"""TIDE and AP of every scale against hotcoco on random sets; needs the extra `dev`.

    PYTHONPATH=src python benchmarks/against_hotcoco.py --sets 200

hotcoco gives TIDE for one scale when that is its only area range. AP has its bits on every kind
of set. TIDE agrees within .05 points unless a set holds what the two take differently:

- tied scores: COCO takes equal scores of a class in the order of the images; hotcoco's TIDE has
  an order of its own for detections whose class is mended, so Cls differs and nothing else;
- tied IoUs, as with the same box twice in the truth: COCO takes the later object, and so do we;
- crowds: in hotcoco a detection badly on a crowd of its class is a Loc error; with tidecv we let
  ignored objects take no blame, and let a detection that only a crowd excuses point at an object
  beside it. With these two taken hotcoco's way, the deviations are 0.

With ties and crowds our `all` equals tidecv instead, to 1e-9 (tests/diagnosis/test_tide.py).
"""

import argparse
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scalewise.diagnosis import average_precision, tide
from scalewise.diagnosis.matching import match
from scalewise.scales import Scales

TESTS = Path(__file__).parents[1] / "tests" / "diagnosis" / "conftest.py"
MAIN = [kind.name for kind in tide.Kind]
NEAR = 0.05  # points
SCALES = Scales()


def cases_module() -> Any:
    """The random sets of the tests."""
    spec = importlib.util.spec_from_file_location("cases", TESTS)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sets(kind: str, count: int) -> Iterator[Any]:
    """Random truths and results without ties and crowds but for those of the kind's name."""
    cases = cases_module()
    for seed in range(count):
        crowd, doubles = kind == "crowds", kind == "tied IoUs"
        case = cases.random_case(seed, crowd=crowd, ties=doubles)
        rng = np.random.default_rng(seed)
        records = [dict(record) for record in case.results_document]
        for record in records:
            score = float(rng.uniform(0.01, 1))
            record["score"] = round(score, 1) + 0.01 if kind == "tied scores" else score
        yield cases.Case.of(case.truth_document, records)


def by_hotcoco(case: Any, bounds: list[float], name: str) -> dict[str, float]:
    """AP50 and the main costs of one scale, in points."""
    import hotcoco

    truth = hotcoco.COCO(case.truth_document)
    evaluation = hotcoco.COCOeval(truth, truth.load_res(case.results_document), "bbox")
    evaluation.params.area_rng, evaluation.params.area_rng_lbl = [bounds], [name]
    evaluation.evaluate()
    found = evaluation.tide_errors(0.5, 0.1)
    return {kind: 100 * found["delta_ap"][kind] for kind in MAIN}


def deviations(case: Any) -> list[list[float]]:
    """Of each scale with objects, by how much each main cost differs, in points."""
    found = tide.metrics(match(case.truth, case.results, SCALES), tide.Parameters())
    ranges = dict(zip(SCALES.groups, SCALES.ranges().tolist(), strict=True))
    made = []
    for name, costs in found.items():
        expected = by_hotcoco(case, ranges[name], name)
        made.append([abs(costs[kind] - expected[kind]) for kind in MAIN])
    return made


def same_bits(case: Any) -> bool:
    """Whether precision and recall of every IoU, class and scale are equal to the last bit."""
    own = average_precision.from_matching(match(case.truth, case.results, SCALES))
    other = average_precision.official(case.truth, case.results, SCALES, "hotcoco")
    pairs = [(own.precision, other.precision), (own.recall, other.recall)]
    return all(np.array_equal(one, two, equal_nan=True) for one, two in pairs)


def main() -> None:
    """Print a line a kind of set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=200, help="random sets of each kind")
    options = parser.parse_args()
    print(f"{options.sets} sets of each kind; deviations of main costs, points")
    print(f"{'':<14}AP the same bits   scales   within {NEAR}   worst of each cost")
    for kind in ("plain", "tied scores", "tied IoUs", "crowds"):
        bits, moved = 0, []
        for case in sets(kind, options.sets):
            bits += same_bits(case)
            moved += deviations(case)
        table = np.array(moved)
        within = (table <= NEAR).all(axis=1).mean()
        worst = zip(MAIN, table.max(axis=0), strict=True)
        told = " ".join(f"{name} {value:.3f}" for name, value in worst)
        print(f"{kind:<14}{bits:>16}{len(table):>9}{within:>14.1%}   {told}", flush=True)


if __name__ == "__main__":
    main()
