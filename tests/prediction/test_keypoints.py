import numpy as np
import pytest
import torch
from PIL import Image

from keypoint_cases import NAMES, truth_of
from scalewise import checkpoint, coco_keypoints
from scalewise.data import figures
from scalewise.errors import InputError
from scalewise.examples import keypoints
from scalewise.examples.keypoints import Input
from scalewise.models.keypoints import Parameters, gaussians
from scalewise.prediction import keypoints as prediction
from scalewise.prediction.decoding import METHODS

CPU = torch.device("cpu")
RULES = prediction.Parameters(batch_size=4)


class Maps(torch.nn.Module):
    """Says the Gaussians of a split's own points, image by image."""

    def __init__(self, split, cells=32):
        super().__init__()
        self.size, self.start = split.images.shape[-1], 0
        self.maps = gaussians(split.points, self.size, cells, 1.5)

    def forward(self, images):
        self.start += len(images)
        return self.maps[self.start - len(images) : self.start]


class Points(Maps):
    """Says the points themselves."""

    def points(self, images):
        maps = self(images)
        start = self.start - len(maps)
        return self.truth[start : self.start], 0.25 + 0.5 * torch.ones(len(maps), 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("figures")
    figures.make(figures.Parameters(train=4, val=3, test=10), place)
    return place


@pytest.fixture(scope="module", params=["image", "box"])
def split(folder, request):
    return keypoints.load(folder, "test", Input(size=64, window=request.param))


def errors(found, split):
    """Distances in original pixels, [N, K], without what the input does not show."""
    away = np.linalg.norm(found.keypoints - split.truth.keypoints, axis=-1)
    return away[split.visible.numpy()]


@pytest.mark.parametrize(
    ("decoding", "most"),
    [("taylor", 0.01), ("quarter", 0.5), ("argmax", 0.71), ("expectation", 0.3)],
)
def test_perfect_maps_give_the_truth_in_original_pixels(split, decoding, most):
    """In cells, in 9 of 10: what looks between cells is nearer than the middle of the highest."""
    rules = prediction.Parameters(decoding=decoding, batch_size=4)
    found = prediction.predict(Maps(split), split, rules, CPU)
    cell = split.windows[:, 2].max() / 32
    assert np.quantile(errors(found, split), 0.9) < most * cell


def test_a_net_that_gives_points_is_not_decoded(split):
    net = Points(split)
    net.truth, net.maps = split.points, net.maps * float("nan")
    found = prediction.predict(net, split, RULES, CPU)
    assert errors(found, split).max() < 2e-3
    np.testing.assert_allclose(found.scores, 0.75)
    np.testing.assert_allclose(found.score, 0.75)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_the_batch_size_changes_nothing(split, batch_size):
    rules = prediction.Parameters(batch_size=batch_size)
    one = prediction.predict(Maps(split), split, rules, CPU)
    two = prediction.predict(Maps(split), split, RULES, CPU)
    for name in ("image", "keypoints", "scores", "score"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_score_is_the_mean_of_the_keypoints_scores(split):
    found = prediction.predict(Maps(split), split, RULES, CPU)
    np.testing.assert_allclose(found.score, found.scores.mean(axis=1), atol=1e-6)
    assert (found.scores[split.visible.numpy()] > 0.8).all()
    np.testing.assert_array_equal(found.image, split.truth.image)


def trained(folder, names=NAMES, model="heatmap"):
    """A fresh net, as a checkpoint gives it."""
    shared = Parameters(encoder={"input": {"size": 32}, "widths": (4, 4, 4, 4)}, resolution=16)
    module = checkpoint.find_model(model)
    given = {"keypoints": shared, "keypoints.encoder": shared.encoder, model: module.Parameters()}
    sections = {name: given[name] for name in module.SECTIONS}
    torch.manual_seed(0)
    net = module.build(sections, names).eval()
    return checkpoint.Trained(model, net, sections, names, folder / "net.pt")


@pytest.mark.parametrize("model", ["heatmap", "regression", "soft_argmax"])
def test_val_and_test_are_written_beside_their_truth(model, folder, tmp_path):
    prediction.write(trained(folder, model=model), folder, tmp_path, RULES, CPU)
    assert {path.name for path in tmp_path.iterdir()} == {
        "val.json",
        "val_truth.json",
        "test.json",
        "test_truth.json",
    }
    for split, count in (("val", 3), ("test", 10)):
        truth = coco_keypoints.read_truth(tmp_path / f"{split}_truth.json")
        assert truth.images == str(folder)
        found = coco_keypoints.read_results(tmp_path / f"{split}.json", truth)
        np.testing.assert_array_equal(found.image, np.arange(count))
        assert ((found.keypoints >= 0) & (found.keypoints <= 128)).all()


def test_a_dataset_with_other_keypoints_is_refused(folder, tmp_path):
    other = ("head", "right_hand", "left_hand", "left_foot", "right_foot")
    message = (
        r"val\.json: its keypoints are head, left_hand, .*; those of .*net\.pt are head, right"
    )
    with pytest.raises(InputError, match=message):
        prediction.write(trained(folder, other), folder, tmp_path, RULES, CPU)
    assert not list(tmp_path.iterdir())


def test_several_figures_of_an_image_are_several_results(tmp_path):
    points = [[20, 10, 2], [15, 30, 2], [25, 30, 2], [16, 50, 2], [24, 50, 2]]
    other = [[x + 60, y + 20, v] for x, y, v in points]
    truth = truth_of([(1, points), (0, points), (1, other)])
    coco_keypoints.write_truth(tmp_path / "t.json", truth, "")
    (tmp_path / "images").mkdir()
    for name in truth.file_names:
        Image.new("L", (128, 96)).save(tmp_path / "images" / name)
    split = keypoints.load(tmp_path, "t", Input(size=64, window="box"))
    found = prediction.predict(Maps(split), split, RULES, CPU)
    assert found.image.tolist() == [1, 0, 1]
    assert errors(found, split).max() < 0.1


def test_the_decodings_are_those_there_are():
    choices = prediction.Parameters.model_fields["decoding"].annotation.__args__
    assert set(choices) == set(METHODS)
