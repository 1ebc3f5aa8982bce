"""YOLO as the `ultralytics` library runs it: weights by name or path, and exported formats.

The library is an extra under AGPL-3.0, imported only here. Its own letterbox and suppression are
used, with two differences. The suppression has no time limit, which on a slow machine silently
drops the last images of a batch. And boxes are mapped back by where the image really lies in the
input: the library guesses it from the shapes, for some shapes wrong by up to a pixel of the input.

Its weights files are pickled Python objects. They are read by torch's restricted reader
(`weights_only`) with the library's list of known classes, so a file cannot run code of its own;
`ULTRALYTICS_SAFE_LOAD=false` lifts that, for a file one trusts. Exported formats run in engines
of their own (a TorchScript archive is a program).

Source: https://github.com/ultralytics/ultralytics
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scalewise.data.store import Pixels
from scalewise.errors import InputError
from scalewise.models.pretrained import Parameters
from scalewise.prediction import adapters
from scalewise.prediction.adapters import Fitted

if TYPE_CHECKING:
    from ultralytics.data.augment import LetterBox

IMAGE_SIZE, NMS_IOU = 640, 0.7  # the library's own
SAFELY = "ULTRALYTICS_SAFE_LOAD"
ENVIRONMENT = {
    SAFELY: "true",  # weights, not code
    "YOLO_AUTOINSTALL": "false",  # it would install what an exported format lacks
    "YOLO_VERBOSE": "false",
}


class Ultralytics:
    """A YOLO that finds boxes; see `adapters.Adapter`."""

    def __init__(self, parameters: Parameters, device: torch.device) -> None:
        """Load the weights.

        Raises:
            InputError: see `adapters.build`.
        """
        self.parameters, half = parameters, adapters.half(parameters, device)
        version = _library()
        path = _weights(parameters.weights)
        self.backend = _backend(path, device, half)
        _check_task(self.backend, path)
        self.names = {int(n): str(name) for n, name in self.backend.names.items()}
        self.identity = f"ultralytics {version} {adapters.fingerprint(path)}"
        self.letterbox = _letterbox(self.backend, parameters.image_size, path)

    def fit(self, pixels: Pixels) -> Fitted:
        """See `adapters.Adapter`: the longer side fitted, grey up to whole strides, [0, 255]."""
        fitted = self.letterbox(image=pixels)
        place = self.letterbox.get_params({"img": pixels})
        planes = torch.from_numpy(np.ascontiguousarray(fitted.transpose(2, 0, 1)))
        inside = (place["left"], place["top"], *place["new_unpad"])
        return Fitted(planes, inside, pixels.shape[1::-1])

    @torch.inference_mode()
    def detect(self, images: Sequence[Fitted]) -> list[Tensor]:
        """See `adapters.Adapter`."""
        batch = torch.stack([image.pixels for image in images]).to(self.backend.device)
        batch = (batch.half() if self.backend.fp16 else batch.float()).div_(255)
        found = [rows.float() for rows in self._suppressed(self.backend(batch))]
        return [
            torch.cat([adapters.in_original(rows[:, :4], image), rows[:, 4:]], dim=1)
            for rows, image in zip(found, images, strict=True)
        ]

    def _suppressed(self, answers: Any) -> list[Tensor]:
        from ultralytics.utils.nms import non_max_suppression

        return non_max_suppression(
            answers,
            self.parameters.score_floor,
            self.parameters.nms_iou or NMS_IOU,
            multi_label=self.parameters.multi_label,
            max_det=self.parameters.max_detections,
            end2end=self.backend.end2end,
            max_time_img=math.inf,
        )


def _library() -> str:
    """Import the library under our settings and give its version."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import torchvision  # noqa: F401  the library suppresses with it where it is imported
        import ultralytics
        from ultralytics.utils import SAFE_LOAD  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"library ultralytics cannot be imported ({error}); install it with: "
            f"pip install --no-deps 'ultralytics>=8.4.190' (AGPL-3.0), or use library torchvision"
        ) from None
    return ultralytics.__version__


def _weights(weights: str) -> Path:
    """The weights' file: a path, or a name that the library downloads into torch's cache."""
    if found := adapters.local(weights):
        return found
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    if weights not in GITHUB_ASSETS_NAMES:
        known = adapters.listed(sorted(GITHUB_ASSETS_NAMES))
        raise InputError(f"weights '{weights}': no such file, nor a name (choices: {known})")
    path = adapters.downloads() / weights
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        attempt_download_asset(path)
    except Exception as error:  # the library lets many kinds through
        why = adapters.first_line(error)
    else:
        why = "nothing came"
    if not path.is_file():
        raise InputError(
            f"weights '{weights}' cannot be downloaded ({why}); put the file at {path}, or name "
            f"its path as weights"
        )
    return path


def _backend(path: Path, device: torch.device, half: bool) -> Any:
    from ultralytics.nn.autobackend import AutoBackend
    from ultralytics.nn.tasks import torch_safe_load

    try:
        if path.suffix == ".pt" and os.environ[SAFELY] == ENVIRONMENT[SAFELY]:
            torch_safe_load(path, safe_only=True)  # whoever imported the library, and how
        # A head that can do without suppression uses it all the same, as the library's inference.
        return AutoBackend(str(path), device, fp16=half, verbose=False, end2end=False).eval()
    except Exception as error:  # of many libraries: unpickling, onnxruntime, missing packages
        ask = f"; code of its own needs {SAFELY}=false, if you trust it" * (path.suffix == ".pt")
        raise InputError(
            f"weights {path}: ultralytics cannot load them ({adapters.first_line(error)}){ask}"
        ) from None


def _check_task(backend: Any, path: Path) -> None:
    """Refuse a net that finds something else than boxes, or finds them in another way."""
    task = backend.task or getattr(backend.model, "task", None)
    if task not in {None, "detect"}:
        raise InputError(f"weights {path}: a net to {task}, expected one to detect")
    head = (
        backend.metadata.get("head") or type(getattr(backend.model, "model", [None])[-1]).__name__
    )
    if "RTDETR" in head:
        raise InputError(f"weights {path}: an RT-DETR, expected a YOLO")


def _letterbox(backend: Any, wanted: int | None, path: Path) -> "LetterBox":
    """The library's letterbox as its inference on a single image sets it."""
    from ultralytics.data.augment import LetterBox

    free = backend.format == "pt" or (backend.dynamic and backend.format != "imx")
    size = [wanted or IMAGE_SIZE] * 2
    if not free and getattr(backend, "imgsz", None):
        size = [int(side) for side in backend.imgsz]
        if wanted and size != [wanted] * 2:
            raise InputError(f"image_size is {wanted}, but {path} was exported for {size}")
    if size[0] % backend.stride or size[1] % backend.stride:
        raise InputError(
            f"image_size is {size[0]}, expected a multiple of the stride {backend.stride}"
        )
    return LetterBox(tuple(size), auto=free, stride=backend.stride)
