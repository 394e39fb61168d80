"""A net with one hidden layer against numpy with the gradient by hand, and against torch.nn."""

import numpy as np
import pytest
import torch

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import permutations, stream, uniform

EPOCHS, BATCH, LR = 3, 64, 0.5


def digits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images (n, 784) in [0, 1] and labels (n,), float64, by part."""
    data = load_tensors(paths.dataset("raw/mnist_sample"))
    return {
        part: (data[f"{part}/images"].reshape(-1, 784) / 255, data[f"{part}/labels"].astype(float))
        for part in ("train", "valid")
    }


def start(replicate: int, hidden: int) -> list[np.ndarray]:
    """w1 (784, h), b1 (h,), w2 (h, 1), b2 (1,) as nn.Linear draws them, from the replicate's streams."""
    tensors = []
    for layer, inputs, outputs in ((1, 784, hidden), (2, hidden, 1)):
        draws = uniform([stream(20, "studies/mnist_net", replicate, f"layer{layer} {hidden}")], (inputs + 1, outputs))
        draws = (2 * draws[0] - 1) / np.sqrt(inputs)
        tensors += [draws[:-1], draws[-1]]
    return tensors


def batches(n: int, shuffled: bool) -> list[np.ndarray]:
    """The rows of every step; a block's order is that of its first replicate."""
    orders = permutations([stream(20, "studies/mnist_net", 0, "order")], EPOCHS, n)[0]
    return [
        order[first : first + BATCH]
        for order in (orders if shuffled else [np.arange(n)] * EPOCHS)
        for first in range(0, n, BATCH)
    ]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def trained(X, y, w1, b1, w2, b2, steps) -> list[np.ndarray]:
    """SGD on the mean distance of sigmoid(logit) from the label; the chain rule by hand."""
    for rows in steps:
        x, sign = X[rows], np.where(y[rows] == 1, -1, 1)[:, None]
        before = x @ w1 + b1
        h = np.maximum(before, 0)
        p = sigmoid(h @ w2 + b2)
        d_logit = sign * p * (1 - p) / len(rows)
        d_before = d_logit @ w2.T * (before > 0)
        w2, b2 = w2 - LR * h.T @ d_logit, b2 - LR * d_logit.sum(0)
        w1, b1 = w1 - LR * x.T @ d_before, b1 - LR * d_before.sum(0)
    return [w1, b1, w2, b2]


def study(train, **settings):
    """The study's only variant, trained for three replicates in one block."""
    fixed = {"network": "net", "loss": "mnist_loss", "start": "uniform", "optimizer": "sgd", "lr": LR}
    fixed |= {"batch_size": BATCH, "epochs": EPOCHS, "hidden": 5, "shuffle": False} | settings
    (runs,) = train("mnist_net", fixed=fixed, variants={"only": {}}, block_size=3)
    return runs


@pytest.mark.parametrize("optimizer", ["sgd", "torch_sgd"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_it_is_numpy_with_the_gradient_by_hand(shuffled, optimizer, train):
    runs = study(train, shuffle=shuffled, optimizer=optimizer)
    (X, y), (V, labels) = digits().values()
    for replicate in range(3):
        begin = start(replicate, 5)
        w1, b1, w2, b2 = trained(X, y, *begin, batches(len(X), shuffled))
        assert np.abs(w1 - begin[0]).max() > 0.002  # so far that a wrong gradient would show
        for name, expected in zip(("w1", "b1", "w2", "b2"), (w1, b1, w2, b2), strict=True):
            found = runs.weights[name][replicate]
            np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=2e-5)
        logits = (np.maximum(V @ w1 + b1, 0) @ w2 + b2)[:, 0]
        assert np.abs(logits).min() > 1e-4  # no call so close that float32 could tell otherwise
        np.testing.assert_allclose(runs["accuracy"][replicate], ((logits > 0) == (labels == 1)).mean(), rtol=1e-6)
        loss = np.where(labels == 1, 1 - sigmoid(logits), sigmoid(logits)).mean()
        np.testing.assert_allclose(runs["val/loss"][replicate], loss, rtol=1e-4)


@pytest.mark.parametrize("hidden", [1, 7])
def test_it_is_the_net_of_torch(hidden, train):
    runs = study(train, hidden=hidden, optimizer="torch_sgd")
    (X, y), _ = ((torch.from_numpy(images), torch.from_numpy(labels)) for images, labels in digits().values())
    for replicate in range(3):
        net = torch.nn.Sequential(torch.nn.Linear(784, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)).double()
        w1, b1, w2, b2 = (torch.from_numpy(tensor) for tensor in start(replicate, hidden))
        with torch.no_grad():
            for parameter, value in zip(net.parameters(), (w1.T, b1, w2.T, b2), strict=True):
                parameter.copy_(value)
        optimizer = torch.optim.SGD(net.parameters(), lr=LR)
        for rows in batches(len(X), shuffled=False):
            predictions = net(X[rows])[:, 0].sigmoid()
            loss = torch.where(y[rows] == 1, 1 - predictions, predictions).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found = [torch.from_numpy(runs.weights[name][replicate]).double() for name in ("w1", "b1", "w2", "b2")]
        expected = [net[0].weight.T, net[0].bias[None], net[2].weight.T, net[2].bias[None]]
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs.detach(), atol=2e-5, rtol=0)


def test_the_linear_model_beside_it(train):
    fixed = {"network": "linear", "loss": "mnist_loss", "start": "uniform", "optimizer": "sgd", "lr": LR}
    fixed |= {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": True}
    (runs,) = train("mnist_net", fixed=fixed, variants={"only": {}}, block_size=3)
    X, y = digits()["train"]
    for replicate in range(3):
        draws = uniform([stream(20, "studies/mnist_net", replicate, "linear")], (785,))[0]
        w, b = np.split((2 * draws - 1) / 28, [784])
        for rows in batches(len(X), shuffled=True):
            p = sigmoid(X[rows] @ w + b)
            gradient = np.where(y[rows] == 1, -1, 1) * p * (1 - p) / len(rows)
            w, b = w - LR * X[rows].T @ gradient, b - LR * gradient.sum()
        np.testing.assert_allclose(runs.weights["weights"][replicate, :, 0], w, atol=2e-5)
        np.testing.assert_allclose(runs.weights["bias"][replicate, 0], b, atol=2e-5)


def test_both_optimisers_are_the_same(results):
    runs = results("mnist_net")
    for name in ("w1", "b1", "w2", "b2"):
        np.testing.assert_array_equal(runs["scratch"].weights[name], runs["torch.optim"].weights[name])


def test_the_worst_mistakes(train):
    """The images whose own label has the least probability, the worst first."""
    runs = study(train)
    _, (V, labels) = digits().values()
    for replicate in range(3):
        w1, b1, w2, b2 = (runs.weights[name][replicate].astype(float) for name in ("w1", "b1", "w2", "b2"))
        p = sigmoid((np.maximum(V @ w1 + b1, 0) @ w2 + b2)[:, 0])
        own = np.where(labels == 1, p, 1 - p)
        worst = np.argsort(own)[:8]
        np.testing.assert_allclose(runs.weights["worst_probabilities"][replicate], own[worst], atol=1e-6)
        np.testing.assert_array_equal(runs.weights["worst_labels"][replicate], labels[worst])
        np.testing.assert_allclose(runs.weights["worst_images"][replicate].reshape(-1, 784) / 255, V[worst], atol=1e-6)
