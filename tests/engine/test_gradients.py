"""Gradients by hand against autograd, for every model of layers and every loss."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundwork.engine.gradients import BY_HAND, Layered, by_autograd, by_hand
from groundwork.engine.losses import LOSSES
from groundwork.engine.products import product
from groundwork.models.digits import LinearDigits, Net
from groundwork.models.linear import FrameworkRegression, LinearRegression

R, B, D, H = 3, 17, 5, 4


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


def linear(k: int) -> LinearRegression:
    return LinearRegression(normal(R, D, k), product, normal(R, 1, k))


def digits(k: int) -> LinearDigits:
    return LinearDigits(normal(R, D, k), normal(R, 1, k), product)


def net(k: int) -> Net:
    return Net((normal(R, D, H), normal(R, 1, H)), (normal(R, H, k), normal(R, 1, k)), product)


OWN_ROWS = {linear}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("model_of", [linear, digits, net])
def test_by_hand_is_autograd(model_of, k, loss):
    if loss == "cross_entropy" and k == 1:
        k = 2
    X = normal(R, B, D) if model_of in OWN_ROWS else normal(B, D)
    y = torch.arange(B)[:, None] % (k if loss == "cross_entropy" else 2) + torch.zeros(B, 1)
    ours, theirs = model_of(k), model_of(k)
    assert isinstance(ours, Layered)
    expected = by_autograd(theirs, LOSSES[loss], X, y)
    found = by_hand(ours, LOSSES[loss], X, y)
    assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert not found.requires_grad
    for p, q in zip(ours.parameters, theirs.parameters, strict=True):
        assert p.grad.shape == p.shape
        assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", BY_HAND)
def test_a_slope_at_its_corners_is_autograds(loss):
    """Where a prediction is exactly right, and where the sigmoid is all one or zero."""
    y_hat = torch.tensor([[[0.0], [1.0], [200.0], [-200.0]]])
    y = torch.tensor([[0.0], [1.0], [1.0], [1.0]])
    leaf = y_hat.clone().requires_grad_()
    loss(leaf, y).sum().backward()
    losses, slope = BY_HAND[loss](y_hat, y)
    assert_close(slope, leaf.grad)
    assert_close(losses, loss(y_hat, y))


def test_relu_passes_nothing_where_it_is_zero():
    """As torch has it: a slope of 0 at 0."""
    model = net(1)
    model.w1.data.zero_(), model.b1.data.zero_()
    by_hand(model, LOSSES["mse"], normal(B, D), torch.ones(B, 1))
    assert not model.w1.grad.any()


def test_the_frameworks_layer_has_autograd():
    assert not isinstance(FrameworkRegression(normal(R, D, 1), normal(R, 1, 1)), Layered)
