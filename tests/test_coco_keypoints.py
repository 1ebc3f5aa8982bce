import contextlib
import gzip
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from scalewise import coco_keypoints
from scalewise.errors import InputError

NAN = float("nan")
RESULT = {"image_id": 5, "category_id": 3, "keypoints": [1, 2, 0.5, -3, 4, 1, 0, 0, 0], "score": 1}
SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
PERSON = ["nose", *(f"{side}_{part}" for part in SIDES for side in ("left", "right"))]


@pytest.fixture
def figures():
    """Two images and three figures of three keypoints; the last has none that is labelled."""
    names = ["head", "left_hand", "right_hand"]
    category = {"id": 3, "name": "figure", "keypoints": names, "skeleton": [[1, 2], [1, 3]]}
    return {
        "images": [
            {"id": 11, "file_name": "a.png", "width": 20, "height": 10},
            {"id": 5, "file_name": "b.png", "width": 30, "height": 40},
        ],
        "categories": [category],
        "annotations": [
            figure(1, 5, [1.5, 2, 2, 30, 40, 2, 7, 9, 1], bbox=[1, 2, 29, 38], area=99.5),
            figure(2, 11, [0, 0, 2, 9, 9, 0, 19, 3.25, 2], bbox=[0, 0, 19, 4]),
            figure(4, 5, [0] * 9, bbox=[2, 2, 8, 6.5], iscrowd=1, num_keypoints=0),
        ],
    }


def figure(number, image, keypoints, **more):
    record = {"id": number, "image_id": image, "category_id": 3, "keypoints": keypoints}
    return record | more


def alike(pairs):
    return lambda document: document.update(info={"ambiguous": pairs})


@pytest.fixture
def truth(figures):
    return coco_keypoints.parse_truth(figures, "truth.json")


def people(rng, images=6, most=3):
    """A random truth like COCO's: 17 keypoints, each absent, hidden or seen."""
    sizes = rng.integers(50, 400, (images, 2))
    records = [
        {"id": int(100 + 7 * n), "file_name": f"{n}.jpg", "width": int(w), "height": int(h)}
        for n, (w, h) in enumerate(sizes)
    ]
    annotations = []
    for record in records:
        for _ in range(rng.integers(most + 1)):
            flags = rng.integers(3, size=17)
            flags[0] = 2
            places = (rng.random((17, 2)) * [record["width"], record["height"]]).round(2)
            triples = np.column_stack([places, flags]) * (flags > 0)[:, None]
            low, high = places[flags > 0].min(axis=0), places[flags > 0].max(axis=0)
            annotations.append(
                figure(1 + len(annotations), record["id"], triples.ravel().tolist())
                | {"bbox": [*low, *(high - low)], "area": float(np.prod(high - low)) + 1}
                | {"num_keypoints": int((flags > 0).sum()), "iscrowd": 0}
            )
    category = {"id": 3, "name": "person", "keypoints": PERSON, "skeleton": [[16, 14], [1, 2]]}
    return {"images": records, "categories": [category], "annotations": annotations}


def test_truth_is_read_in_positions_and_corners(figures, saved):
    truth = coco_keypoints.read_truth(saved(figures))
    assert len(truth) == 3
    assert truth.file_names == ("a.png", "b.png")
    assert truth.names == ("head", "left_hand", "right_hand")
    assert truth.skeleton == ((0, 1), (0, 2))
    assert (truth.category_id, truth.category_name) == (3, "figure")
    np.testing.assert_array_equal(truth.sizes, [[20, 10], [30, 40]])
    np.testing.assert_array_equal(truth.swaps, [0, 2, 1])
    np.testing.assert_array_equal(truth.ids, [1, 2, 4])
    np.testing.assert_array_equal(truth.image, [1, 0, 1])
    np.testing.assert_array_equal(truth.boxes, [[1, 2, 30, 40], [0, 0, 19, 4], [2, 2, 10, 8.5]])
    np.testing.assert_array_equal(truth.visibility, [[2, 2, 1], [2, 0, 2], [0, 0, 0]])
    np.testing.assert_array_equal(truth.keypoints[0], [[1.5, 2], [30, 40], [7, 9]])


