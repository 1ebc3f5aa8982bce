"""Time and memory of the whole diagnosis against the number of detections.

    PYTHONPATH=src python benchmarks/diagnosis.py

Made data of COCO val2017's size: 5,000 images, 36,000 objects of 80 classes, few of which are
common. Each size runs in a process of its own, from the JSON files on; peak memory is the
process's, with the interpreter and its libraries.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scalewise import coco
from scalewise.diagnosis import average_precision, bootstrap, calibration, tide
from scalewise.diagnosis.matching import Matching, match
from scalewise.scales import Scales

IMAGES, OBJECTS, CLASSES = 5_000, 36_000, 80
WIDTH, HEIGHT = 640, 480
SIZES = (50_000, 100_000, 200_000, 500_000)
COLUMNS = ("read", "match", "AP", "TIDE", "calibration", "diagnosis", "GB", "bootstrap", "GB ")
TIDE_RULES, CALIBRATION_RULES = tide.Parameters(), calibration.Parameters()


def made_truth(rng: np.random.Generator) -> coco.Truth:
    """Objects of random size and place; classes as common as 1 / (rank + 3)."""
    share = 1 / (np.arange(CLASSES) + 3)
    boxes = _boxes(rng, OBJECTS)
    areas = _areas(boxes)
    crowd = rng.random(OBJECTS) < 0.012
    return coco.Truth(
        source="made truth",
        image_ids=np.arange(IMAGES),
        file_names=("",) * IMAGES,
        sizes=np.tile([WIDTH, HEIGHT], (IMAGES, 1)),
        category_ids=np.arange(CLASSES),
        category_names=tuple(f"class {n}" for n in range(CLASSES)),
        ids=np.arange(1, OBJECTS + 1),
        image=np.sort(rng.integers(0, IMAGES, OBJECTS)),
        category=rng.choice(CLASSES, OBJECTS, p=share / share.sum()),
        boxes=boxes,
        areas=areas,
        box_areas=areas,
        crowd=crowd,
        ignore=crowd,
    )


def made_results(rng: np.random.Generator, truth: coco.Truth, count: int) -> coco.Results:
    """One good detection for most objects; the rest is doubles, bad places, wrong classes, air."""
    found = rng.permutation(OBJECTS)[: min(count, OBJECTS * 3 // 4)]
    further = rng.integers(0, OBJECTS, count - len(found))
    item, good = np.append(found, further), np.arange(count) < len(found)
    boxes, air = truth.boxes[item], ~good & (rng.random(count) < 0.3)
    side = np.sqrt(truth.areas[item])[:, None]
    boxes = boxes + rng.normal(0, 1, (count, 4)) * side * np.where(good, 0.05, 0.2)[:, None]
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 2)
    other = ~good & (rng.random(count) < 0.3)
    boxes = np.where(air[:, None], _boxes(rng, count), boxes)
    return coco.Results(
        source="made results",
        image=truth.image[item],
        category=np.where(other, rng.integers(0, CLASSES, count), truth.category[item]),
        boxes=boxes,
        areas=_areas(boxes),
        scores=np.where(good, rng.beta(4, 2, count), rng.beta(1, 8, count)),
    )


def _boxes(rng: np.random.Generator, count: int) -> coco.Floats:
    sides = np.exp(rng.normal(4, 0.9, (count, 2))).clip(4, 400)
    corner = rng.random((count, 2)) * (np.array([WIDTH, HEIGHT]) - sides).clip(1)
    return np.hstack([corner, corner + sides])


def _areas(boxes: coco.Floats) -> coco.Floats:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def measure(truth_file: str, results_file: str, resamples: int) -> dict[str, float]:
    """Seconds of each step and gigabytes at the end of the diagnosis and of the bootstrap."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        made = work()
        seconds[name] = time.perf_counter() - start
        return made

    ious = bootstrap.needed_ious(TIDE_RULES, CALIBRATION_RULES)
    truth, results = timed("read", lambda: read(truth_file, results_file))
    matching = timed("match", lambda: match(truth, results, Scales(), ious))
    timed("AP", lambda: statistics(matching))
    timed("TIDE", lambda: tide.metrics(matching, TIDE_RULES))
    timed("calibration", lambda: calibration.metrics(matching, CALIBRATION_RULES))
    seconds["diagnosis"] = sum(seconds[name] for name in ("match", "AP", "TIDE", "calibration"))
    seconds["GB"] = peak()
    timed("bootstrap", lambda: resample(matching, resamples))
    return seconds | {"GB ": peak()}


def read(truth_file: str, results_file: str) -> tuple[coco.Truth, coco.Results]:
    """The two JSON files."""
    truth = coco.read_truth(truth_file)
    return truth, coco.read_results(results_file, truth)


def statistics(matching: Matching) -> dict[str, float]:
    """COCO's twelve."""
    return average_precision.statistics(average_precision.from_matching(matching))


def resample(matching: Matching, resamples: int) -> dict[str, object]:
    """Intervals of everything."""
    parameters = bootstrap.Parameters(resamples=resamples)
    return bootstrap.metrics(matching, parameters, TIDE_RULES, CALIBRATION_RULES)


def peak() -> float:
    """The highest resident memory of this process so far, GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main() -> None:
    """Print a line a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="detections")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--files", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.files:
        print(json.dumps(measure(*options.files, options.resamples)))
        return
    print(f"{options.resamples:,} resamples; seconds, and GB at the end of each part")
    print("".join(f"{name:>12}" for name in ("detections", *COLUMNS)))
    rng = np.random.default_rng(0)
    truth = made_truth(rng)
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("truth.json", "results.json")]
        coco.write_truth(files[0], truth, "")
        for size in options.sizes:
            coco.write_results(files[1], truth, made_results(rng, truth, size))
            command = [sys.executable, __file__, "--resamples", str(options.resamples)]
            done = subprocess.run([*command, "--files", *files], check=True, stdout=subprocess.PIPE)
            found = json.loads(done.stdout)
            print(f"{size:12,}" + "".join(f"{found[name]:12.2f}" for name in COLUMNS), flush=True)


if __name__ == "__main__":
    main()
