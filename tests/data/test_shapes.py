import hashlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalewise import coco, params
from scalewise.data import scenes, shapes, store
from scalewise.errors import InputError
from scalewise.files import read_json

PREPARE = Path(__file__).parents[2] / "stages" / "prepare.py"
FILES = {"images.tar", "train.json", "val.json", "test.json"}
SECTION = "shapes: {train: 3, val: 1, test: 1, image_size: 32, varied: {side: [8, 16]}}\n"


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def changed(parameters, **values):
    return shapes.Parameters.model_validate(parameters.model_dump() | values)


def decoded(parameters, split, index):
    png, objects = shapes.draw(parameters, split, index)
    return np.asarray(Image.open(io.BytesIO(png))), objects


def test_dataset_is_in_the_common_form(shapes_folder, tiny_shapes):
    assert set(digests(shapes_folder)) == FILES
    images = store.Store(shapes_folder)
    seen = []
    for split in shapes.SPLITS:
        truth = coco.read_truth(shapes_folder / f"{split}.json")
        assert len(truth.image_ids) == getattr(tiny_shapes, split)
        assert truth.category_names == ("circle", "square", "triangle")
        assert truth.category_ids.tolist() == [1, 2, 3]
        assert set(truth.image) == set(range(len(truth.image_ids)))
        assert not truth.crowd.any()
        for name, (width, height) in zip(truth.file_names, truth.sizes, strict=True):
            assert images.pixels(name).shape == (height, width, 3) == (64, 64, 3)
        seen += truth.image_ids.tolist()
    assert len(set(seen)) == len(seen) == 12


def test_records_are_what_was_drawn(shapes_folder, tiny_shapes):
    truth = coco.read_truth(shapes_folder / "val.json")
    for n in range(3):
        _, objects = shapes.draw(tiny_shapes, "val", n)
        mine = truth.image == n
        np.testing.assert_array_equal(truth.boxes[mine], objects.boxes)
        np.testing.assert_array_equal(truth.category[mine], objects.categories)
        np.testing.assert_allclose(truth.areas[mine], objects.areas, atol=0.006)
    assert (truth.areas < truth.box_areas + 0.01).all()
    assert (truth.areas < 0.9 * truth.box_areas).any()


@pytest.mark.parametrize("count", ["1", "2"])
def test_bytes_are_the_same_for_every_number_of_workers(count, tmp_path, monkeypatch, tiny_shapes):
    many = changed(tiny_shapes, train=30)
    monkeypatch.setenv("SCALEWISE_WORKERS", "3")
    shapes.make(many, tmp_path / "three")
    monkeypatch.setenv("SCALEWISE_WORKERS", count)
    shapes.make(many, tmp_path / "other")
    assert digests(tmp_path / "three") == digests(tmp_path / "other")


def test_more_images_leave_the_first_as_they_were(tmp_path, tiny_shapes, shapes_folder):
    shapes.make(changed(tiny_shapes, train=8, val=1), tmp_path)
    few, more = store.Store(shapes_folder), store.Store(tmp_path)
    for name in ("train/000000.png", "train/000005.png", "val/000000.png", "test/000002.png"):
        assert few.bytes_of(name) == more.bytes_of(name)
    before, after = (read_json(place / "train.json") for place in (shapes_folder, tmp_path))
    assert after["images"][:6] == before["images"]
    assert after["annotations"][: len(before["annotations"])] == before["annotations"]
    assert read_json(tmp_path / "test.json") == read_json(shapes_folder / "test.json")


def test_seed_split_and_index_each_change_the_image(tiny_shapes):
    images = {
        shapes.draw(changed(tiny_shapes, seed=seed), split, index)[0]
        for seed in (0, 1)
        for split in shapes.SPLITS
        for index in (0, 1)
    }
    assert len(images) == 12


def test_scene_is_what_is_drawn(tiny_shapes):
    scene = shapes.scene(tiny_shapes, "test", 1)
    _, objects = shapes.draw(tiny_shapes, "test", 1)
    np.testing.assert_array_equal(list(map(scenes.box_of, scene)), objects.boxes)


def test_colour_does_not_depend_on_class_or_size(tiny_shapes):
    colours, categories, sides = [], [], []
    for n in range(150):
        pixels, objects = decoded(tiny_shapes, "train", n)
        for box, category, seen in zip(
            objects.boxes, objects.categories, objects.visibility, strict=True
        ):
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            if seen == 1:
                colours.append(pixels[y, x])
                categories.append(category)
                sides.append(np.log(box[2] - box[0]))
    for n in range(3):
        for values in (*(np.array(categories) == c for c in range(3)), sides):
            r = np.corrcoef(np.array(colours)[:, n], values)[0, 1]
            assert abs(r) < 3.5 / np.sqrt(len(colours))


def test_varied_objects_stand_out():
    parameters = shapes.Parameters()
    differences = []
    for n in range(12):
        pixels, objects = decoded(parameters, "train", n)
        patches = [scenes.patch_of(i, 224) for i in shapes.scene(parameters, "train", n)]
        assert objects.visibility.min() > 0.3
        for patch in patches:
            window = pixels[patch.rows, patch.columns].astype(float)
            inside, around = window[patch.alpha == 1], window[patch.alpha == 0]
            if len(around) > 20:
                distance = np.median(inside, axis=0) - np.median(around, axis=0)
                differences.append(np.sqrt(np.mean(distance**2)))
    assert min(differences) > 25
    assert np.mean(np.array(differences) > 50) > 0.9


