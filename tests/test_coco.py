import gzip
import json

import numpy as np
import pytest

from scalewise import coco
from scalewise.errors import InputError

NAN = float("nan")
DETECTION = {"image_id": 5, "category_id": 3, "bbox": [1.5, 2, 3, 4], "score": 0.5}


def test_truth_is_read_in_positions_and_corners(document, saved):
    truth = coco.read_truth(saved(document))
    assert truth.category_names == ("cat", "dog")
    assert truth.file_names == ("a.png", "b.png")
    np.testing.assert_array_equal(truth.sizes, [[20, 10], [30, 40]])
    np.testing.assert_array_equal(truth.ids, [1, 2, 4])
    np.testing.assert_array_equal(truth.image, [1, 0, 1])
    np.testing.assert_array_equal(truth.category, [1, 0, 0])
    np.testing.assert_array_equal(truth.boxes, [[1, 2, 4, 6], [0, 0, 5, 5], [2, 2, 10, 8.5]])


def test_area_is_the_objects_own_and_the_boxs_where_absent(document, saved):
    truth = coco.read_truth(saved(document))
    np.testing.assert_array_equal(truth.areas, [9.5, 25, 52])
    np.testing.assert_array_equal(truth.box_areas, [12, 25, 52])


def test_crowd_is_ignored_and_ignored_is_not_crowd(document, saved):
    truth = coco.read_truth(saved(document))
    np.testing.assert_array_equal(truth.crowd, [False, True, False])
    np.testing.assert_array_equal(truth.ignore, [False, True, True])


def test_truth_survives_writing_and_reading(document, saved):
    truth = coco.read_truth(saved(document))
    again = coco.parse_truth(coco.truth_document(truth), truth.source)
    for name, value in vars(truth).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_gzip_is_read_too(document, tmp_path):
    path = tmp_path / "truth.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    assert len(coco.read_truth(path)) == 3


@pytest.mark.parametrize("missing", ["annotations", "images"])
def test_a_split_without_objects_or_images_is_a_truth_of_none(document, saved, missing):
    document["annotations"] = []
    document[missing] = []
    truth = coco.read_truth(saved(document))
    assert len(truth) == 0
    assert truth.boxes.shape == (0, 4)
    assert truth.ignore.shape == (0,)


def test_box_reaching_over_the_border_and_unknown_image_size_are_accepted(document, saved):
    document["annotations"][0]["bbox"] = [-3, -3, 100, 100]
    assert len(coco.read_truth(saved(document))) == 3
    document["annotations"][0]["bbox"] = [500, 500, 4, 4]
    del document["images"][1]["width"]
    assert len(coco.read_truth(saved(document))) == 3


