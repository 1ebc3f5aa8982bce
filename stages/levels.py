"""levels@<detector>: which pyramid level finds which object size."""

from scalewise import coco, files, params
from scalewise.diagnosis import levels
from scalewise.diagnosis.matching import match
from scalewise.errors import run
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read predictions/<detector>, write metrics and the counts."""
    truth = coco.read_truth(f"predictions/{detector}/test_truth.json")
    results = coco.read_results(f"predictions/{detector}/test.json", truth)
    matching = match(truth, results, params.read("scales", Scales), [levels.IOU])
    files.write_metrics(f"metrics/{detector}/levels.json", levels.metrics(matching))
    table = levels.table(matching)
    files.write_table(f"plots/{detector}/levels.csv", table)
    print(f"{detector}: {table['count'].sum()} objects found")


if __name__ == "__main__":
    run(main)
