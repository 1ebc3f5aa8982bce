"""gallery@<detector>: every picture of a detector's results on the test images."""

from pathlib import Path

from scalewise import coco, params
from scalewise.data.store import Store
from scalewise.errors import run
from scalewise.report import pictures, style
from scalewise.report.inputs import if_there
from scalewise.scales import Scales


def main(detector: str) -> None:
    """Read images and what the earlier stages wrote, draw plots/<detector>/*.png."""
    plots = Path("plots") / detector
    scales = params.read("scales", Scales)
    truth = coco.read_truth(f"predictions/{detector}/test_truth.json")
    results = coco.read_results(f"predictions/{detector}/test.json", truth)
    metrics = Path("metrics") / detector
    sources = pictures.Sources(
        detector=detector,
        plots=plots,
        metrics=metrics,
        store=Store.over(truth.images) if truth.images else None,
        truth=truth,
        results=results,
        scales=scales,
        intervals=if_there(metrics / "intervals.json"),
    )
    drawn = dict(pictures.draw(sources))
    for name in pictures.NEEDS:
        drawn.setdefault(name, pictures.instead(name))
    for name, figure in drawn.items():
        style.save(figure, plots / f"{name}.png")
    print(f"{detector}: {', '.join(drawn)}")


if __name__ == "__main__":
    run(main)
