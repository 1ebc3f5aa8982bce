"""A classifier's answers -> a CSV of probabilities, and the features they stand on.

Section `prediction.classification` of params.yaml.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from scalewise import class_labels
from scalewise.checkpoint import Trained
from scalewise.class_labels import Scores
from scalewise.examples import classification
from scalewise.files import replacing, write_json
from scalewise.params import Record

WITH_FEATURES = ("train", "val")


class Parameters(Record):
    """How a classifier is asked."""

    batch_size: int = Field(64, gt=0)
    """Images at a time."""


def write(
    trained: Trained, folder: Path, out: Path, rules: Parameters, device: torch.device
) -> None:
    """Probabilities on train, val and test, and features on train and val.

    Args:
        trained: offers `features` and `head`.
        folder: its dataset.
        out: gets `<split>.csv`, `test_truth.json`, `<split>_features.npz`, `training.json`, which
            says how the classifier was trained, and, where frames are known, `seen.json`: the
            test images of which train or val has another crop of the same frame.
        rules: how the classifier is asked.
        device: where to compute.

    Raises:
        InputError: the dataset has other classes than the classifier.
    """
    net: Any = trained.net.to(device)
    shared: Any = trained.sections["classifier"]
    truths = []
    for name in ("train", "val", "test"):
        split = classification.load(folder, name, shared.image_size)
        truth = split.truth
        truths.append(truth)
        class_labels.check_categories(truth, trained.categories, str(trained.source))
        scores, features = predict(net, split.images, rules.batch_size, device)
        said = Scores(name, truth.file_names, truth.category_names, truth.label, scores)
        class_labels.write_scores(out / f"{name}.csv", said)
        if name in WITH_FEATURES:
            with replacing(out / f"{name}_features.npz") as scratch:
                np.savez_compressed(scratch, features=features)
    *others, test = truths
    class_labels.write_truth(out / "test_truth.json", test, folder)
    if any(test.frames):
        seen = class_labels.shares_frame(test, others)
        write_json(out / "seen.json", [test.file_names[n] for n in np.flatnonzero(seen)])
    weights = getattr(trained.parameters, "weights", "none")
    write_json(out / "training.json", {"weights": weights, **shared.model_dump()})


@torch.inference_mode()
def predict(
    net: Any, images: Tensor, batch_size: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [N, C] float64 and features [N, D] float16 of images [N, 3, S, S] uint8."""
    scores, kept = [], []
    for part in images.split(batch_size):
        features = net.features(part.to(device))
        scores.append(net.head(features).double().softmax(dim=1).cpu())
        kept.append(features.half().cpu())
    return torch.cat(scores).numpy(), torch.cat(kept).numpy()
