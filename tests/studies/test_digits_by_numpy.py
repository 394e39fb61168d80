"""The two studies of digits against numpy."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, stream, uniform


def digits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images (n, 784) in [0, 1] and labels (n,), float64, by part."""
    data = load_tensors(paths.dataset("raw/mnist_sample"))
    return {
        part: (data[f"{part}/images"].reshape(-1, 784) / 255, data[f"{part}/labels"].astype(float))
        for part in ("train", "valid")
    }


# --- nearest mean image ----------------------------------------------------------------------------------------------

DISTANCES = {
    "L1": lambda X, image: np.abs(X - image).mean(1),
    "RMSE": lambda X, image: np.sqrt(((X - image) ** 2).mean(1)),
}


@pytest.mark.parametrize("distance", DISTANCES)
def test_pixel_similarity(distance, results):
    runs = results("pixel_similarity")[f"distance={distance}"]
    (X, y), (V, labels) = digits().values()
    means = {digit: X[y == label].mean(0) for digit, label in ((3, 1), (7, 0))}
    margin = DISTANCES[distance](V, means[7]) - DISTANCES[distance](V, means[3])
    assert np.abs(margin).min() > 1e-6  # no call so close that float32 could tell otherwise
    right = (margin > 0) == (labels == 1)
    assert 0.6 < right.mean() < 1
    assert runs["right_3s"] == right[labels == 1].sum()
    assert runs["right_7s"] == right[labels == 0].sum()
    shares = [right.mean(), right[labels == 1].mean(), right[labels == 0].mean()]
    for name, expected in zip(("accuracy", "accuracy_3s", "accuracy_7s"), shares, strict=True):
        np.testing.assert_allclose(runs[name], expected, rtol=1e-6)
    np.testing.assert_allclose(runs["accuracy_mean"], (shares[1] + shares[2]) / 2, rtol=1e-6)
    for digit, image in means.items():
        np.testing.assert_allclose(runs.weights["means"][0, int(digit == 3)], image, atol=1e-6)
        expected = DISTANCES[distance](X[1:2], image)
        np.testing.assert_allclose(runs[f"distance_to_mean{digit}"], expected, rtol=1e-5)
        sign = -1 if digit == 3 else 1
        own = np.flatnonzero(labels == (digit == 3))
        worst = V[own[np.argsort(-sign * margin[own])[:6]]]
        np.testing.assert_allclose(runs.weights[f"worst_{digit}s"][0], worst, atol=1e-6)


# --- a linear model --------------------------------------------------------------------------------------------------


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def trained(X: np.ndarray, y: np.ndarray, w: np.ndarray, b: float) -> tuple[np.ndarray, float]:
    """Three epochs of SGD on mnist_loss with lr = 0.05 and batches of 128, in order; the gradient by hand."""
    sign = np.where(y == 1, -1, 1)
    for first in [*range(0, len(X), 128)] * 3:
        rows = slice(first, first + 128)
        p = sigmoid(X[rows] @ w + b)
        gradient = sign[rows] * p * (1 - p) / len(p)
        w, b = w - 0.05 * X[rows].T @ gradient, b - 0.05 * gradient.sum()
    return w, b


@pytest.mark.parametrize("optimizer", ["sgd", "torch_sgd"])
@pytest.mark.parametrize("draws", [normal, uniform])
def test_mnist_linear(draws, optimizer, train):
    fixed = {
        "network": "linear",
        "loss": "mnist_loss",
        "lr": 0.05,
        "batch_size": 128,
        "epochs": 3,
        "shuffle": False,
        "optimizer": optimizer,
    }
    (runs,) = train("mnist_linear", fixed=fixed, variants={"only": {"start": draws.__name__}})
    (X, y), (V, labels) = digits().values()
    for replicate in range(3):
        start = draws([stream(20, "studies/mnist_linear", replicate, draws.__name__)], (785,))[0]
        if draws is uniform:
            start = (2 * start - 1) / 28
        w, b = trained(X, y, start[:784], start[784])
        np.testing.assert_allclose(runs.weights["weights"][replicate, :, 0], w, atol=2e-5)
        np.testing.assert_allclose(runs.weights["bias"][replicate, 0, 0], b, atol=2e-5)
        logits = V @ w + b
        assert np.abs(logits).min() > 1e-4  # no call so close that float32 could tell otherwise
        np.testing.assert_allclose(runs["accuracy"][replicate], ((logits > 0) == (labels == 1)).mean(), rtol=1e-6)
        np.testing.assert_allclose(
            runs["val/loss"][replicate], np.where(labels == 1, 1 - sigmoid(logits), sigmoid(logits)).mean(), rtol=1e-4
        )


def test_both_optimisers_are_the_same(results):
    runs = results("mnist_linear")
    for order in ("", " shuffled"):
        ours, theirs = runs[f"nn.Linear{order}"], runs[f"torch.optim{order}"]
        np.testing.assert_array_equal(ours.weights["weights"], theirs.weights["weights"])
