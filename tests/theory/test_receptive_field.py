import random
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from scalewise.errors import InputError
from scalewise.models import anchors, multiscale
from scalewise.theory import gradients, windows
from scalewise.theory.receptive_field import table, trace, uncut


def convolution(rng, **more):
    """Of random kernel, stride, dilation and padding, which differ between rows and columns."""
    pair = lambda *choices: tuple(rng.choice(choices) for _ in range(2))  # noqa: E731
    return nn.Conv2d(2, 2, pair(1, 2, 3, 4), pair(1, 1, 2, 3), pair(0, 1, 2), pair(1, 2, 3),
                     dtype=torch.float64, **more)  # fmt: skip


def random_stack(seed):
    rng = random.Random(seed)
    return nn.Sequential(*(convolution(rng) for _ in range(rng.randint(1, 3))))


def every_extent(module, image):
    """For each position first and last row and column that move it; None where nothing does."""
    image.requires_grad_(True)
    output, found = module(image), {}
    for row in range(output.shape[2]):
        for column in range(output.shape[3]):
            (moved,) = torch.autograd.grad(
                output[0, :, row, column].sum(), image, retain_graph=True
            )
            places = moved[0].any(0).nonzero()
            low, high = (places.amin(0), places.amax(0)) if len(places) else (None, None)
            found[row, column] = None if low is None else (*low.tolist(), *high.tolist())
    return found


def followed(module, size, channels=2):
    """The same by theory."""
    layer = trace(module, size, channels).layer("")
    found = {}
    for row, (top, bottom) in enumerate(layer.rows.span.tolist()):
        for column, (left, right) in enumerate(layer.columns.span.tolist()):
            seen = top <= bottom and left <= right
            found[row, column] = (top, left, bottom, right) if seen else None
    return found


@pytest.mark.parametrize("seed", range(30))
def test_random_stacks_agree_with_the_gradient_in_size_and_place(seed):
    stack = random_stack(seed)
    kernels, strides, dilations = (
        [getattr(layer, name)[0] for layer in stack]
        for name in ("kernel_size", "stride", "dilation")
    )
    layer = uncut(stack, (160, 170), "", channels=2)
    assert layer.rows.size == windows.stacked(kernels, strides, dilations)
    rows, columns = gradients.measured(stack, "", layer.image, channels=2, seed=seed)
    assert rows == layer.rows.extent
    assert columns == layer.columns.extent


@pytest.mark.parametrize("seed", range(8))
def test_every_position_agrees_with_the_gradient_up_to_the_border(seed):
    stack, size = random_stack(seed), (45, 49)
    bare = gradients._bare(stack, seed)
    image = torch.ones(1, 2, *size, dtype=torch.float64)
    assert followed(stack, size) == every_extent(bare, image)


JOINS = {
    "residual": lambda net, x, small: small + net.dilated(small),
    "top-down": lambda net, x, small: x + F.interpolate(net.dilated(small), scale_factor=2.0),
    "concatenated": lambda net, x, small: net.last(torch.cat([x, net.up(small)], 1)),
    "bilinear": lambda net, x, small: x + F.interpolate(small, size=x.shape[2:], mode="bilinear"),
    "gate": lambda net, x, small: x * small.mean((2, 3), keepdim=True).sigmoid(),
    "crop": lambda net, x, small: x[:, :, 2:-3, 1::2],
    "reflected": lambda net, x, small: net.down(F.pad(x, (2, 1, 3, 0), mode="reflect")),
    "replicated": lambda net, x, small: net.down(F.pad(x, (2, 1, 3, 0), mode="replicate")),
    "padded and cut": lambda net, x, small: net.down(F.pad(x, (2, -1, 3, 0))),
    "adaptive": lambda net, x, small: F.adaptive_avg_pool2d(x, (3, 5)),
    "pooled": lambda net, x, small: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "shuffled": lambda net, x, small: F.pixel_shuffle(torch.cat([small, small], 1), 2),
}


class Branches(nn.Module):
    """What nets do between convolutions."""

    def __init__(self, join):
        super().__init__()
        self.join = join
        self.first = nn.Conv2d(2, 2, 3, padding=1)
        self.down = nn.Conv2d(2, 2, 3, stride=2, padding=1)
        self.dilated = nn.Conv2d(2, 2, 3, padding=2, dilation=2)
        self.up = nn.ConvTranspose2d(2, 2, 4, 2, 1)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.first(x)
        return JOINS[self.join](self, x, self.down(x))


@pytest.mark.parametrize("join", JOINS)
def test_whatever_a_forward_pass_does_is_followed(join):
    module, size = Branches(join).double(), (12, 14)
    image = torch.ones(1, 2, *size, dtype=torch.float64)
    assert followed(module, size) == every_extent(gradients._bare(module, 0), image)


def test_a_residual_net_of_another_hand():
    net, size = resnet18(weights=None), (224, 224)
    found = trace(net, size)
    # 7 at stride 2, pooling 3 at stride 2, then two blocks of two convolutions a stage.
    assert [found.layer(f"layer{n}").rows.size for n in (1, 2, 3)] == [43, 99, 211]
    for name in ("maxpool", "layer1.0"):
        rows, columns = gradients.measured(net, name, size)
        assert (rows, columns) == (found.layer(name).rows.extent, found.layer(name).columns.extent)
    assert uncut(net, size, "layer4").rows.size == 435


