"""Nets of random weights, photographs and odd images for the adapters."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adapter_cases import CLASSES, random_vision, settle
from scalewise import coco
from scalewise.data.store import Store

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "coco"


@pytest.fixture(scope="session")
def ultralytics(tmp_path_factory):
    """The library, kept from the network and from the home directory."""
    os.environ["YOLO_CONFIG_DIR"] = str(tmp_path_factory.mktemp("settings"))
    os.environ["YOLO_OFFLINE"] = "true"
    return pytest.importorskip("ultralytics", reason="ultralytics is an extra (AGPL-3.0)")


@pytest.fixture(scope="session")
def yolo(ultralytics, tmp_path_factory):
    """The file of a YOLOv8n of random weights that is sure of many classes."""
    torch.manual_seed(0)
    model = ultralytics.YOLO("yolov8n.yaml")
    model.model.names = dict(enumerate(CLASSES))
    settle(model.model)
    for convolutions in model.model.model[-1].cv3:
        convolutions[-1].bias.data.fill_(-4)
        convolutions[-1].weight.data *= 2
    path = tmp_path_factory.mktemp("yolo") / "some.pt"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def vision(tmp_path_factory):
    """A function: the file of a torchvision detector's random weights."""

    def save(model: str) -> Path:
        path = tmp_path_factory.mktemp("vision") / f"{model}.pt"
        torch.manual_seed(0)
        net = random_vision(model)
        settle(net.backbone)
        torch.save(net.state_dict(), path)
        return path

    return save


@pytest.fixture(scope="session")
def photos():
    """Forty photographs of COCO val2017: truth and store."""
    if not REAL.is_dir():
        pytest.skip("the real COCO images are not on this machine (shared/data/coco)")
    return coco.read_truth(REAL / "images40_instances.json.gz"), Store(REAL)


@pytest.fixture(scope="session")
def oddities(tmp_path_factory):
    """Images of odd sizes and kinds, and their truth with COCO's classes under other ids."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "images").mkdir()
    kinds = {"a.png": ("L", 90, 60), "b.jpg": ("CMYK", 64, 64), "c.png": ("P", 33, 70),
             "d.png": ("RGBA", 50, 20), "e.png": ("RGB", 1, 1), "f.png": ("RGB", 1, 300),
             "g.jpg": ("RGB", 200, 131), "h.png": ("1", 40, 40)}  # fmt: skip
    rng = np.random.default_rng(1)
    for name, (mode, width, height) in kinds.items():
        noise = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        image = Image.fromarray(noise).resize((width, height)).convert(mode)
        image.save(folder / "images" / name)
    document = {
        "images": [
            {"id": 9 - n, "file_name": name, "width": width, "height": height}
            for n, (name, (_, width, height)) in enumerate(kinds.items())
        ],
        "categories": [
            {"id": 500 - n, "name": name} for n, name in enumerate(["further", *CLASSES])
        ],
        "annotations": [],
    }
    return coco.parse_truth(document, "odd"), Store(folder)
