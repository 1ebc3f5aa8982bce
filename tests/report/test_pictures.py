"""The pictures of a detector whose images are not at hand."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from scalewise import coco, files
from scalewise.diagnosis import average_precision, calibration, score_cut, tide, tide_costs
from scalewise.diagnosis.matching import match
from scalewise.report import pictures
from scalewise.scales import Scales

STAGE = Path(__file__).parents[2] / "stages" / "gallery.py"
RULES = tide.Parameters(), calibration.Parameters()


@pytest.fixture
def gallery(tmp_path, monkeypatch, truth, results):
    """A function that runs the stage on a truth that names `images`, and gives the pictures."""
    monkeypatch.chdir(tmp_path)
    plots, metrics = Path("plots/some"), Path("metrics/some")
    ious = average_precision.COCO_IOUS
    ready = match(truth, results, Scales(), [*ious, *calibration.thresholds(RULES[1])])
    files.write_metrics(metrics / "tide.json", {**tide.metrics(ready, RULES[0]), "tidecv": {}})
    files.write_metrics(metrics / "calibration.json", calibration.metrics(ready, RULES[1]))
    accumulated = average_precision.from_matching(ready)
    tables = {
        "precision_recall": average_precision.precision_recall(accumulated),
        "tide_errors": tide_costs.table(ready, RULES[0]),
        "reliability": calibration.reliability(ready, RULES[1]),
        "score_cut": score_cut.table(truth, results, Scales(), score_cut.Parameters(), *RULES),
    }
    for name, table in tables.items():
        files.write_table(plots / f"{name}.csv", table)
    files.write_metrics(metrics / "score_cut.json", score_cut.metrics(tables["score_cut"], results))
    YAML().dump({"scales": json.loads(Scales().model_dump_json())}, Path("params.yaml"))
    monkeypatch.setattr(sys, "argv", ["gallery", "some"])

    def run(images):
        coco.write_truth("predictions/some/test_truth.json", truth, images)
        coco.write_results("predictions/some/test.json", truth, results)
        runpy.run_path(str(STAGE), run_name="__main__")
        return {path.stem for path in plots.glob("*.png")}

    return run


def test_all_that_need_no_images_are_drawn_and_the_others_say_so(gallery, texts):
    assert gallery("") == {
        "precision_recall", "reliability", "tide", "score_cut", *pictures.NEEDS
    }  # fmt: skip
    assert "errors: the images are not at hand" in texts(pictures.instead("errors"))


def test_images_that_are_named_and_absent_are_an_error(gallery):
    with pytest.raises(SystemExit, match=r"error: nowhere: expected a folder of images or a tar"):
        gallery("nowhere")
