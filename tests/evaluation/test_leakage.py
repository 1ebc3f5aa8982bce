"""Metrics of the two groups against scikit-learn's on just those images."""

import json
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score

from scalewise import bootstrap, confusion, label_maps
from scalewise.class_labels import Scores
from scalewise.errors import InputError
from scalewise.evaluation import classification, leakage, segmentation
from scalewise.palettes import spread

RULES = bootstrap.Parameters(resamples=50)


def scores_of(rng, images, classes):
    table = rng.dirichlet(np.ones(classes), images)
    names = tuple(f"{n}.png" for n in range(images))
    label = rng.integers(0, classes, images)
    return Scores("scores", names, tuple("abcdefgh"[:classes]), label, table)


@pytest.mark.parametrize("seed", range(10))
def test_accuracy_of_each_group_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    scores = scores_of(rng, 40, 2 + seed % 4)
    frames = [f"f{n // 3}" if seed % 2 else "" for n in range(40)]
    seen = rng.random(40) < rng.random()
    seen[:2] = True, False
    parameters = classification.Parameters()
    whole = classification.metrics(scores, parameters, RULES, frames)
    measure = partial(classification.of_some, scores, parameters, RULES, frames)
    found = leakage.with_groups(whole, seen, measure, ("accuracy",))
    assert {name: found[name] for name in whole if name != "interval"} == {
        name: value for name, value in whole.items() if name != "interval"
    }
    said = scores.scores.argmax(axis=1)
    for group, mask in (("seen", seen), ("unseen", ~seen)):
        told = found["leakage"][group]
        assert told["n"] == mask.sum()
        assert told["accuracy"] == pytest.approx(accuracy_score(scores.label[mask], said[mask]))
        ends = found["interval"]["leakage"][group]["accuracy"]
        assert ends["low"] <= told["accuracy"] <= ends["high"]


@pytest.mark.parametrize("seed", range(6))
def test_iou_of_each_group_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    images, classes = 12, 4
    maps = rng.integers(0, classes, (2, images, 5, 6))
    gathered = confusion.Accumulator(images, classes)
    gathered.add(*maps)
    truth = label_maps.Truth(
        source="truth",
        image_ids=np.arange(images),
        file_names=tuple(f"{n}.png" for n in range(images)),
        sizes=np.tile([6, 5], (images, 1)),
        category_names=tuple("abcd"),
        colours=spread(classes),
        void=None,
        label_names=tuple(f"labels/{n}.png" for n in range(images)),
        sequences=tuple(f"s{n // 2}" for n in range(images)),
    )
    seen = np.arange(images) < 2 + seed
    parameters = segmentation.Parameters()
    found = confusion.Confusions("net", gathered.matrices, rng.random((0, 1, images)[seed % 3]))
    whole = segmentation.metrics(segmentation.measured(truth, found, parameters), parameters, RULES)
    measure = partial(segmentation.of_some, truth, found, parameters, RULES)
    found = leakage.with_groups(whole, seen, measure, ("mIoU", "pixel_accuracy"))
    told, ends = found["leakage"], found["interval"]["leakage"]
    for group, mask in (("seen", seen), ("unseen", ~seen)):
        there, said = (part[mask].ravel() for part in maps)
        expected = jaccard_score(there, said, average="macro", labels=np.unique(there))
        assert told[group]["mIoU"] == pytest.approx(expected)
        assert told[group]["pixel_accuracy"] == pytest.approx(accuracy_score(there, said))
        assert ends[group]["mIoU"]["low"] < ends[group]["mIoU"]["high"]


def test_a_group_without_images_has_no_numbers():
    scores = scores_of(np.random.default_rng(0), 5, 3)
    parameters = classification.Parameters()
    whole = classification.metrics(scores, parameters, RULES)
    measure = partial(classification.of_some, scores, parameters, RULES, [""] * 5)
    found = leakage.with_groups(whole, np.zeros(5, bool), measure, ("accuracy",))
    assert found["leakage"]["seen"] == {"n": 0}
    assert found["interval"]["leakage"]["seen"] == {}
    kept = {name: whole[name] for name in ("accuracy", "unit", "units")}
    assert found["leakage"]["unseen"] == {"n": 5, **kept}
    assert found["interval"]["leakage"]["unseen"] == {"accuracy": whole["interval"]["accuracy"]}


def test_a_group_of_one_frame_has_no_interval():
    """All resamples would be that frame again: an interval of no width, which nothing supports."""
    scores = scores_of(np.random.default_rng(1), 8, 3)
    frames, seen = ["a"] * 5 + ["b", "c", "d"], np.arange(8) < 5
    parameters = classification.Parameters()
    whole = classification.metrics(scores, parameters, RULES, frames)
    measure = partial(classification.of_some, scores, parameters, RULES, frames)
    found = leakage.with_groups(whole, seen, measure, ("accuracy",))
    assert found["leakage"]["seen"]["units"] == 1 and found["leakage"]["seen"]["unit"] == "frame"
    assert found["interval"]["leakage"]["seen"] == {}
    assert set(found["interval"]["leakage"]["unseen"]) == {"accuracy"}


def test_names_are_read_in_the_order_of_the_images(tmp_path):
    path = tmp_path / "seen.json"
    path.write_text(json.dumps(["c.png", "a.png"]))
    assert leakage.read(path, ("a.png", "b.png", "c.png")).tolist() == [True, False, True]
    assert leakage.read(path, ("c.png", "a.png")).tolist() == [True, True]
    path.write_text("[]")
    assert leakage.read(path, ("a.png", "b.png")).tolist() == [False, False]
    assert leakage.read(path, ()).tolist() == []


@pytest.mark.parametrize("text", ['["d.png"]', "[1]", '{"images": []}', '"a.png"', "[[]]", "{"])
def test_a_list_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "seen.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"seen\.json"):
        leakage.read(path, ("a.png",))
