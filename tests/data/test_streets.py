import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from scalewise import palettes, params
from scalewise.data import streets
from scalewise.data.camvid_classes import CAMVID
from scalewise.data.store import Store
from scalewise.errors import InputError

KIND = {name: n for n, name in enumerate(CAMVID.names)}
SMALL = streets.Parameters(size=(96, 72), train=4, val=2, test=3, frames=2)


def changed(**values):
    return streets.Parameters.model_validate(SMALL.model_dump() | values)


def digest(folder):
    return hashlib.sha256((folder / "images.tar").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    streets.make(SMALL, folder)
    return folder


@pytest.fixture(scope="module")
def drawn():
    """The classes of frames of twelve sequences, two each."""
    parameters = changed(train=24, size=(160, 120))
    pairs = [streets.draw(parameters, frame) for frame in streets.frames(parameters)[:24]]
    return [image for image, _ in pairs], np.array([label for _, label in pairs])


def test_layout_and_names_are_those_of_camvid(made):
    assert [path.name for path in made.iterdir()] == ["images.tar"]
    with tarfile.open(made / "images.tar") as archive:
        names = archive.getnames()
    assert names[0] == "class_dict.csv"
    assert len(names) == 1 + 2 * 9
    assert names[1:5] == [
        "train/0000TR_000030.png", "train_labels/0000TR_000030_L.png",
        "train/0000TR_000060.png", "train_labels/0000TR_000060_L.png",
    ]  # fmt: skip
    assert names[-2:] == ["test/0001TS_000030.png", "test_labels/0001TS_000030_L.png"]


def test_labels_are_as_large_as_images_and_all_of_listed_colours(made):
    store = Store(made)
    given = palettes.parse(store.bytes_of("class_dict.csv").decode(), "class_dict.csv", "Void")
    assert given.names == CAMVID.names
    for frame in streets.frames(SMALL):
        name = streets.frame_name(SMALL, frame)
        image = store.pixels(f"{frame.split}/{name}.png")
        label = Image.open(io.BytesIO(store.bytes_of(f"{frame.split}_labels/{name}_L.png")))
        assert label.mode == "RGB"
        labels = palettes.to_classes(given, np.asarray(label))
        assert image.shape == (72, 96, 3) == np.asarray(label).shape
        assert labels.max() < 32
        np.testing.assert_array_equal(labels, streets.draw(SMALL, frame)[1])


def test_bytes_are_the_same_for_every_number_of_workers(made, tmp_path, monkeypatch):
    many = changed(train=20, size=(32, 24))
    monkeypatch.setenv("SCALEWISE_WORKERS", "2")
    streets.make(many, tmp_path / "two")
    monkeypatch.setenv("SCALEWISE_WORKERS", "1")
    streets.make(many, tmp_path / "one")
    assert digest(tmp_path / "two") == digest(tmp_path / "one")


def test_more_frames_leave_the_first_as_they_were():
    more = changed(train=5, val=9)
    first = {(f.split, streets.frame_name(SMALL, f)): f for f in streets.frames(SMALL)}
    later = {(f.split, streets.frame_name(more, f)): f for f in streets.frames(more)}
    assert first.items() <= later.items()
    frame = streets.frames(SMALL)[3]
    for one, other in zip(streets.draw(SMALL, frame), streets.draw(more, frame), strict=True):
        np.testing.assert_array_equal(one, other)


def test_seed_split_sequence_and_frame_each_change_the_image():
    frames = [
        streets.Frame(split, split, sequence, position)
        for split in ("train", "test")
        for sequence in (0, 1)
        for position in (0, 1)
    ]
    images = {
        streets.draw(changed(seed=seed, size=(32, 24)), frame)[0].tobytes()
        for seed in (0, 1)
        for frame in frames
    }
    assert len(images) == 16


def test_road_sky_and_building_are_most_frequent_and_rare_classes_rare(drawn):
    counts = np.bincount(drawn[1].ravel(), minlength=32) / drawn[1].size
    assert {CAMVID.names[n] for n in np.argsort(-counts)[:3]} == {"Road", "Sky", "Building"}
    assert 0.25 < counts[KIND["Road"]] < 0.45
    assert (counts > 0).sum() >= 20
    for rare in ("Animal", "Child", "MotorcycleScooter", "CartLuggagePram", "TrafficCone"):
        assert counts[KIND[rare]] < 0.005
    assert counts[[KIND["Train"], KIND["Tunnel"]]].sum() == 0


def test_sky_is_above_and_road_below(drawn):
    rows = np.arange(120)[None, :, None]
    sky, road = drawn[1] == KIND["Sky"], drawn[1] == KIND["Road"]
    assert (rows * sky).sum() / sky.sum() < 40
    assert (rows * road).sum() / road.sum() > 80
    assert road[:, 100, 80].mean() > 0.8


def test_labels_line_up_with_the_image():
    """Where labels change the image does: more so than one pixel beside, any way."""
    sharp = changed(size=(160, 120), noise=0)
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    strength = np.zeros(len(shifts))
    for sequence in range(3):
        image, label = streets.draw(sharp, streets.Frame("val", "val", sequence, 0))
        for axis in (0, 1):
            change = np.abs(np.diff(image.astype(float), axis=axis)).sum(axis=2)
            border = np.diff(label.astype(int), axis=axis) != 0
            for n, shift in enumerate(shifts):
                strength[n] += np.roll(change, shift, (0, 1))[border].sum()
    assert shifts[int(strength.argmax())] == (0, 0)


def test_neighbouring_frames_show_the_same_street(drawn):
    labels = drawn[1].reshape(12, 2, -1)
    within = (labels[:, 0] == labels[:, 1]).mean()
    across = (labels[:, 0] == np.roll(labels[:, 1], 1, axis=0)).mean()
    assert within > across + 0.05


def test_sequences_stay_whole_or_are_dealt_out():
    def sequences(parameters):
        frames = streets.frames(parameters)
        assert [sum(f.split == s for f in frames) for s in streets.SPLITS] == [12, 4, 8]
        assert len({streets.frame_name(parameters, frame) for frame in frames}) == 24
        return [
            {streets.frame_name(parameters, f).split("_")[0] for f in frames if f.split == split}
            for split in streets.SPLITS
        ]

    many = {"train": 12, "val": 4, "test": 8, "frames": 4}
    train, val, test = sequences(changed(**many))
    assert not train & val | val & test | train & test
    assert (len(train), len(val), len(test)) == (3, 1, 2)
    train, val, test = sequences(changed(**many, by="image"))
    assert test & train
    assert len(train | val | test) == 6
    one, other = (streets.frames(changed(**many, by="image", seed=seed)) for seed in (0, 1))
    assert one != other


def test_frame_numbers_count_thirtieths_of_a_second():
    slow = changed(gap=15)
    names = [streets.frame_name(slow, frame) for frame in streets.frames(slow)[:2]]
    assert names == ["0000TR_000015", "0000TR_000030"]


def test_smallest_frames_are_made():
    image, label = streets.draw(changed(size=(16, 16)), streets.frames(SMALL)[0])
    assert image.shape == (16, 16, 3)
    assert label.shape == (16, 16)


BAD = {
    "key": ({"sides": 3}, r"streets\.sides: unknown key"),
    "size": ({"size": [8, 240]}, r"streets: size must be 16 to 4096 px either way, got \[8, 240\]"),
    "no frames": ({"val": 0}, r"streets\.val: .*greater than or equal to 1"),
    "by": ({"by": "frame"}, r"streets\.by: .*'sequence' or 'image', got 'frame'"),
    "gap": ({"gap": 0}, r"streets\.gap: .*greater than or equal to 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_parameters_are_told(case):
    values, message = BAD[case]
    with pytest.raises(InputError, match=message):
        params.parse(streets.Parameters, values, "streets")
