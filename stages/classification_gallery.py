"""classification-gallery: the classifiers compared, and every picture of their results."""

from pathlib import Path

from scalewise import bootstrap, files, params
from scalewise.errors import InputError, run
from scalewise.evaluation import classification, embedding
from scalewise.evaluation import classification_comparison as comparison
from scalewise.report import classification_pictures as pictures
from scalewise.report import style


def main(*models: str) -> None:
    """Read what the earlier stages wrote, write metrics/classification.json and plots/."""
    if not models:
        raise InputError("expected the names of one classifier or more, got none")
    parameters = params.read("classification", classification.Parameters)
    resampling = params.read("bootstrap", bootstrap.Parameters)
    mapping = params.read("embedding", embedding.Parameters)
    truth, scores = pictures.read_tests(models, Path("predictions"))
    pairs = comparison.compare(scores, parameters, resampling, truth.frames)
    compared = comparison.metrics(pairs, resampling, truth.frames)
    files.write_metrics("metrics/classification.json", compared)
    sources = pictures.Sources(truth, scores, pairs, parameters.bins, mapping)
    for path, figure in pictures.draw(sources):
        style.save(figure, Path("plots") / f"{path}.png")
    print(f"{', '.join(models)}: {len(pairs)} pairs compared, pictures in plots/")


if __name__ == "__main__":
    run(main)
