"""The torchvision adapter against the library's own inference on the same images."""

import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from adapter_cases import LABELS, build, came_back, equal, noise, predicted, random_vision
from scalewise import coco
from scalewise.errors import InputError
from scalewise.prediction.torchvision_adapter import SAFELY

SSD, RCNN = "ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"


@pytest.mark.parametrize(
    ("model", "images", "size", "prefix", "floor"),
    [
        (SSD, 40, None, "", 0.1),
        (RCNN, 3, None, "box_", 0.015),
        ("retinanet_resnet50_fpn_v2", 1, 160, "", 0.009),
    ],
)
def test_torchvision_is_the_librarys_own_inference(
    vision, photos, tmp_path, model, images, size, prefix, floor
):
    truth, store = coco.select(photos[0], np.arange(images)), photos[1]
    weights = vision(model)
    adapter = build("torchvision", weights, model=model, image_size=size, score_floor=floor)
    found = predicted(adapter, (truth, store), tmp_path)
    assert len(found) > 4 * images and len(np.unique(found.category)) > 1
    more = {f"{prefix}score_thresh": floor, f"{prefix}detections_per_img": 100}
    more |= {"min_size": size, "max_size": size} if size else {}
    net = random_vision(model, **more).eval()
    net.load_state_dict(torch.load(weights))
    for n, name in enumerate(truth.file_names):
        with Image.open(store.directory / name) as image, torch.inference_mode():
            (own,) = net([pil_to_tensor(image.convert("RGB")) / 255])
        kept = [int(label) in adapter.names for label in own["labels"]]
        names = [LABELS[label] for label, keep in zip(own["labels"], kept, strict=True) if keep]
        equal(found, truth, n, own["boxes"][kept], own["scores"][kept], names)


def test_every_kind_and_size_of_image_gives_valid_results(vision, oddities, tmp_path):
    adapter, truth = build("torchvision", vision(SSD), model=SSD, score_floor=0.3), oddities[0]
    found = predicted(adapter, oddities, tmp_path)
    assert (found.boxes[:, 2:] <= truth.sizes[found.image]).all()
    read = coco.parse_results(coco.results_document(truth, found), truth, "found")
    np.testing.assert_array_equal(read.category, found.category)
    alone = predicted(adapter, oddities, tmp_path, batch_size=1)
    np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.01)


def test_what_fits_into_no_pixel_has_no_detections(vision, tmp_path):
    adapter = build("torchvision", vision(RCNN), model=RCNN)
    thin = adapter.fit(np.zeros((2000, 1, 3), np.uint8))  # 640 of 2,000 leave .3 of 1
    assert [rows.shape for rows in adapter.detect([thin, thin])] == [(0, 6), (0, 6)]


@pytest.mark.parametrize(("model", "seen"), [(RCNN, 50), (SSD, 50)])
def test_perfect_boxes_survive_the_fitting(vision, model, seen):
    adapter = build("torchvision", vision(model), model=model)
    assert came_back(adapter, "net", as_yolo=False) == seen


def test_the_floor_and_the_cap_are_the_parameters(vision):
    weights = vision(SSD)

    def found(**more):
        adapter = build("torchvision", weights, model=SSD, **more)
        return adapter.detect([adapter.fit(noise())])[0]

    many = found(score_floor=0.015)
    torch.testing.assert_close(found(score_floor=0.015, max_detections=5), many[:5])
    assert len(found(score_floor=float(many[7, 4]))) == 7


class Attack:
    """What a malicious file runs when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_no_file_runs_code(tmp_path):
    trace, path = tmp_path / "ran", tmp_path / "evil.pt"
    torch.save({"model": Attack(str(trace))}, path)
    with pytest.raises(InputError, match=r"weights .*evil\.pt: expected tensors alone"):
        build("torchvision", path, model=SSD)
    path.write_bytes(pickle.dumps(Attack(str(trace))))
    with pytest.raises(InputError, match=r"weights .*evil\.pt: expected tensors alone"):
        build("torchvision", path, model=SSD)
    assert not trace.exists()


def test_a_download_that_fails_says_where_to_put_the_file(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    place = tmp_path / "hub" / "checkpoints"
    with pytest.raises(InputError, match=rf"no route to host.; put https://.*pth at {place}/ssd"):
        build("torchvision", "DEFAULT", model=SSD)


def test_a_download_is_read_as_tensors_alone(vision, monkeypatch):
    seen, state = [], torch.load(vision(SSD))

    def load(*_, **__):
        seen.append(os.environ[SAFELY])
        return state

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", load)
    assert build("torchvision", "DEFAULT", model=SSD).names[1] == "person"
    assert seen == ["1"] and SAFELY not in os.environ


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"weights": "IMAGENET", "model": SSD}, "choices: COCO_V1"),
        ({"weights": "no/where.pt", "model": SSD}, "'no/where.pt': no such file"),
        ({"weights": "DEFAULT"}, "no detector 'some' .choices: .*ssd300"),
        (
            {"weights": "DEFAULT", "model": "maskrcnn_resnet50_fpn"},
            "is for masks or keypoints, expected one for boxes .choices",
        ),
        ({"weights": "DEFAULT", "model": SSD, "half": True}, "half precision is for a GPU"),
    ],
)
def test_unknown_weights_and_models_name_the_choices(more, message):
    with pytest.raises(InputError, match=message):
        build("torchvision", **more)


def test_ones_own_torchvision_weights_bring_their_classes(tmp_path):
    names = ["__background__", "circle", "square"]
    net = random_vision(SSD, classes=3)
    torch.save({"model": net.state_dict(), "categories": names}, tmp_path / "own.pt")
    assert build("torchvision", tmp_path / "own.pt", model=SSD).names == {1: "circle", 2: "square"}
    torch.save(net.state_dict(), tmp_path / "bare.pt")
    with pytest.raises(InputError, match="not of a ssdlite.* with 91 classes .*'categories' besi"):
        build("torchvision", tmp_path / "bare.pt", model=SSD)
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(InputError, match="expected a state dict, got list"):
        build("torchvision", tmp_path / "list.pt", model=SSD)


def test_a_fixed_input_stays(vision):
    with pytest.raises(InputError, match="image_size is 640, but ssdlite.* has a fixed input"):
        build("torchvision", vision(SSD), model=SSD, image_size=640)
