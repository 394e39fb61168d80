"""The product against torch.matmul, forward and backward; the shared product against einsum."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundwork.engine.products import product, shared_product

SHAPES = {
    "matrix": ((5, 3), (3, 4)),
    "column": ((32, 2), (2, 1)),
    "replicates": ((7, 32, 2), (7, 2, 1)),
    "wide": ((3, 17, 784), (3, 784, 5)),
    "one replicate": ((1, 8, 2), (1, 2, 1)),
    "one row": ((4, 1, 3), (4, 3, 2)),
}


@pytest.fixture(params=SHAPES.values(), ids=list(SHAPES))
def factors(request) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    a, b = request.param
    return torch.randn(a, requires_grad=True), torch.randn(b, requires_grad=True)


def forward_and_gradients(product, a: Tensor, b: Tensor) -> list[Tensor]:
    result = product(a, b)
    weights = torch.linspace(-1, 1, result.numel()).view(result.shape)
    return [result, *torch.autograd.grad((result * weights).sum(), [a, b])]


def test_it_is_matmul(factors):
    for ours, theirs in zip(
        forward_and_gradients(product, *factors),
        forward_and_gradients(torch.matmul, *factors),
        strict=True,
    ):
        assert ours.dtype == torch.float32
        assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_its_gradients_are_finite_differences(factors):
    a, b = (factor[..., :4, :4].detach().double() for factor in factors)
    if a.shape[-1] == b.shape[-2]:
        a.requires_grad_(), b.requires_grad_()
        assert torch.autograd.gradcheck(product, (a, b))


def test_it_repeats_itself_to_the_bit(factors):
    first, again = (forward_and_gradients(product, *factors) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("learned", [0, 1])
def test_it_serves_inputs_without_gradient(learned, factors):
    """Data needs no gradient, and none is computed for it."""
    factors[1 - learned].requires_grad_(False)
    product(*factors).sum().backward()
    assert factors[1 - learned].grad is None
    expected = torch.autograd.grad(torch.matmul(*factors).sum(), factors[learned])[0]
    assert_close(factors[learned].grad, expected, rtol=1e-5, atol=1e-5)


def test_it_takes_transposed_and_cut_tensors():
    a, b = torch.randn(9, 3, 20)[:, :, ::2].mT, torch.randn(9, 8, 6)[:, 2:5]
    assert_close(product(a, b), torch.matmul(a, b), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("R", "B", "d", "k"), [(6, 20, 784, 1), (3, 5, 4, 10), (1, 7, 3, 2), (50, 9, 6, 4)])
def test_shared_product_is_einsum(R, B, d, k):
    torch.manual_seed(0)
    X, w = torch.randn(B, d), torch.randn(R, d, k, requires_grad=True)
    ours = forward_and_gradients(lambda X, w: shared_product(X, w, product), X.requires_grad_(), w)
    theirs = forward_and_gradients(lambda X, w: torch.einsum("bd,rdk->rbk", X, w), X, w)
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other, rtol=1e-4, atol=1e-4)
