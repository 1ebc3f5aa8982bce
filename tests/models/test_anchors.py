import numpy as np
import pytest

from scalewise import coco, params
from scalewise.errors import InputError
from scalewise.models import anchor_study, anchors
from scalewise.scales import Scales

ONE = ((8.0,), (16.0,), (32.0,))


def read(values):
    return params.parse(anchors.Parameters, values, "params.yaml: anchors")


def test_grid_by_hand():
    """A 32 px image has 8x8, 4x4 and 2x2 cells; the first cell of stride 4 is centred on (2, 2)."""
    boxes, level = anchors.grid(anchors.Parameters(scales=ONE), 32)
    assert np.bincount(level).tolist() == [64, 16, 4]
    assert boxes[0].tolist() == [-2, -2, 6, 6]
    assert boxes[1].tolist() == [2, -2, 10, 6]  # the next column, then the next row
    assert boxes[8].tolist() == [-2, 2, 6, 10]
    assert boxes[64].tolist() == [-4, -4, 12, 12]  # centre (4, 4) of stride 8
    assert boxes[-1].tolist() == [8, 8, 40, 40]  # centre (24, 24) of stride 16


def test_anchors_of_a_cell_are_scales_then_ratios():
    parameters = anchors.Parameters(scales=((8, 16), (8, 16), (8, 16)), ratios=(1.0, 4.0))
    boxes, _ = anchors.grid(parameters, 16)
    sides = boxes[:4, 2:] - boxes[:4, :2]
    np.testing.assert_allclose(sides, [[8, 8], [16, 4], [16, 16], [32, 8]])


def test_coverage_by_hand():
    """Truth 8x8 against the same box gives 1; shifted by half, 32 / 96 = 1/3."""
    truth = np.array([[0.0, 0, 8, 8]])
    best, positives = anchor_study.coverage(truth, np.array([[0.0, 0, 8, 8], [4, 0, 12, 8]]))
    assert best == [1] and positives == [1]
    best, positives = anchor_study.coverage(truth, np.array([[4.0, 0, 12, 8]]))
    assert best == pytest.approx(1 / 3) and positives == [0]
    assert len(anchor_study.coverage(np.zeros((0, 4)), truth)[0]) == 0


def test_coverage_does_not_depend_on_the_chunk():
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.uniform(0, 64, (50, 2, 2)), axis=1).reshape(-1, 4)
    grid, _ = anchors.grid(anchors.Parameters(), 64)
    np.testing.assert_array_equal(
        anchor_study.coverage(boxes, grid), anchor_study.coverage(boxes, grid, chunk=7)
    )


def test_balanced_reaches_every_square_and_the_others_do_not():
    sides = np.geomspace(10, 180, 60)
    low = np.full((60, 2), 20.0)
    boxes = np.concatenate([low, low + sides[:, None]], axis=1)
    recall = {}
    for name in anchors.PRESETS:
        best, _ = anchor_study.coverage(
            boxes, anchors.grid(anchors.Parameters(scales=name), 224)[0]
        )
        recall[name] = (best >= 0.5)[sides < 16].mean(), (best >= 0.5)[sides > 120].mean()
    assert recall == {"balanced": (1, 1), "small": (1, 0), "large": (0, 1)}


@pytest.mark.parametrize("style", ["balanced", [[8], [16], [32]], [[8, 12.5], [16, 20], [32, 40]]])
def test_scales_take_a_preset_or_lists(style):
    assert len(read({"scales": style}).sides) == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scales": "tiny"}, "'small', 'balanced' or 'large'"),
        ({"scales": [[8], [16]]}, "each of 3 levels"),
        ({"scales": [[8], [], [32]]}, "each of 3 levels"),
        ({"scales": [[8], [16, 20], [32]]}, "as many sides"),
        ({"scales": [[8], [-16], [32]]}, "above 0"),
        ({"scales": [["8"], [16], [32]]}, "number"),
        ({"ratios": []}, "ratios"),
        ({"ratios": [0]}, "above 0"),
        ({"scale": "small"}, "did you mean 'scales'"),
    ],
)
def test_bad_parameters_are_named(values, message):
    with pytest.raises(InputError, match=r"params.yaml: anchors") as error:
        read(values)
    assert message in str(error.value)


def test_study_by_hand(document):
    """b.png is 30x40, so a 48 px input enlarges it by 48 / 40; its ignored object takes no part."""
    truth = coco.parse_truth(document, "truth.json")
    scales = Scales(names=("small", "large"), bounds=(4,))
    study = anchor_study.study(anchors.Parameters(scales=ONE), truth, scales, 48)
    assert study.sides == pytest.approx([9.5**0.5])
    metrics = study.metrics(scales.names)
    assert metrics["recall"] == {"all": 0, "small": 0}  # 3x4 scaled by 48 / 40 against 8x8: IoU .27
    assert metrics["best_iou"]["small"] == pytest.approx(3.6 * 4.8 / 64)


def test_study_needs_image_sizes(document):
    for image in document["images"]:
        del image["width"]
    with pytest.raises(InputError, match="width and height"):
        anchor_study.study(
            anchors.Parameters(), coco.parse_truth(document, "t.json"), Scales(), 224
        )
