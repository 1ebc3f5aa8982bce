import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loopback import serving
from scalewise import coco, params
from scalewise.data import coco as dataset
from scalewise.data.fetching.sources import Source
from scalewise.data.store import Store
from scalewise.errors import InputError

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "coco"
ASKED = """\
detectors: [multiscale, yolov8n]
pretrained: {yolov8n: {library: ultralytics, weights: yolov8n.pt, dataset: coco}}
"""
IDS = [42, 7, 139, 8, 99]  # in no order, as in the real file


def jpeg(mode, **options):
    buffer = io.BytesIO()
    Image.effect_noise((9, 7), 50).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg("RGB", exif=exif)


IMAGES = {
    "000000000042.jpg": jpeg("RGB"),
    "000000000007.jpg": jpeg("L"),
    "000000000139.jpg": jpeg("CMYK"),
    "000000000008.jpg": turned(),
    "000000000099.jpg": b"not even a picture",
}


def annotation(n, image_id, **more):
    return {
        "id": n,
        "image_id": image_id,
        "category_id": 3,
        "bbox": [1, 2, 3.5, 4],
        "area": 9.25,
        "iscrowd": 0,
        "segmentation": [[1, 2, 3, 4, 5, 6]],
    } | more


@pytest.fixture
def listed():
    """A truth in COCO's own form."""
    return {
        "info": {"year": 2017},
        "licenses": [{"id": 4, "name": "CC"}],
        "images": [
            {"id": i, "file_name": name, "width": 9, "height": 7, "license": 4}
            for i, name in zip(IDS, IMAGES, strict=True)
        ],
        "categories": [{"id": 3, "name": "cat", "supercategory": "animal"}],
        "annotations": [
            annotation(1, 7),
            annotation(2, 42, iscrowd=1, segmentation={"counts": [1], "size": [7, 9]}),
            annotation(9, 7, area=1),
            annotation(4, 99),
        ],
    }


@pytest.fixture
def sources(tmp_path, listed):
    """A zip of images and one of annotations, as COCO has them, in no order."""
    with zipfile.ZipFile(tmp_path / "val.zip", "w") as archive:
        archive.mkdir("val2017")
        for name, data in IMAGES.items():
            archive.writestr(f"val2017/{name}", data)
        archive.writestr("__MACOSX/val2017/._000000000042.jpg", b"junk")
    with zipfile.ZipFile(tmp_path / "notes.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations/captions_val2017.json", "{}")
        archive.writestr("annotations/instances_val2017.json", json.dumps(listed))
    return tmp_path


def parameters(folder, images="val.zip", annotations="notes.zip", **more):
    return dataset.Parameters(
        images=Source(url=str(folder / images)),
        annotations=Source(url=str(folder / annotations)),
        **more,
    )


def packed(folder, out, **more):
    dataset.pack(parameters(folder, **more), out)
    return coco.read_truth(out / "test.json")


def names_in(out):
    with tarfile.open(out / "images.tar") as archive:
        return archive.getnames()


def test_dataset_is_in_the_common_form(sources, tmp_path, listed, capsys):
    out = tmp_path / "out"
    truth = packed(sources, out)
    assert sorted(p.name for p in out.iterdir()) == ["images.tar", "test.json"]
    assert names_in(out) == sorted(IMAGES)
    store = Store(out)
    assert {name: store.bytes_of(name) for name in IMAGES} == IMAGES, "byte for byte"
    assert truth.image_ids.tolist() == IDS
    assert truth.category_names == ("cat",)
    assert truth.ids.tolist() == [1, 2, 9, 4]
    assert truth.areas.tolist() == [9.25, 9.25, 1, 9.25]
    assert truth.crowd.tolist() == [False, True, False, False]
    assert "coco: 5 images in test.json" in capsys.readouterr().err
    for record in listed["annotations"]:
        del record["segmentation"]
    assert json.loads((out / "test.json").read_text()) == listed, "all else is kept"


def test_kinds_of_jpeg_are_read_from_the_dataset(sources, tmp_path):
    packed(sources, tmp_path / "out", subset=(42, 7, 139, 8))
    store = Store(tmp_path / "out")
    assert all(store.pixels(name).shape == (7, 9, 3) for name in sorted(IMAGES)[:2])
    assert store.pixels("000000000139.jpg").shape == (7, 9, 3)


