"""What the stages of the tasks leave in metrics/, plots/ and logs/, of made-up answers."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from keypoint_cases import results_of, truth_of
from scalewise import bootstrap, confusion, files, label_maps
from scalewise.class_labels import Scores
from scalewise.evaluation import (
    ceiling,
    classification,
    classification_comparison,
    keypoint_comparison,
    leakage,
    pck,
    segmentation,
    segmentation_comparison,
)
from scalewise.evaluation.keypoint_distances import distances
from scalewise.palettes import spread

RULES = bootstrap.Parameters(resamples=50)
CLASSES = ("road", "<i>sky</i>", "car & van", "tram")
PIXELS = [300, 200, 60, 0]  # of each class in an image; there is no tram
PICTURES = {
    "heatmap": ["loss", "heatmaps"],
    "regression": ["loss"],
    "keypoints": ["pck", "samples"],
    "convnet": ["loss", "confusion", "mistakes"],
    "resnet18": ["augmentation", "embedding"],
    "classification": ["comparison", "distribution"],
    "segnet": ["iou_bins", "worst"],
    "deeplabv3": ["iou_bins", "worst"],
    "segmentation": ["comparison", "classes"],
}
LOG = {"seconds": 41.3, "device": "some <device>", "threads": 2, "processes": 1,
       "precision": "bf16-mixed"}  # fmt: skip


def write_keypoints(root: Path, ambiguous: bool = True) -> None:
    """`heatmap` is off by a pixel, `regression` by ten."""
    rng = np.random.default_rng(0)
    figures = [(n, [(*xy, 2) for xy in rng.uniform(10, 90, (5, 2))]) for n in range(30)]
    truth = truth_of(figures)
    parameters, found = pck.Parameters(), {}
    for name, far in (("heatmap", 1), ("regression", 10)):
        points = [(n, [(x + rng.normal(0, far), y) for x, y, _ in one], 1.0) for n, one in figures]
        found[name] = distances(truth, results_of(points), "box")
        metrics = pck.metrics(found[name], parameters, RULES)
        if ambiguous:
            metrics["ceiling"] = ceiling.metrics(truth, parameters, [(1, 2)])
        files.write_metrics(root / "metrics" / name / "keypoints.json", metrics)
    compared = keypoint_comparison.metrics(found, parameters, RULES)
    files.write_metrics(root / "metrics/keypoints.json", compared)


def scores_of(accuracy: float, seed: int, images: int = 90) -> Scores:
    rng = np.random.default_rng(seed)
    label = np.arange(images) % 3
    table = rng.dirichlet([1, 1, 1], images) * 0.01
    said = np.where(rng.random(images) < accuracy, label, (label + 1) % 3)
    table[np.arange(images), said] += 0.99
    names = tuple(f"{n}.png" for n in range(images))
    return Scores("scores", names, ("lynx", "<b>bear</b>", "dog"), label, table)


def write_classification(root: Path) -> None:
    """`resnet18` is clearly better than `convnet`."""
    parameters = classification.Parameters()
    models = {"convnet": scores_of(0.5, 1), "resnet18": scores_of(0.9, 2)}
    for name, scores in models.items():
        metrics = classification.metrics(scores, parameters, RULES)
        metrics = classification.with_train(metrics, scores_of(0.99, 3), parameters.bins)
        of_some = partial(classification.of_some, scores, parameters, RULES, [""] * len(scores))
        seen = np.arange(len(scores)) % 3 > 0
        metrics = leakage.with_groups(metrics, seen, of_some, ("accuracy",))
        files.write_metrics(root / "metrics" / name / "classification.json", metrics)
    pairs = classification_comparison.compare(models, parameters, RULES)
    compared = classification_comparison.metrics(pairs, RULES)
    files.write_metrics(root / "metrics/classification.json", compared)


def matrices_of(right: float, seed: int, images: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = np.zeros((images, len(CLASSES), len(CLASSES)), np.int64)
    for c, pixels in enumerate(PIXELS):
        made[:, c, c] = rng.binomial(pixels, right, images)
        made[:, c, 0] += pixels - made[:, c, c]
    return made


def write_segmentation(root: Path, images: int = 24) -> None:
    """`deeplabv3` is right more often than the baseline, `segnet`."""
    truth = label_maps.Truth(
        source="truth",
        image_ids=np.arange(images) + 1,
        file_names=tuple(f"test/{n}.png" for n in range(images)),
        sizes=np.tile([28, 20], (images, 1)),
        category_names=CLASSES,
        colours=spread(len(CLASSES)),
        void=None,
        label_names=tuple(f"labels/test/{n}.png" for n in range(images)),
        sequences=tuple(f"s{n // 4}" for n in range(images)),
    )
    parameters, measured = segmentation.Parameters(), {}
    for name, right in (("segnet", 0.6), ("deeplabv3", 0.9)):
        found = confusion.Confusions(name, matrices_of(right, 1, images), np.full(images, 0.4))
        measured[name] = segmentation.measured(truth, found, parameters)
        metrics = segmentation.metrics(measured[name], parameters, RULES)
        of_some = partial(segmentation.of_some, truth, found, parameters, RULES)
        unseen = np.zeros(images, bool)
        metrics = leakage.with_groups(metrics, unseen, of_some, ("pixel_accuracy",))
        files.write_metrics(root / "metrics" / name / "segmentation.json", metrics)
    compared = segmentation_comparison.compare(measured, RULES)
    files.write_metrics(root / "metrics/segmentation.json", compared)


def write_pictures(root: Path) -> None:
    for folder, names in PICTURES.items():
        (root / "plots" / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            Image.new("RGB", (40, 30), "white").save(root / "plots" / folder / f"{name}.png")


def write_all(root: Path) -> None:
    """Every task with pictures and logs."""
    write_keypoints(root)
    write_classification(root)
    write_segmentation(root)
    write_pictures(root)
    for name in ("heatmap", "regression", "convnet", "resnet18", "segnet", "deeplabv3"):
        files.write_json(root / "logs/train" / f"{name}.json", LOG)
