"""keypoints@<model>: PCK and distances in pixels, with intervals, and the data's own ceiling."""

import pandas as pd

from scalewise import bootstrap, coco_keypoints, files, params
from scalewise.errors import run
from scalewise.evaluation import ceiling, pck
from scalewise.evaluation.keypoint_distances import distances


def main(model: str) -> None:
    """Read predictions/<model>, write metrics and the curve's table."""
    parameters = params.read("pck", pck.Parameters)
    resampling = params.read("bootstrap", bootstrap.Parameters)
    truth = coco_keypoints.read_truth(f"predictions/{model}/test_truth.json")
    results = coco_keypoints.read_results(f"predictions/{model}/test.json", truth)
    found = distances(truth, results, parameters.reference)
    metrics, curve = pck.metrics(found, parameters, resampling), pck.curve(found, resampling)
    if pairs := truth.ambiguous:
        metrics["ceiling"] = ceiling.metrics(truth, parameters, pairs)
        curve = pd.concat([curve, ceiling.curve(truth, parameters.reference, pairs)])
    files.write_metrics(f"metrics/{model}/keypoints.json", metrics)
    files.write_table(f"plots/{model}/pck.csv", curve)
    shown = [f"{name} {value:.3f}" for name, value in metrics.items() if name.startswith("PCK")]
    print(f"{model}: {', '.join(shown)}, {metrics[pck.MEDIAN]:.2f} px in the median")


if __name__ == "__main__":
    run(main)