def digest(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_every_form_of_the_sources_gives_the_same_bytes(sources, tmp_path, listed):
    packed(sources, tmp_path / "zips")
    (tmp_path / "plain").mkdir()
    for name, data in IMAGES.items():
        (tmp_path / "plain" / name).write_bytes(data)
    (tmp_path / "one.json").write_text(json.dumps(listed))
    (tmp_path / "one.json.gz").write_bytes(gzip.compress((tmp_path / "one.json").read_bytes()))
    shutil.make_archive(str(tmp_path / "val"), "gztar", tmp_path / "plain")
    shutil.unpack_archive(tmp_path / "notes.zip", tmp_path / "notes")
    pairs = [("plain", "one.json"), ("val.tar.gz", "one.json.gz"), ("val.zip", "notes")]
    for n, (images, annotations) in enumerate(pairs):
        packed(sources, tmp_path / str(n), images=images, annotations=annotations)
        assert digest(tmp_path / str(n)) == digest(tmp_path / "zips")


def test_subset_by_count_is_spread_over_the_ids(sources, tmp_path):
    # ids 7, 8, 42, 99, 139: the middles of two spans of 2.5 are at 1.25 and 3.75
    truth = packed(sources, tmp_path / "out", subset=2)
    assert truth.image_ids.tolist() == [8, 99]
    assert truth.ids.tolist() == [4]
    assert truth.category_names == ("cat",)
    assert names_in(tmp_path / "out") == ["000000000008.jpg", "000000000099.jpg"]


def test_subset_by_ids_keeps_the_order_of_the_file(sources, tmp_path):
    truth = packed(sources, tmp_path / "out", subset=(139, 42))
    assert truth.image_ids.tolist() == [42, 139]
    assert truth.ids.tolist() == [2]


@pytest.mark.parametrize("count", [1, 2, 7, 5000])
def test_spread_is_even(count):
    for some in {1, count // 2 or 1, count}:
        positions = dataset.spread(count, some)
        assert len(set(positions.tolist())) == some
        gaps = np.diff([-(count / some) / 2, *positions + 0.5, count + count / some / 2])
        assert np.abs(gaps - count / some).max() <= 1
        assert positions.min() >= 0
        assert positions.max() < count
    assert dataset.spread(count, 0).tolist() == []


def test_val_and_test_share_the_images(sources, tmp_path):
    test = packed(sources, tmp_path / "out", val=0.4)
    val = coco.read_truth(tmp_path / "out" / "val.json")
    assert val.image_ids.tolist() == [8, 99]
    assert test.image_ids.tolist() == [42, 7, 139]
    assert sorted(val.ids.tolist() + test.ids.tolist()) == [1, 2, 4, 9]
    packed(sources, tmp_path / "out")
    assert not (tmp_path / "out" / "val.json").exists(), "another run's val is no part of this one"


def test_image_that_is_listed_and_absent(sources, tmp_path):
    (tmp_path / "few").mkdir()
    for name in list(IMAGES)[:2]:
        (tmp_path / "few" / name).write_bytes(IMAGES[name])
    with pytest.raises(InputError) as caught:
        packed(sources, tmp_path / "out", images="few")
    assert str(caught.value) == (
        f"{tmp_path / 'few'}: 3 of the 5 images of {tmp_path / 'notes.zip'}: "
        "annotations/instances_val2017.json are not there (000000000139.jpg for one); "
        "coco.missing: skip leaves them out"
    )
    assert not (tmp_path / "out").exists()
    truth = packed(sources, tmp_path / "out", images="few", missing="skip")
    assert truth.image_ids.tolist() == [42, 7]
    assert packed(sources, tmp_path / "out", images="few", subset=(7,)).image_ids.tolist() == [7]
    (tmp_path / "none").mkdir()
    for missing in ("skip", "error"):
        with pytest.raises(InputError, match=r"none: none of the 5 images of .* is there"):
            packed(sources, tmp_path / "out", images="none", missing=missing)


BAD = {
    "no name": (lambda d: d["images"][0].pop("file_name"), r"1 of the 5 .* \(id 42, without file_"),
    "same name": (
        lambda d: d["images"][0].update(file_name="000000000007.jpg"),
        r"two images have the file_name '000000000007.jpg'",
    ),
    "name that leads out": (
        lambda d: d["images"][0].update(file_name="../val2017/000000000007.jpg"),
        r"1 of the 5 images .*\(\.\./val2017/000000000007.jpg for one\)",
    ),
    "unknown image": (lambda d: d["annotations"][0].update(image_id=5), r"image_id 5 is not among"),
    "no categories": (lambda d: d.pop("categories"), r"'categories' is missing"),
    "no box": (lambda d: d["annotations"][1].pop("bbox"), r"annotations\[1\] .*'bbox' is missing"),
    "box outside": (
        lambda d: d["annotations"][0].update(bbox=[20, 2, 1, 1]),
        r"lies outside its image of 9x7 pixels",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_annotations_are_told_and_nothing_is_left(case, sources, tmp_path, listed):
    spoil, message = BAD[case]
    spoil(listed)
    (tmp_path / "bad.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match=message):
        packed(sources, tmp_path / "out", annotations="bad.json")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"subset": 6}, r"coco.subset: 6 images, but there are 5"),
        ({"subset": (7, 5)}, r"coco.subset: .* has no image with the id 5"),
        ({"val": 0.01}, r"coco.val: 0.01 of 5 images leaves val or test empty"),
        ({"member": "x.json"}, r"notes.zip: no file 'x.json' among 2"),
        ({"member": "captions_val2017.json"}, r"captions_val2017.json: 'images' is missing"),
        ({"annotations": "val.zip", "member": "000000000099.jpg"}, r"099.jpg: expected JSON, but"),
        ({"images": "gone.zip"}, r"gone.zip: expected a file or folder"),
        ({"images": "text"}, r"text: cannot be read as a zip or tar"),
    ],
)
def test_what_does_not_go_together_is_told(more, message, sources, tmp_path):
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(InputError, match=message):
        packed(sources, tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"subset": 0}, r"coco: subset must be null or at least one image, got 0"),
        ({"subset": -3}, r"coco: subset must be null or at least one"),
        ({"subset": []}, r"coco: subset must be null or at least one"),
        ({"subset": [3, 3]}, r"coco: subset must name each id once"),
        ({"subset": "all"}, r"coco\.subset: "),
        ({"val": 1}, r"coco\.val: input should be less than 1"),
        ({"missing": "ignore"}, r"coco\.missing: .*'error' or 'skip'"),
        ({"image": {}}, r"coco\.image: unknown key; did you mean 'images'"),
        ({"images": {"path": "x"}}, r"coco\.images\.path: unknown key"),
    ],
)
def test_impossible_parameters_are_told(values, message):
    with pytest.raises(InputError, match=message):
        params.parse(dataset.Parameters, values, "coco")


