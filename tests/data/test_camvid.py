import hashlib
import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalewise import label_maps, palettes, params
from scalewise.data import camvid, label_folders, streets
from scalewise.data.camvid_classes import CAMVID, SEGNET
from scalewise.data.store import Store
from scalewise.errors import InputError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "camvid"
SPLITS = ("train", "val", "test")
SIZE = (6, 4)
LIST = "name,r,g,b\nSky,10,20,30\nRoad,40,50,60\nVoid,0,0,0\n"
CLASSES = palettes.parse(LIST, "list", "Void")
IMAGE, LABEL = "val/S2_000060.png", "val_labels/S2_000060_L.png"  # one pair of `files_of`


@pytest.fixture(scope="module")
def real():
    if not REAL.is_dir():
        pytest.skip("the real CamVid frames are not on this machine (shared/data/camvid)")
    return REAL


def labels_of(n):
    """A label map of three classes, another for each image."""
    return np.random.default_rng(n).integers(0, 3, SIZE[::-1]).astype(np.uint8)


def encoded(pixels, mode=None, kind="PNG", palette=None):
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(np.asarray(palette, np.uint8).tobytes())
    if mode:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def coloured(labels, mode=None):
    return encoded(palettes.to_colours(CLASSES, labels), mode)


def grey(labels):
    return encoded(labels)


def files_of(style="_labels", label=coloured, each=2):
    """Files of a dataset of three splits, by name: six images, and a class_dict.csv."""
    files, n = {"class_dict.csv": LIST.encode()}, 0
    for split in SPLITS:
        for _ in range(each):
            stem = f"S{n % 3}_{30 * n:06d}"
            ending = "_L" if style == "_labels" else ""
            image = np.random.default_rng(n).integers(0, 256, (*SIZE[::-1], 3)).astype(np.uint8)
            files[f"{split}/{stem}.png"] = encoded(image)
            files[f"{split}{style}/{stem}{ending}.png"] = label(labels_of(n))
            n += 1
    return files


def whole(files):
    """The same files without their split."""
    moved = {}
    for name, data in files.items():
        folder, _, last = name.rpartition("/")
        kind = "labels/" if "label" in folder else "images/" if folder else ""
        moved[f"{kind}{last}"] = data
    return moved


def written(files, folder):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def adopted(there, out, **values):
    given = {"source": "folder", "path": str(there)}
    camvid.make(camvid.Parameters(**given | values), out)
    return [label_maps.read_truth(out / f"{split}.json") for split in SPLITS]


def masks(out, truth):
    store = Store(out)
    return [store.pixels(name, "L") for name in truth.label_names]


def check(out, truths, classes=CLASSES):
    """Images as they were, and masks as they were drawn, all six."""
    store, ids = Store(out), []
    for truth in truths:
        assert truth.category_names == classes.names
        assert truth.void == classes.void
        np.testing.assert_array_equal(truth.colours, classes.colours)
        for name, mask, label in zip(
            truth.file_names, masks(out, truth), truth.label_names, strict=True
        ):
            stem = name.split("/")[-1].removesuffix(".png")
            n = int(stem.split("_")[1]) // 30
            split = name.split("/")[0]
            assert label == f"labels/{split}/{stem}.png"
            np.testing.assert_array_equal(mask, labels_of(n))
            image = np.random.default_rng(n).integers(0, 256, (*SIZE[::-1], 3))
            np.testing.assert_array_equal(store.pixels(name), image)
        assert (truth.sizes == SIZE).all()
        ids += truth.image_ids.tolist()
    assert sorted(ids) == list(range(1, 1 + len(ids)))


def transparent(labels):
    return coloured(labels, "RGBA")


def colours_in_palette(labels):
    """The file's own order of colours is another one."""
    order = np.array([2, 0, 1])
    return encoded(np.argsort(order)[labels].astype(np.uint8), palette=CLASSES.colours[order])


def indices_in_palette(labels):
    return encoded(labels, palette=palettes.spread(3) + np.uint8(1))


KINDS = [coloured, transparent, colours_in_palette, indices_in_palette, grey]


