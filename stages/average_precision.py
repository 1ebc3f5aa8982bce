"""average-precision@<detector>: COCO's statistics by the official engine, and the PR curves."""

from pathlib import Path

from scalewise import coco, files, params
from scalewise.diagnosis import average_precision as ap
from scalewise.errors import run
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read predictions/<detector>, write metrics and plots."""
    scales = params.read("scales", Scales)
    engine = params.read("evaluation", ap.Parameters).engine
    truth = coco.read_truth(f"predictions/{detector}/test_truth.json")

    def evaluated(name: str) -> ap.Accumulated:
        results = coco.read_results(f"predictions/{detector}/{name}.json", truth)
        return ap.official(truth, results, scales, engine)

    found = evaluated("test")
    metrics = {**ap.statistics(found), "class": ap.per_class(found)}
    if Path(f"predictions/{detector}/ceiling.json").exists():
        best = ap.statistics(evaluated("ceiling"))
        metrics["ceiling"] = {name: best[name] for name in ("AP", "AP50")}
    files.write_metrics(f"metrics/{detector}/average_precision.json", metrics)
    files.write_table(f"plots/{detector}/precision_recall.csv", ap.precision_recall(found))
    print(f"{detector}: AP {metrics['AP']:.3f}, AP50 {metrics['AP50']:.3f}")


if __name__ == "__main__":
    run(main)
