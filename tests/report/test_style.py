import io

import matplotlib
import pytest
from PIL import Image

from scalewise.report import style


@style.drawn
def sketch():
    figure = style.figure(3)
    figure.subplots().plot([0, 1], [1, 0])
    style.headline(figure, "A title", "how to read it")
    return figure


def test_a_picture_has_the_same_bytes_again_and_names_no_program(png):
    first = png(sketch())
    assert first == png(sketch())
    with Image.open(io.BytesIO(first)) as image:
        assert image.size == (1200, 300)
        assert "Software" not in image.info


def test_settings_stay_inside_and_the_users_stay_outside(png):
    expected = png(sketch())
    with matplotlib.rc_context({"axes.grid": False, "font.size": 20, "savefig.dpi": 30}):
        before = dict(matplotlib.rcParams)
        assert png(sketch()) == expected
        assert dict(matplotlib.rcParams) == before


def test_a_failing_save_leaves_the_old_picture(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    broken = sketch()
    broken.axes[0].set_title("$\\nosuchcommand$")
    with pytest.raises(ValueError, match="nosuchcommand"):
        style.save(broken, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_scale_keeps_its_colour_with_and_without_all():
    with_all = style.group_colours(["all", "small", "medium", "large"])
    assert {k: v for k, v in with_all.items() if k != "all"} == style.group_colours(
        ["small", "medium", "large"]
    )
    assert len(set(with_all.values())) == 4


def test_many_classes_get_colours_and_long_names_are_cut():
    assert len(style.class_colours([str(n) for n in range(80)])) == 80
    assert style.shorten("baseball glove", 8) == "basebal…"
    assert style.shorten("dog", 8) == "dog"
