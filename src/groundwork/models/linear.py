"""Linear regression, from scratch and by the framework's layer (d2l §3.4, §3.5), and how the studies train it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from groundwork.batches import Rows
from groundwork.optimizers import Optimizer, ProximalSGD
from groundwork.products import Product
from groundwork.settings import LinearSettings
from groundwork.streams import normal, uniform
from groundwork.training import Block, fit, kept, length

if TYPE_CHECKING:
    from groundwork.runs import Trained


class LinearRegression:
    """y_hat = Xw + b for X (R, B, d); w (R, d, 1), b (R, 1, 1), which starts from zero if it is not given."""

    def __init__(self, w: Tensor, product: Product, b: Tensor | None = None) -> None:
        self.w = w.clone().requires_grad_()
        self.b = (torch.zeros(len(w), 1, 1) if b is None else b.clone()).requires_grad_()
        self.product = product
        self.weights, self.biases = [self.w], [self.b]
        self.parameters = [*self.weights, *self.biases]

    def __call__(self, X: Tensor) -> Tensor:
        return self.product(X, self.w) + self.b


class FrameworkRegression:
    """R members of the framework's layer, their outputs stacked: the same model in the framework's own words."""

    def __init__(self, w: Tensor, b: Tensor) -> None:
        self.members = [nn.Linear(w.shape[1], 1) for _ in w]
        for member, weight, bias in zip(self.members, w, b, strict=True):
            member.load_state_dict({"weight": weight.mT, "bias": bias[0]})
        self.weights: list[Tensor] = [member.weight for member in self.members]
        self.biases: list[Tensor] = [member.bias for member in self.members]
        self.parameters = [*self.weights, *self.biases]

    def __call__(self, X: Tensor) -> Tensor:
        return torch.stack([member(x) for member, x in zip(self.members, X, strict=True)])

    @property
    def w(self) -> Tensor:
        """The weights as the scratch model has them, (R, d, 1)."""
        return torch.stack([member.weight.detach().mT for member in self.members])

    @property
    def b(self) -> Tensor:
        """The biases as the scratch model has them, (R, 1, 1)."""
        return torch.stack([member.bias.detach()[None] for member in self.members])


def rows(block: Block[LinearSettings], part: str) -> Rows:
    """The block's own rows of a part of the data: X (R, n, d), y (R, n, 1)."""
    return Rows(block.slice(f"{part}/X"), block.slice(f"{part}/y"))


def start(block: Block[LinearSettings], settings: LinearSettings, inputs: int) -> tuple[Tensor, Tensor]:
    """Starting w (R, d, 1) and b (R, 1, 1): N(0, sigma²) and 0, or U(±1/√d) for both, as nn.Linear draws them."""
    if settings.start == "default":
        draws = (2 * block.draw("default start", (inputs + 1, 1), uniform) - 1) / math.sqrt(inputs)
        return draws[:, :inputs], draws[:, inputs:]
    w = settings.sigma * block.draw("start", (inputs, 1), normal)
    return w, torch.zeros(len(w), 1, 1)


def make_model(
    block: Block[LinearSettings], settings: LinearSettings, inputs: int
) -> LinearRegression | FrameworkRegression:
    """The model of a variant, at its start."""
    w, b = start(block, settings, inputs)
    return FrameworkRegression(w, b) if settings.layer == "framework" else LinearRegression(w, block.product, b)


def penalty_of(model: LinearRegression | FrameworkRegression, settings: LinearSettings) -> Callable[[], Tensor] | None:
    """What is added to the loss, (R,): λ·½‖w‖² or λ·‖w‖₁; nothing where the optimiser sees to it."""
    if settings.optimizer == "torch_sgd":
        return None
    return {
        "none": None,
        "l2": lambda: settings.lambd * l2_penalty(model.w),
        "l1": lambda: settings.lambd * model.w.abs().sum((1, 2)),
        "proximal_l1": None,
    }[settings.penalty]


def l2_penalty(w: Tensor) -> Tensor:
    """½‖w‖², (R,), of w (R, d, 1) (d2l §3.7.3)."""
    return (w**2).sum((1, 2)) / 2


def optimizer_of(model: LinearRegression | FrameworkRegression, settings: LinearSettings) -> Optimizer | None:
    """The optimiser, where it does the penalising: the framework's weight decay, or the proximal ℓ1 step."""
    if settings.penalty == "proximal_l1":
        return ProximalSGD(model.parameters, settings.lr, model.w, settings.lambd)
    if settings.penalty == "l2" and settings.optimizer == "torch_sgd":
        groups: list[dict[str, Any]] = [
            {"params": model.weights, "weight_decay": settings.lambd},
            {"params": model.biases},
        ]
        return torch.optim.SGD(groups, lr=settings.lr)
    return None


def final_parameters(block: Block[LinearSettings], w: Tensor, b: Tensor) -> dict[str, Tensor]:
    """w1, w2, …, b, and parameter_error = ‖(w, b) − truth‖, each (R,), of w (R, d, 1) and b (R, 1, 1).

    With more than three inputs the weights come as l2_penalty only.
    """
    found = torch.cat([w, b], dim=1).detach().squeeze(-1)
    truth = torch.tensor([*block.made.weights, block.made.b])
    weights = {f"w{i + 1}": found[:, i] for i in range(w.shape[1])}
    return {
        **(weights if len(weights) <= 3 else {"l2_penalty": l2_penalty(w.detach())}),
        "b": found[:, -1],
        "parameter_error": length(found - truth),
    }


def train_linear(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Every variant with minibatch SGD on the regression data, one after another on the same draws.

    Variants that train on equally many rows see them in the same order.
    """
    train, valid = rows(block, "train"), rows(block, "valid")
    longest: dict[int, int] = {}
    for variant in block.variants:
        n = variant.settings.rows or len(train)
        longest[n] = max(variant.settings.epochs, longest.get(n, 0))
    orders = {n: block.orders(n, epochs) for n, epochs in longest.items()}
    for variant in block.variants:
        settings = variant.settings
        some = train.first(settings.rows or len(train))
        model = make_model(block, settings, train.X.shape[-1])
        learner = fit(
            model,
            settings,
            some,
            valid,
            orders[len(some)],
            penalty=penalty_of(model, settings),
            optimizer=optimizer_of(model, settings),
            drop_last=settings.drop_last,
        )
        yield kept(learner, final_parameters(block, model.w, model.b), {"w": model.w, "b": model.b})
