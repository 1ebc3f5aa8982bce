import gzip
import io
import stat
import struct
import tarfile
import warnings
import zipfile

import pytest

from scalewise.data.archives import opened
from scalewise.errors import InputError

FILES = {"val/b.jpg": b"bb" * 900, "val/a.jpg": b"", "annotations/x.json": b"{}"}
MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
KINDS = ["zip", "stored.zip", *MODES, "folder"]


def zipped(path, files, packing=zipfile.ZIP_DEFLATED):
    """A zip of names, or `ZipInfo`s, and bytes; the same name may come twice."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", packing) as archive:
        warnings.simplefilter("ignore", UserWarning)  # duplicate names
        for name, data in files:
            archive.writestr(name, data)
    return path


def tarred(path, files, mode="w"):
    """A tar of names, or `TarInfo`s, and bytes."""
    with tarfile.open(path, mode) as archive:
        for name, data in files:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def packed(kind, folder):
    path = folder / f"it.{kind}"
    if kind in MODES:
        return tarred(path, FILES.items(), MODES[kind])
    if kind != "folder":
        return zipped(path, FILES.items(), 0 if kind == "stored.zip" else zipfile.ZIP_DEFLATED)
    for name, data in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def read_all(path, **limits):
    with opened(path, **limits) as archive:
        return {name: archive.read(name) for name in archive.sizes}


def refusal(path, **limits):
    with pytest.raises(InputError) as caught:
        read_all(path, **limits)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_the_same(kind, tmp_path):
    path = packed(kind, tmp_path)
    with opened(path) as archive:
        assert archive.sizes == {name: len(data) for name, data in FILES.items()}
        assert {name: archive.read(name) for name in sorted(FILES)} == FILES
        with pytest.raises(InputError, match="no file 'c' among 3"):
            archive.read("c")


@pytest.mark.parametrize("kind", ["zip", "tar", "folder"])
def test_folders_that_are_members_are_known(kind, tmp_path):
    path = tmp_path / f"it.{kind}"
    (tmp_path / "it" / "full").mkdir(parents=True)
    (tmp_path / "it" / "hollow" / "deep").mkdir(parents=True)
    (tmp_path / "it" / "full" / "a").write_bytes(b"1")
    if kind == "folder":
        path = tmp_path / "it"
    elif kind == "zip":
        zipped(path, [("./", b""), ("full/a", b"1"), ("hollow/", b""), ("hollow/deep/", b"")])
    else:
        with tarfile.open(path, "w") as archive:
            archive.add(tmp_path / "it", ".")
    with opened(path) as archive:
        assert set(archive.sizes) == {"full/a"}
        assert archive.folders - {"full"} == {"hollow", "hollow/deep"}
    assert opened_folders(packed("tar.gz", tmp_path)) == frozenset()


def opened_folders(path):
    with opened(path) as archive:
        return archive.folders


@pytest.mark.parametrize("make", [zipped, tarred])
def test_folders_that_lead_out_are_refused(make, tmp_path):
    folder = tarfile.TarInfo("../x")
    folder.type = tarfile.DIRTYPE
    path = make(tmp_path / "it", [("good", b"1"), ("../x/" if make is zipped else folder, b"")])
    assert "'../x" in refusal(path) and "leads out of the archive" in refusal(path)


def test_names_are_found_by_their_last_parts(tmp_path):
    names = ["2017/val/1.jpg", "2017/val/11.jpg", "2.jpg", "a/2.jpg", "x/3.jpg", "y/3.jpg"]
    with opened(zipped(tmp_path / "it.zip", [(name, b"") for name in names])) as archive:
        assert archive.located(["1.jpg", "val/11.jpg", "2.jpg", "4.jpg", "", "al/1.jpg"]) == {
            "1.jpg": "2017/val/1.jpg",
            "val/11.jpg": "2017/val/11.jpg",
            "2.jpg": "2.jpg",
        }
        assert archive.located(["y/3.jpg"]) == {"y/3.jpg": "y/3.jpg"}
        with pytest.raises(InputError, match=r"it.zip: '3.jpg' may be x/3.jpg or y/3.jpg"):
            archive.located(["3.jpg"])


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "C:/x", "a\\..\\x", "..", "a\nb", "a/.."]
)
def test_names_that_lead_out_are_refused(make, name, tmp_path):
    path = make(tmp_path / "it", [("good", b"1"), (name, b"2")])
    assert "leads out of the archive, expected relative names" in refusal(path)


@pytest.mark.parametrize("make", [zipped, tarred])
def test_dots_are_dropped_and_odd_names_kept(make, tmp_path):
    names = ["./a.jpg", "b/./c.jpg", "..d/e..jpg", "ü ñ.jpg"]
    with opened(make(tmp_path / "it", [(name, b"1") for name in names])) as archive:
        assert set(archive.sizes) == {"a.jpg", "b/c.jpg", "..d/e..jpg", "ü ñ.jpg"}
        assert all(archive.read(name) == b"1" for name in archive.sizes)


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_twice_is_refused(make, tmp_path):
    path = make(tmp_path / "it", [("a/b", b"1"), ("a/./b", b"2")])
    assert "'a/b' is there twice" in refusal(path)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_in_a_tar_are_refused(kind, tmp_path):
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, "a"
    path = tarred(tmp_path / "it.tar", [("a", b"1"), (info, b"")])
    assert "'odd' is a link, device or the like, expected plain files" in refusal(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(kind, tmp_path):
    info = zipfile.ZipInfo("odd")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    path = zipped(tmp_path / "it.zip", [(info, b"/etc/passwd")])
    assert "'odd' is a link, device or the like" in refusal(path)


def test_sizes_are_bounded_before_anything_is_read(tmp_path):
    for path in (packed("zip", tmp_path), packed("tar.gz", tmp_path), packed("folder", tmp_path)):
        assert "'val/b.jpg' has 1,800 bytes, expected at most 1,799" in refusal(path, largest=1799)
        told = refusal(path, largest=1800, most=1801)
        assert told.endswith(("expected at most 1,801", "more than 1,801 bytes come out of it"))


def declared(path, size):
    """The zip with another size in its directory and its only member's header."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, size)
    struct.pack_into("<I", data, data.index(b"PK\x03\x04") + 22, size)
    path.write_bytes(data)
    return path


