"""The ultralytics adapter against the library's own inference on the same images."""

import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adapter_cases import CLASSES, Stub, build, came_back, equal, noise, predicted
from scalewise import coco
from scalewise.errors import InputError


def test_yolo_is_the_librarys_own_inference(ultralytics, yolo, photos, tmp_path):
    truth, store = photos
    found = predicted(build("ultralytics", yolo), photos, tmp_path)
    assert len(np.unique(found.category)) > 5 and len(found) > 2000
    model = ultralytics.YOLO(yolo)
    for n, name in enumerate(truth.file_names):
        path = str(store.directory / name)
        (own,) = model.predict(path, conf=0.001, max_det=100, verbose=False)
        names = [CLASSES[int(label)] for label in own.boxes.cls]
        equal(found, truth, n, own.boxes.xyxy.numpy(), own.boxes.conf.numpy(), names, 1)
    again = coco.parse_results(coco.results_document(truth, found), truth, "again")
    assert len(again) == len(found)


def test_every_kind_and_size_of_image_gives_valid_results(yolo, oddities, tmp_path):
    adapter, truth = build("ultralytics", yolo, image_size=64), oddities[0]
    found = predicted(adapter, oddities, tmp_path)
    assert set(found.image) == set(range(len(truth.image_ids)))
    assert (found.boxes[:, 2:] <= np.tile(truth.sizes[found.image], 1)).all()
    read = coco.parse_results(coco.results_document(truth, found), truth, "found")
    np.testing.assert_array_equal(read.category, found.category)
    alone = predicted(adapter, oddities, tmp_path, batch_size=1)
    np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.01)


def test_perfect_boxes_survive_the_letterbox(yolo):
    assert came_back(build("ultralytics", yolo), "backend", as_yolo=True) == 50


def test_several_classes_a_box_as_in_the_librarys_validation(yolo):
    for multi_label, expected in ((False, [1]), (True, [1, 0])):
        adapter = build("ultralytics", yolo, image_size=64, multi_label=multi_label)
        adapter.backend = Stub([10, 10, 30, 30], True, scores=[0.4, 0.6])
        (rows,) = adapter.detect([adapter.fit(noise())])
        assert rows[:, 5].tolist() == expected


def test_the_floor_and_the_cap_are_the_parameters(yolo):
    loose, strict = (build("ultralytics", yolo, max_detections=n, image_size=64) for n in (100, 5))
    (found,), (best,) = (a.detect([a.fit(noise())]) for a in (loose, strict))
    torch.testing.assert_close(best, found[:5])
    cut = build("ultralytics", yolo, score_floor=float(found[7, 4]), image_size=64)
    assert len(cut.detect([cut.fit(noise())])[0]) == 7


@pytest.mark.parametrize("task", ["seg", "cls"])
def test_weights_of_another_task_are_refused_by_name(ultralytics, tmp_path, task):
    path = tmp_path / f"{task}.pt"
    ultralytics.YOLO(f"yolov8n-{task}.yaml").save(path)
    with pytest.raises(InputError, match=r"\.pt: a net to (segment|classify), expected .* detect"):
        build("ultralytics", path)


def test_another_way_to_detect_is_refused_by_name(ultralytics):
    from scalewise.prediction.ultralytics_adapter import _check_task

    backend = SimpleNamespace(task="detect", model=None, metadata={"head": "RTDETRDecoder"})
    with pytest.raises(InputError, match="x.onnx: an RT-DETR, expected a YOLO"):
        _check_task(backend, Path("x.onnx"))


@pytest.mark.filterwarnings("ignore")
def test_an_exported_format_answers_as_its_weights(ultralytics, yolo, tmp_path):
    copy = tmp_path / "some.pt"
    copy.write_bytes(yolo.read_bytes())
    exported = ultralytics.YOLO(copy).export(format="torchscript", imgsz=64, verbose=False)
    made = [build("ultralytics", path, image_size=64) for path in (yolo, exported)]
    (native,), (other,) = (a.detect([a.fit(noise())] * 3)[:1] for a in made)
    torch.testing.assert_close(other, native, atol=1e-2, rtol=1e-4)
    with pytest.raises(InputError, match=r"image_size is 128, but .*torchscript was exported for"):
        build("ultralytics", exported, image_size=128)


class Attack:
    """What a malicious file runs when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_no_file_runs_code(ultralytics, tmp_path):
    trace, path = str(tmp_path / "ran"), tmp_path / "evil.pt"
    torch.save({"model": Attack(trace)}, path)
    with pytest.raises(InputError, match=r"evil\.pt: .* needs ULTRALYTICS_SAFE_LOAD=false"):
        build("ultralytics", path)
    path.write_bytes(pickle.dumps(Attack(trace)))
    with pytest.raises(InputError, match=r"weights .*evil\.pt: "):
        build("ultralytics", path)
    assert not Path(trace).exists()


def test_a_library_that_is_not_installed_says_how(monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    asked = r"pip install --no-deps 'ultralytics>=8\.4\.190' .AGPL-3.0."
    with pytest.raises(InputError, match=asked):
        build("ultralytics", "yolov8n.pt")


def test_a_download_that_fails_says_where_to_put_the_file(ultralytics, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("ultralytics.utils.downloads.attempt_download_asset", fail)
    place = tmp_path / "hub" / "checkpoints" / "yolov8n.pt"
    with pytest.raises(
        InputError, match=rf"downloaded .no route to host.; put the file at {place}"
    ):
        build("ultralytics", "yolov8n.pt")


def test_what_cannot_be_is_refused_with_the_choices(yolo):
    with pytest.raises(InputError, match=r"no such file, nor a name .choices: .*yolov8n.pt"):
        build("ultralytics", "yolov8q.pt")
    with pytest.raises(InputError, match=r"'no/where.pt': no such file"):
        build("ultralytics", "no/where.pt")
    with pytest.raises(InputError, match="image_size is 100, expected a multiple of .* 32"):
        build("ultralytics", yolo, image_size=100)
    with pytest.raises(InputError, match="half precision is for a GPU"):
        build("ultralytics", yolo, half=True)
