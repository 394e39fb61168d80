"""Linear regression, from scratch and by the framework's layer (d2l §3.4, §3.5), and how the studies train it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from groundwork.common.errors import UserError
from groundwork.common.settings import LinearSettings, SGDSettings
from groundwork.engine.batches import Rows
from groundwork.engine.learner import Metric
from groundwork.engine.losses import mse
from groundwork.engine.optimizers import Optimizer, ProximalSGD
from groundwork.engine.products import Product
from groundwork.engine.training import Block, fit, kept, length
from groundwork.streams import laplace, normal, uniform

if TYPE_CHECKING:
    from groundwork.runs import Trained


TRAINED = {  # the settings that `train_linear` knows; a study with others trains by itself
    *SGDSettings.model_fields,
    *("sigma", "start", "layer", "rows", "drop_last", "penalty", "lambd"),
}


class LinearRegression:
    """y_hat = Xw + b for X (R, B, d); w (R, d, 1), b (R, 1, 1), which starts from zero if it is not given."""

    def __init__(self, w: Tensor, product: Product, b: Tensor | None = None) -> None:
        self.w = w.clone().requires_grad_()
        self.b = (torch.zeros(len(w), 1, 1) if b is None else b.clone()).requires_grad_()
        self.product = product
        self.weights, self.biases = [self.w], [self.b]
        self.layers = [(self.w, self.b)]
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


class Dropout:
    """A linear model whose training rows lose inputs: each is multiplied by its own row of `masks` (R, steps·B, d).

    Predictions use all inputs, so the masks must have a mean of one.
    """

    def __init__(self, model: LinearRegression | FrameworkRegression, masks: Tensor) -> None:
        self.model, self.masks, self.used = model, masks, 0
        self.parameters = model.parameters

    def __call__(self, X: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # the learner predicts without gradients
            self.used += X.shape[1]
            X = X * self.masks[:, self.used - X.shape[1] : self.used]
        return self.model(X)


def rows(block: Block[LinearSettings], part: str) -> Rows:
    """The block's own rows of a part of the data: X (R, n, d), y (R, n, 1)."""
    return Rows(block.slice(f"{part}/X"), block.slice(f"{part}/y"))


def true_weights(block: Block[LinearSettings], settings: LinearSettings) -> Tensor:
    """The true w of a variant, (R, d, 1): the dataset's, or one made for the first `inputs`, the others zero."""
    w = torch.tensor(block.made.weights)[:, None].repeat(len(block.replicates), 1, 1)
    if settings.truth == "dataset":
        return w
    inputs = settings.inputs or w.shape[1]
    draws = {"gaussian": normal, "laplace": laplace}
    made = block.draw("truth", (inputs, 1), draws[settings.truth]) if settings.truth in draws else torch.ones(inputs, 1)
    w[:, :inputs], w[:, inputs:] = settings.scale * made, 0
    return w


def with_truth(block: Block[LinearSettings], part: Rows, w: Tensor) -> Rows:
    """Rows of the dataset as they were if its true weights were w (R, d, 1): the same inputs, bias and noise."""
    return Rows(part.X, part.y + block.product(part.X, w - torch.tensor(block.made.weights)[:, None]))


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


def penalty_metrics(model: LinearRegression | FrameworkRegression, train: Rows) -> dict[str, Metric]:
    """What a penalty changes, by epoch: mse (validation), train/mse, l2_penalty, and the part of that which is unseen.

    Every gradient is a sum of training rows, so the part of w at a right angle to all of them only decays.
    """
    rows_of = np.linalg.qr(train.X.mT.double().numpy())[0]  # (R, d, n): an orthonormal basis of the training rows

    def unseen(*_: Tensor) -> Tensor:
        w = model.w.detach().double().numpy()
        return l2_penalty(torch.from_numpy(w - rows_of @ (rows_of.mT @ w))).float()

    return {
        "mse": mse,
        "train/mse": lambda *_: mse(model(train.X).detach(), train.y),
        "l2_penalty": lambda *_: l2_penalty(model.w.detach()),
        "l2_unseen": unseen,
    }


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


def stable_lr(train: Rows, settings: LinearSettings) -> np.ndarray:
    """2/λ_max, (R,): the largest learning rate with which descent on all rows at once converges.

    λ_max is the largest eigenvalue of the loss' Hessian: X̃ᵀX̃/n, X̃ with a column of ones, times what the loss makes of
    it; a sum over a minibatch is as many times its mean.
    """
    X = np.concatenate([train.X.double().numpy(), np.ones((*train.X.shape[:-1], 1))], axis=-1)
    curvature = np.linalg.eigvalsh(X.mT @ X / len(train))[:, -1]
    return 2 / (curvature * {"squared": 1, "mse": 2, "mse_sum": 2 * settings.batch_size}[settings.loss])


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


def train_linear(
    block: Block[LinearSettings],
    metrics_of: Callable[[LinearRegression | FrameworkRegression, Rows], Mapping[str, Metric]] | None = None,
) -> Iterator[Trained]:
    """Every variant with minibatch SGD on the regression data, one after another on the same draws.

    Variants that train on equally many rows see them in the same order. `metrics_of(model, training rows)`: what else
    to measure after each epoch.
    """
    train, valid = rows(block, "train"), rows(block, "valid")
    longest: dict[int, int] = {}
    for variant in block.variants:
        ignored = variant.settings.model_fields_set - TRAINED
        if ignored:
            name = f"params.yaml: studies.{block.study}: variant '{variant.name}'"
            raise UserError(f"{name} sets {', '.join(sorted(ignored))}, which this study does not use: leave it out")
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
            metrics=metrics_of(model, some) if metrics_of else None,
            penalty=penalty_of(model, settings),
            optimizer=optimizer_of(model, settings),
            drop_last=settings.drop_last,
        )
        yield kept(learner, final_parameters(block, model.w, model.b), {"w": model.w, "b": model.b})
