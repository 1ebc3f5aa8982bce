"""theory: identities of the losses, receptive fields, cost; checked, and joined to the models."""

from pathlib import Path

from scalewise import checkpoint, coco, params
from scalewise.data.store import Store
from scalewise.errors import run
from scalewise.examples import detection
from scalewise.files import write_metrics, write_table
from scalewise.report import fields, style, theory
from scalewise.theory import cost, effective_field, examples, receptive_field

PLOTS = Path("plots")


def main(*names: str) -> None:
    """Read models/<name>.pt and their images, write metrics/theory.json and the pictures."""
    rules = params.read("effective_field", effective_field.Parameters)
    tables = examples.tables()
    for name, figure in theory.draw(tables):
        style.save(figure, PLOTS / "theory" / f"{name}.png")
    costs, found = {}, {}
    for name in names:
        trained = checkpoint.restore(f"models/{name}.pt", name)
        size = (trained.parameters.image_size,) * 2
        costs[name] = vars(cost.count(trained.net, size))
        layers = receptive_field.table(receptive_field.trace(trained.net, size))
        write_table(PLOTS / name / "layers.csv", layers)
        if "anchors" in trained.sections:
            folder = Path("data") / trained.parameters.dataset
            truth = coco.read_truth(folder / "val.json")
            some = coco.select(truth, list(range(min(rules.images, len(truth.image_ids)))))
            images = detection.load(some, Store(folder), size[0]).images
            levels = effective_field.of_detector(trained, images, rules.seed)
            found[name] = effective_field.metrics(levels, rules.share)
            views = [fields.LevelField(**effective_field.outline(v, rules.share)) for v in levels]
            style.save(fields.against_anchors(views, rules.share), PLOTS / name / "fields.png")
    write_metrics(
        "metrics/theory.json", {**examples.metrics(tables), "cost": costs, "field": found}
    )
    print("theory:", costs)


if __name__ == "__main__":
    run(main)
