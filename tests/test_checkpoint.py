import pytest
import torch

from scalewise import checkpoint
from scalewise.errors import InputError
from scalewise.models import anchors, multiscale

SMALL = {"image_size": 32, "stem": (8,), "widths": (8, 8, 8), "neck": 8, "convolutions": (1, 1, 1)}
CLASSES = ("circle", "square")


@pytest.fixture
def saved(tmp_path):
    sections = {
        "multiscale": multiscale.Parameters(**SMALL),
        "anchors": anchors.Parameters(scales=((4.0,), (8.0,), (16.5,))),
    }
    net = multiscale.build(sections, CLASSES)
    path = tmp_path / "multiscale.pt"
    checkpoint.save(path, "multiscale", sections, CLASSES, net.state_dict(), {})
    return path, net, sections


def changed(path, **values):
    checkpoint.save_bytes(path, {**checkpoint.load_bytes(path), **values})
    return path


def test_a_model_comes_back_whole(saved):
    path, net, sections = saved
    name, again, read, names, _ = checkpoint.restore(path, "multiscale")
    assert name == "multiscale" and read == sections and names == CLASSES and not again.training
    image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    for one, other in zip(net.eval()(image), again(image), strict=True):
        assert torch.equal(one, other)


def test_bytes_depend_on_the_value_alone(saved, tmp_path):
    path, net, sections = saved
    other = tmp_path / "other_name.pt"
    checkpoint.save(other, "multiscale", sections, CLASSES, net.state_dict(), {})
    assert other.read_bytes() == path.read_bytes()


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file; train first"):
        checkpoint.restore(tmp_path / "none.pt", "multiscale")


@pytest.mark.parametrize("content", [b"", b"no weights", None], ids=["empty", "text", "cut"])
def test_another_file_is_no_checkpoint(saved, content):
    path, *_ = saved
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    with pytest.raises(InputError, match=r"multiscale\.pt: not a checkpoint"):
        checkpoint.restore(path, "multiscale")


def test_pickled_code_is_refused(saved):
    path, *_ = saved
    torch.save({"model": print}, path)
    with pytest.raises(InputError, match="not a checkpoint"):
        checkpoint.restore(path, "multiscale")


def test_another_model_is_named(saved):
    path, *_ = saved
    with pytest.raises(InputError, match="holds a 'heatmap', expected a 'multiscale'"):
        checkpoint.restore(changed(path, model="heatmap"), "multiscale")


def test_weights_of_another_architecture_are_named(saved):
    path, _, sections = saved
    wider = multiscale.Parameters(**{**SMALL, "widths": (16, 16, 16)}).model_dump(mode="json")
    plain = {"multiscale": wider, "anchors": sections["anchors"].model_dump(mode="json")}
    with pytest.raises(InputError, match="another architecture: .*size mismatch"):
        checkpoint.restore(changed(path, sections=plain), "multiscale")


def test_parameters_of_another_version_are_named(saved):
    path, *_ = saved
    with pytest.raises(InputError, match=r"multiscale\.pt: multiscale\.depth: unknown key"):
        checkpoint.restore(changed(path, sections={"multiscale": {"depth": 3}}), "multiscale")


def test_an_unknown_model_lists_the_choices():
    with pytest.raises(InputError, match=r"no model 'multiscal' \(choices: .*multiscale"):
        checkpoint.find_model("multiscal")
    with pytest.raises(InputError, match="no model 'anchors'"):
        checkpoint.find_model("anchors")
