"""Gradient descent with an ℓ2 penalty by numpy, in float64, on the draws of the studies of weight decay."""

from itertools import pairwise

import numpy as np

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream, uniform

SEED, D = 20, 200


def high_dimensional() -> dict[str, np.ndarray]:
    """The dataset's tensors, float64."""
    data = load_tensors(paths.dataset("generated/high_dimensional"))
    return {name: values.astype(float) for name, values in data.items()}


def start(study: str, replicate: int, default: bool = False) -> tuple[np.ndarray, float]:
    """w (d,) ~ N(0, 0.01²) and b = 0, or both from nn.Linear's own uniform."""
    if default:
        draws = uniform([stream(SEED, f"studies/{study}", replicate, "default start")], (D + 1, 1))[0, :, 0]
        draws = (2 * draws - 1) / np.sqrt(D)
        return draws[:D], draws[D]
    return 0.01 * normal([stream(SEED, f"studies/{study}", replicate, "start")], (D, 1))[0, :, 0], 0.0


def descended(
    study: str,
    replicate: int,
    X: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    b: float,
    lambd: float,
    epochs: int,
    lr: float = 0.01,
    times: float = 1,
) -> tuple[np.ndarray, float]:
    """w and b after SGD with batches of 5 on `times` · ½·mean squared error + λ·½‖w‖²."""
    n = len(X)
    for order in permutations([stream(SEED, f"studies/{study}", replicate, "order")], epochs, n)[0]:
        for first, end in pairwise([*range(0, n, 5), n]):
            rows = order[first:end]
            error = X[rows] @ w + b - y[rows]
            w, b = (1 - lr * lambd) * w - lr * times * X[rows].T @ error / len(rows), b - lr * times * error.mean()
    return w, b


def mse(X: np.ndarray, y: np.ndarray, w: np.ndarray, b: float) -> float:
    return float(((X @ w + b - y) ** 2).mean())
