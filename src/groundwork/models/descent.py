"""Gradient descent in the book's seven steps, and the bowl that the loss of a quadratic is (fastbook ch. 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundwork.common.errors import UserError
from groundwork.common.settings import DescentSettings
from groundwork.engine.optimizers import SGD
from groundwork.engine.training import Block

Function = Callable[[Tensor], Tensor]  # x (R, p) -> its value for each replicate, (R,)

LONGEST = 2**40  # steps that are still counted
CLOSE = 1.01  # times the lowest loss


def sum_of_squares(x: Tensor) -> Tensor:
    """Σx², (R,), of x (R, p); x² where p is 1."""
    return (x**2).sum(1)


def quadratic(t: Tensor, parameters: Tensor) -> Tensor:
    """a·t² + b·t + c, (R, n), at t (n,) for parameters (a, b, c) (R, 3)."""
    a, b, c = parameters[..., None].unbind(1)
    return a * t**2 + b * t + c


def standardised(t: Tensor) -> Tensor:
    """Times with mean 0 and standard deviation 1."""
    return (t - t.mean()) / t.std(correction=0)


@dataclass(frozen=True)
class Descent:
    """Where gradient descent was after some of its steps."""

    steps: np.ndarray  # (S,)
    values: Tensor  # (S, R)
    x: Tensor  # (S, R, p)
    gradients: Tensor  # (S, R, p)


def descend(function: Function, start: Tensor, lr: float, steps: int, kept: Sequence[int] | None = None) -> Descent:
    """Go down from `start` (R, p) by so many steps; remember those that are `kept`, by default all, from 0 on."""
    kept = range(steps + 1) if kept is None else kept
    wanted, seen = set(kept), []
    x = start.clone().requires_grad_()  # 1. initialise
    optimizer = SGD([x], lr)
    for step in range(steps + 1):  # 6. repeat
        value = function(x)  # 2. predict, 3. loss
        optimizer.zero_grad()
        value.sum().backward()  # 4. gradient
        assert x.grad is not None
        if step in wanted:
            seen.append((value.detach(), x.detach().clone(), x.grad))
        if step == steps:  # 7. stop
            break
        optimizer.step()  # 5. step
    values, positions, gradients = (torch.stack(part) for part in zip(*seen, strict=True))
    return Descent(np.array(kept), values, positions, gradients)


@dataclass(frozen=True)
class Bowl:
    """The mean squared error of a quadratic, as a function of its parameters: a quadratic too, whose Hessian is known.

    Along each axis of the bowl descent multiplies the distance from the bottom by 1 − lr·curvature in every step.
    """

    bottom: Tensor  # (R, 3), the least-squares parameters
    lowest: Tensor  # (R,), their loss
    curvatures: Tensor  # (3,), the eigenvalues of the Hessian, the smallest first
    axes: Tensor  # (3, 3), its eigenvectors as columns

    @classmethod
    def of(cls, t: Tensor, y: Tensor) -> Bowl:
        """The bowl of times t (n,) and speeds y (R, n), both in double precision."""
        A = np.stack([t**2, t, np.ones(len(t))], axis=1)
        bottom = np.linalg.lstsq(A, y.numpy().T)[0].T
        curvatures, axes = np.linalg.eigh(2 * A.T @ A / len(t))
        lowest = ((quadratic(t, torch.from_numpy(bottom)) - y) ** 2).mean(1)
        return cls(torch.from_numpy(bottom), lowest, torch.from_numpy(curvatures), torch.from_numpy(axes))

    def heights(self, x: Tensor) -> Tensor:
        """How much of the loss above the bottom is due to each axis, (…, 3), for parameters x (…, R, 3)."""
        along = ((x - self.bottom)[..., None] * self.axes).sum(-2)
        return self.curvatures * along**2 / 2

    def predict(self, start: Tensor, lr: float, steps: Tensor) -> Tensor:
        """The loss after so many steps from `start` (R, 3), in closed form: (…, R) for steps (…, R) or (…, 1)."""
        shrink = ((1 - lr * self.curvatures) ** 2) ** steps.double()[..., None]
        return self.lowest + (self.heights(start) * shrink).sum(-1)

    def steps_needed(self, start: Tensor, lr: float) -> Tensor:
        """The fewest steps after which the loss is within 1 % of the lowest, (R,); infinite where it never is."""
        low = torch.full_like(self.lowest, -1)
        high = torch.full_like(self.lowest, LONGEST)
        while (high - low > 1).any():  # not yet close at `low`, close at `high`
            middle = ((low + high) / 2).floor()
            close = self.predict(start, lr, middle) <= CLOSE * self.lowest
            low, high = torch.where(close, low, middle), torch.where(close, middle, high)
        return high.masked_fill(high == LONGEST, torch.inf)

    def fewest_steps(self, start: Tensor) -> Tensor:
        """`steps_needed` at the best learning rate for each replicate, of 99 that are stable, (R,)."""
        limit = 2 / self.curvatures[-1].item()
        return torch.stack([self.steps_needed(start, limit * i / 100) for i in range(1, 100)]).amin(0)


def check_functions(block: Block[DescentSettings], known: Sequence[str]) -> None:
    """Refuse a variant whose function belongs to another study."""
    for variant in block.variants:
        if variant.settings.function not in known:
            where = f"params.yaml: studies.{block.study}: variant '{variant.name}'"
            raise UserError(f"{where} has function = {variant.settings.function}: allowed: {', '.join(known)}")
