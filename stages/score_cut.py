"""score-cut@<detector>: what leaving out low scores does to AP, Miss, FP and ECE."""

from scalewise import coco, files, params
from scalewise.diagnosis import calibration, score_cut, tide
from scalewise.errors import run
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read predictions/<detector>, write metrics and the table."""
    cuts = params.read("score_cut", score_cut.Parameters)
    rules = params.read("tide", tide.Parameters), params.read("calibration", calibration.Parameters)
    truth = coco.read_truth(f"predictions/{detector}/test_truth.json")
    results = coco.read_results(f"predictions/{detector}/test.json", truth)
    table = score_cut.table(truth, results, params.read("scales", Scales), cuts, *rules)
    metrics = score_cut.metrics(table, results)
    files.write_metrics(f"metrics/{detector}/score_cut.json", metrics)
    files.write_table(f"plots/{detector}/score_cut.csv", table)
    of_all = table[table["group"] == "all"]
    shown = [f"{row.cut:g}: {row.Miss:.1f}" for row in of_all.itertuples()]
    print(f"{detector}: Miss at a cut of {', '.join(shown)}")


if __name__ == "__main__":
    run(main)
