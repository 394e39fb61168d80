"""ℓ1 and ℓ2 penalties against numpy, and the proximal step's end against coordinate descent."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream

FIXED = {"loss": "squared", "optimizer": "sgd", "lr": 0.08, "batch_size": 20, "epochs": 3, "shuffle": True}
FIXED |= {"sigma": 0.01, "rows": 60}
TRUTHS = {"sparse": {"truth": "dataset"}, "dense": {"truth": "dense", "scale": 0.01}}
SPARSE, DENSE = np.where(np.arange(200) < 5, 1.0, 0.0), np.full(200, 0.01)


def training_rows(replicate: int, truth: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """X (n, 200) and y (n,), float64; for the dense truth what the sparse one added to y is taken out."""
    data = load_tensors(paths.dataset("generated/sparse"))
    X, y = (data[f"train/{name}"][replicate, :rows].astype(float) for name in ("X", "y"))
    return X, y[:, 0] + X @ ((DENSE if truth == "dense" else SPARSE) - SPARSE)


def pulled(w: np.ndarray, penalty: str, amount: float) -> np.ndarray:
    """One step of a penalty alone, `amount` = ηλ."""
    match penalty:
        case "l2":
            return w - amount * w
        case "l1":
            return w - amount * np.sign(w)
    return np.where(np.abs(w) < amount, 0, w - amount * np.sign(w))


def descended(X: np.ndarray, y: np.ndarray, replicate: int, penalty: str, lambd: float) -> tuple[np.ndarray, float]:
    w, b = 0.01 * normal([stream(20, "studies/l1_penalty", replicate, "start")], (200, 1))[0, :, 0], 0.0
    for order in permutations([stream(20, "studies/l1_penalty", replicate, "order")], 3, 60)[0]:
        for rows in order.reshape(3, 20):
            error = X[rows] @ w + b - y[rows]
            gradient = 0.08 * X[rows].T @ error / 20
            b -= 0.08 * error.mean()
            if penalty == "proximal_l1":
                w = pulled(w - gradient, penalty, 0.08 * lambd)
            else:
                w = pulled(w, penalty, 0.08 * lambd) - gradient
    return w, b


def test_steps_and_metrics(train):
    grid = {"penalty": ["l2", "l1", "proximal_l1"], "lambd": [0, 0.3]}
    runs = train("l1_penalty", fixed=FIXED, variants=TRUTHS, grid=grid)
    for truth, weights in (("sparse", SPARSE), ("dense", DENSE)):
        for penalty in grid["penalty"]:
            found = runs[f"{truth} penalty={penalty} lambd=0.3"]
            for replicate in range(3):
                X, y = training_rows(replicate, truth, 60)
                w, b = descended(X, y, replicate, penalty, 0.3)
                np.testing.assert_allclose(found.weights["w"][replicate], w, atol=2e-5)
                expected = {
                    "parameter_error": np.sqrt(((w - weights) ** 2).sum() + (b - 0.05) ** 2),
                    "zeros": (w == 0).mean(),
                    "spread": (w**2).sum() ** 2 / (w**4).sum() if w.any() else 0,
                    "support": np.isin(np.argsort(-np.abs(w))[:5], range(5)).mean() if truth == "sparse" else 1,
                }
                for metric, value in expected.items():
                    np.testing.assert_allclose(found[metric][replicate], value, rtol=1e-3, atol=1e-9, err_msg=metric)


@pytest.mark.parametrize("truth", TRUTHS)
def test_without_a_penalty_all_three_are_one(truth, results):
    runs = [results("l1_penalty")[f"{truth} penalty={penalty} lambd=0"] for penalty in ("l2", "l1", "proximal_l1")]
    for other in runs[1:]:
        np.testing.assert_array_equal(other.weights["w"], runs[0].weights["w"])


def lasso(X: np.ndarray, y: np.ndarray, lambd: float) -> np.ndarray:
    """w with the least ½·mean squared error + λ·Σ|w|, one coordinate at a time; the intercept is not penalised."""
    X, y = X - X.mean(0), y - y.mean()
    gram, pull, w = X.T @ X / len(X), X.T @ y / len(X), np.zeros(X.shape[1])
    for _ in range(100):
        for j in range(len(w)):
            rest = pull[j] - gram[j] @ w + gram[j, j] * w[j]
            w[j] = np.sign(rest) * max(abs(rest) - lambd, 0) / gram[j, j]
    return w


def test_whole_batches_end_at_the_lasso(train):
    fixed = FIXED | {"rows": 160, "batch_size": 160, "epochs": 200, "lr": 0.25, "shuffle": False}
    grid = {"penalty": ["proximal_l1"], "lambd": [0.1]}
    (runs,) = train("l1_penalty", fixed=fixed, variants={"sparse": TRUTHS["sparse"]}, grid=grid, replicates=2)
    for replicate in range(2):
        w = lasso(*training_rows(replicate, "sparse", 160), 0.1)
        np.testing.assert_allclose(runs.weights["w"][replicate], w, atol=1e-5)
        np.testing.assert_array_equal(runs.weights["w"][replicate] == 0, w == 0)
        assert 0.9 < (w == 0).mean() < 1
