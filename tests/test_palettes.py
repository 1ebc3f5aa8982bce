from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalewise import palettes
from scalewise.data.camvid_classes import CAMVID, SEGNET
from scalewise.errors import InputError

REAL = Path(__file__).parents[1].parent / "shared" / "data" / "camvid"
HEAD = "name,r,g,b\n"


@pytest.fixture(scope="module")
def real():
    if not REAL.is_dir():
        pytest.skip("the real CamVid frames are not on this machine (shared/data/camvid)")
    return REAL


@pytest.mark.parametrize("seed", range(8))
def test_classes_survive_colouring_and_reading(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 40, 2)
    labels = rng.integers(0, len(CAMVID), shape).astype(np.uint8)
    if seed == 0:
        labels = np.arange(32, dtype=np.uint8).reshape(4, 8)  # all of them
    pixels = palettes.to_colours(CAMVID, labels)
    assert pixels.shape == (*labels.shape, 3)
    again = palettes.to_classes(CAMVID, pixels)
    np.testing.assert_array_equal(again, labels)
    np.testing.assert_array_equal(palettes.to_colours(CAMVID, again), pixels)


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_those_of_a_plain_search(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 256))
    colours = np.stack(np.unravel_index(rng.choice(2**24, count, replace=False), (256,) * 3), 1)
    palette = palettes.build("random", [f"c{n}" for n in range(count)], colours.tolist())
    pixels = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8)
    chosen = rng.random((9, 7)) < 0.6
    pixels[chosen] = colours[rng.integers(0, count, chosen.sum())]
    pixels[0, 0] = pixels[0, 1]
    labels = palettes.to_classes(palette, pixels)
    place = {tuple(colour): n for n, colour in enumerate(colours.tolist())}
    unlisted = {}
    for row in range(9):
        for column in range(7):
            colour = tuple(pixels[row, column].tolist())
            assert labels[row, column] == place.get(colour, palettes.UNLISTED)
            if colour not in place:
                unlisted[colour] = unlisted.get(colour, 0) + 1
    assert palettes.unlisted(pixels, labels) == unlisted


def test_nothing_has_no_classes():
    empty = np.zeros((0, 5, 3), np.uint8)
    labels = palettes.to_classes(CAMVID, empty)
    assert labels.shape == (0, 5)
    assert palettes.unlisted(empty, labels) == {}


def test_camvid_is_known_as_it_is():
    assert len(CAMVID) == 32
    assert CAMVID.names[CAMVID.void] == SEGNET.names[SEGNET.void] == "Void"
    assert CAMVID.names[17] == "Road"
    assert CAMVID.colours[17].tolist() == [128, 64, 128]
    assert len(SEGNET) == 12


def test_camvid_is_known_as_its_file_has_it(real):
    given = palettes.parse((real / "class_dict.csv").read_text(), "class_dict.csv", "Void")
    assert given.names == CAMVID.names
    assert given.void == CAMVID.void
    np.testing.assert_array_equal(given.colours, CAMVID.colours)


def test_every_real_pixel_has_a_class_and_the_colours_come_back(real):
    files = sorted((real / "classes32" / "labels").glob("*.png"))
    assert len(files) == 8
    for file in files:
        pixels = np.asarray(Image.open(file))
        labels = palettes.to_classes(CAMVID, pixels)
        assert labels.max() < 32
        np.testing.assert_array_equal(palettes.to_colours(CAMVID, labels), pixels)


def test_class_list_is_read_with_odd_spaces_order_and_case():
    text = "\ufeffB, name ,R,G,extra\r\n3, Sky ,1,2,x\r\n\r\n6,Void,4,5,\r\n"
    palette = palettes.parse(text, "classes.csv", "Void")
    assert palette.names == ("Sky", "Void")
    assert palette.colours.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert palette.void == 1


def test_class_list_survives_writing_and_reading():
    again = palettes.parse(palettes.text_of(CAMVID), CAMVID.source, "Void")
    assert (again.names, again.void) == (CAMVID.names, CAMVID.void)
    np.testing.assert_array_equal(again.colours, CAMVID.colours)


def test_bare_names_get_colours_of_their_own():
    palette = palettes.parse("Sky\nRoad\nVoid\n", "names.txt")
    assert palette.names == ("Sky", "Road", "Void")
    assert palette.void is None
    # VOC: bits 0, 1, 2 of the position are the highest bits of r, g, b; 8 is bit 3: r again
    colours = palettes.spread(256)
    assert colours[[0, 1, 2, 3, 4, 8, 15]].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [64, 0, 0],
        [192, 128, 128],
    ]  # fmt: skip
    assert len(np.unique(colours, axis=0)) == 256


BAD = {
    "empty": ("", "expected a list of classes, found nothing"),
    "header": ("Sky,1,2,3\n", r"expected a header with the columns name, r, g, b, got 'Sky,1,2,3'"),
    "column": ("name,r,g\nSky,1,2\n", r"expected a header .*got 'name,r,g'"),
    "no class": (HEAD, "0 classes with 0 colours, expected 1 to 255"),
    "short": (HEAD + "Sky,1,2\n", "line 2: 3 values, expected 4"),
    "large": (HEAD + "Sky,1,2,3\nRoad,1,256,3\n", r"line 3: 'Road': '256' is not .* 0\.\.255"),
    "negative": (HEAD + "Sky,-1,2,3\n", "line 2: 'Sky': '-1' is not a whole number"),
    "fraction": (HEAD + "Sky,1.5,2,3\n", "'1.5' is not a whole number"),
    "absent": (HEAD + "Sky,1,2,\n", "'' is not a whole number"),
    "nameless": (HEAD + ",1,2,3\n", "class 0 has no name"),
    "name": (HEAD + "A,1,2,3\nB,4,5,6\nA,7,8,9\n", "'A' is there twice, as classes 0 and 2"),
    "colour": (HEAD + "Car,1,2,3\nVan,1,2,3\n", "'Car' and 'Van' have one colour, 1,2,3"),
    "bare twice": ("Sky\nSky\n", "'Sky' is there twice"),
    "too many": ("\n".join(f"c{n}" for n in range(256)), "256 classes .* expected 1 to 255"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_class_lists_are_told(case):
    text, message = BAD[case]
    with pytest.raises(InputError, match=f"list.csv: .*{message}|list.csv: {message}"):
        palettes.parse(text, "list.csv")
