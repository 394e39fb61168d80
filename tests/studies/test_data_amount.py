"""Errors by the number of rows, against numpy's least squares and a simulated descent."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.runs import MissingVariant
from groundwork.studies.data_amount import POINTS, by_rows, memory, slope

TRUTH = np.array([2, -3.4, 4])


def least_squares(n: int) -> np.ndarray:
    """(w1, w2, b) of each replicate's first n rows, (R, 3)."""
    data = load_tensors(paths.dataset("generated/growing"))
    found = []
    for X, y in zip(data["train/X"][:, :n], data["train/y"][:, :n], strict=True):
        found.append(np.linalg.lstsq(np.column_stack([X, np.ones(n)]).astype(float), y[:, 0].astype(float))[0])
    return np.array(found)


@pytest.mark.parametrize("n", [5, 160, 10240])
def test_least_squares(n, results):
    expected = least_squares(n) - TRUTH
    for kind in ("epochs", "steps"):
        runs = by_rows(results("data_amount"), kind)[n]
        np.testing.assert_allclose(
            runs["least_squares_w_error"], np.linalg.norm(expected[:, :2], axis=1), rtol=1e-4, atol=1e-7
        )
        np.testing.assert_allclose(runs["least_squares_b_error"], np.abs(expected[:, 2]), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("n", [20, 80, 320])
def test_many_steps_end_near_it(n, results):
    runs = by_rows(results("data_amount"), "steps")[n]
    found = np.column_stack([runs[name] for name in ("w1", "w2", "b")])
    np.testing.assert_allclose(found, least_squares(n), rtol=0, atol=0.002)
    np.testing.assert_allclose(runs["w_error"], np.linalg.norm(found[:, :2] - TRUTH[:2], axis=1), atol=1e-6)
    np.testing.assert_allclose(runs["b_error"], np.abs(found[:, 2] - TRUTH[2]), rtol=1e-3, atol=1e-6)


def test_both_ways_meet_at_the_most_rows(results):
    runs = results("data_amount")
    assert by_rows(runs, "epochs").keys() == by_rows(runs, "steps").keys()
    most = max(by_rows(runs, "steps"))
    for name in ("w1", "w2", "b"):
        np.testing.assert_array_equal(by_rows(runs, "epochs")[most][name], by_rows(runs, "steps")[most][name])


def test_as_many_steps_whatever_the_rows(results):
    for n, runs in by_rows(results("data_amount"), "steps").items():
        settings = runs.variant.settings
        assert settings.epochs * -(-n // settings.batch_size) == 960
        steps = runs.history.loc[runs.history["metric"] == "train/loss", "step"]
        assert steps.min() == 1
        assert steps.max() == 960
        assert len(set(steps)) <= POINTS
        np.testing.assert_allclose(runs.curve("val/loss")[1][-1], runs["val/loss"], rtol=1e-6)


def test_what_the_steps_remember(results):
    """Descent on fresh rows, simulated: the variance of the error is that of a mean of so many rows."""
    rng = np.random.default_rng(0)
    error = np.zeros((3, 4000))
    for _ in range(150):
        X = np.concatenate([rng.standard_normal((2, 32, 4000)), np.ones((1, 32, 4000))])
        residual = np.einsum("db,dnb->nb", error, X) - rng.standard_normal((32, 4000))
        error -= 0.06 * np.einsum("nb,dnb->db", residual, X) / 32
    rows = memory(results("data_amount")["steps n=10240"])
    np.testing.assert_allclose(rows, 32 * 1.94 / 0.06)
    np.testing.assert_allclose(error.var(), 1 / rows, rtol=0.12)


def test_a_slope_needs_two_numbers_of_rows(results):
    runs = results("data_amount")
    assert slope(runs, "steps", "least_squares_w_error", 5, 10240).shape == (3,)
    with pytest.raises(MissingVariant):
        slope(runs, "steps", "w_error", 20, 20)
