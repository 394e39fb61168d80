"""Groundwork, through the code that the studies use."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.works import MNIST, Data, Task, data_of
from groundwork.common.numerics import Profile
from groundwork.common.settings import LinearDigitsSettings, LinearSettings, NetSettings, ResNetSettings
from groundwork.common.tensors import load_tensors
from groundwork.engine.batches import Rows
from groundwork.engine.learner import Learner
from groundwork.engine.memory import keep_freed_memory
from groundwork.engine.optimizers import OneCycle
from groundwork.engine.products import Product, product
from groundwork.engine.training import fit
from groundwork.models.digits import LinearDigits, Net, ResNets, accuracy
from groundwork.models.linear import LinearRegression, penalty_of

Weights = dict[str, np.ndarray]


def program(task: Task, profile: Profile) -> Callable[[], Weights]:
    keep_freed_memory()
    if task.kind == "loading":
        return lambda: load_tensors(MNIST)
    data = data_of(task)
    train, valid, orders = rows_of(data)
    start = {name: torch.from_numpy(values) for name, values in data.start.items()}

    def train_once() -> Weights:
        learner = fit_once(task, start, train, valid, orders, product)
        model = learner.model
        weights = model.weights if isinstance(model, ResNets) else dict(zip(start, model.parameters, strict=True))
        return {name: values.detach().numpy() for name, values in weights.items()}

    return train_once


def rows_of(data: Data) -> tuple[Rows, Rows, Tensor]:
    """Training rows, validation rows, orders."""
    X, y, X_valid, y_valid = (torch.from_numpy(part) for part in data[:4])
    grey = (255 * X).round().byte() if X.dim() == 2 else None  # digits, as `labelled` has them
    return Rows(X, y, grey), Rows(X_valid, y_valid), torch.from_numpy(data.orders)


def fit_once(
    task: Task, start: dict[str, Tensor], train: Rows, valid: Rows, orders: Tensor, product: Product
) -> Learner:
    """One training, as the study of this kind of work does it."""
    common: dict[str, Any] = {"lr": task.lr, "batch_size": task.batch_size, "epochs": task.epochs, "shuffle": True}
    match task.kind:
        case "regression":
            linear = LinearSettings(loss="squared", optimizer="sgd", **common)
            return fit(LinearRegression(start["w"], product, start["b"]), linear, train, valid, orders)
        case "decay":
            decay = LinearSettings(loss="squared", optimizer="sgd", penalty="l2", lambd=task.lambd, **common)
            model = LinearRegression(start["w"], product, start["b"])
            return fit(model, decay, train, valid, orders, penalty=penalty_of(model, decay))
        case "digits":
            digits = LinearDigitsSettings(
                network="linear", loss="mnist_loss", optimizer="sgd", start="uniform", **common
            )
            judged = {"accuracy": accuracy}
            return fit(LinearDigits(start["w"], start["b"], product), digits, train, valid, orders, judged)
        case "net":
            net = NetSettings(
                network="net", hidden=task.hidden, loss="mnist_loss", optimizer="sgd", start="uniform", **common
            )
            layers = (start["w1"], start["b1"]), (start["w2"], start["b2"])
            return fit(Net(*layers, product), net, train, valid, orders, {"accuracy": accuracy})
    assert task.kind == "resnet18"
    resnet = ResNetSettings(network="resnet18", loss="cross_entropy", optimizer="one_cycle", **common)
    members = ResNets([{name: values[r] for name, values in start.items()} for r in range(task.replicates)])
    one_cycle = OneCycle(members.parameters, task.lr, task.steps)
    return fit(members, resnet, train, valid, orders, {"accuracy": accuracy}, optimizer=one_cycle)
