"""Synthetic regression data: least squares finds what they were made of."""

import numpy as np

from groundwork.common.settings import RegressionData
from groundwork.datasets.regression import generate

DATA = RegressionData(family="regression", replicates=4, train=1000, valid=1000, w=[2, -3.4], b=4.2, noise=0.01)


def made(**changes) -> dict[str, np.ndarray]:
    return generate("regression", DATA.model_copy(update=changes), seed=20)


def solved(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least-squares (w, b), and the residuals, of one replicate."""
    A = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
    solution = np.linalg.lstsq(A, y[:, 0].astype(np.float64))[0]
    return solution, y[:, 0] - A @ solution


def test_shapes():
    assert {key: (values.shape, values.dtype) for key, values in made(valid=300).items()} == {
        "train/X": ((4, 1000, 2), np.float32),
        "train/y": ((4, 1000, 1), np.float32),
        "valid/X": ((4, 300, 2), np.float32),
        "valid/y": ((4, 300, 1), np.float32),
    }


def test_least_squares_recovers_weights_bias_and_noise():
    data = made()
    for part in ("train", "valid"):
        for X, y in zip(data[f"{part}/X"], data[f"{part}/y"], strict=True):
            solution, residuals = solved(X, y)
            np.testing.assert_allclose(solution, [2, -3.4, 4.2], atol=1.5e-3)
            np.testing.assert_allclose(residuals.std(ddof=3), 0.01, rtol=0.1)
    np.testing.assert_allclose(solved(data["train/X"][0], data["train/y"][0])[0], [2, -3.4, 4.2], atol=1e-3)


def test_inputs_are_standard_normal():
    X = made(replicates=20)["train/X"].reshape(-1, 2).astype(np.float64)
    np.testing.assert_allclose(X.mean(0), 0, atol=4 / np.sqrt(len(X)))
    np.testing.assert_allclose(np.cov(X.T), np.eye(2), atol=0.04)


def test_noise_has_draws_of_its_own():
    """The same stream for both would give the noise of row i the value of X.flat[i]."""
    data = made(noise=1)
    for X, y in zip(data["train/X"], data["train/y"], strict=True):
        _, noise = solved(X, y)
        assert np.abs(np.corrcoef([noise, X.ravel()[:1000], X[:, 0], X[:, 1]])[0, 1:]).max() < 0.15


def test_without_noise_the_line_is_exact():
    data = made(noise=0)
    expected = data["train/X"].astype(np.float64) @ [[2], [-3.4]] + 4.2
    np.testing.assert_allclose(data["train/y"], expected, rtol=1e-5, atol=1e-5)


def test_any_number_of_weights():
    solution, _ = solved(*(made(w=[1, 2, 3, 4, 5], noise=0)[key][0] for key in ("train/X", "train/y")))
    np.testing.assert_allclose(solution, [1, 2, 3, 4, 5, 4.2], atol=1e-5)


def test_adding_replicates_changes_none():
    few, many = made(replicates=2), made(replicates=5)
    assert all(np.array_equal(values, many[key][:2]) for key, values in few.items())


def test_replicates_and_rows_differ():
    rows = np.concatenate([made()[f"{part}/X"] for part in ("train", "valid")]).reshape(-1, 2)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_the_same_bytes_twice_and_others_for_another_seed_or_name():
    first, again = made(), made()
    assert all(values.tobytes() == again[key].tobytes() for key, values in first.items())
    for other in (generate("regression", DATA, seed=21), generate("regression2", DATA, seed=20)):
        assert all(not np.array_equal(values, other[key]) for key, values in first.items())
