"""snapshots@<model>: the heatmaps of a few validation images through the epochs."""

from pathlib import Path

import numpy as np

from scalewise import checkpoint
from scalewise.errors import InputError, run
from scalewise.report import keypoint_heatmaps, style


def main(name: str) -> None:
    """Read models/<model>.pt and its dataset's val, draw plots/<model>/heatmaps.png."""
    path = Path(f"models/{name}.pt")
    trained, kept = checkpoint.restore(path, name), checkpoint.snapshots(path, name)
    if "maps" not in kept:
        raise InputError(f"{path}: a '{name}' keeps no heatmaps of its epochs")
    folder = Path("data") / trained.parameters.dataset
    val = checkpoint.find_model(name).examples(trained.sections, folder, "val").tensors
    maps = kept["maps"].numpy() / 255
    val = {part: values[: maps.shape[1]].numpy() for part, values in val.items()}
    images = [np.squeeze(image.transpose(1, 2, 0)) for image in val["images"]]  # grey: [S, S]
    truth, epochs = (val["points"], val["visible"]), keypoint_heatmaps.milestones(len(maps))
    shown = maps[np.subtract(epochs, 1)]
    figure = keypoint_heatmaps.heatmaps(shown, images, *truth, epochs, trained.categories)
    style.save(figure, f"plots/{name}/heatmaps.png")


if __name__ == "__main__":
    run(main)