SMALL = {"image_size": 64, "stem": (4,), "widths": (4, 8, 8), "neck": 4, "convolutions": (1, 2, 1)}
GRID = anchors.Parameters(scales=((8, 12), (20, 28), (40, 56)))


def detector(**changes):
    parameters = multiscale.Parameters(**{**SMALL, **changes})
    return multiscale.build({"multiscale": parameters, "anchors": GRID}, ("a", "b"))


@pytest.mark.parametrize("top_down", [False, True])
def test_each_layer_of_the_detector_agrees_with_its_gradient(top_down):
    net, size = detector(top_down=top_down), (128, 128)
    found = trace(net, size)
    layers = [name for name in found.layers if name.endswith((".0", "]", "answer"))]
    assert len(layers) > 12
    for name in layers:
        layer = found.layer(name)
        rows, columns = gradients.measured(net, name, size)
        assert rows == layer.rows.extent, name
        assert columns == layer.columns.extent, name


def test_the_detectors_strides_and_norms():
    found = trace(detector(), (64, 64))
    assert [found.layer(f"heads.{n}.answer").rows.stride for n in range(3)] == [4, 8, 16]
    assert not found.layer("trunk.0.stem.0.0").statistics
    assert "trunk.0.stem.0.1" in found.layer("heads.0.answer").statistics[0]


def test_the_homework_network():
    """Five convolutions of 3 at stride 2, then one: 1 + 2 (1 + 2 + 4 + 8 + ...)."""
    stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, 2, 1) for _ in range(5)))
    found = trace(stack, (224, 224), channels=1)
    assert [found.layer(str(n)).rows.size for n in range(5)] == [3, 7, 15, 31, 63]
    # Each shifts the field half a pixel of its input: the first cell looks at the corner.
    assert [found.layer(str(n)).rows.offset for n in range(5)] == [0.5] * 5


def test_a_classifier_ends_in_the_whole_image():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Dropout(), nn.Linear(4, 2),
    )  # fmt: skip
    found = trace(net, (20, 30))
    layer = found.layer("6")
    assert (layer.rows.size, layer.columns.size) == (20, 30) and layer.cut
    assert not layer.statistics, "batch norm at rest looks at no pixel"
    assert found.layer("2").rows.size == 4
    assert uncut(net, (20, 30), "6").cut, "no canvas shows it whole"


def test_unpooling_returns_to_the_window():
    class Unpooled(nn.Module):
        def forward(self, x):
            small, places = F.max_pool2d(x, 2, return_indices=True)
            return F.max_unpool2d(small, places, 2)

    axis = trace(Unpooled(), (8, 8)).layer("").rows
    assert axis.span.tolist() == [[n // 2 * 2, n // 2 * 2 + 1] for n in range(8)]
    assert axis.stride == 1


def test_a_layer_that_runs_twice_has_two_rows():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    found = trace(nn.Sequential(layer, nn.ReLU(inplace=True), layer), (9, 9), channels=1)
    assert found.layer("0").rows.size == 3
    assert found.layer("0#2").rows.size == 5
    assert table(found).set_index("layer").loc["0#2", "height"] == 5


def test_the_module_is_left_as_it_is():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Dropout()).train()
    trace(net, (9, 9), channels=1)
    assert net.training and net[0].weight.device.type == "cpu"
    assert not net[0]._forward_hooks


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: nn.Conv2d(1, 1, 0), r"'body.1' \(Conv2d\): kernel is 0"),
        (lambda: nn.Conv2d(1, 1, 3, dilation=-1), r"'body.1' \(Conv2d\): dilation is -1"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), r"'body.1' \(Conv2d\): stride is 0"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-2), r"'body.1' \(Conv2d\): padding is below 0"),
        (lambda: nn.MaxPool2d(0), r"'body.1' \(MaxPool2d\): kernel is 0"),
        (lambda: nn.AvgPool2d(3, -1), r"'body.1' \(AvgPool2d\): stride is -1"),
        (lambda: nn.Conv2d(5, 1, 3), r"'body.1' \(Conv2d\): .*channel"),
        (lambda: nn.Conv2d(1, 1, 50), r"'body.1' \(Conv2d\): .*greater than actual input"),
    ],
)
def test_an_impossible_layer_is_named(layer, message):
    net = nn.Sequential(OrderedDict(body=nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), layer())))
    with pytest.raises(InputError, match=message):
        trace(net, (16, 16), 1)


class Turned(nn.Module):
    def forward(self, x):
        return x.transpose(2, 3)


def test_a_layer_that_cannot_be_followed_is_named():
    found = trace(nn.Sequential(Turned(), nn.ReLU()), (8, 8))
    with pytest.raises(InputError, match=r"layer '1': cannot follow aten.transpose of layer '0'"):
        found.layer("1")
    with pytest.raises(
        InputError, match=r"layer '1' \(Conv2d\): its input is lost: .*'0' \(Turned"
    ):
        trace(nn.Sequential(Turned(), nn.Conv2d(3, 1, 3)), (8, 8))


def test_an_unknown_layer_is_named():
    with pytest.raises(InputError, match="no layer 'convv' gave a map"):
        trace(nn.Conv2d(3, 1, 3), (8, 8)).layer("convv")
