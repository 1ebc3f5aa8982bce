"""recalibrate@<detector>: scores mapped by what val teaches, and what that does on test.

Without val the folds of test teach each other.
"""

import math
from pathlib import Path

from scalewise import coco, files, params
from scalewise.coco import Floats
from scalewise.diagnosis import calibration, recalibration
from scalewise.diagnosis.matching import Matching, match
from scalewise.errors import run
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read predictions/<detector>, write metrics, the diagrams' table and the maps."""
    parameters = params.read("recalibration", recalibration.Parameters)
    rules = params.read("calibration", calibration.Parameters)
    scales = params.read("scales", Scales)
    split = Path("predictions") / detector / "val.json"
    val = matched(detector, "val", scales, [rules.iou]) if split.exists() else None
    test = matched(detector, "test", scales, recalibration.needed_ious(rules))
    outcomes = recalibration.study(val, test, parameters, rules)
    metrics = recalibration.metrics(outcomes, scales, parameters, rules)
    files.write_metrics(f"metrics/{detector}/recalibration.json", metrics)
    plots = Path("plots") / detector
    diagrams = recalibration.reliability(outcomes, scales, rules.bins)
    files.write_table(plots / "recalibration.csv", diagrams)
    files.write_table(plots / "recalibration_maps.csv", recalibration.maps_table(outcomes))
    by = parameters.by[0]
    blocks = {"before": metrics["before"], **{m: metrics[m][by] for m in parameters.methods}}
    shown = [f"{name} {block['ece'].get('all', math.nan):.3f}" for name, block in blocks.items()]
    print(f"{detector}: ECE {', '.join(shown)} (fitted on {metrics['fitted_on']})")


def matched(detector: str, split: str, scales: Scales, ious: list[float] | Floats) -> Matching:
    """A split's detections on its truth."""
    folder = Path("predictions") / detector
    truth = coco.read_truth(folder / f"{split}_truth.json")
    results = coco.read_results(folder / f"{split}.json", truth)
    return match(truth, results, scales, ious)


if __name__ == "__main__":
    run(main)
