"""tide@<detector>: what kind of error costs how much AP, for each scale; tidecv beside it."""

from scalewise import coco, files, params
from scalewise.diagnosis import tide, tide_costs, tidecv_reference
from scalewise.diagnosis.matching import match
from scalewise.errors import run
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read predictions/<detector>, write metrics and the errors' table."""
    parameters = params.read("tide", tide.Parameters)
    truth = coco.read_truth(f"predictions/{detector}/test_truth.json")
    results = coco.read_results(f"predictions/{detector}/test.json", truth)
    scales = params.read("scales", Scales)
    matching = match(truth, results, scales, [parameters.iou], parameters.background_iou)
    metrics = {
        **tide.metrics(matching, parameters),
        "share": tide.shares(matching, parameters),
        "tidecv": tidecv_reference.metrics(matching, parameters),
    }
    files.write_metrics(f"metrics/{detector}/tide.json", metrics)
    errors = tide_costs.table(matching, parameters)
    files.write_table(f"plots/{detector}/tide_errors.csv", errors)
    shown = ", ".join(f"{name} {value:.2f}" for name, value in metrics["all"].items())
    print(f"{detector}: {shown}")


if __name__ == "__main__":
    run(main)
