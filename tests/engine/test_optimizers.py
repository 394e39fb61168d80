"""Gradient descent from scratch against torch.optim, bit for bit; one cycle against its schedule by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundwork.engine.optimizers import SGD, OneCycle, make_optimizer


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


# --- one cycle -------------------------------------------------------------------------------------------------------


def cosine(first: float, last: float, part: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2


def schedule(lr_max: float, steps: int) -> list[tuple[float, float]]:
    """lr and momentum of each step: lr_max/25 → lr_max in the first 30 %, then → lr_max/250,000; 0.95 → 0.85 → 0.95."""
    top = 0.3 * steps - 1
    up = [(cosine(lr_max / 25, lr_max, i / top), cosine(0.95, 0.85, i / top)) for i in range(steps) if i <= top]
    left = [(i - top) / (steps - 1 - top) for i in range(len(up), steps)]
    return up + [(cosine(lr_max, lr_max / 25e4, part), cosine(0.85, 0.95, part)) for part in left]


@pytest.mark.parametrize("steps", [10, 194])
def test_one_cycle_has_its_schedule(steps):
    params = parameters()
    cycle = OneCycle(params, 0.1, steps)
    seen = []
    for _ in range(steps):
        (group,) = cycle.optimizer.param_groups
        seen.append((group["lr"], group["momentum"]))
        descend(cycle, params, steps=1)
    assert_close(torch.tensor(seen, dtype=torch.double), torch.tensor(schedule(0.1, steps), dtype=torch.double))
    lrs = [lr for lr, _ in seen]
    assert lrs[0] == pytest.approx(0.004)
    assert 0.2 * steps - 1 <= lrs.index(max(lrs)) <= 0.3 * steps
    assert lrs[-1] == pytest.approx(4e-7)


def test_one_cycle_moves_by_momentum():
    """velocity ← momentum·velocity + gradient; w ← w − lr·velocity."""
    ours, by_hand = parameters(), [p.detach().double() for p in parameters()]
    descend(OneCycle(ours, 0.1, 20), ours, steps=20)
    velocities = [torch.zeros_like(p) for p in by_hand]
    for lr, momentum in schedule(0.1, 20):
        velocities = [momentum * v + p + p.cos() for v, p in zip(velocities, by_hand, strict=True)]
        by_hand = [p - lr * v for v, p in zip(velocities, by_hand, strict=True)]
    for one, other, start in zip(ours, by_hand, parameters(), strict=True):
        assert_close(one.detach().double(), other, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(one, start)


def test_one_cycle_is_torchs_to_the_bit():
    ours, theirs = parameters(), parameters()
    optimizer = torch.optim.SGD(theirs, lr=0.1, momentum=0.95)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=12)
    cycle = OneCycle(ours, 0.1, 12)
    for _ in range(12):
        descend(cycle, ours, steps=1)
        descend(optimizer, theirs, steps=1)
        scheduler.step()
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
