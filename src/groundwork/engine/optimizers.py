"""Minibatch stochastic gradient descent from scratch, with the interface of torch.optim."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Optimizer(Protocol):
    """What the learner needs of an optimiser; torch.optim's have it too."""

    def step(self) -> None: ...
    def zero_grad(self) -> None: ...


class SGD:
    """w ← w − lr·∂loss/∂w (d2l §3.4.4; fastbook ch. 4, `BasicOptim`).

    `lr` is one number, or a tensor (R,) with one learning rate a replicate.
    """

    def __init__(self, parameters: Sequence[Tensor], lr: float | Tensor) -> None:
        self.parameters = list(parameters)
        self.lr = lr

    @torch.no_grad()
    def step(self) -> None:
        for p in self.parameters:
            assert p.grad is not None  # step() comes after backward()
            if isinstance(self.lr, Tensor):
                p.addcmul_(self.lr.view(-1, *[1] * (p.dim() - 1)), p.grad, value=-1)
            else:
                p.add_(p.grad, alpha=-self.lr)

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None


class ProximalSGD(SGD):
    """SGD that then pulls the weights towards zero by lr·lambd, and to zero those that are nearer: the exact ℓ1 step.

    `weights` is the one of `parameters` that is penalised (soft-thresholding).
    """

    def __init__(self, parameters: Sequence[Tensor], lr: float, weights: Tensor, lambd: float) -> None:
        super().__init__(parameters, lr)
        self.weights = weights
        self.threshold = lr * lambd

    @torch.no_grad()
    def step(self) -> None:
        super().step()
        self.weights.copy_(self.weights.sign() * (self.weights.abs() - self.threshold).clamp(min=0))


class OneCycle:
    """torch.optim.SGD with momentum under torch's one-cycle schedule, one step of it a batch (fastbook ch. 4 and 13).

    lr rises to `lr_max` in the first 30 % of the `steps`, then falls to almost nothing; momentum goes the other way,
    0.95 → 0.85 → 0.95.
    """

    def __init__(self, parameters: Sequence[Tensor], lr_max: float, steps: int) -> None:
        self.optimizer = torch.optim.SGD(parameters, lr=lr_max, momentum=0.95)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, lr_max, total_steps=steps)

    def step(self) -> None:
        self.optimizer.step()
        self.scheduler.step()

    def zero_grad(self) -> None:
        self.optimizer.zero_grad()


def make_optimizer(name: str, parameters: Sequence[Tensor], lr: float) -> Optimizer:
    """`sgd`: from scratch; `torch_sgd`: the framework's."""
    return {"sgd": SGD, "torch_sgd": torch.optim.SGD}[name](parameters, lr)
