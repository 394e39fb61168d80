"""Gradient descent from scratch against torch.optim, bit for bit."""

import pytest
import torch
from torch import Tensor

from groundwork.optimizers import SGD, make_optimizer


def parameters(seed: int = 0) -> list[Tensor]:
    torch.manual_seed(seed)
    return [torch.randn(5, 17, 3, requires_grad=True), torch.randn(5, 1, 1, requires_grad=True)]


def descend(optimizer, params: list[Tensor], steps: int = 10) -> list[Tensor]:
    """A few steps down a bowl that differs by parameter, so each step sees another gradient."""
    for _ in range(steps):
        torch.stack([(p**2 / 2 + p.sin()).sum() for p in params]).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [p.detach() for p in params]


@pytest.mark.parametrize("lr", [0.003, 0.03, 0.3])
def test_scratch_is_torchs_to_the_bit(lr):
    ours, theirs = parameters(), parameters()
    start = [p.detach().clone() for p in ours]
    for one, other, before in zip(
        descend(SGD(ours, lr), ours), descend(torch.optim.SGD(theirs, lr), theirs), start, strict=True
    ):
        assert torch.equal(one, other)
        assert not torch.equal(one, before)


def test_a_learning_rate_for_each_replicate():
    lrs = torch.tensor([0.001, 0.003, 0.01, 0.03, 0.1])
    together = parameters()
    descend(SGD(together, lrs), together)
    for r, lr in enumerate(lrs.tolist()):
        alone = [p.detach()[r : r + 1].clone().requires_grad_() for p in parameters()]
        descend(SGD(alone, lr), alone)
        assert all(torch.equal(one[0], other[r]) for one, other in zip(alone, together, strict=True))


def test_zero_grad_forgets():
    params = parameters()
    optimizer = SGD(params, 0.1)
    params[0].sum().backward()
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


def test_made_by_name():
    assert isinstance(make_optimizer("sgd", parameters(), 0.1), SGD)
    assert isinstance(make_optimizer("torch_sgd", parameters(), 0.1), torch.optim.SGD)
