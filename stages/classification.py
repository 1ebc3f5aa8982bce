"""classification@<model>: accuracy, F1, loss and calibration of a classifier on test."""

from functools import partial
from pathlib import Path

from scalewise import bootstrap, class_labels, files, params
from scalewise.errors import run
from scalewise.evaluation import classification, classification_tables, leakage


def main(model: str) -> None:
    """Read predictions/<model>, write metrics and the tables of the plots."""
    parameters = params.read("classification", classification.Parameters)
    resampling = params.read("bootstrap", bootstrap.Parameters)
    folder, plots = Path("predictions") / model, Path("plots") / model
    truth = class_labels.read_truth(folder / "test_truth.json")
    scores = class_labels.aligned(class_labels.read_scores(folder / "test.csv"), truth)
    metrics = classification.metrics(scores, parameters, resampling, truth.frames)
    if (folder / "seen.json").is_file():
        seen = leakage.read(folder / "seen.json", truth.file_names)
        of_some = partial(classification.of_some, scores, parameters, resampling, truth.frames)
        metrics = leakage.with_groups(metrics, seen, of_some, ("accuracy",))
    if (folder / "train.csv").is_file():
        train = class_labels.read_scores(folder / "train.csv")
        metrics = classification.with_train(metrics, train, parameters.bins)
    if (folder / "training.json").is_file():
        metrics = {**metrics, **files.read_json(folder / "training.json")}
    files.write_metrics(f"metrics/{model}/classification.json", metrics)
    found = classification.judged(scores)
    files.write_table(plots / "confusion.csv", classification_tables.predictions(scores))
    files.write_table(plots / "confusion_counts.csv", classification_tables.confusion_counts(found))
    files.write_table(
        plots / "reliability.csv", classification_tables.reliability(found, parameters.bins)
    )
    shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in classification.WITH_INTERVALS)
    print(f"{model}: {shown}")


if __name__ == "__main__":
    run(main)
