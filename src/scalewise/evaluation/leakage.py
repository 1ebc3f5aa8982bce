"""Scores on test images of which train or val has a neighbour, and on the others.

Crops of one photograph, or frames of one drive, that lie on both sides of a split let a model
recognise instead of understand. So the numbers are told apart: `seen`, the test images with a
neighbour in train or val, and `unseen`, those without. The difference is a hint, no more: the two
groups hold different images, in numbers that the split decided. What a random split flatters is
measured by splits that keep neighbours together (`studies/`: wildlife, camvid).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scalewise.errors import InputError
from scalewise.evaluation import clusters
from scalewise.files import read_json
from scalewise.records import Bools, Ints

Measure = Callable[[Ints], Mapping[str, Any]]


def read(path: Path, file_names: Sequence[str]) -> Bools:
    """[N] whether a test image has a neighbour, from the list of names that `predict` wrote.

    Raises:
        InputError: no list of names, or a name that is none of the N.
    """
    named = read_json(path)
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InputError(f"{path}: expected a list of file names")
    if strangers := sorted(set(named) - set(file_names)):
        raise InputError(f"{path}: image '{strangers[0]}' is none of the test images")
    known = set(named)
    return np.array([name in known for name in file_names], bool)


def with_groups(
    whole: Mapping[str, Any], seen: Bools, measure: Measure, names: Sequence[str]
) -> dict[str, Any]:
    """The metrics of all test images, and a few numbers of the two groups.

    Args:
        whole: of all N images, with `interval`.
        seen: [N], from `read`.
        measure: positions of some images -> metrics of them alone, with `interval`.
        names: the numbers that are kept.

    Returns:
        Further `leakage.seen` and `leakage.unseen`, each with n images, the `unit` and how many
        `units` were resampled, and the named numbers; a group without images has n alone. Under
        `interval` theirs, for groups of two units or more.
    """
    found: dict[str, Any] = {}
    ends: dict[str, Any] = {}
    for group, mask in (("seen", seen), ("unseen", ~seen)):
        part = whole if mask.all() else measure(np.flatnonzero(mask)) if mask.any() else {}
        kept = ("unit", "units", *names) if part else ()
        found[group] = {"n": int(mask.sum())} | {name: part[name] for name in kept}
        varied = names if part.get("units", 0) >= clusters.LEAST else ()
        ends[group] = {name: part["interval"][name] for name in varied}
    return {**whole, "leakage": found, "interval": {**whole["interval"], "leakage": ends}}
