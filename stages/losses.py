"""losses@<model>: the curves of a training."""

from pathlib import Path

from scalewise.errors import run
from scalewise.report import curves, style
from scalewise.report.inputs import table


def main(name: str) -> None:
    """Read plots/<model>/history.csv, draw plots/<model>/loss.png."""
    folder = Path("plots") / name
    history = table(folder / "history.csv", curves.HISTORY_COLUMNS, f"dvc repro train@{name}")
    style.save(curves.loss_curves(history), folder / "loss.png")


if __name__ == "__main__":
    run(main)
