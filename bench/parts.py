"""Where our time goes: parts of a task's work, done alone with the real sizes and the real code."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.peers.ours import fit_once, program, rows_of
from bench.works import Task, data_of
from groundwork.common.numerics import Profile
from groundwork.engine.gradients import forward_product, weights_gradient
from groundwork.engine.products import product
from groundwork.models.digits import ResNets, cost, resnet_start

SOME = 4  # batches of ResNet18 stand for all


def parts_of(task: Task, profile: Profile) -> dict[str, tuple[Callable[[], object], float]]:
    """Each part, and how many times the task does it.

    `products`: forward and backward, ResNet18's convolutions; `batches`: rows gathered; `validation`: after the
    epochs and before the first; `steps`: as many of them on next to nothing, so mostly Python and dispatch. What is
    left of the whole is arithmetic on the elements of larger arrays.
    """
    epoch = replace(task, epochs=1)
    data = data_of(epoch)
    train, valid, orders = rows_of(data)
    start = {name: torch.from_numpy(values) for name, values in data.start.items()}
    learner = fit_once(epoch, start, train, valid, orders, product)
    X, y = next(train.batches(task.batch_size, orders[0]))

    def batches() -> None:
        for _ in train.batches(task.batch_size, orders[0]):
            pass

    def convolutions() -> None:
        for _ in range(SOME):
            learner.loss(learner.model(X), y).sum().backward()

    found: dict[str, tuple[Callable[[], object], float]] = {
        "batches": (batches, task.epochs),
        "validation": (lambda: learner.validate(valid), task.epochs + 1),
    }
    if task.kind == "resnet18":
        return {"products": (convolutions, task.steps / SOME), **found}
    tiny = replace(epoch, replicates=1, rows=epoch.steps, valid=1, inputs=1, hidden=1, batch_size=1)
    found["steps"] = (program(tiny, profile), task.epochs)
    return {"products": (lambda: _multiply(factors(task), epoch.steps), task.epochs), **found}


def counts_of(task: Task) -> dict[str, float]:
    """What the products of the whole task calculate (`flops`), and what its batches read and write (`bytes`)."""
    R, rows, d, h = task.replicates, task.rows * task.epochs, task.inputs, task.hidden
    own_rows = task.kind in ("regression", "decay")
    multiply_adds = {"net": d * h + 1.5 * h}.get(
        task.kind, d
    )  # an image; only the net's second layer has a third product
    if task.kind == "resnet18":
        multiply_adds = 1.5 * cost(ResNets([resnet_start(np.random.default_rng(0), 2)]))[1]
    return {"flops": 4.0 * R * rows * multiply_adds, "bytes": 8.0 * (R if own_rows else 1) * rows * (d + 1)}


def factors(task: Task) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of the products of one step: each layer's inputs, weights, and slope of the loss in what comes out."""
    R, B, d, h = task.replicates, task.batch_size, task.inputs, task.hidden
    slope = torch.ones(R, B, 1)
    match task.kind:
        case "digits":
            return [(torch.ones(B, d), torch.ones(R, d, 1), slope)]
        case "net":
            first = torch.ones(B, d), torch.ones(R, h, d).mT, torch.ones(R, h, B).mT
            return [first, (torch.ones(R, h, B).mT, torch.ones(R, h, 1), slope)]
    return [(torch.ones(R, B, d), torch.ones(R, d, 1), slope)]


def _multiply(layers: list[tuple[Tensor, Tensor, Tensor]], steps: int) -> None:
    for _ in range(steps):
        for x, w, slope in layers:
            forward_product(x, w)
            weights_gradient(x, slope)
