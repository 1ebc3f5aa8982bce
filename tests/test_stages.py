"""The stages themselves, run as DVC runs them, on a project of a few small images."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from test_pipeline import stages

ROOT = Path(__file__).parents[1]
OVERLAY = {
    "shapes": {"image_size": 64, "train": 16, "val": 4, "test": 6},
    "anchors": {"scales": [[8, 12], [20, 28], [40, 56]]},
    "multiscale": {"image_size": 64, "stem": [8], "widths": [8, 8, 8], "neck": 8},
    "prediction": {"score_floor": 0.0001},  # two epochs make nothing sure
}
LOOK = {"side": [8, 40], "objects": [1, 4]}
SCHEDULE = {"epochs": 2, "batch_size": 4}


DIAGNOSIS = (
    "average_precision",
    "tide",
    "calibration",
    "levels",
    "intervals",
    "recalibrate",
    "gallery",
)


def make_project(folder: Path) -> Path:
    """A project with the real code and stages, and parameters of a smoke run."""
    values = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for section, changes in OVERLAY.items():
        values[section] |= changes
    values["shapes"]["varied"] |= LOOK
    values["multiscale"]["training"] |= SCHEDULE
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(json.dumps(values))  # JSON is YAML
    (folder / "stages").symlink_to(ROOT / "stages")
    return folder


def change(project: Path, dotted: str, value) -> None:
    values = json.loads((project / "params.yaml").read_text())
    *path, last = dotted.split(".")
    section = values
    for name in path:
        section = section[name]
    section[last] = value
    (project / "params.yaml").write_text(json.dumps(values))


def run(project: Path, stage: str, *arguments: str, **environment: str):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, f"stages/{stage}.py", *arguments]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)


def done(project: Path, stage: str, *arguments: str, **environment: str) -> str:
    result = run(project, stage, *arguments, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def refused(project: Path, stage: str, *arguments: str) -> str:
    """The stage's one line about a user's mistake."""
    result = run(project, stage, *arguments)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr
    return result.stderr


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A project whose every stage has run."""
    project = make_project(tmp_path_factory.mktemp("project"))
    done(project, "prepare", "shapes")
    done(project, "anchors", "shapes", "64")
    for stage in ("train", "losses", "features", "predict", *DIAGNOSIS, "theory"):
        done(project, stage, "multiscale")
    done(project, "report")
    return project


