import numpy as np
import pytest
from matplotlib.figure import Figure

from scalewise.report import drawing

PIXELS = np.zeros((100, 200, 3), np.uint8)


@pytest.mark.parametrize(
    ("box", "corner", "shape"),
    [
        ((90, 40, 110, 60), (80, 30), (40, 40)),  # 20 px and as much again on each side, halved
        ((0, 0, 20, 20), (0, 0), (40, 40)),  # moved inside at the left top
        ((190, 90, 200, 100), (160, 60), (40, 40)),  # moved inside at the right bottom
        ((0, 0, 200, 100), (0, 0), (100, 200)),  # larger than the image: all of it
        ((50, 50, 50, 50), (30, 30), (40, 40)),  # without area: the least
    ],
)
def test_a_crop_is_a_square_about_the_box_inside_the_image(box, corner, shape):
    pixels, origin = drawing.crop(PIXELS, np.array(box, float), margin=0.5, least=40)
    assert origin == corner
    assert pixels.shape[:2] == shape


@pytest.mark.parametrize("aspect", [0.5, 1, 2])
def test_a_frame_holds_the_whole_image_at_its_aspect(aspect):
    axes = Figure().subplots()
    drawing.image(axes, PIXELS, (10, 20), aspect)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert left <= 10
    assert right >= 210
    assert top <= 20
    assert bottom >= 120
    assert (bottom - top) / (right - left) == pytest.approx(aspect)


def test_only_what_lies_on_the_image_is_outlined():
    axes = Figure().subplots()
    drawing.image(axes, PIXELS)
    drawing.truth_box(axes, np.array([-10.0, -10, 20, 20]))
    drawing.prediction_box(axes, np.array([300.0, 0, 310, 20]))
    assert [patch.get_bbox().extents.tolist() for patch in axes.patches] == [[0, 0, 20, 20]]
