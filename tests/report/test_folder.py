import pytest

from scalewise.errors import InputError
from scalewise.report.folder import CONTENTS, delivered


def deliver(out, **files):
    with delivered(out) as folder:
        for name, text in files.items():
            (folder / name).write_text(text)


def fail_in(out):
    with delivered(out) as folder:
        (folder / "a").write_text("2")
        raise ZeroDivisionError


def contents(folder) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir() if p.name != CONTENTS}


def test_files_take_their_place_at_the_end(tmp_path):
    out = tmp_path / "new" / "report"
    with delivered(out) as folder:
        (folder / "a").write_text("1")
        assert not out.exists()
    assert contents(out) == {"a": "1"}
    assert [p.name for p in out.parent.iterdir()] == ["report"], "no scratch is left"


def test_a_failure_leaves_all_as_it_was(tmp_path):
    out = tmp_path / "report"
    deliver(out, a="1")
    with pytest.raises(ZeroDivisionError):
        fail_in(out)
    assert contents(out) == {"a": "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_a_new_run_replaces_its_own_files_and_no_others(tmp_path):
    out = tmp_path / "report"
    deliver(out, a="1", b="1")
    (out / "mine").write_text("mine")
    deliver(out, a="2")
    assert contents(out) == {"a": "2", "mine": "mine"}


def test_a_foreign_page_is_refused_before_any_work(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(InputError, match="index.html: not made by this command"):
        fail_in(tmp_path)


def test_another_foreign_file_is_refused_and_nothing_is_moved(tmp_path):
    out = tmp_path / "report"
    out.mkdir()
    (out / "b").write_text("mine")
    with pytest.raises(InputError, match="b: not made by this command"):
        deliver(out, a="1", b="1")
    assert contents(out) == {"b": "mine"}


@pytest.mark.parametrize(
    "listed", ['["../keep", "sub/keep", "", "."]', "{}", "5", "[1]", "not json"]
)
def test_a_spoilt_list_of_contents_removes_nothing(tmp_path, listed):
    out = tmp_path / "report"
    deliver(out, a="1")
    (tmp_path / "keep").write_text("mine")
    (out / "sub").mkdir()
    (out / "sub" / "keep").write_text("mine")
    (out / CONTENTS).write_text(listed)
    deliver(out, c="1")
    assert (tmp_path / "keep").exists() and (out / "sub" / "keep").exists() and (out / "a").exists()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(InputError, match="expected a folder to write to, found a file"):
        deliver(tmp_path / "report", a="1")