def test_what_is_absent_has_no_place(truth):
    np.testing.assert_array_equal(truth.keypoints[1], [[0, 0], [0, 0], [19, 3.25]])
    np.testing.assert_array_equal(truth.keypoints[2], np.zeros((3, 2)))


def test_area_is_the_files_own_and_the_boxs_where_absent(truth):
    np.testing.assert_array_equal(truth.areas, [99.5, 19 * 4, 8 * 6.5])


def test_partners_are_told_by_name():
    names = ["left_eye", "nose", "right_ear", "right_eye", "left_hip", "leftover"]
    np.testing.assert_array_equal(coco_keypoints.swaps(names), [3, 1, 2, 0, 4, 5])
    swaps = coco_keypoints.swaps(PERSON)
    np.testing.assert_array_equal(swaps[swaps], np.arange(17))
    np.testing.assert_array_equal(swaps, [0, *np.arange(1, 17).reshape(8, 2)[:, ::-1].ravel()])


def test_truth_survives_writing_and_reading(truth, tmp_path):
    coco_keypoints.write_truth(tmp_path / "t.json", truth, "there")
    again = coco_keypoints.read_truth(tmp_path / "t.json")
    assert again.images == "there"
    for name, value in vars(truth).items():
        if name not in ("source", "images"):
            np.testing.assert_array_equal(getattr(again, name), value)


@pytest.mark.parametrize("seed", range(20))
def test_random_people_survive_writing_and_reading(seed):
    document = people(np.random.default_rng(seed))
    truth = coco_keypoints.parse_truth(document, "t")
    written = coco_keypoints.truth_document(truth)
    assert written["images"] == document["images"]
    assert written["categories"] == document["categories"]
    for one, two in zip(written["annotations"], document["annotations"], strict=True):
        np.testing.assert_allclose(one.pop("bbox"), two.pop("bbox"), atol=1e-9)
        assert one == two


@pytest.mark.parametrize("seed", range(3))
def test_the_official_tool_reads_what_is_written_and_finds_it_perfect(seed, tmp_path):
    truth = coco_keypoints.parse_truth(people(np.random.default_rng(seed)), "t")
    scores = np.ones(truth.visibility.shape)
    results = coco_keypoints.Results("r", truth.image, truth.keypoints, scores, scores[:, 0])
    coco_keypoints.write_truth(tmp_path / "t.json", truth, "")
    coco_keypoints.write_results(tmp_path / "r.json", truth, results)
    with contextlib.redirect_stdout(io.StringIO()):
        official = COCO(str(tmp_path / "t.json"))
        judge = COCOeval(official, official.loadRes(str(tmp_path / "r.json")), "keypoints")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert judge.stats[0] == judge.stats[5] == 1


def test_gzip_is_read_too(figures, tmp_path):
    path = tmp_path / "truth.json.gz"
    path.write_bytes(gzip.compress(json.dumps(figures).encode()))
    assert len(coco_keypoints.read_truth(path)) == 3


@pytest.mark.parametrize("missing", ["annotations", "images"])
def test_a_split_without_figures_or_images_is_a_truth_of_none(figures, missing, tmp_path):
    figures["annotations"] = []
    figures[missing] = []
    truth = coco_keypoints.parse_truth(figures, "t")
    assert len(truth) == 0
    assert truth.boxes.shape == (0, 4)
    assert truth.keypoints.shape == (0, 3, 2)
    assert truth.visibility.shape == (0, 3)
    coco_keypoints.write_truth(tmp_path / "t.json", truth, "")
    assert len(coco_keypoints.read_truth(tmp_path / "t.json")) == 0


def test_seen_keypoints_may_lie_on_the_border_and_others_anywhere(figures):
    figures["annotations"][1]["keypoints"] = [20, 10, 2, 21, -3, 1, 0, 0, 0]
    truth = coco_keypoints.parse_truth(figures, "t")
    np.testing.assert_array_equal(truth.keypoints[1], [[20, 10], [21, -3], [0, 0]])


def test_images_of_unknown_size_have_no_outside(figures):
    figures["annotations"][1]["keypoints"][0] = 500
    del figures["images"][0]["width"]
    assert len(coco_keypoints.parse_truth(figures, "t")) == 3


