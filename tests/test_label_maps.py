import copy

import numpy as np
import pytest

from scalewise import label_maps
from scalewise.errors import InputError


@pytest.fixture
def labelled():
    """Three images, two of one sequence, and two classes."""
    names = ["a/S1_000030.png", "a/S1_000060.png", "a/other.png"]
    return {
        "images": [
            {"id": 3, "file_name": names[0], "width": 4, "height": 2, "sequence": "S1"},
            {"id": 1, "file_name": names[1], "width": 4, "height": 2, "sequence": "S1"},
            {"id": 2, "file_name": names[2], "width": 5, "height": 2},
        ],
        "categories": [
            {"id": 0, "name": "Road", "color": [128, 64, 128], "void": 0},
            {"id": 1, "name": "Void", "color": [0, 0, 0], "void": 1},
        ],
        "annotations": [
            {"id": 7, "image_id": 2, "file_name": "labels/a/other.png"},
            {"id": 8, "image_id": 3, "file_name": "labels/a/S1_000030.png"},
            {"id": 9, "image_id": 1, "file_name": "labels/a/S1_000060.png"},
        ],
    }


def test_truth_is_read_in_the_order_of_its_images(labelled, saved):
    truth = label_maps.read_truth(saved(labelled))
    assert len(truth) == 3
    assert truth.image_ids.tolist() == [3, 1, 2]
    assert truth.label_names == tuple(
        f"labels/a/{name}.png" for name in ("S1_000030", "S1_000060", "other")
    )
    assert truth.sequences == ("S1", "S1", "")
    assert truth.category_names == ("Road", "Void")
    assert truth.colours.tolist() == [[128, 64, 128], [0, 0, 0]]
    assert truth.colours.dtype == np.uint8
    assert truth.void == truth.palette.void == 1


def test_truth_survives_writing_and_reading(labelled, tmp_path):
    truth = label_maps.parse_truth(labelled, "given")
    label_maps.write_truth(tmp_path / "truth.json", truth, "data/x")
    again = label_maps.read_truth(tmp_path / "truth.json")
    assert again.images == "data/x"
    for name, value in vars(truth).items():
        if name not in {"source", "images"}:
            np.testing.assert_array_equal(getattr(again, name), value)


def test_a_truth_may_have_no_images_and_no_void(labelled):
    for category in labelled["categories"]:
        del category["void"]
    labelled["images"] = labelled["annotations"] = []
    truth = label_maps.parse_truth(labelled, "none")
    assert (len(truth), truth.void, truth.sizes.shape) == (0, None, (0, 2))
    assert label_maps.near(truth, truth, 60).shape == (0,)


def test_some_images_are_selected(labelled):
    truth = label_maps.select(label_maps.parse_truth(labelled, "all"), [2, 0])
    assert truth.image_ids.tolist() == [2, 3]
    assert truth.label_names == ("labels/a/other.png", "labels/a/S1_000030.png")
    assert truth.sequences == ("", "S1")
    assert truth.sizes.tolist() == [[5, 2], [4, 2]]


def test_splits_must_agree_on_their_classes(labelled, saved):
    other = copy.deepcopy(labelled)
    other["categories"][0]["name"] = "Street"
    paths = [saved(labelled, "train.json"), saved(other, "val.json")]
    with pytest.raises(
        InputError, match=r"val\.json: its classes are Street, Void; those of .*Road"
    ):
        label_maps.read_splits(paths)
    assert len(label_maps.read_splits(paths[:1] * 2)) == 2


def without(key):
    return lambda document: document.pop(key)


def changed(table, n, **values):
    return lambda document: document[table][n].update(values)


