"""Each remedy against numpy, and what dropout is in the mean."""

from itertools import product

import numpy as np
import torch
from weight_decay_by_numpy import descended, high_dimensional, mse, start

from groundwork.engine.losses import squared
from groundwork.models.linear import Dropout, LinearRegression
from groundwork.streams import stream, uniform

STUDY = "overfitting"


def rows_of(data: dict[str, np.ndarray], replicate: int, rows: int = 20) -> tuple[np.ndarray, np.ndarray]:
    return data["train/X"][replicate, :rows], data["train/y"][replicate, :rows, 0]


def test_plain_remedies(results):
    runs, data = results(STUDY), high_dimensional()
    settings = {  # rows, inputs, λ, sigma, epochs
        "baseline": (20, 200, 0, 1, 10),
        "80 epochs": (20, 200, 0, 1, 80),
        "more data": (160, 200, 0, 1, 10),
        "fewer inputs": (20, 20, 0, 1, 10),
        "weight decay": (20, 200, 3, 1, 10),
        "zero start": (20, 200, 0, 0, 10),
    }
    for name, (rows, inputs, lambd, scale, epochs) in settings.items():
        X, y = rows_of(data, 0, rows)
        first = (scale * 0.01 * normal_start(inputs), 0.0)
        w, b = descended(STUDY, 0, X[:, :inputs], y, *first, lambd, epochs)
        np.testing.assert_allclose(runs[name].weights["w"][0], w, atol=1e-6, err_msg=name)
        expected = {
            "fit/loss": mse(X[:, :inputs], y, w, b) / 2,
            "val/loss": mse(data["valid/X"][0, :, :inputs], data["valid/y"][0, :, 0], w, b) / 2,
            "test/loss": mse(data["test/X"][:, :inputs], data["test/y"][:, 0], w, b) / 2,
            "mean/loss": ((data["test/y"] - y.mean()) ** 2).mean() / 2,
        }
        for metric, value in expected.items():
            np.testing.assert_allclose(runs[name][metric][0], value, rtol=1e-3, atol=1e-12, err_msg=f"{name} {metric}")


def normal_start(inputs: int) -> np.ndarray:
    return stream(20, f"studies/{STUDY}", 0, "start").standard_normal((inputs, 1))[:, 0]


def test_early_stopping_reads_off_the_best_epoch(results):
    runs = results(STUDY)
    stopped, whole = runs["fewer inputs early stopping"], runs["fewer inputs 80 epochs"]
    values = {metric: whole.curve(metric)[1] for metric in ("val/loss", "test/loss", "fit/loss")}
    best = values["val/loss"].argmin(axis=0)
    np.testing.assert_array_equal(stopped["epochs_used"], best)
    assert (best < 80).all()
    for metric, curve in values.items():
        np.testing.assert_allclose(stopped[metric], curve[best, np.arange(3)], rtol=1e-6)


def test_bagging_is_the_mean_of_its_members(train):
    fixed = {"loss": "squared", "optimizer": "sgd", "lr": 0.01, "batch_size": 5, "epochs": 2, "shuffle": True}
    variants = {"bagging": {"remedy": "bagging", "members": 3, "rows": 20, "sigma": 0.01}}
    (runs,) = train(STUDY, fixed=fixed, variants=variants)
    data = high_dimensional()
    for replicate in range(3):
        X, y = rows_of(data, replicate)
        members = []
        for member in range(3):
            draws = uniform([stream(20, f"studies/{STUDY}", replicate, f"bootstrap {member}")], (20,))[0]
            chosen = (20 * draws).astype(int)
            members.append(descended(STUDY, replicate, X[chosen], y[chosen], *start(STUDY, replicate), 0, 2))
        w, b = (np.mean(parts, axis=0) for parts in zip(*members, strict=True))
        np.testing.assert_allclose(runs.weights["w"][replicate], w, atol=1e-6)
        expected = mse(data["test/X"], data["test/y"][:, 0], w, b) / 2
        np.testing.assert_allclose(runs["test/loss"][replicate], expected, rtol=1e-4)


def test_dropout_is_weight_decay_in_the_mean():
    """Over all masks of p = ¼, weighted by their chance, the loss is the plain one + ½·p/(1 − p)·Σx²w²."""
    rng, p = np.random.default_rng(0), 0.25
    x, w, y = rng.standard_normal(4), rng.standard_normal(4), 0.7
    model = LinearRegression(torch.tensor(w).view(1, 4, 1), torch.matmul)
    kept = torch.tensor(list(product([0.0, 1.0], repeat=4)), dtype=torch.float64)
    chances = ((1 - p) ** kept * p ** (1 - kept)).prod(1)
    dropout = Dropout(model, kept[None] / (1 - p))
    X, target = torch.tensor(x).view(1, 1, 4), torch.full((1, 1, 1), y, dtype=torch.float64)
    losses = [squared(dropout(X), target).item() for _ in kept]
    expected = (x @ w - y) ** 2 / 2 + p / (1 - p) * (x**2 * w**2).sum() / 2
    np.testing.assert_allclose(chances.numpy() @ losses, expected)
    with torch.no_grad():
        np.testing.assert_allclose(dropout(X).item(), x @ w)


def test_dropout_trains_on_masked_rows(results):
    """The first replicate of the variant, by hand."""
    runs, data = results(STUDY)["dropout"], high_dimensional()
    X, y = rows_of(data, 0)
    masks = (stream(20, f"studies/{STUDY}", 0, "dropout").random((200, 200)) >= 0.5) * 2
    orders = [stream(20, f"studies/{STUDY}", 0, "order")]
    w, b = start(STUDY, 0)
    order = np.concatenate([orders[0].permutation(20) for _ in range(10)])
    for step in range(40):
        rows, mask = order[5 * step : 5 * step + 5], masks[5 * step : 5 * step + 5]
        error = (X[rows] * mask) @ w + b - y[rows]
        w, b = w - 0.01 * (X[rows] * mask).T @ error / 5, b - 0.01 * error.mean()
    np.testing.assert_allclose(runs.weights["w"][0], w, atol=1e-6)