@pytest.fixture
def project(finished, tmp_path) -> Path:
    """A copy of the finished project that a test may spoil."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def test_every_declared_output_is_there(finished):
    for name, stage in stages().items():
        for out in stage.get("outs", []):
            assert (finished / out).exists(), (name, out)
        for metric in stage.get("metrics", []):
            path = next(iter(metric))
            assert json.loads((finished / path).read_text()), (name, path)


def test_nothing_but_the_declared_is_left(finished):
    assert not list(finished.glob(".scratch/*")), "a finished training leaves no state"
    assert not [p for p in finished.rglob(".*") if p.name not in {".scratch"}]


def test_metrics_have_the_standard_names(finished):
    def metrics(name):
        return json.loads((finished / "metrics" / "multiscale" / f"{name}.json").read_text())

    assert {"AP", "AP50", "AP75", "AR_1", "AR_10", "AR_100", "class", "ceiling"} <= set(
        metrics("average_precision")
    )
    for group in ("all", "small"):
        assert {"AP50", "Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FP", "FN"} <= set(
            metrics("tide")[group]
        )
    for name in ("ece", "gap", "n"):
        assert {"all", "small"} <= set(metrics("calibration")[name])
    assert {"recall", "best_iou"} <= set(
        json.loads((finished / "metrics/anchors.json").read_text())
    )


def test_running_again_gives_the_same_bytes(project):
    kept = [
        "models/multiscale.pt",
        "plots/multiscale/history.csv",
        "predictions/multiscale/test.json",
    ]
    before = {name: (project / name).read_bytes() for name in kept}
    done(project, "train", "multiscale")
    done(project, "predict", "multiscale")
    for name, content in before.items():
        assert (project / name).read_bytes() == content, name


def test_a_killed_training_goes_on_where_it_was(project):
    change(project, "multiscale.training.epochs", 30)
    done(project, "train", "multiscale")
    unbroken = (project / "models/multiscale.pt").read_bytes()
    command = [sys.executable, "stages/train.py", "multiscale"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=project, env=env, stdout=subprocess.DEVNULL) as training:
        while not list(project.glob(".scratch/multiscale-*.pt")) and training.poll() is None:
            time.sleep(0.01)
        training.kill()
    assert "going on after epoch" in done(project, "train", "multiscale")
    assert (project / "models/multiscale.pt").read_bytes() == unbroken
    assert not list(project.glob(".scratch/*"))


def test_two_processes_train_like_one(project):
    """The same global batch of 4, split over two processes that average their gradients."""
    change(project, "multiscale.training.precision", "full")
    histories = []
    for processes in ("1", "2"):
        done(project, "train", "multiscale", SCALEWISE_PROCESSES=processes, SCALEWISE_DEVICE="cpu")
        with (project / "plots/multiscale/history.csv").open() as file:
            histories.append(list(csv.DictReader(file)))
        log = json.loads((project / "logs/train/multiscale.json").read_text())
        assert log["processes"] == int(processes)
    for one, two in zip(*histories, strict=True):
        assert {k: float(v) for k, v in two.items()} == pytest.approx(
            {k: float(v) for k, v in one.items()}, rel=1e-3
        )


def test_a_dataset_of_another_origin_takes_the_place_of_shapes(project):
    """A folder of images of several sizes, ids and categories of its own."""
    from PIL import Image

    folder = project / "data" / "mine"
    (folder / "images").mkdir(parents=True)
    for split, first in (("train", 70), ("val", 90), ("test", 95)):
        images, objects = [], []
        for n in range(8 if split == "train" else 3):
            width, height = 50 + 10 * n, 40 + 3 * n
            name = f"{split}{n}.jpg"
            pixels = Image.new("RGB", (width, height), (9 * n, 90, 200))
            pixels.paste((250, 250, 0), (10, 10, 30, 30))
            pixels.save(folder / "images" / name)
            images.append({"id": first + n, "file_name": name, "width": width, "height": height})
            objects.append(
                {
                    "id": 500 + n,
                    "image_id": first + n,
                    "category_id": 44,
                    "bbox": [10, 10, 20, 20],
                    "area": 400,
                    "iscrowd": 0,
                }
            )
        document = {
            "images": images,
            "annotations": objects,
            "categories": [{"id": 44, "name": "box"}, {"id": 2, "name": "none"}],
        }
        (folder / f"{split}.json").write_text(json.dumps(document))
    change(project, "multiscale.dataset", "mine")
    for stage in ("train", "features", "predict", *DIAGNOSIS):
        done(project, stage, "multiscale")
    found = json.loads((project / "predictions/multiscale/test.json").read_text())
    assert {record["image_id"] for record in found} <= {95, 96, 97}
    assert {record["category_id"] for record in found} <= {44, 2}


def test_empty_results_are_a_detector_that_found_nothing(project):
    (project / "predictions/multiscale/test.json").write_text("[]")
    for stage in DIAGNOSIS:
        done(project, stage, "multiscale")
    folder = project / "metrics" / "multiscale"
    assert json.loads((folder / "average_precision.json").read_text())["AP"] == 0
    tide = json.loads((folder / "tide.json").read_text())["all"]
    assert tide["AP50"] == 0 and tide["Miss"] == tide["FN"] == 100


@pytest.mark.parametrize(
    ("stage", "dotted", "value", "message"),
    [
        ("train", "multiscale.widths", [8, 8], "multiscale.widths"),
        ("train", "multiscale.training.epoch", 3, "did you mean 'epochs'"),
        ("train", "anchors.scales", "tiny", "anchors.scales"),
        ("anchors", "scales.bounds", [96, 32], "rising"),
        ("tide", "tide.iou", "half", "tide.iou"),
        ("calibration", "calibration.bins", 0, "calibration.bins"),
        ("average_precision", "evaluation.engine", "mine", "'pycocotools' or 'hotcoco'"),
        ("prepare", "shapes.style", "cubist", "'varied' or 'classic'"),
        ("train", "multiscale.dataset", "absent", "data/absent/train.json: no such file"),
        ("train", "anchrs", {}, "did you mean 'anchors'"),
        ("report", "detectors", [], "detectors"),
        ("train", "multiscale.training.batch_size", 0, "batch_size"),
        ("train", "multiscale.training.learning_rate", 1e30, "not finite"),
    ],
)
def test_a_wrong_parameter_is_one_plain_error(project, stage, dotted, value, message):
    change(project, dotted, value)
    arguments = {"prepare": ["shapes"], "anchors": ["shapes", "64"], "report": []}
    assert message in refused(project, stage, *arguments.get(stage, ["multiscale"]))


def test_a_broken_image_is_named_and_leaves_nothing_half_done(project):
    model = project / "models/multiscale.pt"
    model.unlink()
    archive = project / "data/shapes/images.tar"
    content = bytearray(archive.read_bytes())
    content[600:700] = bytes(100)
    archive.write_bytes(content)
    message = refused(project, "train", "multiscale")
    assert "images.tar: image 'train/000000.png' cannot be decoded" in message
    assert not model.exists()


def test_a_checkpoint_of_another_model_or_dataset_is_named(project):
    truth = project / "data/shapes/test.json"
    document = json.loads(truth.read_text())
    document["categories"][0]["name"] = "ellipse"
    truth.write_text(json.dumps(document))
    assert "its categories are ellipse" in refused(project, "predict", "multiscale")
    (project / "models/multiscale.pt").write_bytes(b"something")
    assert "not a checkpoint" in refused(project, "predict", "multiscale")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"image_id": 999}, "test.json: results[0] (image_id 999)"),
        ({"category_id": 9}, "category_id 9 is not among"),
        ({"bbox": [1, 1, -4, 5]}, "bbox [1, 1, -4, 5]"),
        ({"score": None}, "'score' is None"),
    ],
)
def test_unusable_results_are_named(project, record, message):
    path = project / "predictions/multiscale/test.json"
    truth = json.loads((project / "predictions/multiscale/test_truth.json").read_text())
    good = {
        "image_id": truth["images"][0]["id"],
        "category_id": 1,
        "bbox": [1, 1, 4, 5],
        "score": 0.5,
    }
    path.write_text(json.dumps([{**good, **record}]))
    assert message in refused(project, "average_precision", "multiscale")


def test_wrong_arguments_show_the_usage(project):
    assert "usage: stages/train.py name" in refused(project, "train")
    assert "a multiple of 16, got abc" in refused(project, "anchors", "shapes", "abc")


def test_a_batch_that_processes_cannot_share_is_refused(project):
    change(project, "multiscale.training.batch_size", 5)
    result = run(project, "train", "multiscale", SCALEWISE_PROCESSES="2", SCALEWISE_DEVICE="cpu")
    assert result.returncode == 1
    assert "batch_size 5 must be a multiple" in result.stderr


def test_an_unknown_model_or_dataset_lists_the_choices(project):
    assert "choices: multiscale" in refused(project, "train", "multiscal")
    assert "choices: shapes" in refused(project, "prepare", "shape")
