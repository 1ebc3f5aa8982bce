"""keypoint-gallery: the keypoint models in pictures, and which of their differences are real."""

from pathlib import Path

from scalewise import bootstrap, files, params
from scalewise.errors import run
from scalewise.evaluation import keypoint_comparison, pck
from scalewise.report import keypoint_pictures, style


def main(*models: str) -> None:
    """Read predictions/<model> and plots/<model>/pck.csv, write plots and the comparison."""
    parameters = params.read("pck", pck.Parameters)
    resampling = params.read("bootstrap", bootstrap.Parameters)
    sources = keypoint_pictures.gather(Path("predictions"), Path("plots"), models, parameters)
    metrics = keypoint_comparison.metrics(sources.found, parameters, resampling)
    files.write_metrics("metrics/keypoints.json", metrics)
    names = []
    for name, figure in keypoint_pictures.draw(sources, parameters, resampling):
        style.save(figure, f"plots/keypoints/{name}.png")
        names.append(name)
    print(f"keypoints: {', '.join(names)}")


if __name__ == "__main__":
    run(main)
