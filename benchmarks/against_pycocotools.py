"""The whole diagnosis and the bootstrap against pycocotools, in one run on one core.

    PYTHONPATH=src python benchmarks/against_pycocotools.py TRUTH.json RESULTS.json

pycocotools: COCOeval's evaluate and accumulate. Diagnosis: matching, AP, TIDE for all and each
scale, calibration. Bootstrap: 1,000 resamples of everything with its intervals. Reading files is
in neither. Then what both find, to show that it is the same.
"""

import argparse
import contextlib
import io
import time
from typing import Any

from scalewise import coco
from scalewise.diagnosis import average_precision, bootstrap, calibration, tide
from scalewise.diagnosis.matching import Matching, match
from scalewise.errors import told_plainly
from scalewise.files import read_json
from scalewise.scales import Scales

STATISTICS = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")
STATISTICS += ("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large")
TIDE_RULES, CALIBRATION_RULES = tide.Parameters(), calibration.Parameters()


def official(truth: dict[str, Any], results: list[dict[str, Any]]) -> tuple[float, list[float]]:
    """Seconds of pycocotools' evaluate and accumulate, and its twelve statistics."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = truth
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(results), "bbox")
        start = time.perf_counter()
        evaluation.evaluate()
        evaluation.accumulate()
        seconds = time.perf_counter() - start
        evaluation.summarize()
    return seconds, evaluation.stats.tolist()


def diagnosis(truth: coco.Truth, results: coco.Results) -> tuple[Matching, dict[str, Any]]:
    """The matching, and every number made from it."""
    ious = bootstrap.needed_ious(TIDE_RULES, CALIBRATION_RULES)
    matching = match(truth, results, Scales(), ious)
    made = average_precision.statistics(average_precision.from_matching(matching))
    return matching, {
        **made,
        "tide": tide.metrics(matching, TIDE_RULES),
        "calibration": calibration.metrics(matching, CALIBRATION_RULES),
    }


def main() -> None:
    """Print times, ratios and the twelve statistics."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth", help="COCO truth, JSON or gzip")
    parser.add_argument("results", help="COCO results, JSON or gzip")
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    truth_document, results_document = read_json(options.truth), read_json(options.results)
    truth = coco.parse_truth(truth_document, options.truth)
    results = coco.parse_results(results_document, truth, options.results)

    start = time.perf_counter()
    matching, found = diagnosis(truth, results)
    own = time.perf_counter() - start
    parameters = bootstrap.Parameters(resamples=options.resamples)
    start = time.perf_counter()
    bootstrap.metrics(matching, parameters, TIDE_RULES, CALIBRATION_RULES)
    resampled = time.perf_counter() - start
    reference, expected = official(truth_document, results_document)

    print(f"{len(truth.image_ids):,} images, {len(truth):,} objects, {len(results):,} detections")
    print(f"pycocotools           {reference:7.2f} s")
    print(f"whole diagnosis       {own:7.2f} s, {reference / own:.1f} times faster")
    name = f"{options.resamples:,} resamples"
    print(f"{name:<22}{resampled:7.2f} s, {reference / resampled:.1f} times faster")
    for name, value in zip(STATISTICS, expected, strict=True):
        same = "the same bits" if found.get(name, -1) == value else f"pycocotools {value!r}"
        print(f"{name:<10}{found.get(name, -1):8.5f}  {same}")
    for group, costs in found["tide"].items():
        print(f"TIDE {group:<8}" + " ".join(f"{k} {v:.2f}" for k, v in costs.items()))
    shown = found["calibration"]["ece"].items()
    print("ECE " + " ".join(f"{group} {value:.4f}" for group, value in shown))


if __name__ == "__main__":
    with told_plainly():
        main()
