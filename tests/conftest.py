"""Tiny data for every test."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalewise.data import shapes

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: two threads mostly wait


@pytest.fixture
def document() -> dict[str, Any]:
    """A COCO truth: two images, two categories in no order, three objects."""
    return {
        "images": [
            {"id": 11, "file_name": "a.png", "width": 20, "height": 10},
            {"id": 5, "file_name": "b.png", "width": 30, "height": 40},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 9.5},
            {"id": 2, "image_id": 11, "category_id": 7, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"id": 4, "image_id": 5, "category_id": 7, "bbox": [2, 2, 8, 6.5], "ignore": 1},
        ],
    }


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Write a value as JSON into a file and give its path; NaN is written as NaN."""

    def save(value: Any, name: str = "truth.json") -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(value))
        return path

    return save


@pytest.fixture(scope="session")
def tiny_shapes() -> shapes.Parameters:
    """Twelve small images of shapes."""
    look = shapes.Varied(objects=(1, 4), side=(8, 40))
    return shapes.Parameters(image_size=64, train=6, val=3, test=3, varied=look)


@pytest.fixture(scope="session")
def shapes_folder(tiny_shapes: shapes.Parameters, tmp_path_factory: Any) -> Path:
    """The dataset of `tiny_shapes`, in the common form; read only."""
    folder = tmp_path_factory.mktemp("shapes")
    shapes.make(tiny_shapes, folder)
    return folder