def test_skeleton_may_be_absent(figures):
    del figures["categories"][0]["skeleton"]
    assert coco_keypoints.parse_truth(figures, "t").skeleton == ()


def test_keypoints_that_look_alike_are_told_by_name(figures, tmp_path):
    assert coco_keypoints.parse_truth(figures, "t").ambiguous == ()
    figures["info"] = {"ambiguous": [["right_hand", "left_hand"]]}
    truth = coco_keypoints.parse_truth(figures, "t")
    assert truth.ambiguous == ((2, 1),)
    assert coco_keypoints.truth_document(truth)["info"] == {"images": "", **figures["info"]}
    assert coco_keypoints.select(truth, [1]).ambiguous == ((2, 1),)


AMBIGUOUS = "info: 'ambiguous' has {}, expected pairs of head, left_hand, right_hand"
BAD_TRUTH = {
    "alike, unknown": (alike([["head", "tail"]]), AMBIGUOUS.format(r"\['head', 'tail'\]")),
    "alike, three": (
        alike([["head", "left_hand", "right_hand"]]),
        AMBIGUOUS.format(r"\['head', 'left_hand', 'right_hand'\]"),
    ),
    "alike, positions": (alike([[1, 2]]), AMBIGUOUS.format(r"\[1, 2\]")),
    "alike, flat": (alike(["left_hand", "right_hand"]), AMBIGUOUS.format("'left_hand'")),
    "alike, no list": (alike("hands"), AMBIGUOUS.format("'hands'")),
    "alike, a list for a name": (alike([[["head"], "head"]]), AMBIGUOUS.format(".*")),
    "alike twice": (
        alike([["head", "left_hand"], ["left_hand", "right_hand"]]),
        "expected each keypoint in one pair at most",
    ),
    "alike itself": (alike([["head", "head"]]), "expected each keypoint in one pair at most"),
    "not an object": (lambda d: [d], "expected a COCO object.*got a list"),
    "no images": (lambda d: d.pop("images"), "'images' is missing; found: categories, annot"),
    "no categories": (lambda d: d["categories"].clear(), "expected one category.*got none"),
    "two categories": (
        lambda d: d["categories"].append({"id": 9, "name": "dog", "keypoints": ["tail"]}),
        "categories: expected one category with keypoints, got figure, dog",
    ),
    "boxes alone": (
        lambda d: d["categories"][0].pop("keypoints"),
        r"categories\[0\] \(id 3\): 'keypoints' is missing",
    ),
    "no names": (lambda d: d["categories"][0].update(keypoints=[]), "expected a list of names"),
    "names are numbers": (
        lambda d: d["categories"][0].update(keypoints=["a", 2]),
        r"'keypoints' is \['a', 2\], expected a list of names",
    ),
    "name twice": (
        lambda d: d["categories"][0].update(keypoints=["head", "hand", "head"]),
        r"categories\[0\] \(id 3\): keypoint 'head' is there twice",
    ),
    "skeleton from 0": (
        lambda d: d["categories"][0].update(skeleton=[[1, 2], [0, 1]]),
        r"'skeleton' has \[0, 1\], expected pairs of keypoints from 1 to 3",
    ),
    "skeleton no list": (lambda d: d["categories"][0].update(skeleton=7), "'skeleton' has 7, exp"),
    "skeleton of triples": (
        lambda d: d["categories"][0].update(skeleton=[[1, 2, 3]]),
        r"'skeleton' has \[1, 2, 3\], expected pairs",
    ),
    "annotation twice": (
        lambda d: d["annotations"][2].update(id=1),
        r"annotations\[2\] \(id 1, image_id 5\): id 1 is there twice",
    ),
    "image twice": (lambda d: d["images"][1].update(id=11), r"images\[1\].*id 11 is there twice"),
}
GOOD = [1, 2, 2, 3, 4, 2]
BAD_FIGURE = {
    "unknown image": ({"image_id": 9}, "image_id 9 is not among the images.*known: 11, 5"),
    "unknown category": ({"category_id": 9}, "category_id 9 is not among the categories.*: 3"),
    "negative side": ({"bbox": [1, 2, -3, 4]}, "sides of at least 0"),
    "negative area": ({"area": -5}, "'area' is -5, expected at least 0"),
    "too few": (
        {"keypoints": GOOD},
        "'keypoints' has 6 numbers, expected 9: x, y and visibility of head, left_hand, right_hand",
    ),
    "too many": ({"keypoints": [*GOOD, *GOOD]}, "'keypoints' has 12 numbers, expected 9"),
    "none": ({"keypoints": []}, "'keypoints' has 0 numbers, expected 9"),
    "null": ({"keypoints": None}, "'keypoints' is null, expected a list of numbers"),
    "text": ({"keypoints": [*GOOD, 1, "2", 2]}, "keypoint right_hand has '2', expected a number"),
    "nested": ({"keypoints": [*GOOD, 1, [2], 2]}, r"keypoint right_hand has \[2\], expected"),
    "vast": ({"keypoints": [*GOOD, 10**400, 0.5, 2]}, "keypoint right_hand has 10+, expected"),
    "NaN": (
        {"keypoints": [1, 2, 2, NAN, 4, 2, 5, 6, 2]},
        r"keypoint left_hand is \[nan, 4, 2\], expected three finite numbers",
    ),
    "NaN that is absent": ({"keypoints": [*GOOD, NAN, 0, 0]}, "keypoint right_hand is .*finite"),
    "NaN visibility": ({"keypoints": [*GOOD, 1, 1, NAN]}, "keypoint right_hand is .*finite"),
    "infinite": ({"keypoints": [*GOOD, 1, float("inf"), 2]}, "keypoint right_hand is .*finite"),
    "negative visibility": (
        {"keypoints": [*GOOD, 5, 6, -1]},
        r"visibility of keypoint right_hand is -1, expected 0 \(absent\), 1 \(hidden\) or 2 \(seen",
    ),
    "visibility 3": ({"keypoints": [*GOOD, 5, 6, 3]}, "right_hand is 3, expected 0"),
    "visibility a half": ({"keypoints": [*GOOD, 5, 6, 0.5]}, "right_hand is 0.5, expected 0"),
    "right of its image": (
        {"keypoints": [1, 2, 2, 30.5, 4, 2, 5, 41, 2]},
        r"keypoint left_hand at 30\.5, 4 lies outside its image 'b\.png' of 30x40 pixels "
        r"\(2 such keypoints\)",
    ),
    "above its image": ({"keypoints": [1, -0.25, 2, *GOOD]}, "head at 1, -0.25 lies outside"),
}


