"""How often each class occurs in the masks of a split, image by image."""

from collections.abc import Iterator

import numpy as np

from scalewise.data.store import Store
from scalewise.label_maps import Truth, checked
from scalewise.palettes import Labels
from scalewise.records import Ints

BATCH = 32  # masks decoded at once: bounds memory


def count(store: Store, truth: Truth) -> Ints:
    """[I, C], the pixels of each class in each image's mask.

    Raises:
        InputError: a mask that is missing or damaged, of another size than its image, or with a
            value beyond the classes.
    """
    classes = len(truth.category_names)
    rows = [np.bincount(mask.ravel(), minlength=classes) for mask in masks(store, truth)]
    return np.array(rows, np.int64).reshape(-1, classes)


def masks(store: Store, truth: Truth) -> Iterator[Labels]:
    """Each image's mask [H, W] in turn, a few decoded at a time."""
    for start in range(0, len(truth), BATCH):
        names = truth.label_names[start : start + BATCH]
        decoded = store.many(names, "L")
        for n, mask in enumerate(decoded, start):
            yield _fitting(mask, truth, n, str(store.folder))


def _fitting(mask: Labels, truth: Truth, n: int, folder: str) -> Labels:
    size = truth.sizes[n] if truth.sizes[n].all() else mask.shape[::-1]
    where = f"{folder}: mask '{truth.label_names[n]}'"
    return checked(mask, size, truth.category_names, where)
