"""intervals@<detector>: how far each number would move on other images."""

from scalewise import coco, files, params
from scalewise.diagnosis import bootstrap, calibration, tide
from scalewise.diagnosis.matching import match
from scalewise.errors import run
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read predictions/<detector>, write metrics."""
    parameters = params.read("bootstrap", bootstrap.Parameters)
    tide_rules = params.read("tide", tide.Parameters)
    calibration_rules = params.read("calibration", calibration.Parameters)
    scales = params.read("scales", Scales)
    truth = coco.read_truth(f"predictions/{detector}/test_truth.json")
    results = coco.read_results(f"predictions/{detector}/test.json", truth)
    ious = bootstrap.needed_ious(tide_rules, calibration_rules)
    matching = match(truth, results, scales, ious, tide_rules.background_iou)
    metrics = bootstrap.metrics(matching, parameters, tide_rules, calibration_rules)
    files.write_metrics(f"metrics/{detector}/intervals.json", metrics)
    low, high = metrics["AP"]["low"], metrics["AP"]["high"]
    print(f"{detector}: AP in {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    run(main)
