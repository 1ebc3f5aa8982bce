import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scalewise.errors import InputError
from scalewise.theory import windows


def test_golden_stacks():
    # Kernel 3, dilations 1, 2, 4: 1 + 2 * (1 + 2 + 4) = 15; multiplied: 1 + 2 * (1 + 2 + 8) = 23.
    assert windows.stacked((3, 3, 3), (1, 1, 1), (1, 2, 4)) == 15
    assert windows.dilations_as_strides((3, 3, 3), (1, 2, 4)) == 23
    # Strides do multiply: 1 + 2 * (1 + 2 + 4).
    assert windows.stacked((3, 3, 3), (2, 2, 2), (1, 1, 1)) == 15
    # VGG16 up to its last pooling: 13 convolutions of 3, 5 poolings of 2.
    kernels, strides = [], []
    for convolutions in (2, 2, 3, 3, 3):
        kernels += [3] * convolutions + [2]
        strides += [1] * convolutions + [2]
    assert windows.stacked(kernels, strides, [1] * 18) == 212
    assert windows.stacked([], [], []) == 1


@pytest.mark.parametrize("depth", range(1, 8))
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_doubling_dilations_give_a_power_of_two(depth, kernel):
    dilations = [2**n for n in range(depth)]
    wanted = 1 + (kernel - 1) * (2**depth - 1)
    assert windows.stacked([kernel] * depth, [1] * depth, dilations) == wanted


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (((3, 0), (1, 1), (1, 1)), "layer 2: kernel is 0"),
        (((3, 3), (1, 0), (1, 1)), "layer 2: stride is 0"),
        (((3, 3), (1, 1), (-1, 1)), "layer 1: dilation is -1"),
        (((3,), (1, 1), (1, 1)), "differ: 1, 2 and 2"),
    ],
)
def test_impossible_windows_are_named(numbers, message):
    with pytest.raises(InputError, match=message):
        windows.stacked(*numbers)


def reads(output, pixels):
    """Which of `pixels` inputs each output depends on, by gradient."""
    return [
        torch.autograd.grad(value, pixels, retain_graph=True)[0].flatten().nonzero().flatten()
        for value in output.flatten()
    ]


def agree(taps, output, pixels):
    for row, seen in zip(taps, reads(output, pixels), strict=True):
        wanted = sorted({int(t) for t in row if 0 <= t < pixels.numel()})
        assert wanted == seen.tolist()


def line(count):
    return torch.arange(1.0, count + 1, dtype=torch.float64).reshape(1, 1, count).requires_grad_()


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"),
                         [(3, 1, 1, 1), (4, 3, 2, 2), (1, 2, 1, 1), (3, 1, 4, 3)])  # fmt: skip
def test_windows_read_what_torch_reads(kernel, stride, padding, dilation):
    weight = torch.ones(1, 1, kernel, dtype=torch.float64)
    x = line(11)
    y = F.conv1d(x, weight, None, stride, padding, dilation)
    agree(windows.window(y.shape[2], kernel, stride, padding, dilation), y, x)
    y = F.conv_transpose1d(x, weight, None, stride, min(padding, 1), stride - 1, 1, dilation)
    taps = windows.transposed_window(y.shape[2], kernel, stride, min(padding, 1), dilation)
    agree(taps, y, x)


@pytest.mark.parametrize("count", [3, 7, 11, 16, 22, 30])
def test_resampling_reads_what_torch_reads(count):
    x, step = line(11), 11 / count
    agree(windows.nearest(count, step), F.interpolate(x, count), x)
    exact = F.interpolate(x, count, mode="nearest-exact")
    agree(windows.nearest(count, step, 0.5), exact, x)
    linear = F.interpolate(x, count, mode="linear")
    agree(windows.linear(count, 11, step, aligned=False), linear, x)
    aligned = F.interpolate(x, count, mode="linear", align_corners=True)
    agree(windows.linear(count, 11, 10 / (count - 1), aligned=True), aligned, x)


@pytest.mark.parametrize("count", [1, 2, 5, 11, 13])
def test_adaptive_pooling_reads_what_torch_reads(count):
    x = line(11)
    agree(windows.adaptive(count, 11), F.adaptive_avg_pool1d(x, count), x)


def test_padding_sees_nothing():
    axis = windows.whole_input(4).through(windows.window(6, 1, 1, 1, 1), 1)
    first, last = axis.span.T
    assert (first > last).tolist() == [True, False, False, False, False, True]
    assert axis.whole.tolist() == [False, True, True, True, True, False]
    assert windows.Axis(axis.span[:1], axis.whole[:1]).size == 0


def test_a_single_position_is_spread_over_the_others():
    axis = windows.whole_input(5)
    gate = windows.Axis(np.array([[1, 3]]), np.array([False]), 5.0)
    both = windows.union([gate, axis])
    assert both.span.tolist() == [[0, 3], [1, 3], [1, 3], [1, 3], [1, 4]]
    assert both.stride == 1 and not both.whole.any()
