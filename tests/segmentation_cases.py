"""Small labelled images, and segmentation nets for them."""

import numpy as np
import torch

from scalewise import label_maps
from scalewise.data import store
from scalewise.files import write_json
from scalewise.label_maps import Truth
from scalewise.models import deeplabv3, segmenter, segnet

CLASSES = ("sky", "road", "car", "void")
COLOURS = np.array([(128, 128, 128), (128, 64, 160), (64, 0, 128), (0, 0, 0)], np.uint8)
VOID = 3
MODULES = {"segnet": segnet, "deeplabv3": deeplabv3}
SMALL = {"segnet": {"base_width": 4, "convolutions": (2, 2, 3, 3, 3)}, "deeplabv3": {}}
SIZES = {"train": [(40, 32)] * 4, "val": [(40, 32), (64, 48), (33, 50)], "test": [(48, 36)] * 5}


def sections(name, height=32, width=40, shared=None, **own):
    """The sections of a model, as params.yaml would give them."""
    rules = segmenter.Parameters(height=height, width=width, **shared or {})
    return {name: MODULES[name].Parameters(**SMALL[name] | own), "segmenter": rules}


def net(name, shared=None, classes=CLASSES, **own):
    torch.manual_seed(0)
    return MODULES[name].build(sections(name, shared=shared, **own), classes)


def batch(images=4, height=32, width=40, seed=0):
    """Random images, and label maps that their colours have nothing to do with."""
    generator = torch.Generator().manual_seed(seed)
    shape = (images, 3, height, width)
    return {
        "images": torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8),
        "labels": torch.stack([torch.from_numpy(blocks(n, height, width)) for n in range(images)]),
    }


def blocks(seed, height, width):
    """A label map of random rectangles, one over the other."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.uint8)
    for label in rng.permutation(2 * len(CLASSES)) % len(CLASSES):
        top, left = rng.integers(0, (height - 8, width - 8))
        labels[top : top + height // 2, left : left + width // 2] = label
    return labels


def truth_of(split, sizes):
    """A truth of images of these sizes."""
    return Truth(
        source=split,
        image_ids=np.arange(len(sizes)),
        file_names=tuple(f"{split}/{n}.png" for n in range(len(sizes))),
        sizes=np.array(sizes).reshape(-1, 2),
        category_names=CLASSES,
        colours=COLOURS,
        void=VOID,
        label_names=tuple(f"labels/{split}/{n}.png" for n in range(len(sizes))),
        sequences=("",) * len(sizes),
    )


def write_dataset(folder, splits=None, **changed):
    """A dataset in the common form, in which each pixel has its class's colour; gives the masks.

    Args:
        folder: gets images.tar and a JSON a split.
        splits: name -> sizes of its images; `SIZES` for None.
        changed: encoded masks and images that take the place of those of these names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    masks, members = {}, []
    for split, sizes in (splits or SIZES).items():
        truth = truth_of(split, sizes)
        write_json(folder / f"{split}.json", label_maps.truth_document(truth))
        for n, (width, height) in enumerate(sizes):
            mask = masks[truth.file_names[n]] = blocks(len(masks), height, width)
            members.append((truth.file_names[n], store.encode_png(COLOURS[mask])))
            members.append((truth.label_names[n], store.encode_png(mask)))
    store.pack(folder / "images.tar", [(n, changed.get(n, data)) for n, data in members])
    return masks


class Colours(torch.nn.Module):
    """Says of each pixel whose colour is near: right wherever the input has a class's colour."""

    def __init__(self, colours=COLOURS):
        super().__init__()
        self.register_buffer("colours", torch.from_numpy(colours).float())

    def forward(self, images):
        away = images.float().unsqueeze(1) - self.colours[:, :, None, None]  # [B, C, 3, h, w]
        return -away.square().sum(dim=2) / 1000
