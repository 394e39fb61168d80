"""Posterior modes against numpy, scipy and draws of one's own."""

import numpy as np
import pytest
from scipy import stats

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import laplace, stream
from groundwork.studies.map_estimate import expected_error, matched, of_prior


def training_rows(replicate: int, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first 100 rows of 50 inputs, and y of these true weights with the dataset's bias and noise."""
    data = load_tensors(paths.dataset("generated/high_dimensional"))
    X, y = (data[f"train/{name}"][replicate, :100].astype(float) for name in ("X", "y"))
    return X[:, :50], y[:, 0] - 0.01 * X.sum(1) + X[:, :50] @ truth


@pytest.mark.parametrize("truth", ["gaussian", "laplace", "dense"])
@pytest.mark.parametrize("lambd", [0.25, 1, 16])
def test_ridge(lambd, truth, results):
    """Least squares with 50 more rows, √(nλ) on the diagonal, that say: every weight is 0."""
    runs = results("map_estimate")[f"l2 lambd={lambd} truth={truth}"]
    for replicate in range(3):
        X, y = training_rows(replicate, runs.weights["truth"][replicate, :, 0].astype(float))
        design = np.block([[X, np.ones((100, 1))], [np.sqrt(100 * lambd) * np.eye(50), np.zeros((50, 1))]])
        w = np.linalg.lstsq(design, np.concatenate([y, np.zeros(50)]), rcond=None)[0][:50]
        np.testing.assert_allclose(runs.weights["w"][replicate, :, 0], w, atol=2e-6)
        error = ((w - runs.weights["truth"][replicate, :, 0]) ** 2).sum() / (50 * 0.001**2)
        np.testing.assert_allclose(runs["weight_error"][replicate], error, rtol=2e-2)


@pytest.mark.parametrize("truth", ["gaussian", "laplace"])
def test_lasso_obeys_its_conditions(truth, results):
    """The slopes of the loss: −λ·sign w where w is not 0, between −λ and λ where it is."""
    runs, lambd = results("map_estimate")[f"l1 lambd=0.0014 truth={truth}"], 0.0014
    for replicate in range(3):
        X, y = training_rows(replicate, runs.weights["truth"][replicate, :, 0].astype(float))
        w = runs.weights["w"][replicate, :, 0].astype(float)
        slopes = (X - X.mean(0)).T @ (X @ w - y) / 100
        assert 0 < (w == 0).sum() < 50
        np.testing.assert_allclose(slopes[w != 0], -lambd * np.sign(w[w != 0]), atol=1e-3 * lambd)
        assert np.abs(slopes[w == 0]).max() < 1.001 * lambd
    assert (runs["map_gap"] < 1e-3).all()
    assert (runs["map_violation"] == 0).all()


def test_expected_error_is_the_mean_over_many_truths(results):
    runs = results("map_estimate")
    ridge, rng = matched(runs, "l2", "gaussian"), np.random.default_rng(0)
    X = training_rows(0, np.zeros(50))[0]
    X = X - X.mean(0)
    for lambd in (0.25, 1, 4):
        w = 0.001 * rng.standard_normal((50, 4000))
        y = X @ w + 0.01 * rng.standard_normal((100, 4000))
        found = np.linalg.solve(X.T @ X + 100 * lambd * np.eye(50), X.T @ y)
        error = ((found - w) ** 2).sum(0).mean() / (50 * 0.001**2)
        np.testing.assert_allclose(expected_error(runs, ridge, lambd)[0], error, rtol=0.02)


def test_the_priors_lambda_is_where_the_expected_error_is_least(results):
    runs = results("map_estimate")
    ridge = matched(runs, "l2", "gaussian")
    best = of_prior(runs, ridge.variant.settings)
    assert best == pytest.approx(1)
    at = [expected_error(runs, ridge, factor * best) for factor in (0.9, 1, 1.1)]
    assert (at[1] < at[0]).all()
    assert (at[1] < at[2]).all()


def test_laplace_draws():
    draws = laplace([stream(20, "anyone", replicate, "truth") for replicate in range(4)], (5000,))
    assert draws.shape == (4, 5000)
    assert stats.kstest(draws.ravel(), stats.laplace(scale=2**-0.5).cdf).pvalue > 0.01
    assert draws.std() == pytest.approx(1, abs=0.03)


def test_truths(results):
    runs = results("map_estimate")
    drawn = {truth: runs[f"l2 lambd=1 truth={truth}"].weights["truth"] for truth in ("gaussian", "laplace", "dense")}
    np.testing.assert_allclose(drawn["dense"], 0.001)
    expected = laplace([stream(20, "studies/map_estimate", 1, "truth")], (50, 1))[0]
    np.testing.assert_allclose(drawn["laplace"][1], 0.001 * expected, rtol=1e-6)
    assert (runs["l1 lambd=0.0014 truth=gaussian"].weights["truth"] == drawn["gaussian"]).all()
