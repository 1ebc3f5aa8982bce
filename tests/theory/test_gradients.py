import pytest
import torch
from torch import nn

from scalewise.errors import InputError
from scalewise.theory import gradients
from scalewise.theory.receptive_field import trace


def normed(norm):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), norm, nn.ReLU(), nn.Conv2d(8, 8, 3, padding=2, dilation=2)
    ).eval()


def noise(count=2, side=24):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


NORMS = {
    "group": lambda: nn.GroupNorm(4, 8),
    "plain group": lambda: nn.GroupNorm(2, 8, affine=False),
    "instance": lambda: nn.InstanceNorm2d(8, affine=True),
}


@pytest.mark.parametrize("kind", NORMS)
def test_a_frozen_norm_gives_the_same_and_leaks_nothing(kind):
    net = normed(NORMS[kind]())
    for parameter in net[1].parameters():
        nn.init.normal_(parameter)
    still = gradients.frozen(net)
    torch.testing.assert_close(still(noise()), net(noise()), atol=1e-5, rtol=1e-4)
    layer = trace(net, (24, 24)).layer("3")
    (top, bottom), (left, right) = layer.rows.extent, layer.columns.extent
    moved = gradients.unit_gradient(net, "3", noise())
    assert moved[top : bottom + 1, left : right + 1].sum() == pytest.approx(moved.sum())
    assert moved[top : bottom + 1, left : right + 1].min() >= 0 < moved.sum()


def test_through_live_statistics_every_pixel_moves_every_unit():
    net, image = normed(nn.GroupNorm(4, 8)), noise(1).requires_grad_(True)
    (moved,) = torch.autograd.grad(net(image)[0, 0, 6, 6], image)
    assert (moved.abs().sum((0, 1)) > 0).float().mean() > 0.9


def test_the_gradient_by_hand():
    """One convolution of one channel: the weights themselves, times |w| of the mix."""
    net = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    net.weight.data = torch.arange(-4.0, 5).reshape(1, 1, 3, 3)
    moved = gradients.unit_gradient(net, "", torch.zeros(1, 1, 5, 5), seed=3)
    mix = torch.randn(1, generator=torch.Generator().manual_seed(3)).abs().item()
    wanted = torch.zeros(5, 5)
    wanted[1:4, 1:4] = net.weight[0, 0].detach().abs() * mix
    assert moved == pytest.approx(wanted.numpy(), rel=1e-5)


def test_the_module_is_left_as_it_is():
    net = normed(nn.GroupNorm(4, 8)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    gradients.unit_gradient(net, "3", noise())
    gradients.measured(net, "3", (24, 24))
    assert net.training and isinstance(net[1], nn.GroupNorm)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not net[3]._forward_hooks and all(p.requires_grad for p in net.parameters())


def test_one_of_several_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 2, 5, padding=2)

        def forward(self, x):
            return self.one(x), self.other(x)

    assert gradients.measured(Two(), "[0]", (9, 9)) == ((3, 5), (3, 5))
    assert gradients.measured(Two(), "[1]", (9, 9)) == ((2, 6), (2, 6))


@pytest.mark.parametrize(
    ("net", "name", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 1, 3)), "1", "no layer '1'"),
        (nn.Sequential(nn.Flatten(0)), "0", "gives no map"),
        (nn.Sequential(nn.Conv2d(3, 1, 1, padding=20)), "0", None),
        (nn.Sequential(nn.MaxPool2d(3, 1, dilation=2)), "0", "layer '0': a dilated pooling"),
    ],
)
def test_what_cannot_be_measured_is_named(net, name, message):
    if message is None:
        assert gradients.measured(net, name, (9, 9)) == ((4, 4), (4, 4))
        return
    with pytest.raises(InputError, match=message):
        gradients.measured(net, name, (9, 9))


def test_a_unit_that_sees_padding_alone():
    net = nn.Conv2d(3, 1, 1, stride=5, padding=(1, 1))
    net = nn.Sequential(net, nn.ZeroPad2d((3, 0, 3, 0)))
    with pytest.raises(InputError, match="no pixel moves the middle unit of layer '1'"):
        gradients.measured(net, "1", (4, 4))


def test_a_layer_norm_over_space_is_refused():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.LayerNorm([2, 8, 8]))
    with pytest.raises(InputError, match="layer '1': a layer norm over space"):
        gradients.unit_gradient(net, "1", torch.zeros(1, 3, 8, 8))