@pytest.mark.parametrize("label", KINDS, ids=lambda label: label.__name__)
@pytest.mark.parametrize("style", ["_labels", "annot"])
def test_every_kind_of_label_is_read(style, label, tmp_path, capsys):
    source = written(files_of(style, label), tmp_path / "given")
    truths = adopted(source, tmp_path / "out")
    assert [len(truth) for truth in truths] == [2, 2, 2]
    assert truths[0].file_names == ("train/S0_000000.png", "train/S1_000030.png")
    assert truths[0].sequences == ("S0", "S1")
    check(tmp_path / "out", truths)
    kind = "colours" if label in KINDS[:3] else "indices"
    said = capsys.readouterr().err
    assert f"labels hold {kind}" in said
    assert ("6 of them by way of a palette" in said) == ("palette" in label.__name__)


def packed(files, path):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["CamVid.zip", "CamVid.tar"])
def test_archives_with_a_leading_folder_and_litter_give_the_same(name, tmp_path):
    files = files_of()
    litter = {"CamVid/.DS_Store": b"x", "__MACOSX/CamVid/train/._S0_000000.png": b"x",
              "CamVid/train/Thumbs.db": b"x", "CamVid/README.txt": b"x"}  # fmt: skip
    inner = {f"CamVid/{key}": data for key, data in files.items()} | litter
    adopted(written(files, tmp_path / "given"), tmp_path / "one")
    adopted(packed(inner, tmp_path / name), tmp_path / "two")
    for file in ("images.tar", "train.json", "val.json", "test.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("by", ["folder", "sequence"])
def test_folders_without_a_split_are_split_by_sequences(by, tmp_path, capsys):
    source = written(whole(files_of(each=4)), tmp_path / "given")
    truths = adopted(source, tmp_path / "out", by=by, test_share=0.33, val_share=0.5)
    check(tmp_path / "out", truths)
    sequences = [set(truth.sequences) for truth in truths]
    assert [len(truth) for truth in truths] == [4, 4, 4]
    assert set.union(*sequences) == {"S0", "S1", "S2"}
    assert sum(map(len, sequences)) == 3
    assert "; 0 test frames have a train or val frame" in capsys.readouterr().err


def test_a_given_split_may_be_dealt_anew(tmp_path, capsys):
    source = written(files_of(each=4), tmp_path / "given")
    drawn = []
    for seed in (0, 1, 0):
        out = tmp_path / f"out{len(drawn)}"
        truths = adopted(source, out, by="image", seed=seed, test_share=0.25, val_share=1 / 3)
        check(out, truths)
        assert [len(truth) for truth in truths] == [6, 3, 3]
        drawn.append([truth.file_names for truth in truths])
    assert drawn[0] == drawn[2] != drawn[1]


def test_camvids_classes_are_known_without_a_list(tmp_path):
    files = {name: data for name, data in files_of("annot", grey).items() if "/" in name}
    truths = adopted(written(files, tmp_path / "a"), tmp_path / "x", source="camvid")
    check(tmp_path / "x", truths, SEGNET)

    def painted(labels):
        return encoded(palettes.to_colours(CAMVID, labels))

    files = {name: data for name, data in files_of(label=painted).items() if "/" in name}
    truths = adopted(written(files, tmp_path / "b"), tmp_path / "y", source="camvid")
    check(tmp_path / "y", truths, CAMVID)


def test_classes_may_come_from_elsewhere(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Sky\nRoad\nNothing\n")
    source = written(files_of("annot", grey), tmp_path / "given")
    truth = adopted(source, tmp_path / "out", classes=str(names), void="Nothing")[0]
    assert truth.category_names == ("Sky", "Road", "Nothing")
    assert truth.void == 2
    np.testing.assert_array_equal(truth.colours, palettes.spread(3))
    assert adopted(source, tmp_path / "none", classes=str(names), void="")[0].void is None


def repainted(files, colour, count):
    """The same files, in one label of which the first pixels have another colour."""
    pixels = np.asarray(Image.open(io.BytesIO(files[LABEL]))).copy()
    pixels.reshape(-1, 3)[:count] = colour
    return files | {LABEL: encoded(pixels)}


def test_unlisted_colours_become_void_and_are_counted(tmp_path, capsys):
    files = repainted(repainted(files_of(), (9, 9, 9), 3), (7, 7, 7), 1)
    source = written(files, tmp_path / "given")
    truths = adopted(source, tmp_path / "out", unknown_share=0.05)
    said = capsys.readouterr().err
    # 4 x 6 pixels in 6 labels; of the first three one was painted over again
    assert "3 of 144 pixels (2.08%) of unlisted colours became Void" in said
    assert "9,9,9 2 times; 7,7,7 1 times" in said
    assert truths[1].file_names[1] == IMAGE
    mask = masks(tmp_path / "out", truths[1])[1]
    assert (mask.ravel()[:3] == 2).all()
    np.testing.assert_array_equal(mask.ravel()[3:], labels_of(2).ravel()[3:])


def test_unlisted_colours_of_a_palette_are_counted_too(tmp_path, capsys):
    def patched(labels):
        colours = np.concatenate([CLASSES.colours, [(9, 9, 9), (9, 9, 9), (1, 1, 1)]])
        labels = labels.copy()
        labels[0, :2] = 3, 4
        return encoded(labels, palette=colours.astype(np.uint8))

    source = written(files_of(label=patched), tmp_path / "given")
    truths = adopted(source, tmp_path / "out", unknown_share=0.2)
    assert "12 of 144 pixels (8.33%)" in (said := capsys.readouterr().err)
    assert "9,9,9 12 times" in said
    assert (masks(tmp_path / "out", truths[0])[0][0, :2] == 2).all()


def test_what_a_palette_means_may_be_told(tmp_path):
    def doubtful(labels):
        return encoded(labels, palette=CLASSES.colours[[1, 0, 2]])

    source = written(files_of(label=doubtful), tmp_path / "given")
    truth = adopted(source, tmp_path / "out", labels="indices")[0]
    np.testing.assert_array_equal(masks(tmp_path / "out", truth)[0], labels_of(0))
    truth = adopted(source, tmp_path / "other", labels="auto")[0]
    expected = np.array([1, 0, 2])[labels_of(0)]
    np.testing.assert_array_equal(masks(tmp_path / "other", truth)[0], expected)


def test_labels_without_an_image_are_told(tmp_path, capsys):
    files = files_of() | {"val_labels/more_L.png": coloured(labels_of(9))}
    check(tmp_path / "out", adopted(written(files, tmp_path / "given"), tmp_path / "out"))
    said = capsys.readouterr().err
    assert "1 labels without an image left out ('val_labels/more_L.png')" in said


def test_neighbours_over_the_split_are_counted(tmp_path, capsys):
    files = {}
    for name, data in files_of(each=2).items():
        number = name[-12:-6] if name.endswith("_L.png") else name[-10:-4]
        files[name.replace(f"_{number}", f"_{int(number) // 3 if number.isdigit() else 0:06d}")] = (
            data
        )
    adopted(written(files, tmp_path / "given"), tmp_path / "out")
    # train S0 at 0 and S1 at 10, val S2; test S1 at 40 and S2 at 50: both have a neighbour
    assert "; 2 test frames have a train or val frame" in capsys.readouterr().err


def without(name):
    return lambda files: {key: data for key, data in files.items() if key != name}


def with_(name, data):
    return lambda files: files | {name: data}


SMALL = np.zeros((3, 6), np.uint8)
BAD = {
    "size": (with_(LABEL, coloured(SMALL)), {}, rf"label '{LABEL}': 6x3 px, but its image has 6x4"),
    "missing": (without(LABEL), {}, r"'val/S2_000060.png' has no label; expected 'val_labels/S2_"),
    "unlisted": (lambda files: repainted(files, (9, 9, 9), 4), {},
                 rf"4 of 144 pixels \(2.78%\) have .*in '{LABEL}' \(4\): 9,9,9 4 times"),
    "no void": (lambda files: repainted(files, (9, 9, 9), 1), {"void": ""},
                rf"label '{LABEL}': colour 9,9,9 of 1 pixels is no class's .*none of them is void"),
    "jpeg": (lambda files: without(LABEL)(files) | {
                LABEL.replace("png", "jpg"): encoded(np.zeros((4, 6, 3), np.uint8), kind="JPEG")},
             {}, "label 'val_labels/S2_000060_L.jpg' is a JPEG"),
    "disguised": (with_(LABEL, encoded(np.zeros((4, 6, 3), np.uint8), kind="JPEG")), {},
                  f"label '{LABEL}': JPEG does not keep colours"),
    "damaged": (with_(LABEL, b"\x89PNG nothing"), {}, f"label '{LABEL}': cannot be decoded"),
    "damaged image": (with_(IMAGE, b"nothing"), {}, f"image '{IMAGE}'"),
    "mode": (with_(LABEL, encoded(np.zeros((4, 6, 3), np.uint8), "CMYK", "TIFF")), {},
             f"label '{LABEL}': of mode CMYK; expected RGB"),
    "both": (with_(LABEL, grey(labels_of(2))), {},
             f"label 'train_labels/S0_000000_L.png' holds colours, '{LABEL}' indices"),
    "told": (lambda files: files, {"labels": "indices"}, "of mode RGB, which holds colours"),
    "no list": (without("class_dict.csv"), {}, "no class_dict.csv; expected it there"),
    "bad list": (with_("class_dict.csv", LIST.replace("40,50,60", "10,20,30").encode()), {},
                 "class_dict.csv: 'Sky' and 'Road' have one colour, 10,20,30"),
    "list path": (lambda files: files, {"classes": "/none.csv"}, "camvid.classes: /none.csv can"),
    "void": (lambda files: files, {"void": "Nothing"}, "'Nothing' is no class .*: Sky, Road"),
    "no layout": (lambda files: {"a/x.png": files[IMAGE]}, {}, "expected train/ .* are in: a/"),
    "nothing": (lambda files: {"readme.txt": b""}, {}, "images are in: no folder"),
    "no val": (lambda files: {k: v for k, v in files.items() if "val" not in k}, {},
               r"no images in 'val/'; expected"),
    "two": (lambda files: files | whole(files), {}, "several sets of labels, 'labels/' and"),
    "twins": (lambda files: files | {IMAGE.replace("png", "jpg"): files[IMAGE]}, {},
              "'val/S2_000060.jpg' and 'val/S2_000060.png' differ in their ending alone"),
    "no sequence": (lambda files: {k.replace("_000060", "x"): v for k, v in files.items()},
                    {"by": "sequence"}, "'val/S2x.png' names no sequence"),
    "few": (lambda files: {k.replace("S1", "S0").replace("S2", "S0"): v for k, v in files.items()},
            {"by": "sequence"}, "6 frames of 1 sequences give none to"),
    "url": (lambda files: files, {"path": "https://x.org/CamVid.zip"}, "is a URL and has to be"),
    "path": (lambda files: files, {"path": "/nowhere/at/all"}, "/nowhere/at/all: cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_and_nothing_is_left(case, tmp_path):
    change, values, message = BAD[case]
    source = written(change(files_of()), tmp_path / "given")
    with pytest.raises(InputError, match=message):
        adopted(source, tmp_path / "out", **values)
    assert not list(tmp_path.glob("out/*"))


def test_index_beyond_the_classes_is_told(tmp_path):
    beyond = labels_of(3)
    beyond[1, 1] = 200
    files = files_of("annot", grey) | {"val_annot": b""} | {"valannot/S0_000090.png": grey(beyond)}
    with pytest.raises(InputError, match=r"label 'valannot/S0_000090.png': index 200 in 1 pixels"):
        adopted(written(files, tmp_path / "given"), tmp_path / "out")
    wide = beyond.astype(np.uint16) * 300
    files |= {"valannot/S0_000090.png": encoded(wide)}
    with pytest.raises(InputError, match=r"index 60000 in 1 pixels is none of the 3 classes"):
        adopted(written(files, tmp_path / "wide"), tmp_path / "out")


def test_a_forgotten_path_is_told():
    with pytest.raises(
        InputError, match="camvid: path is still data/streets, expected where source"
    ):
        params.parse(camvid.Parameters, {"source": "camvid"}, "camvid")


def test_made_streets_are_adopted(tmp_path, capsys):
    parameters = streets.Parameters(size=(48, 36), train=3, val=1, test=2, frames=2, by="image")
    streets.make(parameters, tmp_path / "streets")
    truths = adopted(tmp_path / "streets", tmp_path / "out", source="streets")
    assert [len(truth) for truth in truths] == [3, 1, 2]
    frames = iter(streets.frames(parameters))
    for truth in truths:
        assert truth.category_names == CAMVID.names
        for mask, frame in zip(masks(tmp_path / "out", truth), frames, strict=False):
            np.testing.assert_array_equal(mask, streets.draw(parameters, frame)[1])
    said = capsys.readouterr().err
    assert "streets/images.tar: class_dict.csv" in said
    # three sequences of two neighbours; by this seed both test frames have theirs in train
    assert "; 2 test frames have a train or val frame of their sequence within 60" in said


def test_real_index_masks_are_adopted_as_they_are(real, tmp_path, capsys):
    truths = adopted(real / "classes12", tmp_path / "out", source="camvid")
    assert [len(truth) for truth in truths] == [48, 16, 24]
    assert set(truths[0].sequences) == {"0001TP", "0006R0", "0016E5"}
    assert truths[0].category_names == SEGNET.names
    assert "labels hold indices; classes: SegNet's 12" in capsys.readouterr().err
    store = Store(tmp_path / "out")
    for truth in truths:
        assert (truth.sizes == (480, 360)).all()
        for file, mask in zip(truth.file_names[:5], masks(tmp_path / "out", truth), strict=False):
            split, name = file.split("/")
            given = np.asarray(Image.open(real / "classes12" / f"{split}annot" / name))
            np.testing.assert_array_equal(mask, given)
            digests = [
                hashlib.sha256(data).digest()
                for data in (store.bytes_of(file), (real / "classes12" / file).read_bytes())
            ]
            assert digests[0] == digests[1]


def test_real_colour_labels_are_adopted_and_come_back(real, tmp_path, capsys):
    given, classes = real / "classes32", str(real / "class_dict.csv")
    truths = adopted(given, tmp_path / "out", source="camvid", classes=classes)
    assert sum(map(len, truths)) == 8
    assert all(map(len, truths))
    assert "unlisted" not in capsys.readouterr().err
    for truth in truths:
        for file, mask in zip(truth.file_names, masks(tmp_path / "out", truth), strict=True):
            stem = Path(file).stem
            pixels = np.asarray(Image.open(given / "labels" / f"{stem}_L.png"))
            np.testing.assert_array_equal(palettes.to_colours(truth.palette, mask), pixels)


def test_memory_does_not_grow_with_the_images(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEWISE_WORKERS", "2")
    rng = np.random.default_rng(0)
    image = encoded(rng.integers(0, 256, (300, 400, 3)).astype(np.uint8))
    label = encoded(palettes.to_colours(CLASSES, rng.integers(0, 3, (300, 400))))
    palettes.to_classes(CLASSES, CLASSES.colours)  # the table is made once
    peaks = []
    for count in (30, 90):
        files = {"class_dict.csv": LIST.encode()}
        for n in range(count):
            files[f"images/S_{n}.png"], files[f"labels/S_{n}_L.png"] = image, label
        source = written(files, tmp_path / str(count))
        files.clear()
        tracemalloc.start()
        adopted(source, tmp_path / f"out{count}", by="image")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_original_camvid_folders_are_known():
    names = ["701_StillsRaw_full/0001TP_006690.png", "LabeledApproved_full/0001TP_006690_L.png"]
    found = label_folders.layout(names, Path("x"))
    assert found.pairs == (label_folders.Pair("", *names),)
    assert found.root == ""
    assert not found.masks
