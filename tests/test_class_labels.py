import gzip
import json

import numpy as np
import pytest

from scalewise import class_labels
from scalewise.errors import InputError


@pytest.fixture
def labels():
    """Three images of two classes; ids in no order."""
    return {
        "info": {"images": "there"},
        "images": [
            {"id": 7, "file_name": "cat/1.png", "width": 20, "height": 10, "frame": "0001_p"},
            {"id": 3, "file_name": "dog/1.png", "width": 30, "height": 40, "frame": "0002_p"},
            {"id": 5, "file_name": "cat/2.png", "width": 8, "height": 9, "frame": "0001_p"},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 2},
            {"id": 2, "image_id": 7, "category_id": 2},
            {"id": 3, "image_id": 3, "category_id": 9},
        ],
    }


@pytest.fixture
def truth(labels):
    return class_labels.parse_truth(labels, "truth.json")


@pytest.fixture
def table(tmp_path):
    """Write lines as a CSV and give its path."""

    def save(*lines, name="scores.csv"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return save


HEADER = "image,label,dog,cat"
ROWS = ("cat/2.png,cat,0.25,0.75", "cat/1.png,cat,0.5,0.5", "dog/1.png,dog,1,0")


def test_truth_is_read_in_positions(truth):
    assert truth.category_names == ("dog", "cat")
    assert truth.file_names == ("cat/1.png", "dog/1.png", "cat/2.png")
    assert truth.frames == ("0001_p", "0002_p", "0001_p")
    np.testing.assert_array_equal(truth.label, [1, 0, 1])
    np.testing.assert_array_equal(truth.image_ids, [7, 3, 5])
    np.testing.assert_array_equal(truth.sizes, [[20, 10], [30, 40], [8, 9]])
    assert truth.images == "there" and len(truth) == 3


def test_truth_survives_writing_and_reading(truth, tmp_path):
    class_labels.write_truth(tmp_path / "truth.json", truth, "there")
    again = class_labels.read_truth(tmp_path / "truth.json")
    for name in vars(truth).keys() - {"source"}:
        np.testing.assert_array_equal(getattr(again, name), getattr(truth, name))


def test_gzip_is_read_and_sizes_and_frames_may_be_absent(labels, tmp_path):
    for record in labels["images"]:
        del record["frame"], record["width"], record["height"]
    path = tmp_path / "truth.json.gz"
    path.write_bytes(gzip.compress(json.dumps(labels).encode()))
    truth = class_labels.read_truth(path)
    assert truth.frames == ("", "", "")
    assert not truth.sizes.any()


def test_a_split_without_images_is_a_truth_of_none(labels):
    truth = class_labels.parse_truth(labels | {"images": [], "annotations": []}, "t")
    assert len(truth) == 0
    assert truth.sizes.shape == (0, 2)
    assert len(class_labels.select(truth, [])) == 0
    assert class_labels.shares_frame(truth, [truth]).shape == (0,)


BAD_TRUTH = {
    "not an object": (lambda d: [d], "expected a COCO object.*got a list"),
    "no images": (lambda d: d.pop("images"), "'images' is missing"),
    "no categories": (lambda d: d.pop("categories"), "'categories' is missing"),
    "no annotations": (lambda d: d.pop("annotations"), "'annotations' is missing"),
    "two annotations": (
        lambda d: d["annotations"].append({"id": 4, "image_id": 3, "category_id": 2}),
        r"images\[1\] \(id 3\): 'dog/1\.png' has 2 annotations, expected exactly one \(1 such",
    ),
    "no annotation": (
        lambda d: d["annotations"].pop(0),
        r"images\[2\] \(id 5\): 'cat/2\.png' has 0 annotations, expected exactly one",
    ),
    "unknown category": (
        lambda d: d["annotations"][1].update(category_id=4),
        r"annotations\[1\].*category_id 4 is not among the categories.*known: 9, 2",
    ),
    "unknown image": (
        lambda d: d["annotations"][1].update(image_id=4),
        r"annotations\[1\].*image_id 4 is not among the images",
    ),
    "image twice": (lambda d: d["images"][2].update(id=7), r"images\[2\].*id 7 is there twice"),
    "annotation twice": (
        lambda d: d["annotations"][2].update(id=1),
        r"annotations\[2\].*id 1 is there twice",
    ),
    "category twice": (lambda d: d["categories"][1].update(id=9), r"categories\[1\].*twice"),
    "name twice": (lambda d: d["categories"][1].update(name="dog"), "name 'dog' is there twice"),
    "file twice": (
        lambda d: d["images"][2].update(file_name="cat/1.png"),
        r"images\[2\] \(id 5\): file 'cat/1\.png' is there twice, first in images\[0\]",
    ),
    "no file": (
        lambda d: d["images"][1].pop("file_name"),
        r"images\[1\].*'file_name' is missing or empty",
    ),
    "frame": (lambda d: d["images"][1].update(frame=3), r"images\[1\].*'frame' is 3, expected a"),
}


@pytest.mark.parametrize("case", BAD_TRUTH)
def test_bad_truth_is_one_error_naming_file_and_record(case, labels, saved):
    spoil, message = BAD_TRUTH[case]
    result = spoil(labels)
    path = saved(result if case == "not an object" else labels)
    with pytest.raises(InputError, match=message) as error:
        class_labels.read_truth(path)
    assert str(error.value).startswith(f"{path}: ")


def test_selected_images_come_in_the_order_asked_for(truth):
    some = class_labels.select(truth, [2, 1])
    assert some.file_names == ("cat/2.png", "dog/1.png")
    assert some.frames == ("0001_p", "0002_p")
    np.testing.assert_array_equal(some.label, [1, 0])
    np.testing.assert_array_equal(some.sizes, [[8, 9], [30, 40]])


def test_images_of_a_shared_frame_are_told_and_unknown_frames_are_not_shared(truth, labels):
    first, rest = class_labels.select(truth, [0]), class_labels.select(truth, [1, 2])
    assert class_labels.shares_frame(rest, [first]).tolist() == [False, True]
    for record in labels["images"]:
        record["frame"] = ""
    unknown = class_labels.parse_truth(labels, "t")
    assert not class_labels.shares_frame(unknown, [unknown]).any()


def test_splits_must_agree_on_their_classes(labels, saved):
    one = saved(labels, "train.json")
    assert [len(split) for split in class_labels.read_splits([one, one])] == [3, 3]
    labels["categories"][0]["name"] = "cow"
    with pytest.raises(InputError, match=r"val\.json: its classes are cow, cat; .*train\.json"):
        class_labels.read_splits([one, saved(labels, "val.json")])


def test_scores_are_read_in_positions(table):
    scores = class_labels.read_scores(table(HEADER, *ROWS))
    assert scores.category_names == ("dog", "cat")
    assert scores.file_names == ("cat/2.png", "cat/1.png", "dog/1.png")
    np.testing.assert_array_equal(scores.label, [1, 1, 0])
    np.testing.assert_array_equal(scores.scores, [[0.25, 0.75], [0.5, 0.5], [1, 0]])


def test_scores_survive_writing_and_reading(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.dirichlet([0.05] * 4, 50).astype(np.float32)
    names = ('with "quotes", and comma', "b", "c", "d")
    scores = class_labels.Scores(
        source="s",
        file_names=tuple(f"{n}, {n}.png" for n in range(50)),
        category_names=names,
        label=rng.integers(0, 4, 50),
        scores=values.astype(np.float64),
    )
    class_labels.write_scores(tmp_path / "scores.csv", scores)
    again = class_labels.read_scores(tmp_path / "scores.csv")
    assert (again.file_names, again.category_names) == (scores.file_names, names)
    np.testing.assert_array_equal(again.label, scores.label)
    np.testing.assert_array_equal(again.scores.astype(np.float32), values)


def test_the_header_alone_is_scores_of_no_images(table):
    scores = class_labels.read_scores(table(HEADER))
    assert len(scores) == 0
    assert scores.scores.shape == (0, 2)


def test_probabilities_of_four_digits_sum_closely_enough(table):
    third = ",".join(["0.3333"] * 3)
    scores = class_labels.read_scores(table("image,label,a,b,c", f"x,a,{third}"))
    assert scores.scores.sum() == pytest.approx(0.9999)


BAD_SCORES = {
    "empty": ((), "expected a header image,label,<class>,.*got an empty file"),
    "header": (("file,label,dog",), "expected a header image,label,.*got file,label,dog"),
    "no classes": (("image,label",), "expected a header"),
    "class twice": (("image,label,dog,dog",), "line 1: class 'dog' is there twice"),
    "nameless class": (("image,label,dog,",), "line 1: a class has no name"),
    "sum": ((HEADER, ROWS[0], "x,cat,0.5,0.51"), r"line 3: .*sum to 1.01, expected 1.*\(1 such"),
    "NaN": ((HEADER, "x,cat,nan,1"), "line 2: the score of 'dog' is 'nan', expected a number fr"),
    "text": ((HEADER, "x,cat,0,much"), "line 2: the score of 'cat' is 'much'"),
    "empty score": ((HEADER, "x,cat,,1"), "line 2: the score of 'dog' is ''"),
    "negative": ((HEADER, "x,cat,-0.5,1.5"), "line 2: the score of 'dog' is '-0.5'"),
    "infinite": ((HEADER, "x,cat,0,inf"), "line 2: the score of 'cat' is 'inf'"),
    "unknown class": (
        (HEADER, "x,cow,0,1"),
        r"line 2: unknown class 'cow' \(choices: dog, cat\)",
    ),
    "image twice": ((HEADER, *ROWS, ROWS[1]), "line 5: image 'cat/1.png' is there twice.*line 3"),
    "nameless image": ((HEADER, ",cat,0,1"), "line 2: an image has no name"),
    "short row": ((HEADER, "x,cat,1"), "line 2: 3 values, expected 4"),
    "long row": ((HEADER, "x,cat,0,1,0"), "line 2: 5 values, expected 4"),
    "quotes": ((HEADER, 'x,"cat,0,1'), "cannot be read as CSV"),
}


@pytest.mark.parametrize("case", BAD_SCORES)
def test_bad_scores_are_one_error_naming_file_and_line(case, table):
    lines, message = BAD_SCORES[case]
    path = table(*lines)
    with pytest.raises(InputError, match=message) as error:
        class_labels.read_scores(path)
    assert str(error.value).startswith(f"{path}: ")


def test_no_file_and_no_text_are_told(tmp_path):
    with pytest.raises(InputError, match=r"scores\.csv: no such file"):
        class_labels.read_scores(tmp_path / "scores.csv")
    (tmp_path / "scores.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as CSV"):
        class_labels.read_scores(tmp_path / "scores.csv")


def test_scores_come_in_the_order_of_the_truth(table, truth):
    scores = class_labels.aligned(class_labels.read_scores(table(HEADER, *ROWS)), truth)
    assert scores.file_names == truth.file_names
    np.testing.assert_array_equal(scores.label, truth.label)
    np.testing.assert_array_equal(scores.scores, [[0.5, 0.5], [1, 0], [0.25, 0.75]])


UNALIGNED = {
    "missing": ((HEADER, *ROWS[1:]), r"scores\.csv: image 'cat/2\.png' of truth\.json is missing"),
    "not in the truth": (
        (HEADER, *ROWS, "x,dog,1,0"),
        r"truth\.json: image 'x' of .*scores\.csv is missing \(1 of 4 are\)",
    ),
    "classes": (
        ("image,label,cat,dog", *ROWS),
        r"its classes are cat, dog; those of truth\.json are dog, cat",
    ),
    "label": (
        (HEADER, *ROWS[:2], "dog/1.png,cat,1,0"),
        r"image 'dog/1\.png' is labelled 'cat', but truth\.json says 'dog'",
    ),
}


@pytest.mark.parametrize("case", UNALIGNED)
def test_scores_of_other_images_are_refused(case, table, truth):
    lines, message = UNALIGNED[case]
    scores = class_labels.read_scores(table(*lines))
    with pytest.raises(InputError, match=message):
        class_labels.aligned(scores, truth)
