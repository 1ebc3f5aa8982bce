"""Stage detect: a placeholder, results that exist already, and a net on a dataset."""

import gzip
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from adapter_cases import random_vision
from scalewise import coco

STAGES = Path(__file__).parents[2] / "stages"
SSD = "ssdlite320_mobilenet_v3_large"


@pytest.fixture
def detect(tmp_path, monkeypatch):
    """A function that runs the stage in an empty project with one entry, `some`."""
    monkeypatch.chdir(tmp_path)

    def run(entry, detectors='["multiscale", "some"]'):
        Path("params.yaml").write_text(
            f"detectors: {detectors}\npretrained: {json.dumps({'some': entry})}\n"
        )
        monkeypatch.setattr(sys, "argv", ["detect", "some"])
        runpy.run_path(str(STAGES / "detect.py"), run_name="__main__")
        return Path("predictions/some")

    return run


def entry(**more):
    return {"library": "results", "results": "found.json.gz", "dataset": "mine", **more}


def test_what_nobody_asked_for_says_how_to_ask(detect):
    made = detect(entry(), '["multiscale"]')
    assert [path.name for path in made.iterdir()] == ["README.txt"]
    assert "'detectors=[multiscale,some]'" in (made / "README.txt").read_text()


def test_results_that_exist_are_taken_over_with_their_digits(detect, document, tmp_path):
    found = [
        {"image_id": 5, "category_id": 3, "bbox": [1.1, 2.2, 3.3, 4.4], "score": 1 / 3,
         "segmentation": [], "level": 2}
    ]  # fmt: skip
    document["annotations"][0]["segmentation"] = [[1, 2, 3, 4, 5, 6]]
    (tmp_path / "found.json.gz").write_bytes(gzip.compress(json.dumps(found).encode()))
    (tmp_path / "truth.json").write_text(json.dumps(document))
    made = detect(entry(truth="truth.json"))
    written = json.loads((made / "test.json").read_text())
    assert written == [{k: v for k, v in found[0].items() if k != "segmentation"}]
    truth = coco.read_truth(made / "test_truth.json")
    assert truth.images == "" and truth.areas[0] == 9.5 and truth.category_ids.tolist() == [7, 3]
    assert "segmentation" not in (made / "test_truth.json").read_text()
    again = coco.read_truth(detect(entry(truth="truth.json", images="pics")) / "test_truth.json")
    assert again.images == "pics"


def test_results_of_a_dataset_have_its_truth_and_images(detect, document, tmp_path):
    (tmp_path / "found.json.gz").write_text("[]")
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "test.json").write_text(json.dumps(document))
    assert coco.read_truth(detect(entry()) / "test_truth.json").images == "data/mine"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ('[{"image_id": 1}]', r"found.json.gz: .*image_id"),
        ("{}", r"found.json.gz: expected a list of detections"),
        (None, r"found.json.gz: no such file"),
    ],
)
def test_wrong_results_write_nothing(detect, document, tmp_path, found, message):
    (tmp_path / "truth.json").write_text(json.dumps(document))
    if found:
        (tmp_path / "found.json.gz").write_text(found)
    with pytest.raises(SystemExit, match=f"error: {message}"):
        detect(entry(truth="truth.json"))
    assert not (tmp_path / "predictions").exists()


def test_a_net_predicts_test_and_val_where_there_is_one(detect, tmp_path, shapes_folder):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").symlink_to(shapes_folder)
    names = ["__background__", *coco.read_truth(shapes_folder / "test.json").category_names]
    torch.manual_seed(0)
    state = random_vision(SSD, classes=len(names)).state_dict()
    torch.save({"model": state, "categories": names}, "own.pt")
    net = {"library": "torchvision", "model": SSD, "weights": "own.pt", "dataset": "mine"}
    made = detect({**net, "score_floor": 0.2})
    assert {path.name for path in made.iterdir()} == {
        "test.json", "test_truth.json", "val.json", "val_truth.json"
    }  # fmt: skip
    truth = coco.read_truth(made / "test_truth.json")
    found = coco.read_results(made / "test.json", truth)
    assert len(found) > 0 and found.scores.min() >= 0.2
    assert not any((tmp_path / ".scratch").iterdir())
    with pytest.raises(SystemExit, match=r"data/other: expected test.json and images there"):
        detect({**net, "dataset": "other"})
