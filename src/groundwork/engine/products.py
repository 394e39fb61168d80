"""The matrix product that every model uses: numpy's, in both profiles of numerics.

torch's products go to MKL, whose portable mode is slow; numpy's go to OpenBLAS, for which the profile chooses one
kernel: a portable one that is as fast as MKL unpinned, or the fastest that the processor has. The oracle of the test is
`torch.matmul`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Product = Callable[[Tensor, Tensor], Tensor]
FEW = 128  # columns: as many of them are better the short side of a product's result, fewer its long one


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a @ b for (…, n, k) and (…, k, m) with equal leading axes, neither of which asks for a gradient."""
    return torch.from_numpy(a.numpy() @ b.numpy())


class _Product(torch.autograd.Function):
    """a @ b with its gradients."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return multiply(a.detach(), b.detach())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = (factor.detach() for factor in ctx.saved_tensors)
        need_a, need_b = ctx.needs_input_grad
        return multiply(grad, b.mT) if need_a else None, multiply(a.mT, grad) if need_b else None


product: Product = _Product.apply


def shared_product(X: Tensor, w: Tensor, product: Product) -> Tensor:
    """X @ w for R replicates that share their input, as one product: X (B, d), w (R, d, k) -> (R, B, k)."""
    R, d, k = w.shape
    rows = w.mT.reshape(R * k, d)  # no copy if w lies in memory as (R, k, d)
    result = product(X, rows.mT).mT if len(rows) < FEW else product(rows, X.mT)
    return result.view(R, k, len(X)).mT