def test_bomb_that_says_so_is_refused(tmp_path):
    path = declared(zipped(tmp_path / "it.zip", [("a", b"0")]), 0xFFFFFFFE)
    assert "'a' has 4,294,967,294 bytes, expected at most 1,000" in refusal(path, largest=1000)
    info = tarfile.TarInfo("a")
    info.size = 1 << 40
    (tmp_path / "it.tar").write_bytes(info.tobuf() + bytes(1024))
    assert "unexpected end of data" in refusal(tmp_path / "it.tar")


def test_bomb_that_says_less_gives_no_more_than_it_says(tmp_path):
    path = declared(zipped(tmp_path / "it.zip", [("a", bytes(10_000_000))]), 1000)
    assert "'a' in it cannot be read (Bad CRC-32" in refusal(path)


def test_compressed_tar_bomb_is_cut(tmp_path):
    (tmp_path / "it.tar.gz").write_bytes(gzip.compress(bytes(50_000_000), 1))
    assert "more than 1,000,000 bytes come out of it" in refusal(
        tmp_path / "it.tar.gz", most=1_000_000
    )


def test_encrypted_member_is_told(tmp_path):
    path = zipped(tmp_path / "it.zip", [("a", b"1")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[data.index(b"PK\x03\x04") + 6] |= 1
    path.write_bytes(data)
    assert "'a' in it cannot be read" in refusal(path)
    assert "encrypted" in refusal(path)


def test_damage_is_told(tmp_path):
    stored = packed("stored.zip", tmp_path)
    data = stored.read_bytes().replace(b"bbbb", b"bbxb", 1)
    stored.write_bytes(data)
    assert "'val/b.jpg' in it cannot be read (Bad CRC-32" in refusal(stored)
    for kind in ("zip", *MODES):
        path = packed(kind, tmp_path)
        path.write_bytes(path.read_bytes()[:-200][: 1400 if kind == "tar" else None])
        assert "cannot be read" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK", b"PK\x03\x04", b"\x1f\x8b", b"BZ", b"{}"])
def test_what_is_no_archive_is_told(content, tmp_path):
    path = tmp_path / "it"
    path.write_bytes(content)
    assert "cannot be read as a zip or tar" in refusal(path)


def test_nothing_there(tmp_path):
    assert "No such file" in refusal(tmp_path / "gone")


def test_zip_at_the_end_of_a_tar_does_not_pass_for_it(tmp_path):
    inner = zipped(tmp_path / "inner.zip", [("hidden", b"1")]).read_bytes()
    with opened(tarred(tmp_path / "it.tar", [("a", b"1"), ("inner.zip", inner)])) as archive:
        assert set(archive.sizes) == {"a", "inner.zip"}


def test_errors_of_the_reader_pass_unchanged(tmp_path):
    with pytest.raises(OSError, match="disk full"), opened(packed("zip", tmp_path)):
        raise OSError("disk full")
