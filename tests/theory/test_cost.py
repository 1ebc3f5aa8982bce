import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from scalewise.errors import InputError
from scalewise.models import anchors, multiscale
from scalewise.theory import cost


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize(("into", "out", "groups"), [(3, 8, 1), (8, 4, 1), (8, 8, 4), (8, 8, 8)])
def test_the_counter_agrees_with_the_hand_formula(kernel, into, out, groups):
    layer = nn.Conv2d(into, out, kernel, padding="same", groups=groups, bias=False)
    counted = cost.count(layer, (12, 20), into)
    assert counted.multiply_adds == cost.of_convolution(12, 20, (into, out), kernel, groups)
    assert counted.parameters == into * out * kernel**2 // groups


@pytest.mark.parametrize("dilation", [1, 2, 3, 8])
def test_a_dilated_convolution_costs_what_the_dense_one_does(dilation):
    costs = cost.by_dilation([1, dilation], 16, 4, 3)
    assert set(costs.values()) == {cost.of_convolution(16, 16, (4, 4), 3)}


def test_a_stride_saves_by_the_size_of_the_output():
    dense, strided = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(3, 8, 3, 2, 1)
    assert (
        cost.count(dense, (32, 32)).multiply_adds == 4 * cost.count(strided, (32, 32)).multiply_adds
    )


def test_a_known_net():
    """ResNet-18: 11,689,512 parameters and 1.814 G multiply-adds at 224 (torchvision's table)."""
    found = cost.count(resnet18(weights=None), (224, 224))
    assert found.parameters == 11_689_512
    assert found.multiply_adds / 1e9 == pytest.approx(1.814, abs=1e-3)


def test_the_detector_adds_up_by_hand():
    small = {"image_size": 32, "stem": (4,), "widths": (4, 8, 8), "neck": 4,
             "convolutions": (1, 1, 1)}  # fmt: skip
    sections = {
        "multiscale": multiscale.Parameters(**small),
        "anchors": anchors.Parameters(scales=((4,), (8,), (16,))),
    }
    net = multiscale.build(sections, ("a", "b"))
    trunk = [(16, 3, 4, 3), (8, 4, 4, 3), (4, 4, 8, 3), (2, 8, 8, 3)]
    neck = [(8, 4, 4, 1), (4, 8, 4, 1), (2, 8, 4, 1)]
    heads = [part for side in (8, 4, 2) for part in [(side, 4, 4, 3), (side, 4, 7, 1)]]
    wanted = sum(cost.of_convolution(s, s, (i, o), k) for s, i, o, k in trunk + neck + heads)
    assert cost.count(net, (32, 32)).multiply_adds == wanted


def test_frozen_weights_are_no_parameters_to_train():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1).requires_grad_(False))
    assert cost.count(net, (4, 4)).parameters == 8


def test_the_module_is_left_as_it_is():
    net = nn.Conv2d(3, 2, 3).train()
    cost.count(net, (8, 8))
    assert net.training and net.weight.device == torch.device("cpu")


def test_an_image_that_does_not_fit_is_named():
    with pytest.raises(InputError, match="cost: Conv2d: .*[Kk]ernel"):
        cost.count(nn.Conv2d(3, 2, 9), (4, 4))
