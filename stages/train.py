"""train@<model>: fit a model on its dataset and keep the best epoch on val."""

from pathlib import Path

from scalewise import checkpoint, params, training
from scalewise.errors import run
from scalewise.examples.images import check_same_categories
from scalewise.files import write_json


def main(name: str) -> None:
    """Read the model's dataset, write models/<model>.pt, its history and a log."""
    module = checkpoint.find_model(name)
    sections = {key: params.read(key, record) for key, record in module.SECTIONS.items()}
    schedule, folder = sections[name].training, Path("data") / sections[name].dataset
    fabric = training.fabric_for(schedule)
    fabric.launch()
    train, val = (module.examples(sections, folder, split) for split in ("train", "val"))
    check_same_categories(train, val)
    net = checkpoint.fresh(module, sections, train)
    key = training.digest(sections, [*train.files, *val.files])
    outcome = training.fit(fabric, net, train, val, schedule, Path(f".scratch/{name}-{key}.pt"))
    if fabric.is_global_zero:
        kept = (outcome.state, outcome.snapshots)
        checkpoint.save(f"models/{name}.pt", name, sections, train.categories, *kept)
        training.write_history(f"plots/{name}/history.csv", outcome.history)
        write_json(f"logs/train/{name}.json", outcome.log)


if __name__ == "__main__":
    run(main)
