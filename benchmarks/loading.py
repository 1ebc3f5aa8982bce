"""Images a second of the training loop, and of a plain DataLoader loop with the same classifier.

    PYTHONPATH=src python benchmarks/loading.py --images 9334 --size 224 --batch 32

Both train the same net on the same made JPEGs, in the same precision. Ours decodes a split once and
keeps it on the device, where it is augmented batch by batch. The plain loop is the usual one: a
DataLoader without workers opens, decodes, resizes and, image by image, augments with torchvision,
and looks at the loss after each step. SCALEWISE_DEVICE chooses the device.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torchvision import transforms

from scalewise import checkpoint, class_labels, training
from scalewise.checkpoint import Sections
from scalewise.data import store
from scalewise.errors import told_plainly
from scalewise.files import write_json
from scalewise.models import classifier
from scalewise.schedule import Schedule

CLASSES = tuple(f"class {n}" for n in range(10))
VALIDATION = 64  # images; its time counts as ours
WARM = 3  # steps before the clock runs


class Setting(NamedTuple):
    """What both loops train."""

    name: str
    module: ModuleType
    sections: Sections
    schedule: Schedule
    folder: Path


class Files(Dataset):
    """Image files by name, decoded when asked for."""

    def __init__(self, folder: Path, truth: class_labels.Truth, change: Any) -> None:
        self.paths = [folder / "files" / name for name in truth.file_names]
        self.labels, self.change = truth.label.tolist(), change

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, n: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[n]) as image:
            return self.change(image.convert("RGB")), self.labels[n]


def make(folder: Path, images: int, side: int) -> None:
    """A dataset of soft noise with some grain as JPEGs, in a tar and as files."""
    for split, count in (("train", images), ("val", VALIDATION)):
        rng, packed = np.random.default_rng(count), []
        for n in range(count):
            soft = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
            pixels = np.asarray(soft.resize((side, side), Image.Resampling.BICUBIC), np.int16)
            pixels = (pixels + rng.integers(-12, 13, pixels.shape)).clip(0, 255).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
            packed.append((f"{split}{n}.jpg", buffer.getvalue()))
        _write(folder, split, packed, side)
    members = [(path.name, path.read_bytes()) for path in sorted((folder / "files").iterdir())]
    store.pack(folder / "images.tar", members)


def _write(folder: Path, split: str, packed: list[tuple[str, bytes]], side: int) -> None:
    (folder / "files").mkdir(exist_ok=True)
    for name, data in packed:
        (folder / "files" / name).write_bytes(data)
    count = len(packed)
    truth = class_labels.Truth(
        source=split,
        image_ids=np.arange(count),
        file_names=tuple(name for name, _ in packed),
        sizes=np.full((count, 2), side),
        category_names=CLASSES,
        label=np.arange(count) % len(CLASSES),
        frames=("",) * count,
    )
    write_json(folder / f"{split}.json", class_labels.truth_document(truth))


def ours(setting: Setting, fabric: Fabric) -> tuple[float, float]:
    """Seconds to load the splits, and to train."""
    start = time.perf_counter()
    train, val = (
        setting.module.examples(setting.sections, setting.folder, split)
        for split in ("train", "val")
    )
    loaded = time.perf_counter() - start
    net = setting.module.build(setting.sections, CLASSES)
    scratch = setting.folder / "scratch.pt"
    outcome = training.fit(fabric, net, train, val, setting.schedule, scratch)
    return loaded, outcome.log["seconds"]


def plain(setting: Setting, device: torch.device, mixed: bool) -> float:
    """Seconds to train with a DataLoader that decodes in this process."""
    truth = class_labels.read_truth(setting.folder / "train.json")
    data = DataLoader(dataset(setting, truth), setting.schedule.batch_size, shuffle=True)
    net = setting.module.build(setting.sections, CLASSES).to(device).train()
    optimizer = torch.optim.AdamW(net.parameters(), setting.schedule.learning_rate, weight_decay=0)
    start = time.perf_counter()
    for _ in range(setting.schedule.epochs):
        for images, labels in data:
            step(net, optimizer, images.to(device), labels.to(device), mixed).item()
    return time.perf_counter() - start


def dataset(setting: Setting, truth: class_labels.Truth) -> Dataset:
    """The images, and their augmented copies where the model has some."""
    size = setting.sections["classifier"].image_size
    same = [transforms.Resize((size, size)), transforms.PILToTensor()]
    parts = [Files(setting.folder, truth, transforms.Compose(same))]
    if rules := getattr(setting.sections[setting.name], "augmentation", None):
        changes = [
            transforms.RandomAffine(0, (rules.translate, rules.translate), rules.scale),
            transforms.ColorJitter(rules.brightness, rules.contrast),
            transforms.RandomAdjustSharpness(rules.sharpness),
            transforms.RandomPerspective(rules.perspective),
        ]
        changed = transforms.Compose([same[0], *changes, same[1]])
        parts += [Files(setting.folder, truth, changed)] * rules.copies
    return ConcatDataset(parts)


def step(net: nn.Module, optimizer: Any, images: Tensor, labels: Tensor, mixed: bool) -> Tensor:
    """One step, as anybody would write it."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
        loss = net.loss({"images": images, "labels": labels})["cross_entropy"]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def warm(setting: Setting, device: torch.device, mixed: bool) -> None:
    """A few steps, so that no loop pays for the libraries' start."""
    net, rules = setting.module.build(setting.sections, CLASSES).to(device), setting.schedule
    optimizer = torch.optim.AdamW(net.parameters())
    size = setting.sections["classifier"].image_size
    images = torch.zeros(rules.batch_size, 3, size, size, dtype=torch.uint8, device=device)
    labels = torch.zeros(rules.batch_size, dtype=torch.int64, device=device)
    for _ in range(WARM):
        step(net, optimizer, images, labels, mixed).item()


