"""The convolution by pixels against torch's, forward and backward, at ResNet18's shapes and others."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from groundwork.engine.convolutions import PixelConvolution

SHAPES = {  # channels in, channels, size, stride, padding, side
    "the first": (3, 4, 7, 2, 3, 28),
    "3 × 3": (4, 5, 3, 1, 1, 7),
    "halving an odd side": (4, 5, 3, 2, 1, 7),
    "halving an even side": (4, 5, 3, 2, 1, 4),
    "the shortcut": (4, 5, 1, 2, 0, 7),
    "2 × 2 pixels": (4, 5, 3, 1, 1, 2),
    "to one pixel": (4, 5, 3, 2, 1, 2),
    "one pixel": (4, 5, 3, 1, 1, 1),
    "3 × 3 pixels, seen by each output": (2, 3, 7, 2, 3, 3),
    "one pixel, wide": (2, 3, 7, 2, 3, 1),
    "rows that no output sees": (2, 3, 3, 3, 0, 8),
    "no padding": (2, 3, 3, 1, 0, 5),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_conv2d(shape, grey, layout):
    channels, out, size, stride, padding, side = shape
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 1 if grey else channels, side, side, generator=generator).double()
    theirs = nn.Conv2d(channels, out, size, stride, padding, bias=False).double()
    ours = PixelConvolution(channels, out, size, stride, padding, bias=False).double().to(memory_format=layout)
    ours.load_state_dict(theirs.state_dict())
    found = []
    for convolution in (ours, theirs):
        leaf = x.clone().requires_grad_()
        result = convolution(leaf.expand(-1, channels, -1, -1) if grey else leaf.to(memory_format=layout))
        weights = torch.linspace(-1, 1, result.numel()).double().view(result.shape)
        found.append([result, *torch.autograd.grad((result * weights).sum(), [leaf, convolution.weight])])
    for one, other in zip(*found, strict=True):
        assert_close(one, other)


def test_data_needs_no_gradient():
    convolution = PixelConvolution(3, 4, 3, 1, 1, bias=False)
    convolution(torch.rand(2, 3, 5, 5)).sum().backward()
    assert convolution.weight.grad.shape == (4, 3, 3, 3)
