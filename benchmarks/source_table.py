"""The numbers of the study that this project set out from, under its own rules.

    PYTHONPATH=src python benchmarks/source_table.py TRUTH.json RESULTS.json

Truth and detections filtered by box area at 36 and 96 pixels, tidecv as it is; calibration by
counting, without IoU. Beside them the same numbers under sound rules at the same bounds.
"""

import argparse

from scalewise import coco
from scalewise.diagnosis import calibration, source_rules, tide
from scalewise.diagnosis.matching import match
from scalewise.errors import told_plainly


def main() -> None:
    """Print AP50 and TIDE by scale, and ECE, under both rules."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth", help="COCO truth, JSON or gzip")
    parser.add_argument("results", help="COCO results, JSON or gzip")
    options = parser.parse_args()
    truth = coco.read_truth(options.truth)
    results = coco.read_results(options.results, truth)
    rules = calibration.Parameters()
    matching = match(truth, results, source_rules.SCALES, calibration.thresholds(rules))
    tables = {
        "its rules": (
            source_rules.filtered_tide(truth, results),
            source_rules.counted_calibration(truth, results),
        ),
        "sound rules": (
            tide.metrics(matching, tide.Parameters()),
            calibration.metrics(matching, rules),
        ),
    }
    for name, (costs, calibrated) in tables.items():
        print(name)
        for group, values in costs.items():
            print(f"  TIDE {group:<8}" + " ".join(f"{k} {v:.2f}" for k, v in values.items()))
        shown = calibrated["ece"].items()
        print("  ECE " + " ".join(f"{group} {value:.4f}" for group, value in shown))


if __name__ == "__main__":
    with told_plainly():
        main()
