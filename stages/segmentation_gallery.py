"""segmentation-gallery: the models' label maps in pictures, and which differences are real."""

from pathlib import Path

from scalewise import bootstrap, params
from scalewise.errors import run
from scalewise.evaluation import segmentation
from scalewise.files import write_metrics
from scalewise.report import segmentation_pictures, style


def main(*models: str) -> None:
    """Read predictions/<model> and their dataset, write plots and the comparison."""
    parameters = params.read("segmentation", segmentation.Parameters)
    rules = params.read("bootstrap", bootstrap.Parameters)
    sources = segmentation_pictures.gather(Path("predictions"), models, parameters)
    compared = segmentation_pictures.compared(sources, rules)
    names = []
    for name, figure in segmentation_pictures.draw(sources, compared, parameters, rules):
        style.save(figure, Path("plots") / f"{name}.png")
        names.append(name)
    write_metrics("metrics/segmentation.json", compared)
    print(f"segmentation: {', '.join(names)}")


if __name__ == "__main__":
    run(main)