def test_what_is_packed_comes_over_the_network(sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = (sources / "val.zip").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    with serving(data) as server:
        images = Source(url=server.url, size=len(data), sha256=digest)
        asked = parameters(sources).model_copy(update={"images": images})
        dataset.pack(asked, "data/coco")
        shutil.rmtree("data")  # as DVC does before each run
        dataset.pack(asked, "data/coco")
        assert server.ranges == [None]
    assert names_in(Path("data/coco")) == sorted(IMAGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ASKED, True),
        (ASKED.replace(", yolov8n]", "]"), False),
        (ASKED.replace("dataset: coco", "dataset: shapes"), False),
        (ASKED.replace("dataset: coco", "dataset: coco, truth: null"), True),
        (ASKED.replace("dataset: coco", "dataset: coco, truth: own.json"), False),
        ("detectors: [multiscale]\n", False),
        ("detectors: [yolov8n]\npretrained: {other: {dataset: coco}}\n", False),
        ("detectors: [yolov8n]\npretrained: {yolov8n: coco}\n", False),
        ("detectors: [yolov8n]\npretrained: [coco]\n", False),
        ("detectors: [yolov8n]\npretrained:\n", False),
    ],
)
def test_dataset_is_wanted_when_a_listed_detector_asks(text, expected, tmp_path):
    (tmp_path / "params.yaml").write_text(text)
    assert dataset.wanted(tmp_path / "params.yaml") == expected


def test_nothing_is_fetched_when_nobody_asks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("detectors: [multiscale]\n")
    gone = Source(url="http://127.0.0.1:1/gone.zip")
    dataset.make(dataset.Parameters(images=gone, annotations=gone), "data/coco")
    assert [p.name for p in Path("data/coco").iterdir()] == ["README.txt"]
    assert "dvc exp run -S 'detectors=[multiscale,yolov8n]'" in dataset.PLACEHOLDER
    with pytest.raises(InputError, match=r"expected images.tar or a folder images/ there"):
        Store("data/coco")


def test_dataset_takes_the_place_of_the_notice(sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("detectors: [multiscale]\n")
    dataset.make(parameters(sources), "data/coco")
    Path("params.yaml").write_text(ASKED)
    dataset.make(parameters(sources), "data/coco")
    assert sorted(p.name for p in Path("data/coco").iterdir()) == ["images.tar", "test.json"]


def prepare(folder, text):
    (folder / "params.yaml").write_text(text)
    command = [sys.executable, str(ROOT / "stages" / "prepare.py"), "coco"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_stage_ends_in_one_line_where_nothing_is_had(tmp_path):
    with serving(b"", {"status": 404}) as server:
        section = f"coco: {{annotations: {{url: '{server.url}'}}}}\n"
        done = prepare(tmp_path, ASKED + section)
        assert done.returncode == 1
        told = done.stderr.splitlines()[-1]
        assert told.startswith(f"error: {server.url}: the server answers 404 Not Found; put the")
        assert told.endswith("/zips/file.zip yourself, or use another dataset")
        assert not (tmp_path / "data").exists()
        done = prepare(tmp_path, section + "detectors: [multiscale]\n")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "data" / "coco" / "README.txt").is_file()


def test_real_images_end_to_end(tmp_path):
    if not REAL.is_dir():
        pytest.skip("the real COCO images are not on this machine (shared/data/coco)")
    truth = packed(REAL, tmp_path, images="images", annotations="images40_instances.json.gz")
    original = coco.read_truth(REAL / "images40_instances.json.gz")
    assert len(truth.image_ids) == 40
    np.testing.assert_array_equal(truth.boxes, original.boxes)
    np.testing.assert_array_equal(truth.areas, original.areas)
    np.testing.assert_array_equal(truth.crowd, original.crowd)
    store = Store(tmp_path)
    pixels = store.many(truth.file_names)
    assert [p.shape[:2] for p in pixels] == [(h, w) for w, h in truth.sizes.tolist()]
    boxes = packed(REAL, tmp_path, images="images", annotations="val2017_boxes.json.gz",
                   missing="skip")  # fmt: skip
    assert sorted(boxes.image_ids) == sorted(truth.image_ids)
