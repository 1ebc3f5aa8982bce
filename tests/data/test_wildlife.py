import hashlib
import io
import shutil
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from loopback import serving
from scalewise import class_labels, params
from scalewise.data import creatures, store, wildlife
from scalewise.data.species import CLASSES
from scalewise.errors import InputError

SIZES = {"cat": 40, "dog": 25, "owl": 10}


def encoded(pixels, kind="PNG", mode=None, palette=False, **options):
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    image = image.convert(mode) if mode else image
    (image.quantize() if palette else image).save(buffer, kind, **options)
    return buffer.getvalue()


def picture(n, width=12, height=8):
    """Smooth colours that no other number gives."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([9 * x + n, 9 * y + n // 7, 90 + 0 * x + n % 97], axis=2).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Class folders of small PNGs, up to three crops a frame."""
    n = 0
    for name, count in SIZES.items():
        (tmp_path / "given" / name).mkdir(parents=True)
        for k in range(count):
            n += 1
            path = tmp_path / "given" / name / f"{name}{k // 3:03d}_p_crop{k % 3:02d}_x.png"
            path.write_bytes(encoded(picture(n)))
    return tmp_path / "given"


@pytest.fixture
def made(tmp_path, folder):
    """Make the dataset of the folder, or another path, and give its splits."""

    def make(path=folder, **values):
        parameters = wildlife.Parameters(**{"source": "folder", "path": str(path)} | values)
        wildlife.make(parameters, tmp_path / "made")
        return splits(tmp_path / "made")

    return make


def splits(place):
    return class_labels.read_splits([place / f"{split}.json" for split in wildlife.SPLITS])


def digests(place):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in place.iterdir()}


def counts(part):
    return Counter(part.category_names[label] for label in part.label)


def test_dataset_is_in_the_common_form(made, folder, tmp_path):
    parts = made()
    names = [name for part in parts for name in part.file_names]
    given = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert sorted(names) == given
    assert len({i for part in parts for i in part.image_ids}) == len(names)
    images = store.Store(tmp_path / "made")
    for part in parts:
        assert part.category_names == ("cat", "dog", "owl")
        for n, name in enumerate(part.file_names):
            assert part.category_names[part.label[n]] == name.split("/")[0]
            assert part.sizes[n].tolist() == [12, 8]
            assert part.frames[n] == name.split("/")[1].split("_crop")[0]
            assert images.bytes_of(name) == (folder / name).read_bytes()


def test_shares_hold_within_one_image_a_class(made):
    for seed in range(3):
        train, val, test = made(seed=seed)
        for name, count in SIZES.items():
            rest = count - counts(test)[name]
            assert abs(counts(test)[name] - 0.2 * count) <= 1
            assert abs(counts(val)[name] - 0.15 * rest) <= 1
            assert counts(train)[name] == rest - counts(val)[name]


def test_frames_are_torn_apart_by_image_and_kept_by_frame(made):
    leaks = {}
    for by in ("image", "frame"):
        train, val, test = made(by=by)
        pairs = ((test, [train, val]), (val, [train]))
        leaks[by] = [int(class_labels.shares_frame(one, others).sum()) for one, others in pairs]
        assert len(test) + len(val) + len(train) == sum(SIZES.values())
        for name, count in SIZES.items():
            assert abs(counts(test)[name] - 0.2 * count) < 3
    assert leaks["frame"] == [0, 0]
    assert leaks["image"][0] > 0.6 * 15  # most of the test images


