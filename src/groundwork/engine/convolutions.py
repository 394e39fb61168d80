"""Convolution as one matrix product over the pixels under its kernel: as portable as the product, and faster for it.

torch's convolution has no fast backward pass without AVX-512. Two things make this one cheap: a pixel's channels lie
side by side in memory, so that the rows of the product are copied in long runs; and a tap that sees nothing but
padding, as eight of nine do where the picture is a single pixel, takes no part. The oracle of the test is
`torch.nn.functional.conv2d`.
"""

import torch
from torch import Tensor, nn

from groundwork.engine.products import multiply


class PixelConvolution(nn.Conv2d):
    """nn.Conv2d for square kernels without groups, dilation or bias; its images are square, (B, C, side, side)."""

    def forward(self, x: Tensor) -> Tensor:
        assert not isinstance(self.padding, str)  # nn.Conv2d has words for some paddings
        size, stride, padding = self.kernel_size[0], self.stride[0], self.padding[0]
        x, w = x.permute(0, 2, 3, 1), self.weight.permute(0, 2, 3, 1)
        if x.stride(3) == 0:  # a grey value that serves all channels is one channel with the sum of their weights
            x, w = x[..., :1], w.sum(3, keepdim=True)
        first, last, before, after = live_taps(x.shape[1], size, stride, padding)
        if last - first < size:
            w = w[:, first:last, first:last]
        return _Convolution.apply(x, w, stride, before, after).permute(0, 3, 1, 2)


def live_taps(side: int, size: int, stride: int, padding: int) -> tuple[int, int, int, int]:
    """Along one side: the first tap that ever sees a pixel, the end of those that do, and the padding they need."""
    outputs = (side + 2 * padding - size) // stride + 1
    reach = (outputs - 1) * stride  # where the last output's kernel begins, the first one's at 0
    first = max(0, padding - reach)
    last = min(size, padding + side)
    return first, last, padding - first, max(0, reach + last - padding - side)


class _Convolution(torch.autograd.Function):
    """x (B, side, side, C), w (O, k, k, C) -> (B, side', side', O)."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, stride: int, before: int, after: int) -> Tensor:
        k, channels = w.shape[1], w.shape[3]
        padded = _pad(x, before, after)
        patches = padded.unfold(1, k, stride).unfold(2, k, stride).permute(0, 1, 2, 4, 5, 3)  # (B, …, k, k, C)
        rows, kernels = patches.reshape(-1, k * k * channels), w.reshape(len(w), -1)
        ctx.save_for_backward(rows, kernels)
        ctx.shapes = x.shape, w.shape, patches.shape, stride, before, after
        return multiply(rows, kernels.T).view(*patches.shape[:3], len(w))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        rows, kernels = ctx.saved_tensors
        x_shape, w_shape, patches, stride, before, after = ctx.shapes
        grad = grad.reshape(-1, len(kernels))
        w_grad = multiply(grad.T, rows).view(w_shape)
        if not ctx.needs_input_grad[0]:
            return None, w_grad, None, None, None
        B, side, _, C = x_shape
        x_grad = grad.new_zeros(B, before + side + after, before + side + after, C)
        reach = stride * (patches[1] - 1) + 1
        of_taps = multiply(grad, kernels).view(patches)
        for i in range(patches[3]):
            for j in range(patches[4]):
                x_grad[:, i : i + reach : stride, j : j + reach : stride] += of_taps[:, :, :, i, j]
        return x_grad[:, before : before + side, before : before + side], w_grad, None, None, None


def _pad(x: Tensor, before: int, after: int) -> Tensor:
    B, side, _, C = x.shape
    if not before and not after:
        return x
    padded = x.new_zeros(B, before + side + after, before + side + after, C)
    padded[:, before : before + side, before : before + side] = x
    return padded
