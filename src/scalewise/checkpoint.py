"""A trained model in one file that says what it is.

A model is a module of `scalewise.models` that offers `SECTIONS` (the sections of params.yaml it
reads, name -> record), `build(sections, categories) -> nn.Module` with fresh weights and
`examples(sections, folder, split) -> Examples`; its own section has `dataset` and `training`. Where
training starts from published weights, or needs to know the training split, it offers
`warm_start(net, sections, train)` too.
"""

import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from scalewise import models, params
from scalewise.errors import InputError
from scalewise.examples.images import Examples
from scalewise.files import replacing
from scalewise.params import Record

Sections = Mapping[str, Record]
Snapshots = Mapping[str, Tensor]
KEYS = {"model", "sections", "categories", "state", "snapshots"}


class Trained(NamedTuple):
    """A model ready to predict.

    Attributes:
        name: of its module.
        net: with its weights, in evaluation mode.
        sections: the parameters it was built from.
        categories: the names of what it tells apart, in order.
        source: the file, for messages.
    """

    name: str
    net: nn.Module
    sections: Sections
    categories: tuple[str, ...]
    source: Path

    @property
    def parameters(self) -> Any:
        """The model's own section."""
        return self.sections[self.name]


def find_model(name: str) -> ModuleType:
    """The module of a model; an unknown name is an error that lists the choices."""
    folder = Path(models.__file__).parent
    if (folder / f"{name}.py").is_file():
        module = importlib.import_module(f"scalewise.models.{name}")
        if hasattr(module, "build"):
            return module
    choices = sorted(p.stem for p in folder.glob("*.py") if "\ndef build(" in p.read_text())
    raise InputError(f"no model '{name}' (choices: {', '.join(choices)})")


def fresh(module: ModuleType, sections: Sections, train: Examples) -> nn.Module:
    """A model as its training starts: with fresh weights or, where asked for, published ones."""
    net = module.build(sections, train.categories)
    if hasattr(module, "warm_start"):
        module.warm_start(net, sections, train)
    return net


def save_bytes(path: Path, value: Any) -> None:
    """torch.save, whole or not at all; the bytes depend on the value alone."""
    buffer = io.BytesIO()  # given a path, torch would write the file's name into it
    torch.save(value, buffer)
    with replacing(path) as scratch:
        scratch.write_bytes(buffer.getvalue())


def load_bytes(path: Path, device: str | torch.device = "cpu") -> Any:
    """What `save_bytes` wrote; tensors and plain values alone, never pickled code.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; train first (dvc repro)") from None
    except Exception as error:  # torch's reader lets many kinds through: KeyError, IndexError, ...
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a checkpoint of this project ({first})") from None


def save(
    path: str | Path,
    name: str,
    sections: Sections,
    categories: tuple[str, ...],
    state: Mapping[str, Tensor],
    snapshots: Snapshots,
) -> None:
    """Write a trained model.

    Args:
        path: the file.
        name: the model's module.
        sections: the parameters it was built from.
        categories: the names of its classes, in order.
        state: its weights.
        snapshots: what it said of a few examples after each epoch, where it offers that.
    """
    plain = {key: record.model_dump(mode="json") for key, record in sections.items()}
    value = {
        "model": name,
        "sections": plain,
        "categories": list(categories),
        "state": dict(state),
        "snapshots": dict(snapshots),
    }
    save_bytes(Path(path), value)


def restore(path: str | Path, name: str) -> Trained:
    """The model in a checkpoint, ready to predict, with its parameters and class names.

    Raises:
        InputError: missing, no checkpoint, another model, or weights that do not fit.
    """
    path = Path(path)
    held = _held(path, name)
    module = find_model(name)
    sections = {
        key: params.parse(record, held["sections"].get(key), f"{path}: {key}")
        for key, record in module.SECTIONS.items()
    }
    categories = tuple(held["categories"])
    net = module.build(sections, categories)
    try:
        net.load_state_dict(held["state"])
    except RuntimeError as error:
        lines = " ".join(str(error).split())
        raise InputError(f"{path}: weights of another architecture: {lines[:300]}") from None
    return Trained(name, net.eval(), sections, categories, path)


def snapshots(path: str | Path, name: str) -> dict[str, Tensor]:
    """What a model said of a few validation examples after each epoch: name -> [epochs, ...].

    Raises:
        InputError: missing, no checkpoint, or another model.
    """
    return _held(Path(path), name)["snapshots"]


def _held(path: Path, name: str) -> dict[str, Any]:
    held = load_bytes(path)
    if not isinstance(held, dict) or held.keys() != KEYS:
        raise InputError(f"{path}: not a checkpoint of this project")
    if held["model"] != name:
        raise InputError(f"{path}: holds a '{held['model']}', expected a '{name}'")
    return held
