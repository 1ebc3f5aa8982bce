"""features@<model>: what each level answers to, for a typical object of each scale."""

from pathlib import Path

from scalewise import checkpoint, coco, inspection, params
from scalewise.data.store import Store
from scalewise.errors import run
from scalewise.report import features, style
from scalewise.scales import Scales


def main(name: str) -> None:
    """Read models/<model>.pt and its dataset, draw plots/<model>/features.png."""
    trained = checkpoint.restore(f"models/{name}.pt", name)
    folder = Path("data") / trained.parameters.dataset
    truth = coco.read_truth(folder / "test.json")
    store, size = Store(folder), trained.parameters.image_size
    views = [
        features.FeatureView(**inspection.view(trained.net, truth, store, size, scale, n))
        for scale, n in inspection.typical_objects(truth, params.read("scales", Scales)).items()
    ]
    style.save(features.feature_maps(views), Path(f"plots/{name}/features.png"))


if __name__ == "__main__":
    run(main)
