"""d2l's Trainer, with its own modules, losses, loaders and optimisers as far as the book has them.

Its drawing is off. d2l imports torchvision, which has no wheel for torch without CUDA; nothing here needs it.
"""

import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bench.peers.torch_loop import JUDGED, LOSSES, accuracy, first_replicate, module, optimizer_of, weights_of
from bench.works import Task

torchvision = ModuleType("torchvision")
torchvision.__dict__["transforms"] = ModuleType("torchvision.transforms")
sys.modules["torchvision"] = torchvision
from d2l import torch as d2l  # noqa: E402

Weights = dict[str, np.ndarray]


def program(task: Task) -> Callable[[], Weights]:
    X, y, X_valid, y_valid, start, orders = first_replicate(task)

    def train_once() -> Weights:
        net = module(task, start)
        model = Scratch(task, start) if task.kind == "regression" else Concise(task, net)
        model.board.display = False
        d2l.Trainer(max_epochs=task.epochs).fit(model, Given(task, (X, y), (X_valid, y_valid), orders))
        if isinstance(model, Scratch):
            return {"w": model.w.detach().numpy()[None], "b": model.b.detach().numpy()[None, None]}
        return weights_of(task, net)

    return train_once


class Scratch(d2l.LinearRegressionScratch):
    """d2l §3.4, from a given start."""

    def __init__(self, task: Task, start: dict[str, Tensor]) -> None:
        super().__init__(task.inputs, task.lr)
        self.w = start["w"].clone().requires_grad_()


class Concise(d2l.Module):
    """d2l's way to train any module, with the accuracy that its Classifier measures."""

    def __init__(self, task: Task, net: nn.Module) -> None:
        super().__init__()
        self.task, self.net = task, net

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        return LOSSES[self.task.kind](y_hat, y)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        y_hat = self(batch[0])
        self.plot("loss", self.loss(y_hat, batch[1]), train=False)
        if self.task.kind in JUDGED:
            self.plot("acc", accuracy(self.task, y_hat, batch[1]), train=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer_of(self.task, self.net)


class Given(d2l.DataModule):
    """Tensors through PyTorch's loader, as `get_tensorloader` hands them over, in given orders."""

    def __init__(self, task: Task, train: tuple[Tensor, ...], valid: tuple[Tensor, ...], orders: Tensor) -> None:
        super().__init__()
        self.batch_size, self.train, self.valid, self.orders = task.batch_size, train, valid, orders

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TensorDataset(*self.train), self.batch_size, sampler=Orders(self.orders))

    def val_dataloader(self) -> DataLoader:
        return self.get_tensorloader(self.valid, train=False)


class Orders:
    """A sampler that has another order in each epoch."""

    def __init__(self, orders: Tensor) -> None:
        self.n = orders.shape[-1]
        self.orders = iter(orders.tolist())

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return iter(next(self.orders))
