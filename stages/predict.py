"""predict@<model>: what a trained model says of val and test, beside the truth."""

from importlib import import_module
from pathlib import Path

from scalewise import checkpoint, environment, params
from scalewise.errors import InputError, run

TASKS = ("classification", "detection", "keypoints", "segmentation")


def main(task: str, name: str) -> None:
    """Read models/<model>.pt and its dataset, write predictions/<model>/."""
    if task not in TASKS:
        raise InputError(f"predict: no task '{task}' (choices: {', '.join(TASKS)})")
    module = import_module(f"scalewise.prediction.{task}")
    rules = params.read(f"prediction.{task}", module.Parameters)
    trained = checkpoint.restore(f"models/{name}.pt", name)
    folder = Path("data") / trained.parameters.dataset
    module.write(trained, folder, Path("predictions") / name, rules, environment.device())


if __name__ == "__main__":
    run(main)
