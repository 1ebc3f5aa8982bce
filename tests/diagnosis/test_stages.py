import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from scalewise.diagnosis import average_precision, bootstrap, calibration, recalibration, tide
from scalewise.scales import Scales

STAGES = Path(__file__).parents[2] / "stages"
NAMES = ("average_precision", "tide", "calibration", "levels", "recalibrate", "intervals")


@pytest.fixture
def workspace(cases, tmp_path, monkeypatch):
    """A folder with predictions of `some`, the truth beside them, and default parameters."""
    from ruamel.yaml import YAML

    monkeypatch.chdir(tmp_path)
    case = cases(5, images=20)
    found = [record | {"level": n % 3} for n, record in enumerate(case.results_document)]
    folder = Path("predictions/some")
    folder.mkdir(parents=True)
    for split in ("val", "test"):
        (folder / f"{split}_truth.json").write_text(json.dumps(case.truth_document))
        (folder / f"{split}.json").write_text(json.dumps(found))
    sections = {
        "scales": Scales(),
        "evaluation": average_precision.Parameters(),
        "tide": tide.Parameters(),
        "calibration": calibration.Parameters(),
        "recalibration": recalibration.Parameters(),
        "bootstrap": bootstrap.Parameters(resamples=50),
    }
    plain = {name: json.loads(record.model_dump_json()) for name, record in sections.items()}
    YAML().dump(plain, Path("params.yaml"))
    return tmp_path


def run(stage: str, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", [stage, "some"])
    runpy.run_path(str(STAGES / f"{stage}.py"), run_name="__main__")


def metrics(stage: str) -> dict:
    return json.loads(Path(f"metrics/some/{stage}.json").read_text())


def test_stages_write_metrics_and_tables(workspace, monkeypatch, capsys):
    for stage in NAMES:
        run(stage, monkeypatch)
    assert {"AP", "AP50", "AP_small", "AR_100", "class"} < metrics("average_precision").keys()
    assert "ceiling" not in metrics("average_precision")
    assert metrics("tide").keys() == {*Scales().groups, "share", "tidecv"}
    assert metrics("tide")["all"] == pytest.approx(metrics("tide")["tidecv"], abs=1e-5)
    assert {"ece", "gap", "n", "floor", "laece0"} < metrics("calibration").keys()
    assert metrics("levels")["share"]["small"].keys() == {"0", "1", "2"}
    plots = {path.name for path in Path("plots/some").iterdir()}
    assert plots == {
        "precision_recall.csv",
        "tide_errors.csv",
        "reliability.csv",
        "levels.csv",
        "recalibration.csv",
        "recalibration_maps.csv",
    }
    assert len(capsys.readouterr().out.splitlines()) == len(NAMES)


def test_recalibration_is_measured_against_the_scores_as_they_are(workspace, monkeypatch):
    run("calibration", monkeypatch)
    run("recalibrate", monkeypatch)
    found = metrics("recalibration")
    assert found["before"]["ece"] == pytest.approx(metrics("calibration")["ece"], abs=1e-6)
    assert found["platt"]["all"]["AP"] == found["before"]["AP"]
    # Fitted on the very detections it is measured on, isotonic is right in the mean.
    assert found["isotonic"]["all"]["gap"]["all"] == pytest.approx(0, abs=1e-6)
    assert found["isotonic"]["scale"].keys() > {"AP", "AP_small", "ece", "gap", "n"}


def test_intervals_hold_the_numbers_of_the_other_stages(workspace, monkeypatch):
    for stage in ("average_precision", "tide", "calibration", "intervals"):
        run(stage, monkeypatch)
    found = metrics("intervals")
    pairs = [(found[name], metrics("average_precision")[name]) for name in ("AP", "AP75")]
    pairs.append((found["tide"]["all"]["Miss"], metrics("tide")["all"]["Miss"]))
    pairs.append((found["ece"]["all"], metrics("calibration")["ece"]["all"]))
    for edges, value in pairs:
        assert edges["low"] < value < edges["high"]
    assert (found["images"], found["resamples"], found["level"], found["seed"]) == (20, 50, 0.95, 0)


def test_without_val_there_is_no_laece0_and_folds_of_test_teach_each_other(workspace, monkeypatch):
    Path("predictions/some/val.json").unlink()
    for stage in ("calibration", "recalibrate"):
        run(stage, monkeypatch)
    assert metrics("calibration").keys().isdisjoint({"laece0", "laece0_n"})
    assert metrics("recalibration")["fitted_on"] == "5 folds of test"
    assert metrics("recalibration")["platt"]["all"]["ece"]["all"] < 0.1


def test_a_second_run_writes_the_same_bytes(workspace, monkeypatch):
    written = []
    for _ in range(2):
        for stage in NAMES:
            run(stage, monkeypatch)
        files = sorted([*Path("metrics/some").iterdir(), *Path("plots/some").iterdir()])
        written.append([path.read_bytes() for path in files])
    assert written[0] == written[1]


def test_the_ceiling_is_reported_where_it_was_predicted(workspace, monkeypatch):
    Path("predictions/some/ceiling.json").write_text("[]")
    run("average_precision", monkeypatch)
    assert metrics("average_precision")["ceiling"] == {"AP": 0, "AP50": 0}


def test_empty_results_are_measured_like_any_others(workspace, monkeypatch):
    Path("predictions/some/test.json").write_text("[]")
    for stage in NAMES:
        run(stage, monkeypatch)
    assert metrics("average_precision")["AP"] == 0
    assert {metrics("tide")[name]["Miss"] for name in (*Scales().groups, "tidecv")} == {100}
    assert metrics("calibration")["n"] == dict.fromkeys(Scales().groups, 0)
    assert metrics("levels") == {}
    assert metrics("recalibration")["before"]["n"] == dict.fromkeys(Scales().groups, 0)
    assert metrics("recalibration")["platt"]["all"]["AP"] == 0
    assert metrics("intervals")["AP"] == {"low": 0, "high": 0}
    assert metrics("intervals")["tide"]["all"]["Miss"] == {"low": 100, "high": 100}


@pytest.mark.parametrize("stage", NAMES)
def test_a_broken_file_ends_in_one_line_and_writes_nothing(workspace, stage, monkeypatch):
    Path("predictions/some/test.json").write_text("[{")
    with pytest.raises(SystemExit, match=r"error: predictions/some/test.json: expected JSON"):
        run(stage, monkeypatch)
    assert not Path("metrics").exists()
    assert not Path("plots").exists()


def test_importing_a_stage_loads_no_heavy_library():
    heavy = ("torch", "tidecv", "pycocotools", "hotcoco", "pandas", "matplotlib", "sklearn")
    code = (
        "import runpy, sys\n"
        + "".join(f"runpy.run_path({str(STAGES / f'{name}.py')!r})\n" for name in NAMES)
        + f"print([name for name in {heavy} if name in sys.modules])"
    )
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": source, "PATH": ""},
    )
    assert done.stdout.strip() == "[]"
