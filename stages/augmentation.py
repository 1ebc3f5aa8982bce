"""augmentation@<model>: what its augmentation makes of the first training image of each class."""

from pathlib import Path

import numpy as np
import torch

from scalewise import checkpoint, class_labels, params, training
from scalewise.data.store import Store
from scalewise.errors import run
from scalewise.examples import images
from scalewise.report import classification_data, style

COPIES = 3  # shown beside the image itself


def main(name: str) -> None:
    """Read the model's section and dataset, draw plots/<model>/augmentation.png."""
    module = checkpoint.find_model(name)
    sections = {key: params.read(key, record) for key, record in module.SECTIONS.items()}
    own, size = sections[name], sections["classifier"].image_size
    folder = Path("data") / own.dataset
    truth = class_labels.read_truth(folder / "train.json")
    truth = class_labels.select(truth, np.unique(truth.label, return_index=True)[1])
    pixels = torch.from_numpy(images.stretched(truth, Store(folder), size, size))
    versions = 1 + COPIES
    batch = {
        "images": pixels.repeat_interleave(versions, dim=0),
        "copy": torch.arange(versions).repeat(len(pixels)),
    }
    generator = torch.Generator().manual_seed(own.training.seed)
    draws = torch.rand(len(batch["copy"]), training.DRAWS, generator=generator)
    changed = module.build(sections, truth.category_names).augment(batch, draws)["images"]
    samples = changed.round().byte().unflatten(0, (-1, versions)).permute(0, 1, 3, 4, 2).numpy()
    labels = [truth.category_names[n] for n in truth.label]
    style.save(classification_data.augmented(samples, labels), f"plots/{name}/augmentation.png")
    print(f"{name}: {len(labels)} images with {COPIES} augmented copies each")


if __name__ == "__main__":
    run(main)