BAD_TRUTH = {
    "not an object": (lambda d: [d], "expected a COCO object.*got a list"),
    "no images": (lambda d: d.pop("images"), "'images' is missing; found: categories, annot"),
    "no categories": (lambda d: d.pop("categories"), "'categories' is missing"),
    "no annotations": (lambda d: d.pop("annotations"), "'annotations' is missing"),
    "no list": (lambda d: d.update(images={}), "'images' is an object, expected a list"),
    "no record": (lambda d: d["annotations"].append(3), r"annotations\[3\]: expected an object"),
    "image twice": (lambda d: d["images"][1].update(id=11), r"images\[1\].*id 11 is there twice"),
    "category twice": (
        lambda d: d["categories"][1].update(id=7),
        r"categories\[1\].*id 7 is there twice",
    ),
    "annotation twice": (
        lambda d: d["annotations"][2].update(id=1),
        r"annotations\[2\] \(id 1, image_id 5\): id 1 is there twice",
    ),
    "unnamed category": (lambda d: d["categories"][0].pop("name"), r"\[0\].*'name' is missing"),
    "size": (lambda d: d["images"][0].update(width="x"), "'width' is 'x', expected a whole"),
}
BAD_OBJECT = {
    "unknown image": ({"image_id": 9}, "image_id 9 is not among the images.*known: 11, 5"),
    "unknown category": ({"category_id": 9}, "category_id 9 is not among the categories.*7, 3"),
    "negative side": ({"bbox": [1, 2, -3, 4]}, "sides of at least 0"),
    "NaN side": ({"bbox": [1, 2, NAN, 4]}, "finite numbers"),
    "infinite place": ({"bbox": [float("inf"), 2, 3, 4]}, "finite numbers"),
    "right of its image": ({"bbox": [31, 2, 3, 4]}, "outside its image of 30x40 pixels"),
    "above its image": ({"bbox": [1, -9, 3, 4]}, "outside its image of 30x40 pixels"),
    "three numbers": ({"bbox": [1, 2, 3]}, "expected four numbers"),
    "no numbers": ({"bbox": []}, "expected four numbers"),
    "texts": ({"bbox": ["1", "2", "3", "4"]}, "expected four numbers"),
    "nested": ({"bbox": [[1], 2, 3, 4]}, "expected four numbers"),
    "null": ({"bbox": None}, "expected four numbers"),
    "vast": ({"bbox": [10**400, 2, 3, 4]}, "expected four numbers"),
    "id no number": ({"id": "x"}, "'id' is 'x', expected a whole number"),
    "id not whole": ({"id": 1.5}, "'id' is 1.5, expected a whole number"),
    "id vast": ({"id": 10**30}, "expected a whole number"),
    "NaN area": ({"area": NAN}, "'area' is nan, expected a finite number"),
    "text area": ({"area": "x"}, "'area' is 'x', expected a number"),
    "negative area": ({"area": -5}, "'area' is -5, expected at least 0"),
}


@pytest.mark.parametrize("case", BAD_TRUTH)
def test_bad_truth_is_one_error_naming_file_and_record(case, document, saved):
    spoil, message = BAD_TRUTH[case]
    result = spoil(document)
    path = saved(result if case == "not an object" else document)
    with pytest.raises(InputError, match=message) as error:
        coco.read_truth(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("case", BAD_OBJECT)
def test_bad_object_is_one_error_naming_file_and_record(case, document, saved):
    values, message = BAD_OBJECT[case]
    document["annotations"][2].update(values)
    path = saved(document)
    with pytest.raises(InputError, match=message) as error:
        coco.read_truth(path)
    assert str(error.value).startswith(f"{path}: annotations[2] (id ")


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "bbox"])
def test_missing_key_is_named(key, document, saved):
    del document["annotations"][1][key]
    with pytest.raises(InputError, match=rf"annotations\[1\].*'{key}' is missing"):
        coco.read_truth(saved(document))


def test_every_box_is_bad_but_the_first_is_named(document, saved):
    for record in document["annotations"]:
        record["bbox"][2] = -1
    with pytest.raises(InputError, match=r"annotations\[0\].*\(3 such boxes\)"):
        coco.read_truth(saved(document))


@pytest.fixture
def truth(document):
    return coco.parse_truth(document, "truth.json")


def test_results_are_read_in_positions_and_corners(truth, saved):
    other = {"image_id": 11, "category_id": 7, "bbox": [0, 0, 2, 2], "score": 1}
    results = coco.read_results(saved([DETECTION, other]), truth)
    np.testing.assert_array_equal(results.image, [1, 0])
    np.testing.assert_array_equal(results.category, [1, 0])
    np.testing.assert_array_equal(results.boxes, [[1.5, 2, 4.5, 6], [0, 0, 2, 2]])
    np.testing.assert_array_equal(results.areas, [12, 4])
    np.testing.assert_array_equal(results.scores, [0.5, 1])


def test_empty_results_are_a_detector_that_found_nothing(truth, saved):
    results = coco.read_results(saved([]), truth)
    assert len(results) == 0
    assert results.boxes.shape == (0, 4)
    assert results.extra == {}


def test_extra_keys_that_all_have_are_kept(truth, saved):
    records = [DETECTION | {"level": 2, "note": "x", "segmentation": []}, DETECTION | {"level": 0}]
    results = coco.read_results(saved(records), truth)
    assert list(results.extra) == ["level"]
    np.testing.assert_array_equal(results.extra["level"], [2, 0])


