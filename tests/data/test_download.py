import contextlib
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loopback import TAG, serving
from scalewise import params
from scalewise.data.fetching import download, sources, transfer
from scalewise.data.fetching.download import Patience, fetch
from scalewise.errors import InputError

SOURCE = str(Path(__file__).parents[2] / "src")
QUICK = Patience(attempts=3, first=0.001, longest=0.01, stall=0.2)
DATA = random.Random(0).randbytes(500_000)
SHA = hashlib.sha256(DATA).hexdigest()
SIZE = len(DATA)
CUT = 200_000
BREAK = {"until": CUT}
WAY_OUT = "put the file at .*got.zip yourself, or use another dataset"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "got.zip"


def get(server, target, size=SIZE, sha256=SHA, patience=QUICK):
    return fetch(server.url, target, size, sha256, patience)


def left(target):
    """What lies in the folder, the lock aside."""
    return sorted(p.name for p in target.parent.iterdir() if p.suffix != ".lock")


def begun(target, url, length=CUT, data=DATA, note=()):
    """A part as a broken transfer leaves it."""
    target.parent.mkdir(parents=True)
    target.with_name("got.zip.part").write_bytes(data[:length])
    note = {"url": url, "validator": TAG, "total": SIZE} | dict(note)
    target.with_name("got.zip.part.json").write_text(json.dumps(note))


def test_a_file_comes_whole(target, capsys):
    with serving(DATA) as server:
        assert get(server, target) == target
        assert target.read_bytes() == DATA
        assert left(target) == ["got.zip"]
        assert target.stat().st_mode & 0o777 == 0o644
        get(server, target)
        assert len(server.ranges) == 1, "what is there and right is not fetched again"
    told = capsys.readouterr().err
    assert f"got.zip: from {server.url}" in told
    assert "got.zip: 0.5 MB in" in told


def test_nothing_known_of_it_comes_whole_too(target):
    with serving(DATA, {"no length": True}) as server:
        assert get(server, target, None, None).read_bytes() == DATA


def test_empty_file(target):
    with serving(b"") as server:
        assert get(server, target, 0, None).read_bytes() == b""


def test_broken_transfer_goes_on_where_it_was(target, capsys):
    with serving(DATA, BREAK) as server:
        assert get(server, target).read_bytes() == DATA
    # Whole pieces of 64 KiB are kept of the 200,000 bytes that came.
    assert server.ranges == [None, f"bytes={CUT // transfer.CHUNK * transfer.CHUNK}-"]
    assert "got.zip: the transfer broke off; again in 0 s" in capsys.readouterr().err


