"""A tiny detector's results, their images, and pictures held to be quiet and repeatable."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from scalewise import coco
from scalewise.data.store import Store
from scalewise.report import style

WIDTH, HEIGHT = 160, 120

# image, class, xywh: a small, a medium and a large object, and one that nobody finds
OBJECTS = [
    (0, 0, (10, 10, 12, 12)),
    (0, 1, (40, 20, 50, 50)),
    (1, 0, (20, 5, 110, 110)),
    (2, 1, (100, 60, 20, 30)),
]
# image, class, xywh, score
FOUND = [
    (0, 0, (10, 10, 12, 12), 0.9),  # hit
    (0, 0, (42, 20, 50, 50), 0.8),  # wrong class
    (1, 0, (20, 5, 110, 110), 0.7),  # hit
    (1, 0, (22, 5, 110, 110), 0.6),  # twice
    (3, 1, (5, 5, 20, 20), 0.5),  # on nothing
    (0, 1, (60, 40, 50, 50), 0.2),  # lies badly, and below the floor of what is shown
]


def make_truth(objects: list, images: int = 4, classes: tuple[str, ...] = ("cat", "dog")):
    return coco.parse_truth(
        {
            "images": [
                {"id": 10 + i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT}
                for i in range(images)
            ],
            "categories": [{"id": c + 1, "name": name} for c, name in enumerate(classes)],
            "annotations": [
                {"id": n + 1, "image_id": 10 + i, "category_id": c + 1, "bbox": list(box), **more}
                for n, (i, c, box, more) in enumerate((*o, {})[:4] for o in objects)
            ],
        },
        "truth",
    )


def make_results(found: list, truth: coco.Truth) -> coco.Results:
    records = [
        {
            "image_id": 10 + i,
            "category_id": c + 1,
            "bbox": list(box),
            "score": score,
            "level": n % 3,
        }
        for n, (i, c, box, score) in enumerate(found)
    ]
    return coco.parse_results(records, truth, "results")


@pytest.fixture(scope="session")
def truth_of() -> Callable[..., coco.Truth]:
    return make_truth


@pytest.fixture(scope="session")
def results_of() -> Callable[..., coco.Results]:
    return make_results


@pytest.fixture
def truth() -> coco.Truth:
    return make_truth(OBJECTS)


@pytest.fixture
def results(truth: coco.Truth) -> coco.Results:
    return make_results(FOUND, truth)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for n in range(4):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{n}.png")
    return folder


@pytest.fixture
def store(image_folder: Path) -> Store:
    return Store(image_folder)


@pytest.fixture
def png(tmp_path: Path) -> Callable[[Figure], bytes]:
    """A figure's PNG; warnings are errors here, so a picture that is drawn is quiet too."""

    def saved(figure: Figure) -> bytes:
        path = tmp_path / "picture.png"
        style.save(figure, path)
        return path.read_bytes()

    return saved


@pytest.fixture
def texts() -> Callable[[Figure], str]:
    """All that is written in a figure."""

    def written(figure: Figure) -> str:
        return "\n".join(
            text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))
        )

    return written
