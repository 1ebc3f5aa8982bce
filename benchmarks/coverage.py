"""How often the intervals hold the truth, where the truth is known.

    PYTHONPATH=src python benchmarks/coverage.py TRUTH.json RESULTS.json

The images given are taken for the whole world, so every number of theirs is true. A test set is
a draw of as many images from them, with replacement; it is resampled as `bootstrap` does and the
intervals either hold the true number or not. Beside it the percentile interval of the same
resamples.
"""

import argparse

import numpy as np

from scalewise import coco
from scalewise.diagnosis import bootstrap, calibration, tide
from scalewise.diagnosis.matching import match
from scalewise.errors import told_plainly
from scalewise.scales import Scales

TIDE_RULES, CALIBRATION_RULES = tide.Parameters(), calibration.Parameters()


def weights(rng: np.random.Generator, images: int, resamples: int) -> bootstrap.Weights:
    """[I, 1 + B] of one test set: how often it has each image, then how often each resample."""
    own = rng.multinomial(images, np.full(images, 1 / images))
    drawn = rng.multinomial(images, own / images, size=resamples)
    return np.ascontiguousarray(np.vstack([own, drawn]).T, np.float32)


def main() -> None:
    """Print a line a statistic."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth", help="COCO truth, JSON or gzip")
    parser.add_argument("results", help="COCO results, JSON or gzip")
    parser.add_argument("--sets", type=int, default=120, help="test sets drawn")
    parser.add_argument("--resamples", type=int, default=256)
    parser.add_argument("--level", type=float, default=0.95)
    options = parser.parse_args()
    truth = coco.read_truth(options.truth)
    results = coco.read_results(options.results, truth)
    ious = bootstrap.needed_ious(TIDE_RULES, CALIBRATION_RULES)
    matching = match(truth, results, Scales(), ious)
    prepared = bootstrap.prepare(matching, TIDE_RULES, CALIBRATION_RULES)
    images, rng = len(truth.image_ids), np.random.default_rng(0)
    true = bootstrap.samples(prepared, np.ones((images, 1), np.float32)).iloc[0]
    held, by_percentile = [], []
    for _ in range(options.sets):
        found = bootstrap.samples(prepared, weights(rng, images, options.resamples))
        edges = bootstrap.intervals(found, options.level)
        held.append([e["low"] <= true[name] <= e["high"] for name, e in edges.items()])
        tails = [(1 - options.level) / 2, (1 + options.level) / 2]
        low, high = found.iloc[1:].quantile(tails).to_numpy()
        by_percentile.append((low <= true) & (true <= high))
    print(f"{options.sets} test sets, {options.resamples} resamples, level {options.level}")
    print("statistic               true  reflected  percentile")
    shares = zip(true.index, np.mean(held, axis=0), np.mean(by_percentile, axis=0), strict=True)
    for name, own, other in shares:
        print(f"{name:<18}{true[name]:10.4f}{own:11.2f}{other:12.2f}")


if __name__ == "__main__":
    with told_plainly():
        main()
