"""How a linear model starts and is penalised: one step of each by hand, whoever does the penalising."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundwork.common.settings import HighDimensionalData, LinearSettings
from groundwork.engine.batches import Rows
from groundwork.engine.training import Block, fit
from groundwork.models.linear import l2_penalty, make_model, optimizer_of, penalty_metrics, penalty_of, start

R, N, INPUTS, LR, LAMBD = 3, 20, 30, 0.01, 3.0
MADE = HighDimensionalData(
    family="high_dimensional", replicates=R, train=N, valid=N, test=N, inputs=INPUTS, nonzero=1, value=1, b=0, noise=0
)
BLOCK: Block[LinearSettings] = Block("any", [], range(R), 20, {}, MADE)


def settings(**changes) -> LinearSettings:
    given = {"loss": "squared", "optimizer": "sgd", "lr": LR, "batch_size": N, "epochs": 1, "shuffle": False}
    return LinearSettings(**given | {"lambd": LAMBD} | changes)


def rows() -> Rows:
    torch.manual_seed(0)
    return Rows(torch.randn(R, N, INPUTS), torch.randn(R, N, 1))


def after_a_step(one: LinearSettings) -> tuple[Tensor, Tensor]:
    """w (R, d, 1) and b (R, 1, 1) after one step on all rows."""
    model = make_model(BLOCK, one, INPUTS)
    orders = torch.arange(N).expand(1, R, N)
    fit(model, one, rows(), rows(), orders, penalty=penalty_of(model, one), optimizer=optimizer_of(model, one))
    return model.w.detach(), model.b.detach()


def by_hand(one: LinearSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """w and b at the start, and the gradients of ½·mean squared error there."""
    (w, b), data = start(BLOCK, one, INPUTS), rows()
    error = data.X @ w + b - data.y
    return w, b, data.X.mT @ error / N, error.mean(1, keepdim=True)


@pytest.mark.parametrize(
    ("optimizer", "layer"), [("sgd", "scratch"), ("torch_sgd", "scratch"), ("torch_sgd", "framework")]
)
@pytest.mark.parametrize("beginning", ["normal", "default"])
def test_weight_decay_is_lambda_w_once_and_leaves_the_bias_alone(optimizer, layer, beginning):
    one = settings(penalty="l2", optimizer=optimizer, layer=layer, start=beginning)
    w, b, grad_w, grad_b = by_hand(one)
    found_w, found_b = after_a_step(one)
    assert_close(found_w, w - LR * (grad_w + LAMBD * w))
    assert_close(found_b, b - LR * grad_b)


@pytest.mark.parametrize(("penalty", "pull"), [("none", 0.0), ("l1", LAMBD)])
def test_l1_pulls_by_lambda_whatever_the_weight(penalty, pull):
    one = settings(penalty=penalty)
    w, b, grad_w, grad_b = by_hand(one)
    found_w, found_b = after_a_step(one)
    assert_close(found_w, w - LR * (grad_w + pull * w.sign()))
    assert_close(found_b, b - LR * grad_b)


def test_the_proximal_step_does_so_after_the_step_and_stops_at_zero():
    one = settings(penalty="proximal_l1")
    w, _, grad_w, _ = by_hand(one)
    moved = w - LR * grad_w
    found, _ = after_a_step(one)
    assert_close(found, moved.sign() * (moved.abs() - LR * LAMBD).clamp(min=0))


def test_the_penalty_is_half_the_squared_length():
    w = rows().X[:, :1].mT
    np.testing.assert_allclose(l2_penalty(w), np.linalg.norm(w.numpy(), axis=(1, 2)) ** 2 / 2, rtol=1e-6)


def test_the_unseen_part_of_the_weights_is_what_no_row_reaches():
    model, data = make_model(BLOCK, settings(), INPUTS), rows()
    unseen = penalty_metrics(model, data)["l2_unseen"](data.y, data.y)
    for r in range(R):
        w = model.w[r].detach().double().numpy()
        rest = w - np.linalg.pinv(data.X[r].double().numpy()) @ (data.X[r].double().numpy() @ w)
        np.testing.assert_allclose(unseen[r], (rest**2).sum() / 2, rtol=1e-5)


# --- starts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.0, 0.01, 1000.0])
def test_the_normal_start_has_its_sigma(sigma):
    w, b = start(BLOCK, settings(sigma=sigma), 1000)
    np.testing.assert_allclose(w.std(dim=(1, 2)), [sigma] * R, rtol=0.1)
    assert_close(w, sigma * start(BLOCK, settings(sigma=1), 1000)[0])
    assert torch.equal(b, torch.zeros(R, 1, 1))
    assert len(w.flatten().unique()) == (R * 1000 if sigma else 1)


def test_the_default_start_is_uniform_as_nn_linears():
    w, b = start(BLOCK, settings(start="default"), 1000)
    drawn = torch.cat([w, b], dim=1) * math.sqrt(1000)
    assert drawn.abs().max() <= 1
    np.testing.assert_allclose(drawn.std(dim=(1, 2)), [1 / math.sqrt(3)] * R, rtol=0.05)
    assert drawn.mean().abs() < 0.05
    assert b.flatten().unique().shape == (R,)
