"""What the tests of the adapters share: random nets, stubs, and how to compare with a library."""

from types import SimpleNamespace

import numpy as np
import torch
from torchvision.models import detection, get_model_builder

from scalewise.models.pretrained import Parameters
from scalewise.prediction import adapters, pretrained
from scalewise.prediction.torchvision_adapter import NO_CLASS

LABELS = detection.FasterRCNN_ResNet50_FPN_Weights.DEFAULT.meta["categories"]
CLASSES = [name for name in LABELS if name not in NO_CLASS]
CPU = torch.device("cpu")
# width, height
ODD = [[1, 1], [640, 427], [1, 500], [701, 3], [505, 841],
       *np.random.default_rng(0).integers(3, 900, (45, 2)).tolist()]  # fmt: skip


def random_vision(model, classes=91, **more):
    """A torchvision detector of random weights."""
    builder = get_model_builder(model)
    return builder(weights=None, weights_backbone=None, num_classes=classes, **more)


def settle(net):
    """Give a random net the batch statistics of noise, so that its answers vary by place."""
    norms = [part for part in net.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    coarse = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.train()(torch.nn.functional.interpolate(coarse, size=(128, 128)))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    net.eval()


def noise(side=64):
    """An image [side, side, 3] of coarse noise."""
    coarse = np.random.default_rng(0).integers(0, 256, (side // 16, side // 16, 3), np.uint8)
    return coarse.repeat(16, axis=0).repeat(16, axis=1)


def build(library, weights, **more):
    parameters = Parameters(library=library, weights=str(weights), dataset="some", **more)
    return adapters.build("some", parameters, CPU)


def predicted(adapter, data, tmp_path, batch_size=8):
    return pretrained.predict(adapter, *data, batch_size, tmp_path / "scratch")


def equal(found, truth, n, boxes, scores, names, pixels=0.01):
    """Detections of image `n` are the library's: ids, boxes and order."""
    mine = found.image == n
    assert [truth.category_names[c] for c in found.category[mine]] == names
    np.testing.assert_allclose(found.boxes[mine], boxes, atol=pixels)
    np.testing.assert_allclose(found.scores[mine], scores, atol=1e-5)


class Stub:
    """A net that answers with given boxes in input pixels, for one image."""

    device, fp16, end2end, transform = CPU, False, False, SimpleNamespace()

    def __init__(self, box, as_yolo, scores=(1.0,)):
        self.box, self.as_yolo = torch.tensor(box, dtype=torch.float32), as_yolo
        self.scores = torch.tensor(scores)

    def __call__(self, _):
        if not self.as_yolo:
            answer = {"boxes": self.box[None], "scores": torch.ones(1), "labels": torch.ones(1)}
            return [answer]
        low, high = self.box[:2], self.box[2:]
        return torch.cat([(low + high) / 2, high - low, self.scores])[None, :, None]


def content(pixels, padding) -> np.ndarray:
    """xyxy of the part of an input [3, h, w] that is image, found by its colour."""
    rows, columns = np.nonzero((pixels[0] != padding).numpy())
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


def came_back(adapter, part, as_yolo) -> int:
    """How many of the odd sizes a net sees; on each a perfect box must come back within .5 px.

    Where the image lies in the input is seen in the input itself, not computed as the library
    does; the net (attribute `part`) answers with a box at known shares of it.
    """
    seen = 0
    for width, height in ODD:
        image = adapter.fit(np.full((height, width, 3), 255, np.uint8))
        if not image.pixels.numel():
            continue
        left, top, right, bottom = content(image.pixels, 114 if as_yolo else 0)
        share = np.array([0.1, 0.2, 0.9, 0.7])
        box = share * np.tile([right - left, bottom - top], 2) + np.tile([left, top], 2)
        setattr(adapter, part, Stub(box.tolist(), as_yolo))
        (rows,) = adapter.detect([image])
        expected = share * np.tile([width, height], 2)
        np.testing.assert_allclose(rows[0, :4].numpy(), expected, atol=0.5, err_msg=image.size)
        seen += 1
    return seen