def test_many_breaks_are_survived_while_there_is_progress(target, monkeypatch):
    monkeypatch.setattr(download, "STRIDE", transfer.CHUNK)
    step = {"until": transfer.CHUNK + 10}
    with serving(DATA, *[step] * 7) as server:
        assert get(server, target).read_bytes() == DATA
    assert [r and int(r[6:-1]) // transfer.CHUNK for r in server.ranges] == [None, *range(1, 8)]


def test_breaks_without_progress_end(target):
    with (
        serving(DATA, *[BREAK | {"no ranges": True}] * 9) as server,
        pytest.raises(InputError, match=rf"broke off \(3 attempts\); {WAY_OUT}"),
    ):
        get(server, target)
    assert len(server.ranges) == 3
    assert not target.exists()


def test_stalled_connection_is_given_up_and_gone_on_from(target, capsys):
    with serving(DATA, BREAK | {"stall": True}) as server:
        start = time.monotonic()
        assert get(server, target).read_bytes() == DATA
        assert time.monotonic() - start < 5
    assert server.ranges[1].startswith("bytes=")
    assert "nothing came for 0.2 s" in capsys.readouterr().err


def test_stalled_for_good(target):
    with (
        serving(DATA, *[{"until": 0, "stall": True}] * 5) as server,
        pytest.raises(InputError, match=rf"nothing came for 0.2 s \(3 attempts\); {WAY_OUT}"),
    ):
        get(server, target)


def test_server_without_ranges_starts_again(target):
    with serving(DATA, BREAK, {"no ranges": True}) as server:
        assert get(server, target).read_bytes() == DATA
    assert server.ranges[1].startswith("bytes=")


def test_file_that_has_changed_starts_again(target):
    with serving(DATA, BREAK | {"data": b"x" * 500_000, "tag": '"v0"'}) as server:
        assert get(server, target).read_bytes() == DATA


@pytest.mark.parametrize("how", [{"shift": 7}, {"headers": {"Content-Encoding": "gzip"}}])
def test_another_range_than_the_one_asked_for_is_refused(target, how):
    with serving(DATA, BREAK, how) as server:
        assert get(server, target).read_bytes() == DATA
    assert server.ranges[1].startswith("bytes=")
    assert server.ranges[2] is None


def test_weak_or_no_version_never_goes_on(target):
    for tag in ("", 'W/"v1"'):
        with serving(DATA, BREAK | {"tag": tag}) as server:
            assert get(server, target).read_bytes() == DATA
        assert server.ranges == [None, None]
        target.unlink()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_faults_are_waited_out(target, status):
    with serving(DATA, {"status": status}, {"status": status}) as server:
        assert get(server, target).read_bytes() == DATA
    assert len(server.ranges) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 410, 304])
def test_other_answers_end_at_once(target, status):
    with (
        serving(DATA, {"status": status}) as server,
        pytest.raises(InputError, match=rf"the server answers {status} \w.*; {WAY_OUT}"),
    ):
        get(server, target)
    assert len(server.ranges) == 1
    assert left(target) == []


