"""The sweep of λ against numpy: ridge regression, the factor of a step, the edge of stability."""

import numpy as np
import pytest
from weight_decay_by_numpy import high_dimensional, mse

from groundwork.studies.lambda_sweep import factor, growth, ridge


def solved(X: np.ndarray, y: np.ndarray, lambd: float) -> tuple[np.ndarray, float]:
    """w and b from the normal equations of all inputs and the bias, the bias not penalised."""
    design = np.column_stack([X, np.ones(len(X))])
    penalty = lambd * np.diag([*[1.0] * X.shape[1], 0])
    found = np.linalg.solve(design.T @ design / len(X) + penalty, design.T @ y / len(X))
    return found[:-1], found[-1]


@pytest.mark.parametrize("lambd", [0.01, 1, 100])
@pytest.mark.parametrize("n", [20, 300])
def test_ridge(lambd, n):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((2, n, 50)), rng.standard_normal((2, n, 1))
    w, b = ridge(X, y, lambd)
    for replicate in range(2):
        expected = solved(X[replicate], y[replicate, :, 0], lambd)
        np.testing.assert_allclose(w[replicate, :, 0], expected[0], atol=1e-10)
        np.testing.assert_allclose(b[replicate, 0, 0], expected[1], atol=1e-10)


def test_ridge_without_a_penalty_is_the_shortest_fit():
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((1, 20, 50)), rng.standard_normal((1, 20, 1))
    w, b = ridge(X, y, 0)
    np.testing.assert_allclose(X @ w + b, y, atol=1e-10)
    shortest = np.linalg.lstsq(X[0] - X[0].mean(0), y[0, :, 0] - y.mean(), rcond=1e-10)[0]
    np.testing.assert_allclose(w[0, :, 0], shortest, atol=1e-10)


def test_the_kept_ridge_error_and_edge(results):
    data = high_dimensional()
    for name in ("usual start lambd=8", "zero start lambd=8"):
        runs = results("lambda_sweep")[name]
        for replicate in range(3):
            X, y = data["train/X"][replicate, :20], data["train/y"][replicate, :20, 0]
            expected = mse(data["valid/X"][replicate], data["valid/y"][replicate, :, 0], *solved(X, y, 8))
            np.testing.assert_allclose(runs["ridge_mse"][replicate], expected, rtol=1e-6)
            np.testing.assert_allclose(runs["edge"][replicate], 200 - np.linalg.norm(X, 2) ** 2 / 20, rtol=1e-6)


def test_a_step_leaves_the_share_that_theory_says(results):
    runs = results("lambda_sweep")
    for lambd in (0, 1, 8, 64, 128, 192, 256, 512):
        np.testing.assert_allclose(factor(runs[f"usual start lambd={lambd}"]), abs(1 - lambd / 100), rtol=1e-3)


def test_the_far_end_diverges_and_the_middle_does_not(results):
    runs = results("lambda_sweep")
    assert not any(runs[f"zero start lambd={lambd}"].diverged.any() for lambd in (0, 8, 128))
    for lambd in (256, 512):
        assert runs[f"usual start lambd={lambd}"].diverged.all()
        assert (growth(runs[f"usual start lambd={lambd}"]) > 1.5).all()


def test_less_than_all_weights_are_kept(results):
    assert all(runs.weights == {} for runs in results("lambda_sweep"))
