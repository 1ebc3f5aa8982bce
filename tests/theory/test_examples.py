import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from scalewise import checkpoint
from scalewise.files import read_json
from scalewise.models import anchors, multiscale
from scalewise.theory import examples

STAGE = Path(__file__).parents[2] / "stages" / "theory.py"


@pytest.fixture(scope="module")
def tables():
    return examples.tables()


def test_checks_hold(tables):
    found = examples.metrics(tables)
    assert found["label_smoothing"]["torch_difference"] < 1e-6
    assert found["gaussian"]["integration_difference"] < 1e-6
    assert found["gaussian"]["sampling_errors"] < 4
    assert found["dilation"] == {"formula": 63, "measured": 63, "mistaken": 2199,
                                 "cost_of_dense": 1}  # fmt: skip


def test_formula_trace_and_gradient_agree_and_the_mistake_does_not(tables):
    stacks = tables["dilated_stacks"]
    assert stacks["formula"].tolist() == [3, 7, 15, 31, 63]
    assert (stacks["formula"] == stacks["followed"]).all()
    assert (stacks["formula"] == stacks["measured"]).all()
    assert stacks["mistaken"].tolist() == [3, 7, 23, 151, 2199]
    assert (stacks["multiply_adds"] == stacks["by_hand"]).all()


def test_the_least_loss_is_where_it_is_said_to_be(tables):
    for smoothing, curve in tables["smoothed_losses"].groupby("smoothing"):
        lowest = curve.loc[curve["loss"].idxmin()]
        if smoothing == 0:
            assert lowest["gap"] == curve["gap"].max() and np.isnan(lowest["optimal"])
        else:
            assert lowest["gap"] == pytest.approx(lowest["optimal"], abs=0.07)
            assert lowest["loss"] == pytest.approx(lowest["least"], abs=1e-3)


def test_the_stage_joins_theory_to_a_trained_detector(shapes_folder, tmp_path, monkeypatch):
    small = {"image_size": 64, "stem": (4,), "widths": (4, 8, 8), "neck": 4,
             "convolutions": (1, 1, 1)}  # fmt: skip
    sections = {
        "multiscale": multiscale.Parameters(**small),
        "anchors": anchors.Parameters(scales=((8, 12), (20, 28), (40, 56))),
    }
    torch.manual_seed(0)
    state = multiscale.build(sections, ("a", "b", "c")).state_dict()
    path = tmp_path / "models" / "multiscale.pt"
    checkpoint.save(path, "multiscale", sections, ("a", "b", "c"), state, {})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shapes").symlink_to(shapes_folder)
    (tmp_path / "params.yaml").write_text("effective_field: {images: 2, share: 0.9545, seed: 0}\n")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(STAGE))["main"]("multiscale")
    found = read_json("metrics/theory.json")
    assert set(found["field"]["multiscale"]) == {"level_0", "level_1", "level_2"}
    assert found["field"]["multiscale"]["level_0"]["measured"] > 0
    assert found["cost"]["multiscale"]["parameters"] > 0
    assert {p.name for p in Path("plots/theory").iterdir()} == {
        "label_smoothing.png", "gaussian.png", "dilation.png"}  # fmt: skip
    assert {p.name for p in Path("plots/multiscale").iterdir()} == {"fields.png", "layers.csv"}
