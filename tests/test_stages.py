"""The stages themselves, run as DVC runs them, on a project of a few small images."""

import csv
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from test_pipeline import stages

ROOT = Path(__file__).parents[1]
LOOK = {"side": [8, 40], "objects": [1, 4]}
SCHEDULE = {"epochs": 2, "batch_size": 4}
OVERLAY = {
    "shapes": {"image_size": 64, "train": 16, "val": 4, "test": 6},
    "anchors": {"scales": [[8, 12], [20, 28], [40, 56]]},
    "multiscale": {"image_size": 64, "stem": [8], "widths": [8, 8, 8], "neck": 8},
    "figures": {"train": 12, "val": 5, "test": 6},
    "regression": {"hidden": [8]},
    "creatures": {"images": 110, "image_size": 32},
    "classifier": {"image_size": 32},
    "embedding": {"points": 20, "perplexity": 5, "iterations": 250},
    "streets": {"size": [96, 72], "train": 8, "val": 4, "test": 4, "frames": 2},
    "segmenter": {"height": 48, "width": 64},
    "segnet": {"base_width": 4, "convolutions": [1, 1, 1]},
}
DETAILS = {
    "shapes.varied": LOOK,
    "prediction.detection": {"score_floor": 0.0001},  # two epochs make nothing sure
    "keypoints.encoder": {"widths": [4, 4, 8, 8]},
    "resnet18_augmented.augmentation": {"copies": 1},
}
KEYPOINTS = ("heatmap", "regression", "soft_argmax")
CLASSIFICATION = ("convnet", "resnet18", "resnet18_augmented")
SEGMENTATION = ("segnet", "deeplabv3")
MODELS = {
    "detection": ("multiscale",),
    "keypoints": KEYPOINTS,
    "classification": CLASSIFICATION,
    "segmentation": SEGMENTATION,
}
DIAGNOSIS = (
    "average_precision",
    "tide",
    "calibration",
    "levels",
    "intervals",
    "recalibrate",
    "score_cut",
    "gallery",
)


def make_project(folder: Path) -> Path:
    """A project with the real code and stages, and parameters of a smoke run."""
    values = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for section, changes in OVERLAY.items():
        values[section] |= changes
    for dotted, changes in DETAILS.items():
        section, _, inner = dotted.partition(".")
        values[section][inner] |= changes
    for models in MODELS.values():
        for model in models:
            values[model]["training"] |= SCHEDULE
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


def stage(project: Path, name: str, *arguments: str) -> None:
    """Run a stage in this process, which spares its imports; a user's mistake raises."""
    before = Path.cwd()
    os.chdir(project)
    try:
        runpy.run_path(str(ROOT / "stages" / f"{name}.py"))["main"](*arguments)
    finally:
        os.chdir(before)


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
    for dataset in ("shapes", "figures", "creatures", "streets", "coco"):
        stage(project, "prepare", dataset)
    for dataset in ("wildlife", "camvid"):
        stage(project, "adopt", dataset)
    stage(project, "anchors", "shapes", "64")
    for task, models in MODELS.items():
        for model in models:
            stage(project, "train", model)
            stage(project, "losses", model)
            stage(project, "predict", task, model)
            if task != "detection":
                stage(project, task, model)
    for name in ("features", *DIAGNOSIS, "theory"):
        stage(project, name, "multiscale")
    for entry in json.loads((project / "params.yaml").read_text())["pretrained"]:
        stage(project, "detect", entry)
    for model in ("heatmap", "soft_argmax"):
        stage(project, "snapshots", model)
    stage(project, "augmentation", "resnet18_augmented")
    stage(project, "keypoint_gallery", *KEYPOINTS)
    stage(project, "classification_gallery", *CLASSIFICATION)
    stage(project, "segmentation_gallery", *SEGMENTATION)
    stage(project, "report")
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


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("keypoints", {"PCK_05", "PCK_20", "error_px_mean", "error_px_median", "keypoint"}),
        ("classification", {"accuracy", "f1_weighted", "f1_macro", "loss", "ece", "class"}),
        ("segmentation", {"mIoU", "pixel_accuracy", "loss", "class", "iou_bins"}),
    ],
)
def test_every_model_of_a_task_has_its_numbers_and_intervals(finished, task, names):
    for model in MODELS[task]:
        found = json.loads((finished / "metrics" / model / f"{task}.json").read_text())
        assert names | {"interval", "n"} <= set(found), model
        assert names & set(found["interval"]), model


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_images_with_a_neighbour_in_training_are_told_apart(finished, task):
    measure = {"classification": "accuracy", "segmentation": "pixel_accuracy"}[task]
    for model in MODELS[task]:
        found = json.loads((finished / "metrics" / model / f"{task}.json").read_text())
        named = json.loads((finished / "predictions" / model / "seen.json").read_text())
        groups = found["leakage"]
        assert (
            groups["seen"]["n"] == len(named) and sum(g["n"] for g in groups.values()) == found["n"]
        )
        whole = sum(group["n"] * group.get(measure, 0) for group in groups.values()) / found["n"]
        assert whole == pytest.approx(found[measure], abs=1e-5), "images of one size"


def test_running_again_gives_the_same_bytes(project):
    kept = [
        "models/multiscale.pt",
        "plots/multiscale/history.csv",
        "predictions/multiscale/test.json",
    ]
    written = []
    for _ in range(2):
        done(project, "train", "multiscale")
        done(project, "predict", "detection", "multiscale")
        written.append([(project / name).read_bytes() for name in kept])
    assert written[0] == written[1]


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
    stage(project, "train", "multiscale")
    stage(project, "predict", "detection", "multiscale")
    for name in ("features", *DIAGNOSIS):
        stage(project, name, "multiscale")
    found = json.loads((project / "predictions/multiscale/test.json").read_text())
    assert {record["image_id"] for record in found} <= {95, 96, 97}
    assert {record["category_id"] for record in found} <= {44, 2}


