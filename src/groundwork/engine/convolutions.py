"""Convolution as one matrix product: as portable as the product, and faster for small pictures.

torch's convolution has no fast backward pass without AVX-512. Two things make this one cheap: a pixel's channels lie
side by side in memory, so that the rows of the product are copied in long runs; and where each output sees the whole
picture, as with 2 × 2 pixels, it is a layer from all pixels to all outputs, which copies no rows and multiplies no
padding. The oracle of the test is `torch.nn.functional.conv2d`.
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
        side = x.shape[1]
        outputs = (side + 2 * padding - size) // stride + 1
        starts = [padding - stride * output for output in range(outputs)]  # the tap that lies on the first pixel
        if min(starts) >= 0 and max(starts) + side <= size:
            result = _Dense.apply(x.flatten(1), w, side, starts).view(-1, outputs, outputs, len(w))
        else:
            result = _Convolution.apply(x, w, stride, padding, max(0, size - min(starts) - side))
        return result.permute(0, 3, 1, 2)


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


class _Dense(torch.autograd.Function):
    """The same for outputs that see all pixels, x (B, side·side·C) -> (B, side'·side'·O)."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, side: int, starts: list[int]) -> Tensor:
        ctx.windows = [(slice(None), slice(i, i + side), slice(j, j + side)) for i in starts for j in starts]
        seen = w.new_empty(len(ctx.windows), len(w), side, side, w.shape[3])
        for i, window in enumerate(ctx.windows):
            seen[i] = w[window]
        dense = seen.view(-1, x.shape[1])
        ctx.save_for_backward(x, dense)
        ctx.shape = w.shape
        return multiply(x.detach(), dense.T)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        x, dense = ctx.saved_tensors
        w_grad = grad.new_zeros(ctx.shape)
        for part, window in zip(multiply(grad.T, x).chunk(len(ctx.windows)), ctx.windows, strict=True):
            w_grad[window] += part.view(w_grad[window].shape)
        return multiply(grad, dense) if ctx.needs_input_grad[0] else None, w_grad, None, None
