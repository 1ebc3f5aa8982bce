"""The detectors of torchvision, as the library runs them.

Weights by name come from the library (checked against the hash in their name) or are a file of a
state dict: alone, for COCO's classes, or as `model` beside `categories` (names by label, the first
`__background__`). Both are read by torch's restricted reader (`weights_only`), which runs no code.

Source: https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import detection, get_model_builder, get_model_weights, list_models
from torchvision.models.detection.image_list import ImageList

from scalewise.data.store import Pixels
from scalewise.errors import InputError
from scalewise.models.pretrained import Parameters
from scalewise.prediction import adapters
from scalewise.prediction.adapters import Fitted

OTHER_TASKS = ("maskrcnn", "keypointrcnn")
NO_CLASS = {"__background__", "N/A"}
SAFELY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class Torchvision:
    """A detector of torchvision; see `adapters.Adapter`."""

    def __init__(self, model: str, parameters: Parameters, device: torch.device) -> None:
        """Build a detector and load its weights.

        Raises:
            InputError: see `adapters.build`.
        """
        self.half = parameters.half is True and adapters.half(parameters, device)
        _check_builder(model)
        net, categories, weights = _loaded(model, parameters.weights)
        _set(net, parameters, model)
        self.transform = net.transform
        net.transform = _Fitted()
        self.net, self.device = net.eval().to(device), device
        self.names = {n: name for n, name in enumerate(categories) if name not in NO_CLASS}
        self.identity = f"torchvision {torchvision.__version__} {model} {weights}"

    def fit(self, pixels: Pixels) -> Fitted:
        """See `adapters.Adapter`: normalised, the sides fitted, padded to whole strides.

        An image thinner than a pixel after that becomes one of no pixels: nothing is found there.
        """
        height, width = pixels.shape[:2]
        image = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float().div_(255)
        if self._vanishes(height, width):
            return Fitted(image[:, :0, :0], (0, 0, 0, 0), (width, height))
        image, _ = self.transform.resize(self.transform.normalize(image))
        padded = self.transform.batch_images([image], self.transform.size_divisible)[0]
        return Fitted(padded, (0, 0, *image.shape[:0:-1]), (width, height))

    def _vanishes(self, height: int, width: int) -> bool:
        """Whether the library's resizing would leave no pixel of a side."""
        if self.transform.fixed_size:
            return False
        low, high = min(height, width), max(height, width)
        scale = min(self.transform.min_size[-1] / low, self.transform.max_size / high)
        return int(low * scale) < 1

    @torch.inference_mode()
    def detect(self, images: Sequence[Fitted]) -> list[Tensor]:
        """See `adapters.Adapter`."""
        if not images[0].pixels.numel():
            return [torch.zeros(0, 6) for _ in images]
        batch = [image.pixels.to(self.device) for image in images]
        self.net.transform.sizes = [image.inside[:1:-1] for image in images]
        with torch.autocast(self.device.type, torch.float16, enabled=self.half):
            found = self.net(batch)
        return [_rows(answer, image) for answer, image in zip(found, images, strict=True)]


class _Fitted(nn.Module):
    """Stands where the library fits images, for images that are fitted already."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []  # height and width without the padding

    def forward(self, images: list[Tensor], targets: None = None) -> tuple[ImageList, None]:
        return ImageList(torch.stack(images), self.sizes), targets

    def postprocess(self, result: list[dict[str, Tensor]], *_: Any) -> list[dict[str, Tensor]]:
        return result


def _rows(answer: dict[str, Tensor], image: Fitted) -> Tensor:
    """[D, 6]: xyxy in original pixels, score, label."""
    boxes = adapters.in_original(answer["boxes"].float(), image)
    return torch.cat([boxes, torch.stack([answer["scores"], answer["labels"]], dim=1)], dim=1)


def _builders() -> list[str]:
    return [name for name in list_models(detection) if not name.startswith(OTHER_TASKS)]


def _check_builder(model: str) -> None:
    choices = f"choices: {adapters.listed(_builders())}"
    if model.startswith(OTHER_TASKS):
        raise InputError(
            f"model '{model}' is for masks or keypoints, expected one for boxes ({choices})"
        )
    if model not in _builders():
        raise InputError(f"torchvision has no detector '{model}' ({choices})")


def _loaded(model: str, weights: str) -> tuple[nn.Module, Sequence[str], str]:
    """The net, its classes by label, and which weights it holds."""
    known = get_model_weights(model)
    if weights in known.__members__:
        chosen = known[weights]
        return _downloaded(model, chosen), chosen.meta["categories"], str(chosen)
    path = adapters.local(weights)
    if path is None:
        names = adapters.listed(known.__members__)
        raise InputError(
            f"weights '{weights}': no such file, nor a name of {model} (choices: {names})"
        )
    net, categories = _from_file(model, path, known["DEFAULT"].meta["categories"])
    return net, categories, adapters.fingerprint(path)


def _downloaded(model: str, weights: Any) -> nn.Module:
    try:
        with _weights_only():
            return get_model_builder(model)(weights=weights, progress=False)
    except Exception as error:  # network, hash and unpickling errors of many kinds
        path = adapters.downloads() / Path(weights.url).name
        raise InputError(
            f"weights {weights} cannot be had ({adapters.first_line(error)}); put {weights.url} "
            f"at {path}"
        ) from None


@contextmanager
def _weights_only() -> Iterator[None]:
    """Let torch.load read tensors alone, also where the library asks it to run pickled code."""
    before = os.environ.get(SAFELY)
    os.environ[SAFELY] = "1"
    try:
        yield
    finally:
        os.environ.pop(SAFELY)
        if before is not None:
            os.environ[SAFELY] = before


def _from_file(model: str, path: Path, coco: Sequence[str]) -> tuple[nn.Module, Sequence[str]]:
    """A net with the weights of a file, and its classes by label."""
    state, categories = _read(path), coco
    if "categories" in state:
        state, categories = state.get("model"), state["categories"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"weights {path}: expected a state dict, alone or as 'model'")
    builder = get_model_builder(model)
    net = builder(weights=None, weights_backbone=None, num_classes=len(categories))
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        lines = " ".join(str(error).split())[:300]
        raise InputError(
            f"weights {path}: not of a {model} with {len(categories)} classes (background "
            f"included; save 'categories' beside 'model' for others): {lines}"
        ) from None
    return net, categories


def _read(path: Path) -> Mapping[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader lets many kinds through
        raise InputError(
            f"weights {path}: expected tensors alone ({adapters.first_line(error)})"
        ) from None
    if not isinstance(state, Mapping):
        raise InputError(f"weights {path}: expected a state dict, got {type(state).__name__}")
    return state


def _set(net: nn.Module, parameters: Parameters, model: str) -> None:
    """Floor, suppression, cap and input size of a net."""
    rules = getattr(net, "roi_heads", net)
    rules.score_thresh = parameters.score_floor
    rules.detections_per_img = parameters.max_detections
    if parameters.nms_iou is not None:
        rules.nms_thresh = parameters.nms_iou
    if size := parameters.image_size:
        if net.transform.fixed_size:
            raise InputError(f"image_size is {size}, but {model} has a fixed input; leave it null")
        net.transform.min_size, net.transform.max_size = (size,), size
