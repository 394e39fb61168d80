"""The Frobenius norm against numpy's, and a weight matrix trained by hand."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream
from groundwork.studies.matrix_norm import OUTPUTS, SHAPES

K = OUTPUTS


def draws(replicate: int, purpose: str, *shape: int) -> np.ndarray:
    return normal([stream(20, "studies/matrix_norm", replicate, purpose)], shape)[0]


@pytest.mark.parametrize(
    ("variant", "lr", "lambd"),
    [
        ("no penalty", 0.04, 0),
        ("penalty", 0.04, 0.75),
        ("framework", 0.04, 0.75),
        ("four vectors", 0.04, 0.75),
        ("unchanged", 0.01, 3),
    ],
)
def test_trained_matrices(variant, lr, lambd, results):
    runs, data = results("matrix_norm")[variant], load_tensors(paths.dataset("generated/high_dimensional"))
    for replicate in range(3):
        truth = 0.01 * draws(replicate, "truth", 200, K)
        X = {part: data[f"{part}/X"][replicate].astype(float) for part in ("train", "valid")}
        Y = {
            part: rows @ truth + 0.05 + 0.01 * draws(replicate, f"{part} noise", len(rows), K)
            for part, rows in X.items()
        }
        W, b = 0.01 * draws(replicate, "start", 200, K), np.zeros(K)
        for order in permutations([stream(20, "studies/matrix_norm", replicate, "order")], 10, 20)[0]:
            for rows in order.reshape(4, 5):
                error = X["train"][rows] @ W + b - Y["train"][rows]
                W, b = W - lr * (X["train"][rows].T @ error / (5 * K) + lambd * W), b - lr * error.mean(0) / K
        np.testing.assert_allclose(runs.weights["W"][replicate], W, atol=1e-6)
        loss = ((X["valid"] @ W + b - Y["valid"]) ** 2).mean() / 2
        np.testing.assert_allclose(runs["val/loss"][replicate], loss, rtol=1e-4)
        np.testing.assert_allclose(runs.curve("val/loss")[1][-1, replicate], loss, rtol=1e-4)
        np.testing.assert_allclose(runs["norm_squared"][replicate], np.linalg.norm(W, "fro") ** 2, rtol=1e-4)
        singular = np.linalg.norm(W, 2)  # the largest
        np.testing.assert_allclose(runs.weights["singular"][replicate, 0], singular, rtol=1e-4)
    assert (runs["trace_gap"] < 1e-12).all()
    assert (runs["singular_gap"] < 1e-12).all()


def test_random_matrices(results):
    weights = results("matrix_norm")["penalty"].weights
    for replicate in range(3):
        matrices = [draws(replicate, f"matrix {m}×{n}", m, n).astype(np.float32).astype(float) for m, n in SHAPES]
        expected = [np.linalg.norm(A, "fro") ** 2 for A in matrices]
        for sides in ("sums", "traces", "outer_traces"):
            np.testing.assert_allclose(weights[sides][replicate], expected, rtol=1e-12)