@pytest.mark.parametrize("case", BAD_TRUTH)
def test_bad_truth_is_one_error_naming_file_and_record(case, figures, saved):
    spoil, message = BAD_TRUTH[case]
    result = spoil(figures)
    path = saved(result if case == "not an object" else figures)
    with pytest.raises(InputError, match=message) as error:
        coco_keypoints.read_truth(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("case", BAD_FIGURE)
def test_bad_figure_is_one_error_naming_file_record_and_keypoint(case, figures, saved):
    values, message = BAD_FIGURE[case]
    figures["annotations"][2].update(values)
    path = saved(figures)
    with pytest.raises(InputError, match=message) as error:
        coco_keypoints.read_truth(path)
    assert str(error.value).startswith(f"{path}: annotations[2] (id 4, image_id ")


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "bbox", "keypoints"])
def test_missing_key_is_named(key, figures, saved):
    del figures["annotations"][1][key]
    with pytest.raises(InputError, match=rf"annotations\[1\].*'{key}' is missing"):
        coco_keypoints.read_truth(saved(figures))


def test_results_are_read_in_positions(truth, saved):
    other = RESULT | {"image_id": 11, "score": 0.25}
    results = coco_keypoints.read_results(saved([RESULT, other]), truth)
    np.testing.assert_array_equal(results.image, [1, 0])
    np.testing.assert_array_equal(results.keypoints[0], [[1, 2], [-3, 4], [0, 0]])
    np.testing.assert_array_equal(results.scores, [[0.5, 1, 0], [0.5, 1, 0]])
    np.testing.assert_array_equal(results.score, [1, 0.25])


