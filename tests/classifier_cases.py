"""Small classified images, and classifiers for them."""

import numpy as np
import torch

from scalewise import class_labels
from scalewise.class_labels import Truth
from scalewise.data import store
from scalewise.files import write_json
from scalewise.models import classifier, convnet, resnet18, resnet18_augmented

CLASSES = ("cat", "dog", "owl")
MODULES = {"convnet": convnet, "resnet18": resnet18, "resnet18_augmented": resnet18_augmented}
SPLITS = {"train": 9, "val": 4, "test": 5}


def sections(name, size=32, smoothing=0.0, **own):
    """The sections of a model, as params.yaml would give them."""
    shared = classifier.Parameters(image_size=size, label_smoothing=smoothing)
    return {name: MODULES[name].Parameters(**own), "classifier": shared}


def net(name, size=32, smoothing=0.0, classes=CLASSES, **own):
    torch.manual_seed(0)
    return MODULES[name].build(sections(name, size, smoothing, **own), classes)


def batch(images=6, size=32, seed=0):
    """Random images, labels, and `copy` as training counts it."""
    generator = torch.Generator().manual_seed(seed)
    shape = (images, 3, size, size)
    return {
        "images": torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8),
        "labels": torch.randint(0, len(CLASSES), (images,), generator=generator),
        "copy": torch.arange(images) % 4,
    }


def truth_of(split, count, start=0):
    """A truth of images of several sizes, the classes in turn."""
    return Truth(
        source=split,
        image_ids=start + np.arange(count),
        file_names=tuple(f"{CLASSES[n % 3]}/{split}{n}.png" for n in range(count)),
        sizes=np.array([(20 + n, 30 - n) for n in range(count)]),
        category_names=CLASSES,
        label=np.arange(count) % 3,
        frames=("",) * count,
    )


def write_dataset(folder):
    """A dataset of noise in the common form: images.tar and the splits; gives the pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, pixels = np.random.default_rng(0), {}
    for start, (split, count) in enumerate(SPLITS.items()):
        truth = truth_of(split, count, 100 * start)
        for name, (width, height) in zip(truth.file_names, truth.sizes, strict=True):
            pixels[name] = rng.integers(0, 256, (height, width, 3), np.uint8)
        write_json(folder / f"{split}.json", class_labels.truth_document(truth))
    packed = [(name, store.encode_png(image)) for name, image in pixels.items()]
    store.pack(folder / "images.tar", packed)
    return pixels