def main() -> None:
    """Print a line a loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet18_augmented", help="one of the classifiers")
    parser.add_argument("--images", type=int, default=9334)
    parser.add_argument("--size", type=int, default=224, help="side of the input, px")
    parser.add_argument("--stored", type=int, help="side of the JPEGs, px; the input's without")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    module = checkpoint.find_model(options.model)
    sections = {name: record() for name, record in module.SECTIONS.items()}
    sections["classifier"] = classifier.Parameters(image_size=options.size)
    rules = {"epochs": options.epochs, "batch_size": options.batch}
    schedule = Schedule(**rules, learning_rate=0.001, weight_decay=0.0)
    fabric = training.fabric_for(schedule)
    fabric.launch()
    mixed = str(fabric._precision.precision).startswith("bf16")
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(options.model, module, sections, schedule, Path(folder))
        make(setting.folder, options.images, options.stored or options.size)
        warm(setting, fabric.device, mixed)
        loaded, seconds = ours(setting, fabric)
        usual = plain(setting, fabric.device, mixed)
    copies = getattr(module.build(sections, CLASSES), "copies", 1)
    tell(options, options.images * copies * options.epochs, (loaded, seconds, usual), fabric)


def tell(
    options: argparse.Namespace, shown: int, seconds: tuple[float, float, float], fabric: Fabric
) -> None:
    """Both loops' rates."""
    loaded, own, usual = seconds
    print(
        f"{options.model} on {fabric.device.type}, {fabric._precision.precision}: "
        f"{options.images:,} images, {options.size} px, batch {options.batch}, "
        f"{options.epochs} epochs, {shown:,} examples"
    )
    print(f"ours, loaded once in {loaded:.1f} s: {own:8.1f} s{shown / own:10.1f} images/s")
    print(f"with the loading:{loaded + own:18.1f} s{shown / (loaded + own):10.1f} images/s")
    print(f"plain DataLoader:{usual:18.1f} s{shown / usual:10.1f} images/s")
    print(f"ours is {usual / own:.2f} times as fast, {usual / (loaded + own):.2f} with the loading")


if __name__ == "__main__":
    with told_plainly():
        main()