def test_results_survive_writing_and_reading(truth, saved, tmp_path):
    records = [DETECTION | {"level": 2}, DETECTION | {"level": 0, "score": 0.25}]
    results = coco.read_results(saved(records), truth)
    path = tmp_path / "results.json"
    coco.write_results(path, truth, results)
    assert json.loads(path.read_text()) == records
    coco.write_results(path, truth, coco.read_results(saved([]), truth))
    assert json.loads(path.read_text()) == []


BAD_DETECTION = {
    "unknown image": ({"image_id": 9}, "image_id 9 is not among the images of truth.json"),
    "unknown category": ({"category_id": 9}, "category_id 9 is not among the categories of truth"),
    "negative side": ({"bbox": [1, 2, 3, -4]}, "sides of at least 0"),
    "NaN place": ({"bbox": [NAN, 2, 3, 4]}, "finite numbers"),
    "text score": ({"score": "0.5"}, "'score' is '0.5', expected a number"),
    "NaN score": ({"score": NAN}, "'score' is nan, expected a finite number"),
}


@pytest.mark.parametrize("case", BAD_DETECTION)
def test_bad_detection_is_one_error_naming_file_and_record(case, truth, saved):
    values, message = BAD_DETECTION[case]
    path = saved([DETECTION, DETECTION | values])
    with pytest.raises(InputError, match=message) as error:
        coco.read_results(path, truth)
    assert str(error.value).startswith(f"{path}: results[1] (image_id ")


def test_truth_given_as_results_is_told(truth, document, saved):
    with pytest.raises(InputError, match=r"expected a list of detections.*got an object"):
        coco.read_results(saved(document), truth)


def test_missing_score_is_told(truth, saved):
    record = {key: value for key, value in DETECTION.items() if key != "score"}
    with pytest.raises(InputError, match=r"results\[0\].*'score' is missing"):
        coco.read_results(saved([record]), truth)


def test_selected_images_keep_their_objects_in_the_order_asked_for(truth):
    both = coco.select(truth, [1, 0])
    assert both.file_names == ("b.png", "a.png")
    np.testing.assert_array_equal(both.image_ids, [5, 11])
    np.testing.assert_array_equal(both.image, [0, 1, 0])
    one = coco.select(truth, [1])
    np.testing.assert_array_equal(one.ids, [1, 4])
    np.testing.assert_array_equal(one.image, [0, 0])
    np.testing.assert_array_equal(one.boxes, truth.boxes[[0, 2]])
    assert len(coco.select(truth, [])) == 0


def test_truth_names_the_folder_of_its_images(truth, tmp_path):
    assert truth.images == ""
    coco.write_truth(tmp_path / "truth.json", truth, tmp_path / "there")
    assert coco.read_truth(tmp_path / "truth.json").images == str(tmp_path / "there")


def test_splits_must_agree_on_their_categories(document, saved):
    one = saved(document, "train.json")
    assert [len(split) for split in coco.read_splits([one, one])] == [3, 3]
    document["categories"][0]["name"] = "cow"
    with pytest.raises(InputError, match=r"val\.json: its categories are cow, dog; .*train\.json"):
        coco.read_splits([one, saved(document, "val.json")])


def test_two_categories_of_one_name_are_refused(document):
    document["categories"][1]["name"] = "cat"
    with pytest.raises(InputError, match=r"categories\[1\] \(id 3\): name 'cat' is there twice"):
        coco.parse_truth(document, "t")


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_numbers_beyond_floats_are_named(document, value):
    document["annotations"][0]["area"] = value
    with pytest.raises(InputError, match="'area'"):
        coco.parse_truth(document, "t")


@pytest.mark.parametrize("box", [[0, 0, 1e200, 1e200], [1e308, 0, 1e308, 1]])
def test_boxes_of_astronomic_size_are_refused(document, box):
    truth = coco.parse_truth(document, "t")
    record = {"image_id": 5, "category_id": 3, "bbox": box, "score": 0.5}
    with pytest.raises(InputError, match="finite numbers"):
        coco.parse_results([record], truth, "r")
