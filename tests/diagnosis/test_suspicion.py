"""Each mistake is told with its count and an example, and sound results are left in peace."""

import re

import numpy as np
import pytest

from scalewise import coco
from scalewise.diagnosis import suspicion
from scalewise.errors import InputError

IMAGES, WIDTH, HEIGHT = 20, 300, 200
NAMES = ("ant", "bee", "cow", "dog")
IDS = (1, 2, 5, 9)  # with gaps, as COCO's


def truth_document(crowd: bool = True) -> dict:
    rng = np.random.default_rng(1)
    objects = []
    for image in range(IMAGES):
        for _ in range(4):
            corner = rng.integers(0, (200, 120), 2)
            box = [int(v) for v in (*corner, *rng.integers(20, 80, 2))]
            objects.append(
                {"image_id": 100 + image, "category_id": int(rng.choice(IDS)), "bbox": box}
                | {"iscrowd": int(crowd and rng.random() < 0.05)}
            )
    return {
        "images": [{"id": 100 + n, "width": WIDTH, "height": HEIGHT} for n in range(IMAGES)],
        "categories": [{"id": i, "name": name} for i, name in zip(IDS, NAMES, strict=True)],
        "annotations": [record | {"id": n + 1} for n, record in enumerate(objects)],
    }


@pytest.fixture(scope="module")
def truth() -> coco.Truth:
    return coco.parse_truth(truth_document(), "truth.json")


@pytest.fixture
def found() -> list[dict]:
    """Every object, right, with a score."""
    rng = np.random.default_rng(2)
    return [
        {key: record[key] for key in ("image_id", "category_id", "bbox")}
        | {"score": round(float(rng.uniform(0.2, 1)), 3)}
        for record in truth_document()["annotations"]
    ]


def refusal(document, truth) -> str:
    with pytest.raises(InputError) as told:
        suspicion.parse_results(document, truth, "r.json")
    return str(told.value)


def warned(document, truth) -> list[str]:
    return suspicion.warnings(truth, suspicion.parse_results(document, truth, "r.json"))


def changed(found, **changes):
    return [r | {key: change(r[key]) for key, change in changes.items()} for r in found]


def as_corners(box):
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def test_sound_results_are_left_in_peace(found, truth):
    assert warned(found, truth) == []


def test_the_real_pair_is_left_in_peace(real):
    truth, results = real
    suspicion.check_scores(results)
    for boxes, image in ((results.boxes, results.image), (truth.boxes, truth.image)):
        suspicion.check_boxes(boxes, truth.sizes[image], "real", str)
    assert suspicion.warnings(truth, results) == []


@pytest.mark.parametrize("seed", range(40))
def test_random_results_are_left_in_peace(cases, seed):
    case = cases(seed, images=20)
    results = suspicion.parse_results(case.results_document, case.truth, "r.json")
    assert suspicion.warnings(case.truth, results) == []


@pytest.mark.parametrize("right", [0.0, 0.1, 0.4])
def test_a_weak_classifier_is_no_mistake_in_the_ids(found, truth, right):
    rng = np.random.default_rng(3)
    guessed = changed(
        found, category_id=lambda c: c if rng.random() < right else int(rng.choice(IDS))
    )
    assert warned(guessed, truth) == []


def test_a_detector_that_says_one_class_only_is_no_mistake_in_the_ids(found, truth):
    assert warned(changed(found, category_id=lambda c: 1), truth) == []


def test_shuffled_ids_are_named(found, truth):
    to = dict(zip(IDS, (2, 1, 9, 5), strict=True))
    [text] = warned(changed(found, category_id=to.__getitem__), truth)
    wanted = sum(not r["iscrowd"] for r in truth_document()["annotations"])
    assert f"Of {wanted} boxes on an object" in text
    assert int(re.search(r"\) (\d+) carry its class", text)[1]) <= 2  # two objects may overlap
    for old, new, name in ((2, 1, "ant"), (1, 2, "bee"), (9, 5, "cow"), (5, 9, "dog")):
        assert f"{old} means {new} ({name})" in text


def test_shuffled_ids_are_told_of_a_detector_that_is_not_perfect(found, truth):
    rng = np.random.default_rng(4)
    to = dict(zip(IDS, (9, 5, 2, 1), strict=True))
    noisy = changed(found, category_id=lambda c: to[c if rng.random() < 0.9 else 1])
    [text] = warned(noisy[::2] + noisy[1::3], truth)
    assert "Wrong category ids?" in text


@pytest.mark.parametrize(("first", "unknown"), [(0, 39), (1, 40)])
def test_ids_without_gaps_are_refused_with_what_they_mean(found, truth, first, unknown):
    moved = changed(found, category_id=lambda c: IDS.index(c) + first)
    text = refusal(moved, truth)
    ids = {IDS.index(c) + first for c in IDS} - set(IDS)
    count = sum(r["category_id"] in ids for r in moved)
    assert f"{count} of {len(found)} detections have a category_id that truth.json lacks" in text
    assert f"count the truth's categories from {first} without gaps" in text.lower()


