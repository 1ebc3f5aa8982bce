import io
import shutil

import numpy as np
import pytest
from PIL import Image

from scalewise.data import store
from scalewise.errors import InputError

RAMP = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A dataset of one good and some bad images, as a tar."""
    good = store.encode_png(RAMP)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    members = {
        "train/a.png": good,
        "cut.png": store.encode_png(noise)[:3000],
        "nothing.png": b"",
        "text.png": b"no picture",
        "spoilt.png": good[:40] + b"\xff" * (len(good) - 40),
    }
    store.pack(tmp_path / "images.tar", members.items())
    return tmp_path


@pytest.fixture
def unpacked(folder, tmp_path_factory):
    """The same as files."""
    other = tmp_path_factory.mktemp("files")
    shutil.unpack_archive(folder / "images.tar", other / "images")
    return other


def test_png_loses_nothing():
    grey = RAMP[..., 0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(store.encode_png(RAMP)))), RAMP)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(store.encode_png(grey)))), grey)


def test_tar_and_folder_give_the_same(folder, unpacked):
    for place in (folder, unpacked):
        there = store.Store(place)
        assert there.bytes_of("train/a.png") == store.encode_png(RAMP)
        assert np.array_equal(there.pixels("train/a.png"), RAMP)
        assert there.pixels("train/a.png", "L").shape == (6, 8)


def test_tar_bytes_depend_on_the_members_alone(tmp_path):
    members = [("b.png", b"22"), ("a.png", b"1")]
    store.pack(tmp_path / "one" / "images.tar", members)
    store.pack(tmp_path / "two" / "other.tar", iter(members))
    one = (tmp_path / "one" / "images.tar").read_bytes()
    assert one == (tmp_path / "two" / "other.tar").read_bytes()
    assert one.index(b"b.png") < one.index(b"a.png")  # in the order given


def test_many_come_in_the_order_asked_for(tmp_path):
    pictures = {f"{n}.png": np.full((2, 2, 3), n, np.uint8) for n in range(40)}
    encoded_ones = ((name, store.encode_png(pixels)) for name, pixels in pictures.items())
    store.pack(tmp_path / "images.tar", encoded_ones)
    names = list(reversed(pictures))
    found = store.Store(tmp_path).many(names)
    assert [pixels[0, 0, 0] for pixels in found] == list(range(39, -1, -1))


@pytest.mark.parametrize("name", ["cut.png", "nothing.png", "text.png", "spoilt.png"])
def test_unreadable_image_is_one_error_naming_archive_and_image(name, folder, unpacked):
    for place, where in ((folder, "images.tar"), (unpacked, "images")):
        message = rf"{where}: image '{name}' cannot be decoded"
        with pytest.raises(InputError, match=message) as error:
            store.Store(place).pixels(name)
        assert str(error.value).startswith(f"{place / where}: ")
        with pytest.raises(InputError, match=message):
            store.Store(place).many(["train/a.png", name])


def test_unlisted_name_is_told(folder, unpacked):
    with pytest.raises(InputError, match=r"images\.tar: no image 'x\.png' among 5"):
        store.Store(folder).bytes_of("x.png")
    with pytest.raises(InputError, match=r"images: image 'x\.png': No such file"):
        store.Store(unpacked).bytes_of("x.png")


def test_no_images_are_told(tmp_path):
    with pytest.raises(InputError, match=r"expected images\.tar or a folder images/"):
        store.Store(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100])
def test_what_is_no_tar_is_told(content, tmp_path):
    (tmp_path / "images.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"images\.tar: not a readable tar archive"):
        store.Store(tmp_path)


def test_tar_without_images_knows_no_name(tmp_path):
    store.pack(tmp_path / "images.tar", [])
    with pytest.raises(InputError, match=r"images\.tar: no image 'a\.png' among 0"):
        store.Store(tmp_path).pixels("a.png")


def test_tar_cut_short_names_archive(folder):
    archive = folder / "images.tar"
    archive.write_bytes(archive.read_bytes()[:700])
    with pytest.raises(InputError, match=r"images\.tar: "):
        store.Store(folder).pixels("train/a.png")


def test_a_failed_pack_leaves_nothing(tmp_path):
    def members():
        yield "a.png", b"1"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.pack(tmp_path / "images.tar", members())
    assert not list(tmp_path.iterdir())


def colourful(mode):
    """A red image in some mode, with an alpha channel where the mode has one."""
    red = Image.new("RGB", (4, 3), (255, 0, 0))
    return red.quantize(4) if mode == "P" else red.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind", "options", "expected"),
    [
        ("L", "PNG", {}, (76, 76, 76)),  # .299 * 255
        ("1", "PNG", {}, None),
        ("LA", "PNG", {}, (76, 76, 76)),
        ("P", "PNG", {}, (255, 0, 0)),
        ("P", "PNG", {"transparency": 0}, (255, 0, 0)),
        ("P", "PNG", {"transparency": b"\x80\x00"}, (255, 0, 0)),
        ("RGBA", "PNG", {}, (255, 0, 0)),
        ("CMYK", "JPEG", {"quality": 95}, (255, 0, 0)),
        ("CMYK", "TIFF", {}, (255, 0, 0)),
        ("P", "GIF", {}, (255, 0, 0)),
    ],
)
def test_every_mode_decodes_to_rgb(mode, kind, options, expected, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "x").write_bytes(encoded(colourful(mode), kind, **options))
    pixels = store.Store(tmp_path).pixels("x")
    assert pixels.shape == (3, 4, 3)
    assert pixels.dtype == np.uint8
    if expected:
        assert np.abs(pixels.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("kind", ["I;16", "I", "F"])
def test_images_of_more_than_8_bits_are_refused_not_clipped(tmp_path, kind):
    (tmp_path / "images").mkdir()
    dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[kind]
    Image.fromarray(np.arange(64, dtype=dtype).reshape(8, 8) * 900).save(
        tmp_path / "images" / "deep.tiff"
    )
    with pytest.raises(InputError, match=r"deep\.tiff.*expected 8 bits"):
        store.Store(tmp_path).pixels("deep.tiff")


def test_a_tar_of_the_folder_itself_has_the_same_names(tmp_path):
    """`tar -C images -cf images.tar .` stores ./a.png."""
    data = store.encode_png(np.zeros((4, 4, 3), np.uint8))
    store.pack(tmp_path / "images.tar", [("./a.png", data)])
    assert store.Store(tmp_path).bytes_of("a.png") == data


@pytest.mark.parametrize("name", ["", "a\0b.png", "\ud800.png"])
def test_names_that_no_file_can_have_are_named(tmp_path, name):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError):
        store.Store(tmp_path).pixels(name)
