"""Training with each loss against numpy in float64, and the first change of a prediction against trying it out."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import permutations, stream, uniform
from groundwork.studies.mnist_loss import NUDGE, first_change, line

REPLICATES = range(3)
PULLS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # the slope of an image's loss by its logit, if it is a 7
    "mnist_loss": lambda z: expit(z) * (1 - expit(z)),
    "mnist_loss_without_sigmoid": np.ones_like,
    "error_rate": np.zeros_like,
}


def digits(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 785) with a one at the end, and labels (n,)."""
    data = load_tensors(paths.dataset("raw/mnist_sample"))
    X = data[f"{part}/images"].reshape(-1, 784) / 255
    return np.column_stack([X, np.ones(len(X))]), data[f"{part}/labels"].astype(float)


def start(replicate: int) -> np.ndarray:
    """784 weights and the bias, ±1/28."""
    return (2 * uniform([stream(20, "studies/mnist_loss", replicate, "uniform")], (785,))[0] - 1) / 28


def gradient(name: str, w: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return X.T @ (np.where(y == 1, -1, 1) * PULLS[name](X @ w)) / len(y)


@pytest.mark.parametrize("name", PULLS)
def test_training(name, results):
    runs = results("mnist_loss")[f"loss={name}"]
    (X, y), (V, labels) = digits("train"), digits("valid")
    for replicate in REPLICATES:
        first = 2 * (replicate // 2)  # of the block of two, whose order all of it takes
        begin = w = start(replicate)
        for order in permutations([stream(20, "studies/mnist_loss", first, "order")], 5, len(X))[0]:
            for batch in np.split(order, range(256, len(X), 256)):
                w = w - gradient(name, w, X[batch], y[batch])
        found = np.append(runs.weights["weights"][replicate, :, 0], runs.weights["bias"][replicate])
        np.testing.assert_allclose(found, w, rtol=1e-4, atol=1e-4)
        logits = V @ w
        predictions = expit(logits) if name == "mnist_loss" else logits
        difference = X[y == 1, :784].mean(0) - X[y == 0, :784].mean(0)
        cosine = w[:784] @ difference / np.linalg.norm(w[:784]) / np.linalg.norm(difference)
        expected = {
            "accuracy": ((logits > 0) == (labels == 1)).mean(),
            "gradient": np.linalg.norm(gradient(name, begin, X, y)),
            "change": np.linalg.norm(w - begin),
            "outside": ((predictions < 0) | (predictions > 1)).mean(),
            "highest": predictions.max(),
            "alike": cosine,
        }
        if name != "error_rate":
            expected["val/loss"] = np.where(labels == 1, 1 - predictions, predictions).mean()
        for metric, value in expected.items():
            assert runs[metric][replicate] == pytest.approx(value, rel=1e-3, abs=1e-3), metric


def test_the_error_rate_moves_nothing(results):
    runs = results("mnist_loss")["loss=error_rate"]
    for replicate in REPLICATES:
        found = np.append(runs.weights["weights"][replicate, :, 0], runs.weights["bias"][replicate])
        np.testing.assert_array_equal(found, begin_in_float32(replicate))
    assert (runs["change"] == 0).all()


def begin_in_float32(replicate: int) -> np.ndarray:
    draws = uniform([stream(20, "studies/mnist_loss", replicate, "uniform")], (785,))[0].astype(np.float32)
    return (2 * draws - 1) / np.float32(28)


def test_the_lines(results):
    """A prediction changes sides just after `first_change`, along the gradient and along one weight; none before."""
    runs = results("mnist_loss")["loss=mnist_loss"]
    (X, y), (V, labels) = digits("train"), digits("valid")
    inked = X[:, :784].mean(0).argmax()
    for replicate in REPLICATES:
        w = start(replicate)
        downhill, alone = -gradient("mnist_loss", w, X, y), np.eye(785)[inked]

        def changed(t: float, direction: np.ndarray, w: np.ndarray = w) -> int:
            return int(((V @ (w + t * direction) > 0) != (V @ w > 0)).sum())

        t = runs["first_change"][replicate]
        assert changed(0.99 * t, downhill) == 0 < changed(1.01 * t, downhill)
        t = runs["first_change_one"][replicate]
        assert changed(0.99 * t, alone) == 0 == changed(-0.99 * t, alone)
        assert changed(1.01 * t, alone) + changed(-1.01 * t, alone) > 0
        assert runs["nudged_predictions"][replicate] == changed(NUDGE, downhill)
        own = np.where(labels == 1, -1, 1) * expit(V @ w) * (1 - expit(V @ w))
        assert runs["nudged_loss"][replicate] == pytest.approx(NUDGE * (own @ (V @ downhill)) / len(V), rel=1e-3)
    t, accuracy, loss = runs.weights["whole_step"][0]
    w, downhill = start(0), -gradient("mnist_loss", start(0), X, y)
    for place in (0, 250, 500):
        logits = V @ (w + t[place] * downhill)
        assert accuracy[place] == pytest.approx(((logits > 0) == (labels == 1)).mean())
        assert loss[place] == pytest.approx(np.where(labels == 1, expit(-logits), expit(logits)).mean(), rel=1e-5)


def test_first_change_looks_ahead_only():
    logits = torch.tensor([[[1.0], [-2.0], [3.0]], [[1.0], [-2.0], [3.0]]])
    slope = torch.tensor([[[-0.5], [4.0], [0.0]], [[2.0], [-1.0], [-1.0]]])
    assert first_change(logits, slope).tolist() == [0.5, 3]
    assert first_change(logits, logits).tolist() == [float("inf")] * 2


def test_line_by_hand():
    logits, slope, y = torch.tensor([[-1.0], [2.0]]), torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [0.0]])
    t, accuracy, loss = line(logits, slope, y, torch.tensor([0.0, 1.0, 2.0])).tolist()
    assert t == [0, 1, 2]
    assert accuracy == [0, 0, 0.5]  # a logit of zero is a 7
    assert loss == pytest.approx([(expit(-z) + expit(2)) / 2 for z in (-1, 0, 1)])


def sloped_example(name: str, predictions: list[float]) -> float:
    p = expit(np.array(predictions)) if name == "mnist_loss" else np.array(predictions)
    return float(np.mean([1 - p[0], p[1], 1 - p[2]]))


@pytest.mark.parametrize("name", ["mnist_loss", "mnist_loss_without_sigmoid"])
def test_the_books_three_predictions(name, results):
    runs = results("mnist_loss")[f"loss={name}"]
    np.testing.assert_allclose(runs["example"], sloped_example(name, [0.9, 0.4, 0.2]), rtol=1e-6)
    np.testing.assert_allclose(runs["better_example"], sloped_example(name, [0.9, 0.4, 0.8]), rtol=1e-6)
