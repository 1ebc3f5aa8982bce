"""Backbones that keep their resolution: beyond an output stride they dilate instead of striding.

What DeepLab calls atrous convolution (Chen et al. 2017, arXiv 1706.05587): a convolution that
strode keeps its place and loses its stride, and all after it look twice as far apart, so that
weights trained with strides keep their meaning.
"""

import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

MOBILENET = "mobilenet_v3_large"
GROUPS = 4  # of a ResNet, after its stem
STEM_STRIDE = 4


def resnet(name: str, groups: int, output_stride: int) -> tuple[nn.Module, int]:
    """torchvision's ResNet as images -> {"out": features}, fresh, and the features' channels.

    Args:
        name: torchvision's, such as resnet18.
        groups: how many of its four groups of blocks are kept.
        output_stride: input pixels to the side of a feature: 4, 8, 16 or 32, at most what the
            groups stride by.
    """
    net = torchvision.models.get_model(name, weights=None)
    stride, dilation = STEM_STRIDE, 1
    for n in range(2, groups + 1):  # the first group does not stride
        if stride < output_stride:
            stride *= 2
        else:
            dilation = _dilate(getattr(net, f"layer{n}"), dilation)
    last = f"layer{groups}"
    channels = [part.out_channels for part in _convolutions(getattr(net, last))]
    return create_feature_extractor(net, {last: "out"}), max(channels)


def _dilate(group: nn.Module, dilation: int) -> int:
    """Trade a group's stride for dilation; the dilation of its last convolutions."""
    for part in _convolutions(group):
        wide = part.kernel_size == (3, 3)
        if wide:
            part.dilation = part.padding = (dilation, dilation)
        if part.stride == (2, 2):
            part.stride = (1, 1)
            dilation *= 2 if wide else 1  # the 1x1 one beside it has nothing to dilate
    return dilation


def _convolutions(group: nn.Module) -> list[nn.Conv2d]:
    return [part for part in group.modules() if isinstance(part, nn.Conv2d)]


def mobilenet() -> tuple[nn.Module, int]:
    """torchvision's MobileNetV3-Large, dilated to an output stride of 16; else as `resnet`."""
    features = torchvision.models.mobilenet_v3_large(weights=None, dilated=True).features
    last = len(features) - 1
    return create_feature_extractor(features, {str(last): "out"}), features[last].out_channels
