import pytest

from scalewise import params
from scalewise.errors import InputError
from scalewise.models.pretrained import Parameters

YOLO = {"library": "ultralytics", "weights": "yolov8n.pt", "dataset": "coco"}
VISION = {"library": "torchvision", "weights": "DEFAULT", "dataset": "coco"}
RESULTS = {"library": "results", "results": "found.json.gz", "dataset": "coco"}


@pytest.mark.parametrize("entry", [YOLO, VISION, RESULTS])
def test_three_kinds_of_entry(entry):
    assert params.parse(Parameters, entry, "x").library == entry["library"]


def test_defaults_cut_nothing_that_the_metrics_need():
    made = params.parse(Parameters, YOLO, "x")
    assert (made.score_floor, made.max_detections, made.half) == (0.001, 100, "auto")
    assert params.parse(Parameters, {**YOLO, "score_floor": 0.25}, "x").score_floor == 0.25


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**YOLO, "library": "mmdet"}, "x.library: input should be 'ultralytics', 'torchvision'"),
        ({**YOLO, "model": "yolo"}, "x: model is not for library ultralytics .choices: library"),
        ({**VISION, "multi_label": True}, "multi_label is not for library torchvision"),
        ({**RESULTS, "weights": "a.pt"}, "weights is not for library results .choices: .*truth"),
        ({**RESULTS, "score_floor": 0.25}, "score_floor is not for library results"),
        ({"library": "torchvision", "dataset": "a"}, "library torchvision needs weights"),
        ({"library": "results", "dataset": "a"}, "library results needs results"),
        ({**YOLO, "dataset": ""}, "x.dataset: .*at least 1 character"),
        ({**YOLO, "half": "on"}, "x.half: "),
        ({**YOLO, "nms_iou": 0}, "x.nms_iou: .*greater than 0"),
        ({**YOLO, "score_flor": 0.1}, "x.score_flor: unknown key; did you mean 'score_floor'"),
    ],
)
def test_impossible_entries_name_the_choices(entry, message):
    with pytest.raises(InputError, match=message):
        params.parse(Parameters, entry, "x")


def test_an_entry_is_read_by_its_name(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("pretrained:\n  some: {library: torchvision, weights: DEFAULT, dataset: d}\n")
    assert params.read("pretrained.some", Parameters, path).weights == "DEFAULT"
    with pytest.raises(InputError, match=r"section 'pretrained.sum' is missing .choices: some"):
        params.read("pretrained.sum", Parameters, path)
