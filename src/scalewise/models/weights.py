"""Published weights, by name or from a file; never one for the other, and never pickled code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scalewise.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of colours from 0 to 1, as published weights expect
IMAGENET_STD = (0.229, 0.224, 0.225)


def downloaded(weights: Any, name: str) -> dict[str, Tensor]:
    """The state of a torchvision weights entry, downloaded once and kept in torch's cache.

    Raises:
        InputError: there is no network, or the file is not the published one.
    """
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    except (OSError, RuntimeError) as error:  # urllib's errors are of the first kind
        raise InputError(
            f"the weights {name} cannot be downloaded ({error}); give the path of a file, or none"
        ) from None


def lasting(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state without the batch norms' counters, which old files, many published ones, lack."""
    return {name: v for name, v in state.items() if not name.endswith("num_batches_tracked")}


def from_file(path: Path) -> dict[str, Tensor]:
    """The names and tensors in a file.

    Raises:
        InputError: no such file, or something else than a `state_dict`.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"weights {path}: no such file, and no name of published ones") from None
    except Exception as error:  # torch's reader lets many kinds through
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"weights {path}: not a file of weights ({first})") from None
    pairs = held.items() if isinstance(held, dict) else [(None, None)]
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in pairs):
        raise InputError(f"weights {path}: expected a state_dict, names and tensors")
    return held
