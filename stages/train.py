"""train@<model>: fit a model on its dataset and keep the best epoch on val."""

from pathlib import Path

from scalewise import checkpoint, coco, params, training
from scalewise.data.store import Store
from scalewise.errors import run
from scalewise.files import write_json


def main(name: str) -> None:
    """Read the model's dataset, write models/<model>.pt, its history and a log."""
    module = checkpoint.find_model(name)
    sections = {key: params.read(key, record) for key, record in module.SECTIONS.items()}
    schedule, folder = sections[name].training, Path("data") / sections[name].dataset
    files = [folder / "train.json", folder / "val.json"]
    train, val = coco.read_splits(files)
    fabric = training.fabric_for(schedule)
    fabric.launch()
    store = Store(folder)
    outcome = training.fit(
        fabric,
        module.build(sections, len(train.category_ids)),
        module.examples(sections, train, store),
        module.examples(sections, val, store),
        schedule,
        list(train.file_names),
        Path(".scratch") / f"{name}-{training.digest(sections, [*files, *store.files()])}.pt",
    )
    if fabric.is_global_zero:
        state = outcome.state
        checkpoint.save(f"models/{name}.pt", name, sections, train.category_names, state)
        training.write_history(f"plots/{name}/history.csv", outcome.history)
        write_json(f"logs/train/{name}.json", outcome.log)


if __name__ == "__main__":
    run(main)
