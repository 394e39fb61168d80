"""What a flat y does, against PyTorch's own broadcasting of (n, 1) − (n,)."""

from itertools import combinations

import numpy as np
import pytest
import torch

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream
from groundwork.studies.loss_shape import SHOWN, expected_share, share


@pytest.mark.parametrize("name", ["flat batch=2", "flat batch=8"])
def test_training_with_a_flat_y(name, results):
    runs = results("loss_shape")[name]
    data = load_tensors(paths.dataset("generated/regression"))
    replicate, settings = 1, runs.variant.settings
    X, y = torch.from_numpy(data["train/X"][replicate]), torch.from_numpy(data["train/y"][replicate, :, 0])
    draws = {purpose: [stream(20, "studies/loss_shape", replicate, purpose)] for purpose in ("start", "order")}
    w = (0.01 * torch.from_numpy(normal(draws["start"], (2, 1))[0]).float()).requires_grad_()
    b = torch.zeros(1, requires_grad=True)
    for order in permutations(draws["order"], settings.epochs, 1000)[0]:
        seen = []
        for first in range(0, 1000, settings.batch_size):
            batch = order[first : first + settings.batch_size]
            y_hat = X[batch] @ w + b
            loss = ((y_hat - y[batch]) ** 2 / 2).mean()
            assert (y_hat - y[batch]).shape == (len(batch), len(batch))
            seen.append(loss.item())
            for parameter, grad in zip((w, b), torch.autograd.grad(loss, (w, b)), strict=True):
                parameter.data -= 0.03 * grad
    np.testing.assert_allclose(runs.weights["w"][replicate], w.detach(), atol=2e-5)
    np.testing.assert_allclose(runs.weights["b"][replicate, 0], b.detach(), atol=2e-5)
    np.testing.assert_allclose(runs["loss_seen"][replicate], np.mean(seen), rtol=1e-4)


def test_a_batch_of_one_has_no_shape_to_get_wrong(train):
    fixed = {"loss": "squared", "optimizer": "sgd", "lr": 0.03, "shuffle": True, "batch_size": 1, "epochs": 1}
    runs = train("loss_shape", fixed=fixed, variants={shape: {"y_shape": shape} for shape in ("column", "flat")})
    np.testing.assert_array_equal(runs["flat"].weights["w"], runs["column"].weights["w"])


def test_the_loss_at_the_truth(results):
    """Mean over all pairs of ½(ŷᵢ − yⱼ)² = ½(mean ŷ − mean y)² + ½·var ŷ + ½·var y."""
    data = load_tensors(paths.dataset("generated/regression"))
    y = data["train/y"][:, :SHOWN, 0].astype(float)
    y_hat = data["train/X"][:, :SHOWN].astype(float) @ [2, -3.4] + 4.2
    expected = ((y_hat.mean(1) - y.mean(1)) ** 2 + y_hat.var(1) + y.var(1)) / 2
    runs = results("loss_shape")
    np.testing.assert_allclose(runs["flat"]["loss_at_truth"], expected, rtol=1e-5)
    np.testing.assert_allclose(runs["column"]["loss_at_truth"], ((y_hat - y) ** 2).mean(1) / 2, rtol=1e-3)
    np.testing.assert_allclose(runs["flat"]["mean_y"], data["train/y"].mean((1, 2)), rtol=1e-5)


def test_the_expected_share_by_counting(results):
    """Five rows in batches of 2, 2 and 1: how much more of its own label than of another's a row's target holds."""

    def own_minus_other(B: int) -> float:
        with_row_0 = [batch for batch in combinations(range(5), B) if 0 in batch]
        other = sum(1 in batch for batch in with_row_0) / len(with_row_0)
        return (1 - other) / B

    expected = np.mean([own_minus_other(B) for B in (2, 2, 1)])
    assert expected_share(results("loss_shape")["flat batch=2"], 5) == pytest.approx(expected)


def test_the_share_is_one_where_w_is_found(results):
    np.testing.assert_allclose(share(results("loss_shape")["column"], [2, -3.4]), 1, atol=1e-3)
