"""The commands as a user calls them: whole runs on a few images, and every way to go wrong."""

import contextlib
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scalewise import cli, coco
from scalewise.data.store import encode_png, pack
from scalewise.diagnosis import suspicion
from scalewise.report import alone

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "coco"
IMAGES, SIDE = 8, 160
METRICS = ("average_precision", "tide", "calibration", "intervals", "settings")
TABLES = ("precision_recall", "reliability", "tide_errors", "classes")
QUICK = ("--resamples", "40")


def make_truth(seed: int = 0) -> dict:
    """Box-only: no segmentation, no iscrowd, no area."""
    rng = np.random.default_rng(seed)
    objects = [
        {"image_id": 10 + image, "category_id": int(rng.integers(1, 3)),
         "bbox": [int(v) for v in (*rng.integers(0, 30, 2), *rng.integers(12, 130, 2))]}
        for image in range(IMAGES - 1)
        for _ in range(4)
    ]  # fmt: skip
    return {
        "images": [
            {"id": 10 + n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE}
            for n in range(IMAGES)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "<dog>"}],
        "annotations": [record | {"id": n + 1} for n, record in enumerate(objects)],
    }


def make_results(truth: dict, seed: int = 1, kept: float = 0.8) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        {
            "image_id": record["image_id"],
            "category_id": record["category_id"] if rng.random() < 0.85 else 1,
            "bbox": np.clip(record["bbox"] + rng.normal(0, 4, 4), 1, None).round(1).tolist(),
            "score": round(float(rng.uniform(0.1, 0.99)), 3),
        }
        for record in truth["annotations"]
        if rng.random() < kept
    ]


