"""Images and classes of a split at a classifier's input size."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scalewise import class_labels
from scalewise.class_labels import Truth
from scalewise.data.store import Store
from scalewise.examples import images
from scalewise.examples.images import Examples


@dataclass(frozen=True)
class Split:
    """N labelled images.

    Attributes:
        truth: what they were read from.
        images: [N, 3, S, S] uint8; each image is stretched to a square.
        labels: [N] int64 positions of classes.
        files: what all of it was read from.
    """

    truth: Truth
    images: Tensor
    labels: Tensor
    files: tuple[Path, ...]

    def examples(self) -> Examples:
        """What training reads."""
        tensors = {"images": self.images, "labels": self.labels}
        return Examples(self.truth.file_names, self.truth.category_names, tensors, self.files)


def load(folder: Path, split: str, size: int) -> Split:
    """Read a split; every image becomes size x size pixels.

    Raises:
        InputError: no images, or one that is missing, cannot be decoded or has another size than
            its record says.
    """
    truth, store = class_labels.read_truth(folder / f"{split}.json"), Store(folder)
    return Split(
        truth=truth,
        images=torch.from_numpy(images.stretched(truth, store, size, size)),
        labels=torch.from_numpy(truth.label),
        files=(Path(truth.source), *store.files()),
    )
