"""report: one static page that needs nothing beside itself, for one detector or more."""

from dataclasses import replace
from pathlib import Path

from scalewise import params
from scalewise.errors import run
from scalewise.report import appendix, dossier, page
from scalewise.scales import Scales

PAGE = Path("report/index.html")


def main() -> None:
    """Read metrics/, plots/ and logs/, write the page."""
    detectors, scales = params.detectors(), params.read("scales", Scales)
    told = dossier.gather(".", detectors, scales)
    page.write(PAGE, replace(told, appendix=appendix.gather(".", detectors, scales)))
    print(f"look at {PAGE} ({PAGE.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    run(main)
