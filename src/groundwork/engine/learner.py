"""The learner: one training loop for R replicates of any model at once.

Every parameter and every prediction has the replicate as its first axis, so plain broadcasting trains R models in
the time of little more than one. Nothing else differs from the loop of the books (d2l §3.4.5; fastbook ch. 4).
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from groundwork.engine.batches import Rows
from groundwork.engine.gradients import Layered, by_autograd, by_hand
from groundwork.engine.losses import Loss
from groundwork.engine.optimizers import Optimizer

Metric = Callable[[Tensor, Tensor], Tensor]  # y_hat (R, n, k), y (n, k) or (R, n, k) -> (R,)


class Model(Protocol):
    """Anything with parameters (R, …) that predicts y_hat (R, B, k) from X (R, B, d) or, shared, (B, d)."""

    parameters: list[Tensor]

    def __call__(self, X: Tensor) -> Tensor: ...


class Learner:
    """Trains a model, and writes down its training loss at every step and its validation metrics at every epoch.

    `history[metric]` lists (step, values (R,)); step 0 is the untrained model.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        optimizer: Optimizer,
        metrics: Mapping[str, Metric] | None = None,
        penalty: Callable[[], Tensor] | None = None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.penalty = penalty  # of the parameters, (R,), added to the loss; the history has the loss without it
        self.metrics: dict[str, Metric] = {"val/loss": loss, **(metrics or {})}
        self.history: dict[str, list[tuple[int, Tensor]]] = {"train/loss": [], **{name: [] for name in self.metrics}}
        self.steps = 0
        self.gradients: Callable[..., Tensor] = by_hand if isinstance(model, Layered) else by_autograd

    def fit(
        self,
        train: Rows,
        valid: Rows,
        batch_size: int,
        orders: Sequence[Tensor | None] | Tensor,
        drop_last: bool = False,
    ) -> None:
        """Train for one epoch an order."""
        self.validate(valid)
        steps = (math.floor if drop_last else math.ceil)(len(train) / batch_size)
        with progress(len(orders) * steps) as bar:
            for order in orders:
                for X, y in train.batches(batch_size, order, drop_last):
                    self.step(X, y)
                    bar.update()
                self.validate(valid)

    def step(self, X: Tensor, y: Tensor) -> None:
        """Predict, compare, find the gradients, move the parameters against them; the gradients stay."""
        self.optimizer.zero_grad()
        loss = self.gradients(self.model, self.loss, X, y)
        if self.penalty is not None:
            self.penalty().sum().backward()  # added to the loss's
        self.optimizer.step()
        self.steps += 1
        self.history["train/loss"].append((self.steps, loss))

    def validate(self, valid: Rows) -> None:
        """Measure the model on all validation rows, whatever batches they come in."""
        y_hat = self.predict(valid)
        for name, metric in self.metrics.items():
            self.history[name].append((self.steps, metric(y_hat, valid.y)))

    @torch.no_grad()
    def predict(self, rows: Rows, batch_size: int = 1024) -> Tensor:
        """y_hat (R, n, k) for all rows in their order."""
        return torch.cat([self.model(X) for X, _ in rows.batches(batch_size)], dim=1)


def progress(steps: int) -> tqdm:
    """A bar for a training that takes long, on a terminal.

    Processes that train at the same time take turns on one line, position 0: none moves the cursor under another.
    """
    name = f"training, process {os.getpid()}"
    return tqdm(None, name, steps, unit="step", leave=False, position=0, delay=2, mininterval=1, disable=None)
