"""What the loop asks of a library's detector, and how its weights are found."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from scalewise.data.store import Pixels
from scalewise.errors import InputError
from scalewise.models.pretrained import Parameters


class Fitted(NamedTuple):
    """An image as a net wants it.

    Attributes:
        pixels: [3, h, w], padding included.
        inside: left, top, width and height of the image in them, the rest is padding.
        size: width and height of the original.
    """

    pixels: Tensor
    inside: tuple[int, int, int, int]
    size: tuple[int, int]


def in_original(boxes: Tensor, image: Fitted) -> Tensor:
    """Boxes [D, 4] xyxy in input pixels as original pixels, cut to the image."""
    left, top, width, height = image.inside
    offset = boxes.new_tensor([left, top] * 2)
    sides = boxes.new_tensor([*image.size] * 2)
    scaled = (boxes - offset) * (sides / boxes.new_tensor([width, height] * 2))
    return torch.minimum(scaled.clamp(min=0), sides)


class Adapter(Protocol):
    """A detector of a library.

    Attributes:
        names: its classes' names by label; labels that stand for no class are absent.
        identity: library, version and weights: what an interrupted run must share to go on.
    """

    names: Mapping[int, str]
    identity: str

    def fit(self, pixels: Pixels) -> Fitted:
        """An image [H, W, 3] RGB as the library prepares it; called in many threads."""

    def detect(self, images: Sequence[Fitted]) -> list[Tensor]:
        """For images of one shape [D, 6]: xyxy in original pixels, score, label; best first.

        As the library's own inference has them, whatever else is in the batch.
        """


def build(name: str, parameters: Parameters, device: torch.device) -> Adapter:
    """The detector of an entry, with its weights; its library is imported only here.

    Raises:
        InputError: library not installed, weights that are missing, unreadable or of another
            task, or a setting that the detector does not have.
    """
    if parameters.library == "ultralytics":
        from scalewise.prediction.ultralytics_adapter import Ultralytics

        return Ultralytics(parameters, device)
    from scalewise.prediction.torchvision_adapter import Torchvision

    return Torchvision(parameters.model or name, parameters, device)


def half(parameters: Parameters, device: torch.device) -> bool:
    """Whether to compute in half precision.

    Raises:
        InputError: it is asked for on a processor that has none.
    """
    if parameters.half is True and device.type == "cpu":
        raise InputError("pretrained: half precision is for a GPU; set half to auto or false")
    return device.type != "cpu" if parameters.half == "auto" else parameters.half


def local(weights: str) -> Path | None:
    """The file or folder that `weights` names; None where it is a bare name to download.

    Raises:
        InputError: a path at which there is nothing.
    """
    path = Path(weights)
    if path.exists():
        return path
    if len(path.parts) > 1:
        raise InputError(f"weights '{weights}': no such file")
    return None


def downloads() -> Path:
    """The folder in which the libraries' downloads are kept: that of torch.hub."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fingerprint(path: Path) -> str:
    """A short name for what a file, or every file of a folder, holds."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    total = hashlib.sha256()
    for each in files:
        with each.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def first_line(error: BaseException) -> str:
    """The first line of an error that a library raised, in plain letters."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].encode("ascii", "ignore").decode().strip() or type(error).__name__


def listed(names: Iterable[Any]) -> str:
    """Names for a message."""
    return ", ".join(map(str, names))
