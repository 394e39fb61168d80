"""The matrix product that every model uses, and its portable form.

torch's products go to MKL, whose portable mode is slow; numpy's go to OpenBLAS, which the numerics profile pins to one
kernel that is as portable and as fast as MKL unpinned. The oracle of the test is `torch.matmul`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from groundwork.common.numerics import Profile

Product = Callable[[Tensor, Tensor], Tensor]


class _NumpyProduct(torch.autograd.Function):
    """a @ b for (…, n, k) and (…, k, m) with equal leading axes, forward and backward, by numpy."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.from_numpy(a.numpy() @ b.numpy())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        need_a, need_b = ctx.needs_input_grad
        return (
            torch.from_numpy(grad.numpy() @ b.mT.numpy()) if need_a else None,
            torch.from_numpy(a.mT.numpy() @ grad.numpy()) if need_b else None,
        )


def product_for(profile: Profile) -> Product:
    """The product of a numerics profile: portable or native."""
    return _NumpyProduct.apply if profile == "portable" else torch.matmul


def shared_product(X: Tensor, w: Tensor, product: Product) -> Tensor:
    """X @ w for R replicates that share their input, as one product: X (B, d), w (R, d, k) -> (R, B, k)."""
    R, d, k = w.shape
    rows = w.mT.reshape(R * k, d)
    return product(rows, X.mT).view(R, k, len(X)).mT