BAD = {
    "no list": (without("annotations"), "'annotations' is missing"),
    "no name": (changed("images", 1, file_name=""), r"images\[1\] \(id 1\): 'file_name' is"),
    "name twice": (changed("images", 2, file_name="a/S1_000030.png"),
                   r"images\[2\] .*is there twice, first in images\[0\]"),
    "two masks": (changed("annotations", 0, image_id=3), r"images\[0\] \(id 3\): it has 2 annot"),
    "unknown image": (changed("annotations", 0, image_id=5), r"annotations\[0\].*image_id 5 is"),
    "no mask": (lambda d: d["annotations"].pop(), r"images\[1\] \(id 1\): it has 0 annotations"),
    "ids from 1": (changed("categories", 0, id=1), r"categories\[1\].*id 1 is there twice"),
    "other ids": (changed("categories", 1, id=2), r"categories\[1\].*id 2, expected 1: ids are"),
    "class twice": (changed("categories", 1, name="Road"), r"name 'Road' is there twice"),
    "colour twice": (changed("categories", 1, color=[128, 64, 128]), "'Road' and 'Void' have one"),
    "colour": (changed("categories", 1, color=[0, 0, 256]), "colour of 'Void' is 0,0,256, exp"),
    "short colour": (changed("categories", 1, color=[0, 0]), "colour of 'Void' is 0,0, expected"),
    "true colour": (changed("categories", 1, color=[True, 0, 0]), "colour of 'Void' is True,0,0"),
    "no colour": (changed("categories", 1, color="red"), r"'color' is 'red', expected a list"),
    "two void": (changed("categories", 0, void=1), r"categories\[1\].*void, as 'Road' is"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_truth_is_told(case, labelled):
    change, message = BAD[case]
    change(labelled)
    with pytest.raises(InputError, match=f"^truth.json: .*{message}"):
        label_maps.parse_truth(labelled, "truth.json")


def test_a_list_is_no_truth():
    with pytest.raises(InputError, match="expected a COCO object with images, annotations"):
        label_maps.parse_truth([], "truth.json")


def test_a_mask_must_fit_its_image_and_its_classes():
    mask = np.array([[0, 1, 2], [2, 2, 1]])
    good = label_maps.checked(mask, (3, 2), ["Sky", "Road", "Void"], "x")
    assert good.dtype == np.uint8
    np.testing.assert_array_equal(good, mask)
    with pytest.raises(InputError, match="x: 3x2 px, but its image has 2x3"):
        label_maps.checked(mask, (2, 3), ["Sky", "Road", "Void"], "x")
    with pytest.raises(
        InputError, match=r"x: index 2 in 3 pixels .* 2 classes \(0 Sky to 1 Road\)"
    ):
        label_maps.checked(mask, (3, 2), ["Sky", "Road"], "x")
    with pytest.raises(InputError, match="x: index -1 in 1 pixels"):
        label_maps.checked(np.array([[-1]]), (1, 1), ["Sky"], "x")


def truth_of(frames):
    """A truth of the frames of (sequence, number); number None: a name without one."""
    names = [f"{s}_{n:05d}.png" if n is not None else f"{s}_x.png" for s, n in frames]
    images = [
        {"id": n, "file_name": name, "sequence": sequence}
        for n, (name, (sequence, _)) in enumerate(zip(names, frames, strict=True))
    ]
    masks = [{"id": n, "image_id": n, "file_name": "m"} for n in range(len(frames))]
    classes = [{"id": 0, "name": "Road", "color": [0, 0, 0]}]
    return label_maps.parse_truth(
        {"images": images, "annotations": masks, "categories": classes}, "frames"
    )


def test_neighbours_by_hand():
    # A100 is 60 from A40 and A160: near at 60, not at 59; B has none; C's number is unknown
    train = truth_of([("A", 40), ("A", 160), ("C", 100), ("", 100)])
    test = truth_of([("A", 100), ("B", 100), ("C", None), ("", 100)])
    assert label_maps.frame_numbers(test).tolist() == [100, 100, -1, 100]
    assert label_maps.near(test, train, 60).tolist() == [True, False, False, False]
    assert not label_maps.near(test, train, 59).any()


@pytest.mark.parametrize("seed", range(20))
def test_neighbours_are_those_of_a_plain_search(seed):
    rng = np.random.default_rng(seed)
    splits = [
        [(str(rng.choice(["", "A", "B", "C"])), int(rng.integers(0, 300))) for _ in range(count)]
        for count in rng.integers(0, 15, 2)
    ]
    splits = [list(dict.fromkeys(split)) for split in splits]
    gap = int(rng.integers(0, 60))
    expected = [
        any(s and s == other and abs(n - m) <= gap for other, m in splits[1]) for s, n in splits[0]
    ]
    found = label_maps.near(truth_of(splits[0]), truth_of(splits[1]), gap)
    assert found.tolist() == expected