def test_empty_results_are_a_model_that_found_nothing(truth, saved, tmp_path):
    results = coco_keypoints.read_results(saved([]), truth)
    assert len(results) == 0
    assert results.keypoints.shape == (0, 3, 2)
    assert results.scores.shape == (0, 3)
    coco_keypoints.write_results(tmp_path / "r.json", truth, results)
    assert json.loads((tmp_path / "r.json").read_text()) == []


@pytest.mark.parametrize("seed", range(5))
def test_results_survive_writing_and_reading(seed, tmp_path):
    rng = np.random.default_rng(seed)
    truth = coco_keypoints.parse_truth(people(rng), "t")
    count = int(rng.integers(1, 9))
    results = coco_keypoints.Results(
        "r",
        rng.integers(len(truth.image_ids), size=count),
        rng.normal(0, 300, (count, 17, 2)),
        rng.random((count, 17)),
        rng.random(count),
    )
    coco_keypoints.write_results(tmp_path / "r.json", truth, results)
    again = coco_keypoints.read_results(tmp_path / "r.json", truth)
    for name in ("image", "keypoints", "scores", "score"):
        np.testing.assert_array_equal(getattr(again, name), getattr(results, name))


BAD_RESULT = {
    "unknown image": ({"image_id": 9}, "image_id 9 is not among the images of truth.json"),
    "unknown category": ({"category_id": 9}, "category_id 9 is not among the categories of truth"),
    "count": (
        {"keypoints": [1, 2, 3]},
        "'keypoints' has 3 numbers, expected 9: x, y and score of head",
    ),
    "NaN": ({"keypoints": [0, 0, 1, 0, NAN, 1, 0, 0, 1]}, r"left_hand is \[0, nan, 1\], expected"),
    "NaN score": ({"score": NAN}, "'score' is nan, expected a finite number"),
    "text score": ({"score": "0.5"}, "'score' is '0.5', expected a number"),
}


@pytest.mark.parametrize("case", BAD_RESULT)
def test_bad_result_is_one_error_naming_file_and_record(case, truth, saved):
    values, message = BAD_RESULT[case]
    path = saved([RESULT, RESULT | values])
    with pytest.raises(InputError, match=message) as error:
        coco_keypoints.read_results(path, truth)
    assert str(error.value).startswith(f"{path}: results[1] (image_id ")


@pytest.mark.parametrize("key", ["image_id", "category_id", "keypoints", "score"])
def test_missing_key_of_a_result_is_named(key, truth, saved):
    record = {name: value for name, value in RESULT.items() if name != key}
    with pytest.raises(InputError, match=rf"results\[0\].*'{key}' is missing"):
        coco_keypoints.read_results(saved([record]), truth)


def test_truth_given_as_results_is_told(truth, figures, saved):
    with pytest.raises(InputError, match=r"expected a list of figures.*got an object"):
        coco_keypoints.read_results(saved(figures), truth)


def test_selected_images_keep_their_figures_in_the_order_asked_for(truth):
    both = coco_keypoints.select(truth, [1, 0])
    assert both.file_names == ("b.png", "a.png")
    np.testing.assert_array_equal(both.image, [0, 1, 0])
    one = coco_keypoints.select(truth, [1])
    np.testing.assert_array_equal(one.ids, [1, 4])
    np.testing.assert_array_equal(one.keypoints, truth.keypoints[[0, 2]])
    np.testing.assert_array_equal(one.visibility, truth.visibility[[0, 2]])
    np.testing.assert_array_equal(one.areas, truth.areas[[0, 2]])
    assert len(coco_keypoints.select(truth, [])) == 0


def test_splits_must_agree_on_their_keypoints(figures, saved):
    one = saved(figures, "train.json")
    assert [len(split) for split in coco_keypoints.read_splits([one, one])] == [3, 3]
    figures["categories"][0]["keypoints"][0] = "nose"
    other = saved(figures, "val.json")
    with pytest.raises(InputError, match=r"val\.json: its keypoints are nose, .*train\.json"):
        coco_keypoints.read_splits([one, other])
