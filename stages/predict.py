"""predict@<model>: detections on val and test, beside the truth they answer to."""

from pathlib import Path

from scalewise import checkpoint, coco, environment, params, prediction
from scalewise.data import tensors
from scalewise.data.store import Store
from scalewise.errors import run


def main(name: str) -> None:
    """Read models/<model>.pt and its dataset, write predictions/<model>/."""
    net, sections, categories = checkpoint.restore(f"models/{name}.pt", name)
    rules = params.read("prediction", prediction.Parameters)
    folder, out = Path("data") / sections[name].dataset, Path("predictions") / name
    device = environment.device()
    for split in ("val", "test"):
        truth = coco.read_truth(folder / f"{split}.json")
        coco.check_categories(truth, categories, f"models/{name}.pt")
        images = tensors.load(truth, Store(folder), sections[name].image_size)
        found = prediction.predict(net.to(device), images, truth, rules, device)
        coco.write_results(out / f"{split}.json", truth, found)
        coco.write_truth(out / f"{split}_truth.json", truth, folder)
    coco.write_results(out / "ceiling.json", truth, prediction.ceiling(images, truth, rules))


if __name__ == "__main__":
    run(main)
