"""A plain PyTorch loop, one replicate: nn modules, torch.optim, rows picked by their numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.works import Task, data_of
from groundwork.models.digits import ResNet18

Weights = dict[str, np.ndarray]


def program(task: Task) -> Callable[[], Weights]:
    X, y, X_valid, y_valid, start, orders = first_replicate(task)

    def train_once() -> Weights:
        model, loss_of = module(task, start), LOSSES[task.kind]
        optimizer = optimizer_of(task, model)
        scheduler = one_cycle(task, optimizer) if task.kind == "resnet18" else None
        history, validation = [], []
        for order in orders:
            model.train()
            for rows in order.split(task.batch_size):
                loss = loss_of(model(X[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if scheduler:
                    scheduler.step()
                history.append(loss.detach())
            model.eval()
            with torch.no_grad():
                y_hat = torch.cat([model(some) for some in X_valid.split(256)]) if scheduler else model(X_valid)
                judged = (accuracy(task, y_hat, y_valid),) if task.kind in JUDGED else ()
                validation.append((loss_of(y_hat, y_valid), *judged))
        return weights_of(task, model)

    return train_once


def first_replicate(task: Task) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor], Tensor]:
    """X, y, X_valid, y_valid, start and orders without the replicates' axis; ResNet18's as images and class numbers."""
    data = data_of(task)
    X, y, X_valid, y_valid = (torch.from_numpy(part[0] if part.ndim == 3 else part) for part in data[:4])
    if task.kind == "resnet18":
        X, X_valid = (part.view(-1, 1, 28, 28).expand(-1, 3, -1, -1) for part in (X, X_valid))
        y, y_valid = y[:, 0].long(), y_valid[:, 0].long()
    orders = torch.from_numpy(data.orders)
    start = {name: torch.as_tensor(values[0]) for name, values in data.start.items()}
    return X, y, X_valid, y_valid, start, orders[:, 0] if orders.dim() == 3 else orders


def module(task: Task, start: dict[str, Tensor]) -> nn.Module:
    """The framework's own model, at the start."""
    if task.kind == "resnet18":
        model: nn.Module = ResNet18(2)
        model.load_state_dict(start)
    elif task.kind == "net":
        model = nn.Sequential(nn.Linear(task.inputs, task.hidden), nn.ReLU(), nn.Linear(task.hidden, 1))
        first = {"0.weight": start["w1"].T, "0.bias": start["b1"][0]}
        model.load_state_dict({**first, "2.weight": start["w2"].T, "2.bias": start["b2"][0]})
    else:
        model = nn.Linear(task.inputs, 1)
        model.load_state_dict({"weight": start["w"].T, "bias": start["b"][0]})
    return model


def weights_of(task: Task, model: nn.Module) -> Weights:
    """Under the names and in the shapes that all contenders use, (1, …)."""
    state = {name: values.detach().numpy()[None] for name, values in model.state_dict().items()}
    if task.kind == "resnet18":
        return state
    layers = {"0.": "1", "2.": "2"} if task.kind == "net" else {"": ""}
    return {
        **{f"w{name}": state[f"{layer}weight"].mT for layer, name in layers.items()},
        **{f"b{name}": state[f"{layer}bias"][:, None] for layer, name in layers.items()},
    }


def optimizer_of(task: Task, model: nn.Module) -> torch.optim.Optimizer:
    if task.kind == "decay":
        groups: list[dict[str, Any]] = [
            {"params": [model.weight], "weight_decay": task.lambd},
            {"params": [model.bias]},
        ]
        return torch.optim.SGD(groups, lr=task.lr)
    return torch.optim.SGD(model.parameters(), lr=task.lr, momentum=0.95 if task.kind == "resnet18" else 0)


def one_cycle(task: Task, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.OneCycleLR:
    """As groundwork.optimizers.OneCycle has it."""
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, task.lr, total_steps=task.steps)


def half_squared(y_hat: Tensor, y: Tensor) -> Tensor:
    return ((y_hat - y) ** 2 / 2).mean()


def mnist_loss(logits: Tensor, y: Tensor) -> Tensor:
    predictions = logits.sigmoid()
    return torch.where(y == 1, 1 - predictions, predictions).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "regression": half_squared,
    "decay": half_squared,
    "digits": mnist_loss,
    "net": mnist_loss,
    "resnet18": nn.functional.cross_entropy,
}


JUDGED = ("digits", "net", "resnet18")  # by their accuracy


def accuracy(task: Task, y_hat: Tensor, y: Tensor) -> Tensor:
    right = y_hat.argmax(-1) == y if task.kind == "resnet18" else (y_hat > 0) == (y == 1)
    return right.float().mean()
