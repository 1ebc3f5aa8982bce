"""calibration@<detector>: how far scores are from precision, for each scale."""

from pathlib import Path

from scalewise import coco, files, params
from scalewise.coco import Floats
from scalewise.diagnosis import calibration, lrp
from scalewise.diagnosis.matching import match
from scalewise.errors import run
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read predictions/<detector>, write metrics and the diagram's table."""
    parameters = params.read("calibration", calibration.Parameters)
    scales = params.read("scales", Scales)
    truth = coco.read_truth(f"predictions/{detector}/test_truth.json")
    results = coco.read_results(f"predictions/{detector}/test.json", truth)
    matching = match(truth, results, scales, calibration.thresholds(parameters))
    metrics = calibration.metrics(matching, parameters, tuned(detector, scales))
    files.write_metrics(f"metrics/{detector}/calibration.json", metrics)
    diagram = calibration.reliability(matching, parameters)
    files.write_table(f"plots/{detector}/reliability.csv", diagram)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics["ece"].items())
    print(f"{detector}: ECE {shown}")


def tuned(detector: str, scales: Scales) -> Floats | None:
    """The classes' score thresholds for laece0, where val was predicted."""
    folder = Path("predictions") / detector
    if not (folder / "val.json").exists():
        return None
    truth = coco.read_truth(folder / "val_truth.json")
    results = coco.read_results(folder / "val.json", truth)
    return lrp.thresholds(match(truth, results, scales, [lrp.IOU]))


if __name__ == "__main__":
    run(main)
