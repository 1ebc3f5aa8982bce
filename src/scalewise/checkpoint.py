"""A trained model in one file that says what it is.

A model is a module of `scalewise.models` that offers `SECTIONS` (the sections of params.yaml it
reads, name -> record), `build(sections, categories) -> nn.Module` and
`examples(sections, truth, store) -> dict of tensors`; its own section has `dataset`,
`image_size` and `training`.
"""

import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from scalewise import models, params
from scalewise.errors import InputError
from scalewise.files import replacing
from scalewise.params import Record

Sections = Mapping[str, Record]


def find_model(name: str) -> ModuleType:
    """The module of a model; an unknown name is an error that lists the choices."""
    folder = Path(models.__file__).parent
    if (folder / f"{name}.py").is_file():
        module = importlib.import_module(f"scalewise.models.{name}")
        if hasattr(module, "build"):
            return module
    choices = sorted(p.stem for p in folder.glob("*.py") if "\ndef build(" in p.read_text())
    raise InputError(f"no model '{name}' (choices: {', '.join(choices)})")


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
) -> None:
    """Write a trained model.

    Args:
        path: the file.
        name: the model's module.
        sections: the parameters it was built from.
        categories: the names of its classes, in order.
        state: its weights.
    """
    plain = {key: record.model_dump(mode="json") for key, record in sections.items()}
    save_bytes(
        Path(path),
        {"model": name, "sections": plain, "categories": list(categories), "state": dict(state)},
    )


def restore(path: str | Path, name: str) -> tuple[nn.Module, Sections, tuple[str, ...]]:
    """The model in a checkpoint, ready to predict, with its parameters and class names.

    Raises:
        InputError: missing, no checkpoint, another model, or weights that do not fit.
    """
    path = Path(path)
    held = load_bytes(path)
    if not isinstance(held, dict) or held.keys() != {"model", "sections", "categories", "state"}:
        raise InputError(f"{path}: not a checkpoint of this project")
    if held["model"] != name:
        raise InputError(f"{path}: holds a '{held['model']}', expected a '{name}'")
    module = find_model(name)
    sections = {
        key: params.parse(record, held["sections"].get(key), f"{path}: {key}")
        for key, record in module.SECTIONS.items()
    }
    net = module.build(sections, len(held["categories"]))
    try:
        net.load_state_dict(held["state"])
    except RuntimeError as error:
        lines = " ".join(str(error).split())
        raise InputError(f"{path}: weights of another architecture: {lines[:300]}") from None
    return net.eval(), sections, tuple(held["categories"])