def test_bytes_depend_on_the_parameters_alone(made, tmp_path, monkeypatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SCALEWISE_WORKERS", threads)
        made(image_size=10)
        found.append(digests(tmp_path / "made"))
    assert found[0] == found[1]
    made(image_size=10, seed=1)
    other = digests(tmp_path / "made")
    assert other["images.tar"] == found[0]["images.tar"]
    assert other["test.json"] != found[0]["test.json"]


def test_the_stand_in_is_adopted_whole_and_leaks_by_image(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SCALEWISE_WORKERS", "1")
    creatures.make(creatures.Parameters(images=150, image_size=16), tmp_path / "creatures")
    leaks = {}
    for by in ("image", "frame"):
        parameters = wildlife.Parameters(path=str(tmp_path / "creatures"), by=by)
        wildlife.make(parameters, tmp_path / by)
        train, val, test = splits(tmp_path / by)
        assert train.category_names == CLASSES
        assert len(train) + len(val) + len(test) == 150
        leaks[by] = int(class_labels.shares_frame(test, [train, val]).sum())
        told = f"; {leaks[by]} test images share a frame with train or val"
        assert f"wildlife: train {len(train)}, val {len(val)}, test {len(test)}{told}" in (
            capsys.readouterr().err
        )
    assert leaks["frame"] == 0 and leaks["image"] > 15
    one, other = ((tmp_path / by / "images.tar").read_bytes() for by in leaks)
    assert one == other == (tmp_path / "creatures" / "images.tar").read_bytes()


def archived(folder, path, lead, kind):
    files = [(f, f"{lead}{f.relative_to(folder)}") for f in sorted(folder.rglob("*.png"))]
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, name in files:
                archive.write(file, name)
            archive.writestr(f"__MACOSX/{lead}cat/._a.png", b"x")
            archive.writestr(f"{lead}.DS_Store", b"x")
    else:
        with tarfile.open(path, kind) as archive:
            for file, name in files:
                archive.add(file, name)


@pytest.mark.parametrize("lead", ["", "Cropped_final/", "a/b/"])
@pytest.mark.parametrize(("name", "kind"), [("x.zip", "zip"), ("x.tar", "w"), ("x.tgz", "w:gz")])
def test_archives_with_and_without_a_leading_folder_are_as_the_folder(
    lead, name, kind, made, folder, tmp_path
):
    made()
    plain = digests(tmp_path / "made")
    archived(folder, tmp_path / name, lead, kind)
    made(tmp_path / name)
    assert digests(tmp_path / "made") == plain


def test_a_folder_inside_a_folder_is_passed_over(made, folder, tmp_path):
    made()
    plain = digests(tmp_path / "made")
    shutil.move(folder, tmp_path / "outer" / "Cropped_final")
    made(tmp_path / "outer")
    assert digests(tmp_path / "made") == plain


def test_large_images_are_shrunk_and_small_ones_kept(made, folder, tmp_path):
    big = np.asarray(Image.fromarray(picture(3)).resize((300, 200)))
    (folder / "cat" / "big.jpg").write_bytes(encoded(big, "JPEG", quality=98))
    (folder / "cat" / "tall.png").write_bytes(encoded(big.transpose(1, 0, 2)))
    parts = made(image_size=60)
    sizes = {
        n: s for part in parts for n, s in zip(part.file_names, part.sizes.tolist(), strict=True)
    }
    assert sizes["cat/big.jpg"] == [60, 40]
    assert sizes["cat/tall.png"] == [40, 60]
    images = store.Store(tmp_path / "made")
    expected = np.asarray(Image.fromarray(big).resize((60, 40), Image.Resampling.LANCZOS))
    assert np.abs(images.pixels("cat/big.jpg").astype(int) - expected).mean() < 2.5
    name = "cat/cat000_p_crop00_x.png"
    assert images.bytes_of(name) == (folder / name).read_bytes()


def turned(pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, exif=exif)


GREY = np.arange(96, dtype=np.uint8).reshape(8, 12)
ALPHA = np.dstack([picture(5), np.repeat(np.uint8([[0], [255]]), 12, axis=1).repeat(4, axis=0)])
FEW = picture(5) // 64 * 64  # less than 256 colours
ODD = {  # encoded bytes, and the RGB pixels they must become
    "palette": (encoded(FEW, palette=True), FEW),
    "alpha": (
        encoded(ALPHA),
        np.concatenate([np.full((4, 12, 3), 255, np.uint8), picture(5)[4:]]),
    ),
    "16 bits": (encoded(GREY.astype(np.uint16) * 257), np.dstack([GREY] * 3)),
    "one bit": (encoded(GREY, mode="1"), None),
    "grey": (encoded(GREY), np.dstack([GREY] * 3)),
    "grey with alpha": (encoded(GREY, mode="LA"), np.dstack([GREY] * 3)),
    "CMYK": (encoded(picture(5), "TIFF", mode="CMYK"), picture(5)),
    "rotated": (turned(picture(5), 6), np.rot90(picture(5), -1)),
    "mirrored": (turned(picture(5), 2), picture(5)[:, ::-1]),
    "GIF": (encoded(FEW, "GIF", palette=True), FEW),
    "cut EXIF": (encoded(picture(5), "JPEG", exif=b"Exif\0\0MM\0*\0\0"), None),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_images_become_rgb(case, made, folder, tmp_path):
    data, expected = ODD[case]
    (folder / "owl" / "odd.img.png").write_bytes(data)
    parts = made()
    images = store.Store(tmp_path / "made")
    (name,) = [n for part in parts for n in part.file_names if "odd" in n]
    pixels = images.pixels(name)
    with Image.open(io.BytesIO(images.bytes_of(name))) as image:
        assert image.mode in ("RGB", "L")
        assert image.getexif().get(0x0112, 1) == 1
    if expected is not None:
        assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_what_is_encoded_anew_gets_the_ending_of_its_kind(made, folder):
    (folder / "owl" / "a.bmp").write_bytes(encoded(picture(5), "BMP"))
    (folder / "owl" / "b.tiff").write_bytes(encoded(picture(6), "TIFF", mode="CMYK"))
    (folder / "owl" / "c.JPEG").write_bytes(encoded(picture(7), "JPEG", mode="CMYK"))
    names = {n for part in made() for n in part.file_names if n.startswith("owl/")}
    assert {"owl/a.bmp", "owl/b.tiff.png", "owl/c.JPEG"} <= names


NOISE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
UNREADABLE = {
    "zero bytes": (b"", r"'owl/bad\.png' cannot be read \(0 bytes\)"),
    "no image": (b"no picture at all", r"'owl/bad\.png' cannot be read \(cannot identify"),
    "cut": (encoded(NOISE)[:3000], r"'owl/bad\.png' cannot be read \(.*truncated"),
    "floats": (
        encoded(GREY.astype(np.float32), "TIFF"),
        r"'owl/bad\.png' cannot be read \(mode F",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_images_stop_it_or_are_left_out_and_counted(
    case, made, folder, tmp_path, capsys
):
    data, message = UNREADABLE[case]
    (folder / "owl" / "bad.png").write_bytes(data)
    with pytest.raises(InputError, match=f"given: image {message}.*1 in all; .*skip leaves"):
        made()
    assert not list((tmp_path / "made").iterdir())
    parts = made(unreadable="skip")
    assert sum(map(len, parts)) == sum(SIZES.values())
    assert "wildlife: 1 unreadable images left out ('owl/bad.png' cannot" in capsys.readouterr().err


def test_pictures_too_large_to_be_true_are_unreadable(made, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 90)
    with pytest.raises(InputError, match=r"cannot be read \(Image size \(96 pixels\).*75 in all"):
        made()


def test_damaged_members_of_a_zip_are_unreadable(made, folder, tmp_path):
    archived(folder, tmp_path / "x.zip", "", "zip")
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[90] ^= 255  # in the first image's bytes
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"image 'cat/cat000_p_crop00_x\.png' cannot be read"):
        made(tmp_path / "x.zip")


def test_equal_bytes_stay_in_one_split_and_are_counted(made, folder, capsys):
    for k in range(12):
        copy = folder / "cat" / f"copy{k}.png"
        copy.write_bytes((folder / "cat" / f"cat{k // 3:03d}_p_crop{k % 3:02d}_x.png").read_bytes())
    for seed in range(3):
        parts = made(seed=seed)
        at = {name: n for n, part in enumerate(parts) for name in part.file_names}
        for k in range(12):
            assert at[f"cat/copy{k}.png"] == at[f"cat/cat{k // 3:03d}_p_crop{k % 3:02d}_x.png"]
    told = (
        "12 images have the bytes of another and share its split ('cat/cat000_p_crop00_x.png' and"
    )
    assert told in capsys.readouterr().err


def test_equal_bytes_in_two_classes_are_refused(made, folder, tmp_path):
    (folder / "owl" / "same.png").write_bytes(
        (folder / "dog" / "dog001_p_crop00_x.png").read_bytes()
    )
    with pytest.raises(InputError, match=r"'dog/dog001_p_crop00_x\.png' and 'owl/same\.png' have"):
        made()
    assert not list((tmp_path / "made").iterdir())


def test_copies_join_their_frames(made, folder):
    """A copy in another frame makes one group of the two."""
    one, other = folder / "cat" / "cat000_p_crop00_x.png", folder / "cat" / "zzz_p_crop00_x.png"
    other.write_bytes(one.read_bytes())
    for seed in range(5):
        at = [
            {f for f in part.frames if f in ("cat000_p", "zzz_p")}
            for part in made(by="frame", seed=seed)
        ]
        assert {"cat000_p", "zzz_p"} in at


def emptied(folder):
    (folder / "bat").mkdir()


def beside(folder):
    shutil.copy(folder / "cat" / "cat000_p_crop00_x.png", folder / "stray.png")


def below(folder):
    (folder / "cat" / "deep").mkdir()
    shutil.copy(folder / "cat" / "cat000_p_crop00_x.png", folder / "cat" / "deep" / "x.png")


def without_images(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "note.txt").write_text("nothing here")


def one_class(folder):
    shutil.rmtree(folder / "cat")
    shutil.rmtree(folder / "dog")


def two_images(folder):
    for path in sorted((folder / "owl").iterdir())[2:]:
        path.unlink()


BAD_FOLDERS = {
    "empty class": (emptied, r"given: class folder 'bat' holds no image"),
    "beside": (beside, r"'stray\.png' lies beside the class folders, expected <class>/<image>"),
    "below": (below, r"'cat/deep/x\.png' lies below a class folder"),
    "no images": (without_images, r"expected <class>/<image>, found no images"),
    "one class": (one_class, r"expected two class folders or more, found 'owl'"),
    "two images": (two_images, r"class 'owl' has 2 readable images, expected 3 or more"),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_bad_folders_are_one_error_that_names_what_is_wrong(case, made, folder, tmp_path):
    spoil, message = BAD_FOLDERS[case]
    spoil(folder)
    with pytest.raises(InputError, match=message):
        made()
    assert not (tmp_path / "made").exists() or not list((tmp_path / "made").iterdir())


def test_the_ten_classes_are_held_to(made, folder):
    with pytest.raises(InputError, match=r"class folder 'cat' is none of russian_wildlife \(choic"):
        made(source="russian_wildlife")
    for name in ("cat", "owl"):
        shutil.rmtree(folder / name)
    with pytest.raises(InputError, match=r"class folder 'amur_leopard' is missing or holds no im"):
        made(source="russian_wildlife")


def test_files_that_are_no_images_are_counted(made, folder, capsys):
    (folder / "cat" / "Thumbs.db").write_bytes(b"x")
    (folder / ".hidden.png").write_bytes(b"x")
    made()
    assert (
        "wildlife: 1 files that are no images left out ('cat/Thumbs.db')" in capsys.readouterr().err
    )


def test_names_without_frames_are_told_and_single_ones_are_alone(made, folder):
    for path in sorted(folder.rglob("*.png")):
        path.rename(path.with_name(path.name.replace("_crop", "_")))
    made()
    with pytest.raises(InputError, match=r"by: frame expects names like .* got 'cat/cat000_p_00"):
        made(by="frame")
    shutil.copy(folder / "cat" / "cat000_p_00_x.png", folder / "cat" / "0001_p_crop00_x.png")
    assert sum(map(len, made(by="frame"))) == sum(SIZES.values()) + 1


def test_a_class_of_one_frame_cannot_be_split_by_frame(made, folder):
    for n, path in enumerate(sorted((folder / "owl").iterdir())):
        path.rename(path.with_name(f"0001_p_crop{n:02d}_x.png"))
    with pytest.raises(InputError, match="class 'owl' has too few frames to give one to"):
        made(by="frame")


@pytest.mark.parametrize("kind", ["zip", "w", "w:gz"])
def test_an_empty_class_in_an_archive_is_named(kind, made, folder, tmp_path):
    (folder / "bat").mkdir()
    if kind == "zip":
        shutil.make_archive(tmp_path / "x", "zip", tmp_path, "given")
    else:
        with tarfile.open(tmp_path / "x.zip", kind) as archive:
            archive.add(folder, "given")
    with pytest.raises(InputError, match=r"x\.zip: class folder 'given/bat' holds no image"):
        made(tmp_path / "x.zip")


def test_a_url_is_fetched_once(made, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEWISE_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made()
    expected = digests(tmp_path / "made")
    archived(folder, tmp_path / "x.zip", "", "zip")
    with serving((tmp_path / "x.zip").read_bytes()) as server:
        for _ in range(2):
            made(server.url)
            assert digests(tmp_path / "made") == expected
        assert len(server.ranges) == 1
    with pytest.raises(InputError, match=r"ftp://x/y\.zip: expected an http\(s\) or file:// URL"):
        made("ftp://x/y.zip")


def test_nothing_and_damaged_archives_are_told(made, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: expected a file or folder .* found nothing"):
        made(tmp_path / "nowhere")
    (tmp_path / "x.zip").write_bytes(b"PK but no zip")
    with pytest.raises(InputError, match=r"x\.zip: cannot be read as a zip or tar"):
        made(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("dog/0224_p_crop00_x.jpg", "0224_p"),
        ("dog/0224_p_crop12.jpg", "0224_p"),
        ("birds/0224_p_crop01_x.jpg", "0224_p"),
        ("dog/a_crop1_b_crop2.jpg", "a"),
        ("dog/0224_p.jpg", ""),
        ("dog/_crop00.jpg", ""),
        ("x_crop00/0224.jpg", ""),
    ],
)
def test_frames_are_told_by_names(name, frame):
    assert wildlife.frame_of(name) == frame


BAD = {
    "source": ({"source": "real"}, r"wildlife\.source: .*'russian_wildlife' or 'folder'"),
    "share": ({"test_share": 1.0}, r"wildlife\.test_share: .*less than 1"),
    "by": ({"by": "class"}, r"wildlife\.by: .*'image' or 'frame'"),
    "unreadable": ({"unreadable": "ignore"}, r"wildlife\.unreadable: .*'error' or 'skip'"),
    "size": ({"image_size": 2}, r"wildlife\.image_size: .*greater than or equal to 8"),
    "path": ({"path": ""}, r"wildlife\.path: "),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_parameters_are_told(case):
    values, message = BAD[case]
    with pytest.raises(InputError, match=message):
        params.parse(wildlife.Parameters, values, "wildlife")