def test_waits_grow_and_obey_the_server_within_bounds(target, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    script = [{"status": 503}] * 5 + [{"status": 429, "headers": {"Retry-After": "7"}}]
    script += [{"status": 429, "headers": {"Retry-After": "9999"}}, {"status": 500}]
    with serving(DATA, *script) as server:
        get(server, target, patience=Patience(9, first=0.1, longest=8, stall=1))
    for wait, full in zip(waits, [0.1, 0.2, 0.4, 0.8, 1.6], strict=False):
        assert full / 2 <= wait <= full
    assert waits[5:7] == [7, 8]
    assert 4 <= waits[7] <= 8
    assert waits[0] / 0.1 != waits[1] / 0.2, "not by chance"


def test_length_that_is_too_long_is_a_break(target):
    with (
        serving(DATA, *[{"lie": 1000}] * 9) as server,
        pytest.raises(InputError, match=rf"broke off .*{WAY_OUT}"),
    ):
        get(server, target, None, None)
    assert not target.exists()


@pytest.mark.parametrize("lie", [-1000, 1000])
def test_length_is_held_against_what_is_known(target, lie):
    with (
        serving(DATA, {"lie": lie}) as server,
        pytest.raises(InputError, match=f"offers {500_000 + lie:,} bytes, expected 500,000;"),
    ):
        get(server, target)
    assert left(target) == []


def test_body_without_end_is_cut(target):
    with (
        serving(DATA * 3, {"no length": True}) as server,
        pytest.raises(InputError, match=r"sends another file \(5\d\d,\d+ bytes, expected 500,000"),
    ):
        get(server, target)
    assert left(target) == []


@pytest.mark.parametrize("frame", ["no length", "chunked"])
def test_break_without_a_stated_length_goes_on(target, frame):
    with serving(DATA, BREAK | {"no length": True, frame: True}) as server:
        assert get(server, target).read_bytes() == DATA
    assert server.ranges[1].startswith("bytes=")


def test_whole_answer_in_chunks(target):
    with serving(DATA, {"no length": True, "chunked": True}) as server:
        assert get(server, target, None, None).read_bytes() == DATA


def test_wrong_file_of_the_right_length_is_refused(target):
    with (
        serving(DATA[::-1]) as server,
        pytest.raises(InputError, match=rf"another file \(SHA-256 \w+, expected {SHA}\); put"),
    ):
        get(server, target)
    assert len(server.ranges) == 1
    assert left(target) == []


def test_bytes_that_went_bad_in_the_part_are_fetched_anew(target):
    with serving(DATA) as server:
        begun(target, server.url, data=bytes(CUT))
        assert get(server, target).read_bytes() == DATA
    assert server.ranges == [f"bytes={CUT}-", None]


def test_own_part_is_gone_on_from(target):
    with serving(DATA) as server:
        begun(target, server.url)
        assert get(server, target).read_bytes() == DATA
    assert server.ranges == [f"bytes={CUT}-"]


def test_complete_part_needs_no_request(target):
    with serving(DATA) as server:
        begun(target, server.url, length=len(DATA))
        assert get(server, target).read_bytes() == DATA
    assert server.ranges == []


def test_part_that_is_too_long_starts_again(target):
    with serving(DATA) as server:
        begun(target, server.url, length=900_000, data=DATA + DATA)
        assert get(server, target).read_bytes() == DATA
    assert server.ranges == ["bytes=900000-", None]


@pytest.mark.parametrize(
    "note", [{"url": "http://elsewhere/file.zip"}, {"validator": None}, {"url": 3}]
)
def test_foreign_part_is_not_trusted(target, note):
    with serving(DATA) as server:
        begun(target, server.url, note=note)
        assert get(server, target).read_bytes() == DATA
    assert server.ranges == [None]


@pytest.mark.parametrize("text", [None, "", "[1]", "{}", "\x00"])
def test_part_without_a_good_note_is_not_trusted(target, text):
    with serving(DATA) as server:
        begun(target, server.url)
        note = target.with_name("got.zip.part.json")
        note.unlink() if text is None else note.write_text(text)
        assert get(server, target).read_bytes() == DATA
    assert server.ranges == [None]


def test_another_file_at_the_place_is_named_and_kept(target):
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with serving(DATA) as server, pytest.raises(InputError, match=r"got.zip: 4 bytes, expected 5"):
        get(server, target)
    assert target.read_bytes() == b"mine"
    target.write_bytes(DATA[::-1])
    with pytest.raises(InputError, match=rf"SHA-256 \w+, expected {SHA}; remove it to have it"):
        get(server, target)


def test_file_put_there_by_hand_needs_no_network(target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    assert fetch("http://nowhere.invalid/x.zip", target, SIZE, SHA) == target


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_no_network_is_one_sentence_with_the_ways_out(target):
    url = f"http://127.0.0.1:{closed_port()}/file.zip"
    with pytest.raises(InputError) as caught:
        fetch(url, target, patience=QUICK)
    assert str(caught.value) == (
        f"{url}: no connection (3 attempts); put the file at {target} yourself, "
        "or use another dataset"
    )
    assert left(target) == []


def test_proxy_comes_from_the_environment(target, monkeypatch):
    with serving(DATA) as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/zips/file.zip"))
        monkeypatch.setenv("no_proxy", "")
        fetch("http://somewhere.invalid/file.zip", target, patience=QUICK)
        assert target.read_bytes() == DATA
    target.unlink()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(InputError, match="the proxy does not answer"):
        fetch("http://somewhere.invalid/file.zip", target, patience=QUICK)


def test_impossible_url_is_not_tried_again(target):
    with pytest.raises(InputError, match="http://%zz:x: .*put the file"):
        fetch("http://%zz:x", target, patience=Patience(first=60))


def test_full_disk_and_forbidden_folder_are_told(target, monkeypatch):
    free = transfer.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: free)
    with (
        serving(DATA) as server,
        pytest.raises(InputError, match=r"500,000 bytes are to come, 1,000 are free"),
    ):
        get(server, target)
    (target.parent / "file").write_text("")
    with pytest.raises(InputError, match=r"x.zip: cannot be written \((Not a dir|File exists)"):
        fetch("http://127.0.0.1/x", target.parent / "file" / "x.zip")


@contextlib.contextmanager
def another_process(server, target):
    """A process that fetches."""
    code = "import sys; from scalewise.data.fetching.download import fetch; fetch(*sys.argv[1:])"
    command = [sys.executable, "-c", code, server.url, str(target)]
    environment = os.environ | {"PYTHONPATH": SOURCE}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        yield process


def test_killed_fetch_goes_on(target):
    part = target.with_name("got.zip.part")
    with serving(DATA, BREAK | {"stall": True}) as server:
        with another_process(server, target) as process:
            while not part.is_file() or part.stat().st_size < 2 * transfer.CHUNK:
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
        assert not target.exists()
        assert get(server, target).read_bytes() == DATA
    assert server.ranges[1].startswith("bytes=")
    assert left(target) == ["got.zip"]


def test_two_that_want_the_same_fetch_it_once(target):
    with (
        serving(DATA) as server,
        another_process(server, target) as one,
        another_process(server, target) as two,
    ):
        assert one.wait(20) == two.wait(20) == 0
    assert server.ranges == [None]
    assert target.read_bytes() == DATA


def test_a_bar_on_a_terminal(target, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with serving(DATA) as server:
        get(server, target)
    assert "| 0.00/500k [" in capsys.readouterr().err


def test_sources_on_the_disk_are_used_as_they_are(tmp_path):
    file = tmp_path / "a b.zip"
    file.write_bytes(b"own")
    for url in (str(file), file.as_uri(), f"file://localhost{file.as_posix().replace(' ', '%20')}"):
        assert sources.obtain(sources.Source(url=url, size=99, sha256="0" * 64)) == file
    assert sources.obtain(sources.Source(url=str(tmp_path))) == tmp_path
    with pytest.raises(InputError, match="gone: expected a file or folder .* found nothing"):
        sources.obtain(sources.Source(url=str(tmp_path / "gone")))


@pytest.mark.parametrize("url", ["ftp://host/a", "file://host/a", "http:///a", "s3://bucket/a"])
def test_other_schemes_are_told(url):
    with pytest.raises(InputError, match=f"{url}: expected an http"):
        sources.local(url)


def test_downloads_survive_where_dvc_deletes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving(DATA) as server:
        source = sources.Source(url=server.url, size=SIZE, sha256=SHA)
        path = sources.obtain(source, QUICK)
        assert path.parts[0] == ".downloads"
        assert path.parts[-2:] == ("zips", "file.zip")
        monkeypatch.setenv("SCALEWISE_DOWNLOADS", str(tmp_path / "elsewhere"))
        assert (tmp_path / "elsewhere") in sources.obtain(source, QUICK).parents


def test_places_differ_and_stay_inside():
    urls = ["http://a/x/f.zip", "http://b/x/f.zip", "http://a:80/x/f.zip", "http://a/f.zip",
            "http://a/x/f.zip?v=1", "http://a/x/f.zip?v=2", "http://a"]  # fmt: skip
    assert len({sources.place(url) for url in urls}) == len(urls)
    assert str(sources.place("http://me:secret@a/../../etc/./f")) == ".downloads/a/etc/f"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"url: missing"),
        ({"url": ""}, r"url: string should have at least 1 character"),
        ({"url": "a", "sha256": "F" * 64}, r"sha256: string should match pattern"),
        ({"url": "a", "size": -1}, r"size: input should be greater"),
        ({"url": "a", "md5": "x"}, r"md5: unknown key"),
    ],
)
def test_impossible_sources_are_told(values, message):
    with pytest.raises(InputError, match=message):
        params.parse(sources.Source, values, "coco.images")
