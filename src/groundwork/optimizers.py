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


def make_optimizer(name: str, parameters: Sequence[Tensor], lr: float) -> Optimizer:
    """`sgd`: from scratch; `torch_sgd`: the framework's."""
    return {"sgd": SGD, "torch_sgd": torch.optim.SGD}[name](parameters, lr)
