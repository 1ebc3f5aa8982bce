"""A pretrained detector's images a second, ours beside the library's own validation loop.

    PYTHONPATH=src python benchmarks/pretrained.py WEIGHTS IMAGES [--images N] [--half] ...

WEIGHTS is a YOLO's (a file, or a name that is downloaded), IMAGES a folder of photographs, shown
again and again up to N. Both loops run in turn in one process, and the best turn of each counts:
decode, fit, predict with the floor .001 and at most 300 detections, several classes a box. The
library's also matches what it finds to truth (here one box an image), ours writes COCO results.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from scalewise import coco, environment
from scalewise.data.store import Store
from scalewise.errors import InputError, told_plainly
from scalewise.models.pretrained import Parameters
from scalewise.prediction import adapters, pretrained

SUFFIXES = {".jpg", ".jpeg", ".png"}


def main() -> None:
    """Print images a second of both loops."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="YOLO weights, a file or a name")
    parser.add_argument("folder", type=Path, help="photographs")
    parser.add_argument("--images", type=int, default=200, help="how many to show")
    parser.add_argument("--batch", type=int, default=16, help="images at a time")
    parser.add_argument("--half", action="store_true", help="half precision, on a GPU")
    parser.add_argument("--turns", type=int, default=3, help="how often each loop runs")
    options = parser.parse_args()
    parameters = Parameters(
        library="ultralytics", weights=options.weights, dataset="some", batch_size=options.batch,
        max_detections=300, multi_label=True, half=options.half,
    )  # fmt: skip
    adapter = adapters.build("some", parameters, environment.device())
    with tempfile.TemporaryDirectory() as scratch:
        truth = _dataset(options.folder, options.images, Path(scratch), adapter.names)
        loops = {
            "ours": lambda: _ours(adapter, truth, Path(scratch), options.batch),
            "the library's": _library(options, adapter.backend.device, Path(scratch)),
        }
        best = dict.fromkeys(loops, 0.0)
        for _ in range(options.turns):
            for name, loop in loops.items():
                best[name] = max(best[name], options.images / _seconds(loop))
    for name, speed in best.items():
        print(f"{name}: {speed:.1f} images/s, the best of {options.turns} turns")


def _seconds(loop: Callable[[], object]) -> float:
    start = time.perf_counter()
    loop()
    return time.perf_counter() - start


def _dataset(folder: Path, count: int, out: Path, names: dict[int, str]) -> coco.Truth:
    """The photographs under new names, in both forms: ours, and YOLO's labels and data.yaml."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{folder}: expected images ({', '.join(sorted(SUFFIXES))}), found none")
    (out / "images").mkdir()
    (out / "labels").mkdir()
    images = []
    for n in range(count):
        source = found[n % len(found)]
        name = f"{n:06d}{source.suffix}"
        shutil.copy(source, out / "images" / name)
        (out / "labels" / f"{n:06d}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
        with Image.open(source) as image:
            width, height = image.size
        images.append({"id": n, "file_name": name, "width": width, "height": height})
    listed = "\n".join(f"  {n}: {name!r}" for n, name in names.items())
    (out / "data.yaml").write_text(f"path: {out}\ntrain: images\nval: images\nnames:\n{listed}\n")
    categories = [{"id": n, "name": name} for n, name in names.items()]
    document = {"images": images, "categories": categories, "annotations": []}
    return coco.parse_truth(document, "photographs")


def _ours(adapter: adapters.Adapter, truth: coco.Truth, out: Path, batch: int) -> None:
    found = pretrained.predict(adapter, truth, Store(out), batch, out / "scratch")
    coco.write_results(out / "results.json", truth, found)


def _library(options: argparse.Namespace, device: object, out: Path) -> Callable[[], object]:
    from ultralytics import YOLO

    model = YOLO(options.weights)
    # `quantize` is what the library now calls half precision.
    return lambda: model.val(
        data=str(out / "data.yaml"), batch=options.batch, quantize=16 if options.half else None,
        device=str(device), verbose=False, plots=False, project=str(out), name="val",
        exist_ok=True, workers=8,
    )  # fmt: skip


if __name__ == "__main__":
    with told_plainly():
        main()