def save_images(folder: Path) -> None:
    folder.mkdir()
    for n in range(IMAGES):
        Image.new("RGB", (SIDE, SIDE), (20 * n, 90, 160)).save(folder / f"{n}.png")


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """A folder with truth.json, a.json, b.json and images/; the command runs in it."""
    truth = make_truth()
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "a.json").write_text(json.dumps(make_results(truth)))
    (tmp_path / "b.json").write_text(json.dumps(make_results(truth, seed=2, kept=0.4)))
    save_images(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure(capsys, *arguments: str) -> str:
    """The one line about a user's mistake; nothing is left behind."""
    before = {p.name for p in Path().iterdir()}
    with pytest.raises(SystemExit) as stopped:
        cli.main(list(arguments))
    assert str(stopped.value.code).startswith("error: ")
    assert {p.name for p in Path().iterdir()} == before
    return str(stopped.value.code)


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_help_answers_without_heavy_imports():
    code = (
        "import sys\nfrom scalewise import cli\n"
        "try: cli.main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'torch', 'dvc', 'pydantic', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for arguments in ([], ["--help"], ["diagnose", "--help"], ["compare", "--help"]):
        ran = subprocess.run([sys.executable, "-c", code, *arguments], env=env,
                             capture_output=True, text=True)  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert "usage: scalewise" in ran.stdout


def test_a_diagnosis_and_a_comparison_import_neither_torch_nor_dvc(work):
    code = (
        "import sys\nfrom scalewise import cli\ncli.main(sys.argv[1:])\n"
        "assert not {'torch', 'dvc', 'cv2'} & set(sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", code, "compare", "truth.json", "a.json"]
    ran = subprocess.run([*command, "b.json", *QUICK], env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory) -> Path:
    """A folder with the report of a run on gzip files, with images, and what it said."""
    folder, here = tmp_path_factory.mktemp("diagnosed"), Path.cwd()
    os.chdir(folder)
    try:
        truth = make_truth()
        Path("truth.json.gz").write_bytes(gzip.compress(json.dumps(truth).encode()))
        Path("a.json.gz").write_bytes(gzip.compress(json.dumps(make_results(truth)).encode()))
        save_images(folder / "images")
        arguments = ["--images", "images", "--floor", "0.2", "--seed", "7", "--resamples", "300"]
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            cli.main(["diagnose", str(folder / "truth.json.gz"), "a.json.gz", *arguments])
    finally:
        os.chdir(here)
    (folder / "out").write_text(out.getvalue())
    (folder / "err").write_text(err.getvalue())
    return folder


def test_diagnose_writes_everything_and_says_where(diagnosed):
    pictures = ("precision_recall", "reliability", "tide", "detections", "errors")
    assert {p.name for p in (diagnosed / "report").iterdir()} == {
        "index.html",
        "contents.json",
        *(f"{name}.json" for name in METRICS),
        *(f"{name}.csv" for name in TABLES),
        *(f"{name}.png" for name in pictures),
    }
    said = (diagnosed / "out").read_text()
    assert "Look at report/index.html" in said
    for group in ("all", "small", "medium", "large"):
        assert f"\n{group} " in said
    progress = (diagnosed / "err").read_text()
    assert "resampling the images" in progress
    assert "warning" not in progress


def test_the_page_says_what_it_was_made_from(diagnosed):
    page = (diagnosed / "report" / "index.html").read_text()
    for text in (
        "a: what is wrong", "<dd>truth.json.gz</dd>", "a.json.gz:", "score floor 0.2", "IoU 0.5",
        "bins 10", "300 resamples", "seed 7", "&lt;dog&gt;", "28: ",
    ):  # fmt: skip
        assert text in page
    assert str(diagnosed) not in page, "a page is shown to others"
    ends = read(diagnosed / "report" / "intervals.json")["AP_small"]
    assert f"{100 * ends['low']:.1f} to {100 * ends['high']:.1f}</i>" in page
    assert "Every number with its interval" in page
    assert "https://" not in page and 'src="http' not in page


def test_numbers_are_those_of_pycocotools(diagnosed):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = make_truth()
        for record in truth.dataset["annotations"]:
            record |= {"iscrowd": 0, "area": record["bbox"][2] * record["bbox"][3]}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(make_results(make_truth())), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    found = read(diagnosed / "report" / "average_precision.json")
    names = ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR_1", "AR_10", "AR_100"]
    names += ["AR_small", "AR_medium", "AR_large"]
    for name, value in zip(names, evaluation.stats, strict=True):
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_intervals_hold_what_they_belong_to(diagnosed):
    found = read(diagnosed / "report" / "intervals.json")
    for name in ("AP", "AP50"):
        value = read(diagnosed / "report" / "average_precision.json")[name]
        assert found[name]["low"] < value < found[name]["high"]
    assert (found["resamples"], found["images"], found["seed"]) == (300, IMAGES, 7)
    assert set(found["tide"]["all"]["Miss"]) == {"low", "high"}


def test_errors_and_classes_are_named_for_the_user(diagnosed):
    errors = pd.read_csv(diagnosed / "report" / "tide_errors.csv")
    objects = {record["id"]: record for record in make_truth()["annotations"]}
    for row in errors.itertuples():
        assert row.file_name == f"{row.image_id - 10}.png"
        if row.truth >= 0:
            assert objects[int(row.annotation_id)]["image_id"] == row.image_id
        else:
            assert np.isnan(row.annotation_id)
    classes = pd.read_csv(diagnosed / "report" / "classes.csv").set_index("class")
    assert classes["objects"].sum() == 28 and set(classes.index) == {"cat", "<dog>"}


def test_the_same_again_gives_the_same_bytes_and_no_stale_picture(diagnosed, tmp_path, monkeypatch):
    monkeypatch.chdir(diagnosed)
    shutil.copytree("report", tmp_path / "report")
    made = []
    for _ in range(2):
        cli.main(["diagnose", "truth.json.gz", "a.json.gz", "--out", str(tmp_path / "report"),
                  *QUICK])  # fmt: skip
        made.append({p.name: p.read_bytes() for p in (tmp_path / "report").iterdir()})
    assert made[0] == made[1]
    assert "tide.png" in made[0] and "errors.png" not in made[0]


def test_images_may_be_a_tar_a_folder_or_a_dataset(work):
    members = [(p.name, encode_png(np.asarray(Image.open(p)))) for p in Path("images").iterdir()]
    pack("some.tar", members)
    pack("dataset/images.tar", members)
    truth = coco.read_truth("truth.json")
    for place in ("some.tar", "dataset", "images", "."):
        store = alone.images_of(truth, place)
        assert store.pixels("3.png").shape == (SIDE, SIDE, 3), place


def test_scales_and_iou_are_the_users(work, capsys):
    cli.main(["diagnose", "truth.json", "a.json", "--scales", "50", "--iou", ".7", "--bins", "5",
              *QUICK])  # fmt: skip
    assert {"AP_small", "AP_large"} <= set(read(work / "report" / "average_precision.json"))
    calibration = read(work / "report" / "calibration.json")
    assert (calibration["iou"], calibration["bins"]) == (0.7, 5)
    assert "medium" not in capsys.readouterr().out


@pytest.mark.parametrize("kept", [0, 1])
def test_nothing_and_one_detection_are_results_too(work, capsys, kept):
    Path("few.json").write_text(json.dumps(make_results(make_truth())[:kept]))
    images = ["--images", "images"] if kept else []
    cli.main(["diagnose", "truth.json", "few.json", *images, *QUICK])
    assert "warning: few.json: " in capsys.readouterr().err
    assert "few.json: " in (work / "report" / "index.html").read_text()
    cli.main(["compare", "truth.json", "a.json", "few.json", *QUICK])


def test_wrong_category_ids_are_told_in_the_terminal_and_on_the_page(work, capsys):
    truth = make_truth()
    swapped = [r | {"category_id": 3 - r["category_id"]} for r in make_results(truth, kept=1)]
    Path("swapped.json").write_text(json.dumps(swapped))
    cli.main(["diagnose", "truth.json", "swapped.json", *QUICK])
    assert "warning: swapped.json: Wrong category ids?" in capsys.readouterr().err
    assert "1 means 2 (&lt;dog&gt;)" in (work / "report" / "index.html").read_text()
    assert "Wrong category ids?" in read(work / "report" / "settings.json")["warnings"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 999}, "r.json: 1 of 9 detections are on 1 image that truth.json lacks"),
        ({"category_id": 9}, "r.json: 1 of 9 detections have a category_id that truth.json lacks"),
        ({"score": 55}, "r.json: 1 of 9 scores are outside [0, 1], e.g. 55 in record 0"),
        ({"score": "high"}, "'score' is 'high'"),
        ({"bbox": [1, 2, 3]}, "'bbox' is [1, 2, 3]"),
        ({"bbox": None}, "'bbox' is None"),
    ],
)
def test_bad_records_are_one_plain_line(work, capsys, change, message):
    found = make_results(make_truth())[:9]
    Path("r.json").write_text(json.dumps([found[0] | change, *found[1:]]))
    assert message in failure(capsys, "diagnose", "truth.json", "r.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diagnose", "no.json", "a.json"], "no.json: no such file"),
        (["diagnose", "truth.json", "truth.json"], "expected a list of detections"),
        (["diagnose", "a.json", "truth.json"], "expected a COCO object"),
        (["diagnose", "truth.json", "a.json", "--images", "no"], "found nothing"),
        (["diagnose", "truth.json", "a.json", "--images", "a.json"], "not a readable tar"),
        (["diagnose", "truth.json", "a.json", "--out", "a.json"], "found a file"),
        (["diagnose", "truth.json", "a.json", "--floor", "2"], "options.floor"),
        (["diagnose", "truth.json", "a.json", "--scales", "96,32"], "rising"),
        (["diagnose", "truth.json", "a.json", "--iou", ".05"], "background_iou"),
        (["diagnose", "truth.json", "a.json", "--resamples", "0"], "options.resamples"),
        (["compare", "truth.json", "a.json"], "a truth and two results or more"),
        (["compare", "truth.json", "a.json", "a.json"], "results that differ"),
        (
            ["compare", "truth.json", "a.json", "b.json", "--baseline", "c"],
            "among what is compared: a, b",
        ),
        (["compare", "truth.json", "a.json", "b.json", "--detector", "x"], "--detector"),
        (["compare", "truth.json", "--rev", "HEAD"], "got both"),
        (["compare", "--rev", "HEAD"], "params.yaml: cannot be read"),
    ],
)
def test_wrong_arguments_are_one_plain_line(work, capsys, arguments, message):
    assert message in failure(capsys, *arguments)


