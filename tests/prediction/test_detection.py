import numpy as np
import pytest
import torch
from torchvision.ops import nms

from scalewise import coco
from scalewise.data.store import Store
from scalewise.errors import InputError
from scalewise.examples import detection, images
from scalewise.prediction import detection as prediction

KEEP_ALL = prediction.Parameters(score_floor=0, nms_iou=1, candidates=10_000)


def random_answers(images=3, answers=60, classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(images, answers, 2, generator=generator) * 50
    boxes = torch.cat([low, low + 5 + 30 * torch.rand(images, answers, 2, generator=generator)], -1)
    return boxes, torch.rand(images, answers, classes, generator=generator)


@pytest.mark.parametrize("seed", range(5))
def test_suppression_equals_nms_of_each_image_and_class(seed):
    boxes, scores = random_answers(seed=seed)
    rules = prediction.Parameters(score_floor=0.3, nms_iou=0.4)
    found = prediction.suppress(boxes, scores, rules)
    for image in range(3):
        expected = set()
        for label in range(2):
            good = (scores[image, :, label] >= 0.3).nonzero()[:, 0]
            kept = good[nms(boxes[image, good], scores[image, good, label], 0.4)]
            expected |= {(int(a), label) for a in kept}
        mine = found.image == image
        got = set(zip(found.anchor[mine].tolist(), found.labels[mine].tolist(), strict=True))
        assert got == expected
        assert (found.scores[mine].diff() <= 0).all()


def test_the_best_detections_of_each_image_are_kept():
    boxes, scores = random_answers()
    rules = prediction.Parameters(score_floor=0, nms_iou=1, max_detections=7)
    found = prediction.suppress(boxes, scores, rules)
    assert found.image.bincount().tolist() == [7, 7, 7]
    best = scores.flatten(1).topk(7).values
    torch.testing.assert_close(found.scores.view(3, 7), best)


def test_nothing_above_the_floor_is_no_detection():
    boxes, scores = random_answers()
    found = prediction.suppress(boxes, scores * 0.001, prediction.Parameters(score_floor=0.5))
    assert len(found.scores) == 0 and found.boxes.shape == (0, 4)


class Oracle:
    """Answers with the truth of the split it is shown, in input pixels."""

    def __init__(self, split, classes):
        self.split, self.start, self.classes = split, 0, classes
        self.level = torch.arange(split.boxes.shape[1])

    def decode(self, images):
        rows = slice(self.start, self.start + len(images))
        self.start += len(images)
        labels = self.split.labels[rows]
        hot = torch.nn.functional.one_hot(labels.clamp(min=0), self.classes).float()
        return self.split.boxes[rows], hot * (labels >= 0).unsqueeze(-1)


@pytest.fixture
def truth(shapes_folder):
    return coco.read_truth(shapes_folder / "test.json")


@pytest.mark.parametrize("size", [64, 32, 224])
def test_boxes_come_back_in_original_pixels(truth, shapes_folder, size):
    split = detection.load(truth, Store(shapes_folder), size)
    rules = prediction.Parameters(nms_iou=1, batch_size=2)
    found = prediction.predict(Oracle(split, 3), split, truth, rules, torch.device("cpu"))
    order = np.lexsort((truth.boxes[:, 0], truth.image))
    got = np.lexsort((found.boxes[:, 0], found.image))
    np.testing.assert_allclose(found.boxes[got], truth.boxes[order], atol=0.01)
    np.testing.assert_array_equal(found.category[got], truth.category[order])
    again = coco.parse_results(coco.results_document(truth, found), truth, "again")
    np.testing.assert_array_equal(again.extra["level"], found.extra["level"])


def test_images_that_are_not_square_are_fitted_and_boxes_mapped_back(tmp_path, document, saved):
    from PIL import Image

    document["annotations"] = [
        {"id": 1, "image_id": 11, "category_id": 7, "bbox": [4, 2, 10, 6]},
        {"id": 2, "image_id": 5, "category_id": 3, "bbox": [3, 8, 15, 30]},
    ]
    (tmp_path / "images").mkdir()
    for image in document["images"]:
        pixels = Image.new("L", (image["width"], image["height"]), 200)
        pixels.save(tmp_path / "images" / image["file_name"])
    truth = coco.read_truth(saved(document))
    split = detection.load(truth, Store(tmp_path), 64)
    assert split.shrink.tolist() == pytest.approx([64 / 20, 64 / 40])
    assert split.images[0, :, 32:].eq(images.PADDING).all()  # 20x10 fills the upper half
    assert split.images[0, :, :32].eq(200).all()
    found = prediction.predict(Oracle(split, 2), split, truth, KEEP_ALL, torch.device("cpu"))
    sure = found.scores > 0.5
    np.testing.assert_allclose(found.boxes[sure], truth.boxes, atol=1e-3)


def test_boxes_are_cut_to_the_image(truth, shapes_folder):
    split = detection.load(truth, Store(shapes_folder), 64)
    wide = torch.tensor([[[-50.0, -50, 500, 500]]]).expand(3, 1, 4)

    class Wide:
        level = torch.zeros(1, dtype=torch.int64)

        def decode(self, images):
            return wide[: len(images)], torch.ones(len(images), 1, 3)

    found = prediction.predict(Wide(), split, truth, KEEP_ALL, torch.device("cpu"))
    assert (found.boxes == [0, 0, 64, 64]).all() and len(found) == 9


def test_boxes_beside_the_image_are_no_detections(truth, shapes_folder):
    split = detection.load(truth, Store(shapes_folder), 64)
    boxes = np.array([[-20.0, -20, -5, -5], [10, 70, 30, 90], [60, 60, 80, 80]])
    found = prediction.as_results(
        truth, split, np.zeros(3, int), boxes, np.ones(3), np.zeros(3, int), torch.arange(3)
    )
    assert found.boxes.tolist() == [[60, 60, 64, 64]]
    assert found.extra["level"].tolist() == [2]


def test_suppression_does_not_depend_on_the_place_in_the_batch():
    """Small boxes near the threshold, with 80 classes in the last of 32 images."""
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(1, 400, 2, generator=generator) * 40 + 590
    boxes = torch.cat([low, low + 10], -1)
    scores = torch.zeros(1, 400, 80)
    scores[0, torch.arange(400), 76 + torch.arange(400) % 4] = torch.rand(400, generator=generator)
    alone = prediction.suppress(boxes, scores, prediction.Parameters())
    many = [value.expand(32, *value.shape[1:]) for value in (boxes, scores)]
    last = prediction.suppress(*many, prediction.Parameters())
    torch.testing.assert_close(last.anchor[last.image == 31], alone.anchor)


def test_images_of_another_size_than_their_record_are_refused(truth, shapes_folder):
    from dataclasses import replace

    swapped = replace(truth, sizes=truth.sizes * 2)
    with pytest.raises(InputError, match="is 64x64 pixels, but its record .* says 128x128"):
        detection.load(swapped, Store(shapes_folder), 64)
    with pytest.raises(InputError, match="there are no images"):
        detection.load(coco.select(truth, []), Store(shapes_folder), 64)


def test_the_ceiling_is_the_truth_less_what_overlaps_and_is_ignored(document, tmp_path):
    document["annotations"] = [
        {"id": 1, "image_id": 5, "category_id": 3, "bbox": [0, 0, 10, 10]},
        {"id": 2, "image_id": 5, "category_id": 3, "bbox": [1, 1, 10, 10]},  # IoU 81/119 = .68
        {"id": 3, "image_id": 5, "category_id": 7, "bbox": [1, 1, 10, 10]},  # another class stays
        {"id": 4, "image_id": 11, "category_id": 7, "bbox": [0, 0, 5, 5], "ignore": 1},
    ]
    truth = coco.parse_truth(document, "truth")
    names = ("boxes", "labels", "ignored")
    parts = {
        name: torch.zeros(2, 3, *size) for name, size in zip(names, ((4,), (), ()), strict=True)
    }
    parts["labels"] = torch.tensor([[0, -1, -1], [1, 1, 0]])
    parts["ignored"] = torch.tensor([[True, False, False], [False] * 3])
    parts["boxes"][1] = torch.from_numpy(truth.boxes[:3])
    split = detection.Split(images=torch.zeros(2, 3, 8, 8), shrink=torch.ones(2), **parts)
    found = prediction.ceiling(split, truth, prediction.Parameters())
    assert len(found) == 2 and set(found.category) == {0, 1}
    assert len(prediction.ceiling(split, truth, prediction.Parameters(score_floor=0))) == 2
