import gzip
import json
import os

import numpy as np
import pytest

from scalewise import files
from scalewise.errors import InputError, told_plainly


def test_failed_block_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with files.replacing(path) as scratch:
        scratch.write_text("old")

    def fail():
        with files.replacing(path) as scratch:
            scratch.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["a.txt"]


def test_the_file_is_not_there_before_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    with files.replacing(path) as scratch:
        scratch.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert path.stat().st_mode & 0o777 == 0o644


def test_json_has_sorted_keys_and_refuses_nan(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"b": 1, "a": [0.5]})
    assert path.read_text() == '{"a": [0.5], "b": 1}\n'
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, float("nan"))
    assert files.read_json(path) == {"a": [0.5], "b": 1}


UNREADABLE = {
    "empty": b"",
    "cut": b'{"images": [',
    "binary": b"\x89PNG\xff\xfe",
    "cut gzip": gzip.compress(b'{"a": 1}' * 50)[:-20],
    "spoilt gzip": gzip.compress(b"x" * 99)[:10] + b"\xff" * 20,
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_not_json_is_one_error_naming_the_file(case, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(UNREADABLE[case])
    with pytest.raises(InputError, match=r"bad\.json: (expected JSON|cannot be read)"):
        files.read_json(path)


def test_missing_file_and_folder_are_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: no such file"):
        files.read_json(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        files.read_json(tmp_path)


def test_metrics_are_rounded_and_the_undefined_absent(tmp_path):
    path = tmp_path / "metrics.json"
    values = {
        "b": np.float64(1 / 3),
        "a": {"none": None, "n": np.int64(3)},
        "nan": float("nan"),
        "numpy_nan": np.float32("nan"),
        "empty": {"x": None},
        "name": "text",
        "whole": 4,
    }
    files.write_metrics(path, values)
    kept = {"a": {"n": 3}, "b": 0.333333, "name": "text", "whole": 4}
    assert json.loads(path.read_text()) == kept
    assert list(json.loads(path.read_text())) == sorted(kept)


def test_input_error_is_one_line_and_any_other_keeps_its_traceback():
    with pytest.raises(SystemExit) as end, told_plainly():
        raise InputError("a.json: no such file")
    assert end.value.code == "error: a.json: no such file"
    with pytest.raises(KeyError), told_plainly():
        raise KeyError("ours")