def test_ids_off_by_one_are_named_as_such():
    document = truth_document()
    document["categories"] = [{"id": i, "name": name} for i, name in enumerate(NAMES)]
    for record in document["annotations"]:
        record["category_id"] = IDS.index(record["category_id"])
    truth = coco.parse_truth(document, "truth.json")
    found = [
        {"image_id": r["image_id"], "bbox": r["bbox"], "score": 0.5}
        | {"category_id": r["category_id"] + 1}
        for r in document["annotations"]
    ]
    text = refusal(found, truth)
    assert "category_id that truth.json lacks: 4" in text
    assert "count the truth's categories from 1" in text.lower()


def test_an_unknown_id_that_means_nothing_has_no_hint(found, truth):
    found[7]["category_id"] = 77
    text = refusal(found, truth)
    assert "1 of 80 detections" in text and "lacks: 77, e.g. record 7" in text
    assert "Wrong category ids" not in text


def test_images_that_the_truth_lacks(found, truth):
    for n, image in ((5, 999), (6, 999), (9, 7)):
        found[n]["image_id"] = image
    text = refusal(found, truth)
    assert "3 of 80 detections are on 2 images that truth.json lacks" in text
    assert "record 5" in text and "20 images with ids 100 to 119" in text


def test_masks_without_boxes(found, truth):
    for record in found[3:]:
        record["segmentation"] = {"size": [1, 1], "counts": "0"}
        del record["bbox"]
    text = refusal(found, truth)
    assert "77 of 80 records have no 'bbox', e.g. record 3" in text
    assert "boxes are needed; make boxes from the masks first" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: 100 * s, "percent? Divide them by 100"),
        (lambda s: 10 * s - 6, "logits?"),
        (lambda s: 1000 * s, "what are they?"),
    ],
)
def test_scores_outside_0_and_1(found, truth, change, said):
    moved = changed(found, score=change)
    bad = [n for n, r in enumerate(moved) if not 0 <= r["score"] <= 1]
    text = refusal(moved, truth)
    assert f"{len(bad)} of 80 scores are outside [0, 1]" in text
    assert f"{moved[bad[0]]['score']:g} in record {bad[0]}" in text
    assert said in text


def test_corners_given_as_sides(found, truth):
    text = refusal(changed(found, bbox=as_corners), truth)
    assert "of 80 boxes leave their image when read as x, y, width, height" in text
    assert "on an image of 300x200 pixels: corners x, y, x, y?" in text


def test_relative_boxes(found, truth):
    sides = np.array([WIDTH, HEIGHT] * 2)
    text = refusal(changed(found, bbox=lambda b: (b / sides).tolist()), truth)
    assert "80 of 80 boxes are within 0 to 1" in text
    assert "multiply by width and height" in text


def test_corners_in_the_truth(saved):
    document = truth_document(crowd=False)
    for record in document["annotations"]:
        record["bbox"] = as_corners(record["bbox"])
    with pytest.raises(InputError, match=r"leave their image .* in annotation \d+ on an image"):
        suspicion.read_truth(saved(document))


def test_a_few_boxes_that_leave_their_image_are_a_detectors_way(found, truth):
    for record in found[:30]:
        record["bbox"] = [250, 150, 200, 200]
    suspicion.parse_results(found, truth, "r.json")


def test_unknown_sizes_tell_nothing(found):
    document = truth_document()
    document["images"] = [{"id": record["id"]} for record in document["images"]]
    truth = coco.parse_truth(document, "truth.json")
    suspicion.parse_results(changed(found, bbox=as_corners), truth, "r.json")


def test_results_of_a_part_of_the_images(found, truth):
    few = [record for record in found if record["image_id"] < 105]
    [text] = warned(few, truth)
    assert "detections on only 5 of the 20 images with objects" in text


def test_no_detections_are_told(truth):
    assert "no detections" in warned([], truth)[0]


@pytest.mark.parametrize("document", [{}, [1], ["a"], [{"bbox": None}], [{}], None, [[]]])
def test_anything_else_is_one_plain_refusal(document, truth):
    assert refusal(document, truth).startswith("r.json")


def test_odd_ids_are_refused_by_the_reader(found, truth):
    for image_id in ("100", None, [1], {"a": 1}):
        assert "'image_id'" in refusal([found[0] | {"image_id": image_id}], truth)


def test_box_only_truth_is_enough(found):
    document = truth_document()
    for record in document["annotations"]:
        del record["iscrowd"]
    assert warned(found, coco.parse_truth(document, "truth.json")) == []