def test_images_that_are_not_there_are_counted(work, capsys):
    for n in (2, 5):
        Path(f"images/{n}.png").unlink()
    said = failure(capsys, "diagnose", "truth.json", "a.json", "--images", "images")
    assert "images: 2 of the 8 images of truth.json are not there, e.g. '2.png'" in said


def test_a_truth_without_file_names_has_no_pictures(work, capsys):
    truth = make_truth()
    for record in truth["images"]:
        del record["file_name"]
    Path("truth.json").write_text(json.dumps(truth))
    said = failure(capsys, "diagnose", "truth.json", "a.json", "--images", "images")
    assert "8 of 8 images have no 'file_name'" in said


@pytest.mark.parametrize("text", ["one", "", "1,x", "1,2,3,4,5"])
def test_scales_that_are_no_numbers_are_refused(work, capsys, text):
    with pytest.raises(SystemExit):
        cli.main(["diagnose", "truth.json", "a.json", "--scales", text])
    assert "expected one to four sides such as 32,96" in capsys.readouterr().err


def test_compare_tells_each_difference_and_which_is_noise(work, capsys):
    shutil.copy("a.json", "same.json")
    cli.main(["compare", "truth.json", "a.json", "same.json", "b.json", "--resamples", "300"])
    said = capsys.readouterr().out
    found = read(work / "comparison" / "comparison.json")
    assert found["baseline"] == "a" and set(found["differences"]) == {"same", "b"}
    for one in found["differences"]["same"].values():
        assert (one["change"], one["low"], one["high"], one["real"]) == (0, 0, 0, 0)
        assert one["verdict"] == "noise"
    lost = found["differences"]["b"]["tide.all.FN"]
    assert lost["verdict"] == "worse" and lost["low"] > 0 and lost["real"] > 0.95
    assert "None of " in said and "stand out of the noise" in said
    page = (work / "comparison" / "index.html").read_text()
    for text in ("b against a", "same against a", "test that the difference is 0", "b.json:"):
        assert text in page


