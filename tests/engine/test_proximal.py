"""The proximal ℓ1 step against soft-thresholding in closed form."""

import torch
from torch.testing import assert_close

from groundwork.engine.optimizers import ProximalSGD


def test_one_step_by_hand():
    weights, bias = torch.tensor([[3.0, -0.5, 0.1]], requires_grad=True), torch.tensor([[0.1]], requires_grad=True)
    optimizer = ProximalSGD([weights, bias], 0.1, weights, 2)
    weights.grad, bias.grad = torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[0.5]])
    optimizer.step()
    assert_close(weights.detach(), torch.tensor([[2.7, -0.2, 0.0]]))  # 0.1 down the gradient, then 0.2 towards zero
    assert_close(bias.detach(), torch.tensor([[0.05]]))  # not penalised


def test_it_ends_at_the_soft_threshold():
    """½(w − a)² + λ|w| is least at sign(a)·max(|a| − λ, 0), whatever the learning rate."""
    a, lambd = torch.tensor([[2.0, 0.75, 0.25, -0.25, -2.0]]), 0.5
    for lr in (0.1, 0.5, 1):
        weights = torch.ones_like(a).requires_grad_()
        optimizer = ProximalSGD([weights], lr, weights, lambd)
        for _ in range(300):
            optimizer.zero_grad()
            ((weights - a) ** 2 / 2).sum().backward()
            optimizer.step()
        assert_close(weights.detach(), torch.tensor([[1.5, 0.25, 0.0, 0.0, -1.5]]))
        assert (weights[0, 2:4] == 0).all()  # exactly


def test_without_a_penalty_it_is_gradient_descent():
    weights = torch.tensor([[3.0, -0.5]], requires_grad=True)
    optimizer = ProximalSGD([weights], 0.1, weights, 0)
    weights.grad = torch.tensor([[1.0, 1.0]])
    optimizer.step()
    assert_close(weights.detach(), torch.tensor([[2.9, -0.6]]))