def test_varied_images_are_noisy_and_uneven():
    pixels, _ = decoded(shapes.Parameters(), "train", 0)
    steps = np.diff(pixels.astype(float), axis=1)
    assert 0.8 * 5 < np.median(np.abs(steps)) / 0.6745 / np.sqrt(2) < 1.6 * 5


@pytest.mark.parametrize("setting", ["tilt", "contrast", "texture", "noise", "lines"])
def test_every_setting_of_the_look_shows(setting, tiny_shapes):
    looks = [{"noise": 0, "lines": 0, "contrast": 20} | {setting: value} for value in (0, 40)]
    one, two = (
        [
            shapes.draw(changed(tiny_shapes, varied=look | {"side": [8, 40]}), "train", n)[0]
            for n in range(5)
        ]
        for look in looks
    )
    assert one != two


@pytest.fixture(scope="module")
def classic():
    return shapes.Parameters(style="classic", train=60, val=1, test=1)


def test_classic_images_are_flat_shapes_on_white(classic):
    colours = {(255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)}
    found = [decoded(classic, "train", n)[0].reshape(-1, 3) for n in range(10)]
    assert set(map(tuple, np.unique(np.concatenate(found), axis=0).tolist())) == colours


def test_classic_class_and_colour_are_one_and_boxes_are_exact(classic):
    checked = set()
    for n in range(40):
        pixels, objects = decoded(classic, "train", n)
        alone = np.bincount(objects.categories, minlength=3)[objects.categories] == 1
        whole = alone & (objects.visibility == 1)
        for category, box in zip(objects.categories[whole], objects.boxes[whole], strict=True):
            mask = (pixels == shapes.CLASSIC_COLOURS[category]).all(axis=2)
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            drawn = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert np.abs(drawn - box).max() <= 1
            checked.add(int(category))
    assert checked == {0, 1, 2}


def test_hidden_objects_are_recorded_and_ignored(classic):
    drawn = [shapes.draw(classic, "train", n)[1] for n in range(60)]
    document = shapes.document(classic, "train", drawn)
    records = document["annotations"]
    hidden = [record for record in records if record["visibility"] < 0.1]
    assert any(record["visibility"] == 0 for record in hidden)
    assert all(record["ignore"] == (record["visibility"] < 0.1) for record in records)
    assert all(record["area"] > 100 for record in hidden)  # the whole shape's
    assert coco.parse_truth(document, "train").ignore.sum() == len(hidden) < 0.15 * len(records)


BAD = {
    "style": ({"style": "round"}, r"shapes\.style: .*'varied' or 'classic', got 'round'"),
    "key": ({"sides": [1, 2]}, r"shapes\.sides: unknown key"),
    "inner key": ({"varied": {"sides": [9, 10]}}, r"varied\.sides: unknown key; .*'side'"),
    "seed": ({"seed": -1}, r"shapes\.seed: .*greater than or equal to 0"),
    "no images": ({"train": 0}, r"shapes\.train: .*greater than or equal to 1"),
    "objects": ({"varied": {"objects": [8, 2]}}, r"varied: objects must be rising.*\[8, 2\]"),
    "none": ({"varied": {"objects": [0, 2]}}, r"objects must be rising and at least 1"),
    "side": ({"varied": {"side": [50, 20]}}, r"varied: side must be rising"),
    "overlap": ({"varied": {"overlap": 0.6}}, r"varied\.overlap: .*less than or equal to 0.35"),
    "too large": ({"image_size": 100}, r"varied\.side goes up to 180 px.*image_size 100"),
    "classic": ({"style": "classic", "image_size": 256}, r"image_size must be 224 for .*classic"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_parameters_are_told(case):
    values, message = BAD[case]
    with pytest.raises(InputError, match=message):
        params.parse(shapes.Parameters, values, "shapes")


def test_objects_that_do_not_fit_are_told_and_nothing_is_left(tmp_path):
    look = shapes.Varied(objects=(4, 4), side=(60, 60), overlap=0.1)
    parameters = shapes.Parameters(image_size=64, train=1, val=1, test=1, varied=look)
    with pytest.raises(InputError, match=r"varied\.objects: no place for 4 objects"):
        shapes.make(parameters, tmp_path)
    assert not list(tmp_path.iterdir())


def prepare(folder, *arguments):
    (folder / "params.yaml").write_text(SECTION)
    source = str(PREPARE.parents[1] / "src")
    command = [sys.executable, str(PREPARE), *arguments]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": source}, capture_output=True, text=True
    )


def test_prepare_makes_the_dataset(tmp_path):
    done = prepare(tmp_path, "shapes")
    assert done.returncode == 0, done.stderr
    assert "5 images in" in done.stderr
    assert set(digests(tmp_path / "data" / "shapes")) == FILES


@pytest.mark.parametrize("name", ["circles", "store", "../shapes"])
def test_prepare_names_the_choices(name, tmp_path):
    done = prepare(tmp_path, name)
    assert done.returncode == 1
    assert re.match(rf"error: prepare: no dataset '{name}' \(choices: .*shapes", done.stderr)
    assert "Traceback" not in done.stderr