def test_another_baseline_turns_the_signs(work, capsys):
    made = {}
    for base in ("a", "b"):
        cli.main(["compare", "truth.json", "a.json", "b.json", "--baseline", base, *QUICK])
        [other] = read(work / "comparison" / "comparison.json")["differences"].values()
        made[base] = other["AP"]["change"]
    assert made["a"] == pytest.approx(-made["b"])


def test_names_are_as_short_as_they_can_be():
    assert cli.names_of(["x/a.json", "x/b.json.gz"]) == ["a", "b"]
    assert cli.names_of(["x/test.json", "y/test.json"]) == ["x/test", "y/test"]
    assert cli.names_of(["p/x/test.json", "q/x/test.json"]) == ["p/x/test.json", "q/x/test.json"]


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments], check=True,
                   capture_output=True)  # fmt: skip


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)


def predict(results: list[dict], truth: dict) -> None:
    folder = Path("predictions/net")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.json").write_text(json.dumps(results))
    (folder / "test_truth.json").write_text(json.dumps(truth))
    dvc("add", "-q", "predictions/net")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A repository with predictions in the cache at two revisions, and a third in the workspace."""
    pytest.importorskip("dvc")
    folder, here = tmp_path_factory.mktemp("project"), Path.cwd()
    os.chdir(folder)
    truth = make_truth()
    try:
        git("init", "-q")
        dvc("init", "-q")
        sections = {"detectors": ["net"], "scales": {}, "tide": {}, "calibration": {"floor": 0.15},
                    "bootstrap": {"resamples": 50}}  # fmt: skip
        Path("params.yaml").write_text(json.dumps(sections))
        predict(make_results(truth), truth)
        git("add", "-A")
        git("commit", "-qm", "one")
        git("tag", "one")
        turned = truth | {"images": truth["images"][::-1], "annotations": truth["annotations"][1:]}
        predict(make_results(truth, seed=2, kept=0.4), turned)
        git("commit", "-qam", "two")
        git("tag", "two")
        other = make_truth(seed=5)
        other["images"].append(other["images"][0] | {"id": 77})
        predict(make_results(truth), other)
        git("commit", "-qam", "other images")
        git("tag", "other")
        predict(make_results(truth, seed=3), truth)
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def in_project(project, monkeypatch, tmp_path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(project, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.filterwarnings("ignore")  # DVC's own
def test_a_revision_against_the_workspace(in_project, capsys):
    cli.main(["compare", "--rev", "one"])
    assert "warning" not in capsys.readouterr().err
    found = read(in_project / "comparison" / "comparison.json")
    assert found["baseline"] == "one" and set(found["differences"]) == {"workspace"}
    assert "score floor 0.15" in found["facts"]["calibration"], "the rules are those of params.yaml"
    assert "50 resamples" in found["facts"]["intervals"]
    assert found["facts"]["one"].startswith("one:predictions/net/test.json: ")
    Path("was.json").write_text(json.dumps(make_results(make_truth())))
    cli.main(["compare", "predictions/net/test_truth.json", "was.json",
              "predictions/net/test.json", "--floor", ".15", "--resamples", "50"])  # fmt: skip
    by_files = read(in_project / "comparison" / "comparison.json")
    assert by_files["differences"]["test"] == found["differences"]["workspace"]


@pytest.mark.filterwarnings("ignore")
def test_a_truth_that_changed_is_told(in_project, capsys):
    cli.main(["compare", "--rev", "one", "--rev", "two", "--detector", "net"])
    said = "two:predictions/net/test_truth.json differs from one:predictions/net/test_truth.json: "
    assert f"warning: {said}27 annotations for 28" in capsys.readouterr().err
    assert said in (in_project / "comparison" / "index.html").read_text()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rev", "one", "--rev", "other"], "are about different images (9 and 8; 1 in one alone"),
        (["--rev", "nope"], "--rev nope: no such branch, tag, commit or experiment"),
        (["--rev", "one", "--rev", "one"], "expected revisions that differ"),
        (["--rev", "one", "--detector", "x"], "predictions here: net); get it with: dvc fetch"),
    ],
)
def test_revisions_that_cannot_be_compared_are_one_plain_line(
    in_project, capsys, arguments, message
):
    assert message in failure(capsys, "compare", *arguments)


@pytest.mark.filterwarnings("ignore")
def test_what_is_not_in_the_cache_names_the_way_out(in_project, capsys):
    shutil.rmtree(".dvc/cache")
    said = failure(capsys, "compare", "--rev", "one", "--rev", "two")
    assert "one:predictions/net/test_truth.json: not in the DVC cache" in said
    assert "dvc fetch --all-commits" in said
    shutil.rmtree("predictions")
    said = failure(capsys, "compare", "--rev", "workspace", "--rev", "one")
    assert "in the workspace; make it with: dvc repro, or get it with: dvc pull" in said


def test_the_real_images_with_jitter_raise_no_suspicion():
    if not REAL.is_dir():
        pytest.skip("the real COCO images are not on this machine (shared/data/coco)")
    path = REAL / "images40_instances.json.gz"
    document = json.loads(gzip.decompress(path.read_bytes()))
    truth = suspicion.read_truth(path)
    results = suspicion.parse_results(make_results(document), truth, "jitter")
    assert suspicion.warnings(truth, results) == []
    assert not alone.images_of(truth, REAL / "images").missing(truth.file_names)
