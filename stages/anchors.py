"""anchors: what the choice of anchors can reach on the training split, before any training."""

from pathlib import Path

from scalewise import coco, params
from scalewise.errors import InputError, run
from scalewise.files import write_metrics
from scalewise.models import anchor_study, anchors
from scalewise.report import anchors as picture
from scalewise.report import style
from scalewise.scales import Scales


def main(dataset: str, image_size: str) -> None:
    """Read data/<dataset>, write metrics/anchors.json and plots/anchors.png."""
    if not image_size.isdecimal() or int(image_size) % anchors.STRIDES[-1] or not int(image_size):
        unit = anchors.STRIDES[-1]
        raise InputError(f"multiscale.image_size: expected a multiple of {unit}, got {image_size}")
    parameters = params.read("anchors", anchors.Parameters)
    scales = params.read("scales", Scales)
    truth = coco.read_truth(Path("data") / dataset / "train.json")
    study = anchor_study.study(parameters, truth, scales, int(image_size))
    metrics = study.metrics(scales.names)
    write_metrics("metrics/anchors.json", metrics)
    levels = {f"level {n}": sides for n, sides in enumerate(parameters.sides)}
    best = study.best.max(axis=0)
    style.save(picture.coverage(study.sides, best, levels, scales), Path("plots/anchors.png"))
    print("anchors: recall at IoU .5", {k: round(v, 3) for k, v in metrics["recall"].items()})


if __name__ == "__main__":
    run(main)
