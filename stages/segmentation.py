"""segmentation@<model>: IoU and its kin on the test images, each with its interval."""

from functools import partial
from pathlib import Path

from scalewise import bootstrap, confusion, files, label_maps, params
from scalewise.errors import run
from scalewise.evaluation import leakage, segmentation


def main(model: str) -> None:
    """Read predictions/<model>, write metrics and the tables of classes and IoU bins."""
    parameters = params.read("segmentation", segmentation.Parameters)
    rules = params.read("bootstrap", bootstrap.Parameters)
    folder, plots = Path("predictions") / model, Path("plots") / model
    truth = label_maps.read_truth(folder / "test_truth.json")
    found = confusion.read(folder / "test.npz", len(truth), len(truth.category_names))
    counted = segmentation.measured(truth, found, parameters)
    metrics = segmentation.metrics(counted, parameters, rules)
    if (folder / "seen.json").is_file():
        seen = leakage.read(folder / "seen.json", truth.file_names)
        of_some = partial(segmentation.of_some, truth, found, parameters, rules)
        metrics = leakage.with_groups(metrics, seen, of_some, ("pixel_accuracy",))
    files.write_metrics(f"metrics/{model}/segmentation.json", metrics)
    files.write_table(plots / "iou.csv", segmentation.class_table(counted, rules))
    bins = segmentation.bin_table(counted.images.total(), parameters)
    files.write_table(plots / "iou_bins.csv", bins)
    print(
        f"{model}: mIoU {metrics['mIoU']:.3f} over {metrics['classes']} classes present, "
        f"pixel accuracy {metrics['pixel_accuracy']:.3f}"
    )


if __name__ == "__main__":
    run(main)