def test_empty_results_are_a_detector_that_found_nothing(project):
    (project / "predictions/multiscale/test.json").write_text("[]")
    for name in DIAGNOSIS:
        stage(project, name, "multiscale")
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
    assert "its categories are ellipse" in refused(project, "predict", "detection", "multiscale")
    (project / "models/multiscale.pt").write_bytes(b"something")
    assert "not a checkpoint" in refused(project, "predict", "detection", "multiscale")


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
    assert "choices: camvid, wildlife" in refused(project, "adopt", "shapes")
    assert "choices: classification" in refused(project, "predict", "boxes", "multiscale")
    known = [model for models in MODELS.values() for model in models]
    listed = f"choices: {', '.join(sorted(known))}"
    assert listed in refused(project, "train", "multiscal")
    assert "shapes" in refused(project, "prepare", "shape").split("choices: ")[1]


@pytest.fixture
def study(project):
    """The two scripts of studies/ in a project of two small variants."""
    folder = project / "studies"
    folder.mkdir()
    for name in ("run.py", "compare.py"):
        shutil.copy(ROOT / "studies" / name, folder)
    (project / "src").symlink_to(ROOT / "src")
    then = {"argmax": {"prediction.keypoints.decoding": "argmax"}}
    values = {
        "seeds": [0, 1],
        "keypoints": {
            "base": {"model": "heatmap", "then": then},
            "wide": {"model": "heatmap", "changes": {"keypoints.sigma": 4}},
            "wrong": {"model": "heatmap", "changes": {"keypoints.sigmas": 4}},
        },
        "camvid": {"by_image": {"model": "segnet", "changes": {"camvid.by": "image"}}},
    }
    (folder / "params.yaml").write_text(json.dumps(values))
    return project


def study_script(project: Path, script: str, *arguments: str):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, f"studies/{script}.py", *arguments]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)


def test_a_study_trains_from_every_seed_and_compares(study):
    for variant in ("base", "wide"):
        result = study_script(study, "run", "keypoints", variant)
        assert result.returncode == 0, result.stderr
    found = json.loads((study / "studies/results/keypoints/base.json").read_text())
    assert set(found) == {"base", "argmax"} and [len(runs) for runs in found.values()] == [2, 2]
    whole = json.loads((study / "metrics/heatmap/keypoints.json").read_text())
    numbers = {name: value for name, value in whole.items() if isinstance(value, int | float)}
    assert found["base"][0] == numbers | {"seed": 0}, (
        "seed 0 without changes is the pipeline's own run"
    )
    assert found["base"][1]["error_px_mean"] != numbers["error_px_mean"]
    assert not list(study.glob(".scratch/study-*"))
    assert study_script(study, "compare", "keypoints", "base", "wide").returncode == 0
    compared = json.loads((study / "studies/metrics/keypoints.json").read_text())
    assert set(compared) == {"base", "argmax", "wide"}
    bases = [name for name, measures in compared.items() if "change" not in measures["PCK_20"]]
    assert bases == ["base"], "the first on the command line, not in the alphabet"
    assert compared["wide"]["PCK_20"]["n"] == 2 and (study / "studies/plots/keypoints.png").exists()


def test_a_study_of_a_dataset_deals_its_splits_anew_and_leaves_the_pipelines(study):
    before = {path: path.read_bytes() for path in study.glob("data/*/*") if path.is_file()}
    result = study_script(study, "run", "camvid", "by_image")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("val frame of their sequence") == 2, "two splits"
    found = json.loads((study / "studies/results/camvid/by_image.json").read_text())["by_image"]
    assert [run["seed"] for run in found] == [0, 1]
    assert all(run["n"] > 0 and 0 <= run["mIoU"] <= 1 for run in found)
    assert {p: p.read_bytes() for p in study.glob("data/*/*") if p.is_file()} == before


def test_the_seed_of_a_dealt_study_is_that_of_its_split_too(study):
    space = runpy.run_path(str(study / "studies" / "run.py"))["main"].__globals__
    ran = []

    def note(folder: Path, name: str, *arguments: str) -> None:
        values = YAML(typ="safe").load((folder / "params.yaml").read_text())
        seeds = values["camvid"]["seed"], values["segnet"]["training"]["seed"]
        ran.append((name, *seeds, (folder / "data" / "camvid").exists()))
        (folder / "metrics/segnet").mkdir(parents=True, exist_ok=True)
        (folder / "metrics/segnet/segmentation.json").write_text('{"n": 3, "class": {}}')

    space["_stage"] = note
    space["main"]("camvid", "by_image")
    steps = ("adopt", "train", "predict", "segmentation")
    assert ran == [(name, seed, seed, False) for seed in (0, 1) for name in steps]
    found = json.loads((study / "studies/results/camvid/by_image.json").read_text())
    assert found == {"by_image": [{"n": 3, "seed": 0}, {"n": 3, "seed": 1}]}


def test_a_study_names_what_it_cannot_change(study):
    result = study_script(study, "run", "keypoints", "wrong")
    assert "'keypoints.sigmas' is not in params.yaml" in result.stderr
    assert "choices: base, wide, wrong" in study_script(study, "run", "keypoints", "x").stderr
    for script, *arguments in (
        ("run", "seeds", "x"),
        ("compare", "seeds"),
        ("compare", "keypoints"),
    ):
        result = study_script(study, script, *arguments)
        assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
