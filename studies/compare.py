"""All variants of a study side by side: `compare.py <study> <variant>...`, the first is the base.

Reads studies/results/<study>/*.json; writes studies/metrics/<study>.json and a picture. Intervals
are over seeds: t intervals of the mean, and of the mean difference from the base, seed by seed.
"""

from pathlib import Path

from scalewise.errors import InputError, run
from scalewise.evaluation import seeds
from scalewise.files import read_json, write_metrics
from scalewise.report import seeds as picture
from scalewise.report import style

HERE = Path(__file__).parent
OF_CLASSES = ("accuracy", "f1_macro", "loss", "ece")
OF_MAPS = ("mIoU", "pixel_accuracy", "loss")
MEASURES = {
    "keypoints": ("PCK_05", "PCK_10", "PCK_20", "error_px_mean", "error_px_median"),
    "classification": OF_CLASSES,
    "segmentation": OF_MAPS,
    "wildlife": OF_CLASSES,
    "camvid": OF_MAPS,
}


def main(study: str, *names: str) -> None:
    """Compare the variants of a study with its first."""
    if study not in MEASURES or not names:
        raise InputError(f"expected a study ({', '.join(MEASURES)}) and its variants")
    runs = {}
    for name in names:
        runs |= read_json(HERE / "results" / study / f"{name}.json")
    runs = {names[0]: runs[names[0]], **runs}  # files list theirs by the alphabet
    table = seeds.table(runs, MEASURES[study])
    write_metrics(HERE / "metrics" / f"{study}.json", seeds.metrics(table))
    style.save(picture.side_by_side(table, study), HERE / "plots" / f"{study}.png")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))


if __name__ == "__main__":
    run(main)
