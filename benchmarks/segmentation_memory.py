"""Peak memory of evaluating a segmentation net on few images and on four times as many.

    PYTHONPATH=src python benchmarks/segmentation_memory.py --images 200

Two steps, each a process of its own that tells the most memory it ever held: predict a test split
(masks, matrices), and measure it (intervals included). A decoded image of the default size would
take 307 kB with its mask; a matrix of 32 classes takes 4. Needs Linux, which keeps peaks in /proc.
"""

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from scalewise import bootstrap, confusion, label_maps
from scalewise.checkpoint import Trained
from scalewise.data import store
from scalewise.data.camvid_classes import CAMVID
from scalewise.errors import told_plainly
from scalewise.evaluation import segmentation
from scalewise.label_maps import Truth
from scalewise.models import segmenter, segnet
from scalewise.prediction import segmentation as prediction


def dataset(folder: Path, images: int, size: tuple[int, int]) -> None:
    """Val of one image and test of many, all the same noise under other names."""
    width, height = size
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    encoded = [store.encode_png(pixels), store.encode_png(pixels[..., 0] % len(CAMVID))]
    members = []
    for split, count in (("val", 1), ("test", images)):
        truth = _truth(split, count, size)
        label_maps.write_truth(folder / f"{split}.json", truth, folder)
        for names in zip(truth.file_names, truth.label_names, strict=True):
            members += zip(names, encoded, strict=True)
    store.pack(folder / "images.tar", members)


def _truth(split: str, count: int, size: tuple[int, int]) -> Truth:
    names = tuple(f"{split}/{n // 10:04d}_{n:06d}.png" for n in range(count))
    return Truth(
        source=split,
        image_ids=np.arange(count),
        file_names=names,
        sizes=np.full((count, 2), size),
        category_names=CAMVID.names,
        colours=CAMVID.colours,
        void=CAMVID.void,
        label_names=tuple(f"labels/{name}" for name in names),
        sequences=tuple(f"{n // 10:04d}" for n in range(count)),
    )


def peak() -> float:
    """The most memory this process ever held, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    held = dict(line.split(":", 1) for line in lines)
    return int(held["VmHWM"].split()[0]) / 1e3


def predict(folder: Path) -> float:
    """Write what a net says, one whose own needs are small; gives the peak memory, MB."""
    torch.set_num_threads(1)
    sections = {
        "segnet": segnet.Parameters(base_width=4),
        "segmenter": segmenter.Parameters(height=32, width=32),
    }
    net = segnet.build(sections, CAMVID.names).eval()
    trained = Trained("segnet", net, sections, CAMVID.names, folder)
    asked = prediction.Parameters(batch_size=4)
    prediction.write(trained, folder, folder / "out", asked, torch.device("cpu"))
    return peak()


def measure(folder: Path) -> float:
    """Read and measure it; gives the peak memory, MB."""
    truth = label_maps.read_truth(folder / "out" / "test_truth.json")
    found = confusion.read(folder / "out" / "test.npz", len(truth), len(CAMVID))
    rules = segmentation.Parameters()
    segmentation.metrics(segmentation.measured(truth, found, rules), rules, bootstrap.Parameters())
    return peak()


def peaks(images: int, size: tuple[int, int]) -> list[float]:
    """Of each step on so many images, MB."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        dataset(Path(folder), images, size)
        for step in STEPS:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                found.append(pool.submit(step, Path(folder)).result())
    return found


STEPS = (predict, measure)


def main() -> None:
    """Print a line a number of images, and what the two differ by."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), help="width and height")
    options = parser.parse_args()
    counts, rows = (options.images, 4 * options.images), []
    print(f"{'images':>8}" + "".join(f"{step.__name__:>14}" for step in STEPS))
    for count in counts:
        rows.append(peaks(count, tuple(options.size)))
        print(f"{count:>8}" + "".join(f"{held:>11.1f} MB" for held in rows[-1]), flush=True)
    growth = 1e3 * np.subtract(rows[1], rows[0]) / (counts[1] - counts[0])
    print("an image" + "".join(f"{more:>11.1f} kB" for more in growth))


if __name__ == "__main__":
    with told_plainly():
        main()
