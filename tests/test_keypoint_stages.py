"""The stages of the keypoint models, on a project of a few figures that cannot be told apart."""

import json
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from scalewise import checkpoint
from scalewise.errors import InputError
from scalewise.files import read_json

ROOT = Path(__file__).parents[1]
MODELS = ("heatmap", "regression", "soft_argmax")


def stage(name, *arguments):
    runpy.run_path(str(ROOT / "stages" / f"{name}.py"))["main"](*arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Everything made, with nets too small to learn much."""
    values = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    values["figures"] |= {"style": "classic", "train": 16, "val": 5, "test": 6}
    values["keypoints"]["encoder"] |= {"widths": [4, 4, 4, 4]}
    values["keypoints"]["encoder"]["input"] |= {"size": 32}
    values["keypoints"] |= {"resolution": 16}
    values["bootstrap"]["resamples"] = 20
    for model in MODELS:
        values[model]["training"] |= {"epochs": 3, "batch_size": 8}
    folder, before = tmp_path_factory.mktemp("project"), Path.cwd()
    (folder / "params.yaml").write_text(json.dumps(values))  # JSON is YAML
    os.chdir(folder)
    try:
        stage("prepare", "figures")
        for model in MODELS:
            stage("train", model)
            stage("predict", "keypoints", model)
            stage("keypoints", model)
        stage("keypoint_gallery", *MODELS)
        for model in ("heatmap", "soft_argmax"):
            stage("snapshots", model)
    finally:
        os.chdir(before)
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_metrics_have_the_measures_and_the_ceiling(project, model):
    found = read_json(project / "metrics" / model / "keypoints.json")
    assert {"PCK_05", "PCK_10", "PCK_15", "PCK_20", "error_px_mean", "error_px_median"} < set(found)
    assert set(found["keypoint"]) == {"head", "left_hand", "right_hand", "left_foot", "right_foot"}
    assert found["n"] == 30 and found["images"] == 6
    assert 0.8 <= found["ceiling"]["guess"]["PCK_05"] <= found["ceiling"]["optimal"]["PCK_05"] < 1
    assert found["PCK_05"] < 0.5


@pytest.mark.parametrize("model", MODELS)
def test_history_has_every_epoch(project, model):
    rows = (project / "plots" / model / "history.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,learning_rate,train_total")
    assert len(rows) == 4


@pytest.mark.parametrize("model", ["heatmap", "soft_argmax"])
def test_snapshots_are_of_the_first_images_after_each_epoch(project, model):
    maps = checkpoint.snapshots(project / "models" / f"{model}.pt", model)["maps"]
    assert maps.shape == (3, 4, 5, 16, 16)
    with Image.open(project / "plots" / model / "heatmaps.png") as image:
        assert image.width >= 600 and len(np.unique(np.asarray(image.convert("L")))) > 50


def test_a_model_without_maps_has_no_snapshots(project, monkeypatch):
    monkeypatch.chdir(project)
    with pytest.raises(InputError, match=r"regression\.pt: a 'regression' keeps no heatmaps"):
        stage("snapshots", "regression")


def test_pictures_are_made(project):
    names = {path.name for path in (project / "plots" / "keypoints").iterdir()}
    assert names == {"pck.png", "size.png", "samples.png", "failures.png"}
    assert (project / "metrics" / "keypoints.json").is_file()
