"""Linear regression from scratch against torch.nn.Linear."""

import torch
from torch.testing import assert_close

from groundwork.engine.products import product
from groundwork.models.linear import LinearRegression


def test_each_replicate_predicts_as_nn_linear():
    torch.manual_seed(0)
    X, w = torch.randn(4, 9, 3), torch.randn(4, 3, 1)
    model = LinearRegression(w, product)
    with torch.no_grad():
        model.b += torch.randn(4, 1, 1)
    y_hat = model(X)
    for r in range(4):
        net = torch.nn.Linear(3, 1)
        with torch.no_grad():
            net.weight.copy_(model.w[r].mT)
            net.bias.copy_(model.b[r, 0])
        assert_close(y_hat[r], net(X[r]))


def test_the_start():
    w = torch.randn(4, 3, 1)
    model = LinearRegression(w, product)
    assert torch.equal(model.w, w)
    assert torch.equal(model.b, torch.zeros(4, 1, 1))
    assert all(p.requires_grad for p in model.parameters)


def test_the_start_is_a_copy():
    """Variants share one draw, so training must not write into it."""
    w = torch.ones(2, 3, 1)
    with torch.no_grad():
        LinearRegression(w, product).w.zero_()
    assert torch.equal(w, torch.ones(2, 3, 1))
