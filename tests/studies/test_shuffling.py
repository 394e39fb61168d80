"""The orders against numpy's sorting, and the batches' matrices against what the training does."""

import numpy as np
import pytest
import torch

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.engine.batches import Rows
from groundwork.studies.shuffling import RATES, arranged, growth, matrices, steepest


@pytest.fixture
def rows(results) -> Rows:
    results("shuffling")
    data = load_tensors(paths.dataset("generated/regression"))
    return Rows(torch.from_numpy(data["train/X"]), torch.from_numpy(data["train/y"]))


@pytest.mark.parametrize("order", ["fixed", "sorted", "adversarial"])
def test_orders(order, rows):
    laid = arranged(rows, order)
    for replicate, (X, y) in enumerate(zip(rows.X.numpy(), rows.y.numpy(), strict=True)):
        key = {"fixed": np.zeros(1000), "sorted": y[:, 0], "adversarial": np.arctan2(X[:, 1], X[:, 0])}[order]
        expected = np.argsort(key, kind="stable")
        np.testing.assert_array_equal(laid.X[replicate], X[expected])
        np.testing.assert_array_equal(laid.y[replicate], y[expected])


@pytest.mark.parametrize("order", ["fixed", "sorted", "adversarial"])
def test_growth_is_that_of_plain_descent(order, rows):
    """The map of an epoch, column by column, by descent without noise from each unit vector."""
    laid = arranged(rows, order)
    found = growth(matrices(laid, 32, None), np.array(RATES))
    assert found.shape == (len(RATES), len(rows.X))
    for index in (0, 5, 19):
        X = np.column_stack([laid.X[1].numpy(), np.ones(1000)]).astype(float)
        columns = np.eye(3)
        for first in range(0, 1000, 32):
            batch = X[first : first + 32]
            columns = columns - RATES[index] * batch.T @ (batch @ columns) / len(batch)
        assert found[index, 1] == pytest.approx(np.abs(np.linalg.eigvals(columns)).max(), rel=1e-6)


def test_the_prediction_is_where_training_ends(results):
    """To the noise of y, 0.01, which the matrices do not have, where it is not blown up more than the start is."""
    for runs in results("shuffling"):
        if runs.variant.name != "sorted lr=1":
            np.testing.assert_allclose(runs["parameter_error"], runs["predicted_error"], rtol=0.05, atol=0.03)


def test_growth_at_the_trained_rate_is_on_the_curve(results):
    for runs in results("shuffling"):
        if runs.variant.settings.lr in RATES:
            on_curve = runs.weights["growth"][:, RATES.index(runs.variant.settings.lr)]
            np.testing.assert_allclose(runs["growth"], on_curve, rtol=1e-6)


def test_steepest():
    rng = np.random.default_rng(0)
    lengths = np.hypot(*rng.standard_normal((2, 1_000_000)))
    design = np.column_stack([lengths, np.ones(len(lengths))])
    assert steepest() == pytest.approx(np.linalg.eigvalsh(design.T @ design / len(lengths))[-1], rel=2e-3)


def test_the_malicious_order_breaks_and_shuffling_mends(results):
    runs = results("shuffling")
    assert runs["adversarial lr=1"].diverged.all()
    assert (runs["shuffled lr=1"]["parameter_error"] < 0.02).all()
