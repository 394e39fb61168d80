"""Losses from scratch: each takes y_hat (R, B, k) and y (R, B, k) or (B, k) and returns one loss a replicate, (R,).

Replicates share nothing, so `loss.sum().backward()` gives each exactly its own gradient.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mean(values: Tensor) -> Tensor:
    """The mean of each replicate's values (R, B, k), (R,)."""
    return values.mean((1, 2))


def _sum(values: Tensor) -> Tensor:
    return values.sum((1, 2))


def squared(y_hat: Tensor, y: Tensor) -> Tensor:
    """½·mean (y_hat − y)² (d2l §3.4.3)."""
    return mean((y_hat - y) ** 2) / 2


def mse(y_hat: Tensor, y: Tensor) -> Tensor:
    """Mean (y_hat − y)², the framework's: no ½ (d2l §3.5.3)."""
    return mean((y_hat - y) ** 2)


def mse_sum(y_hat: Tensor, y: Tensor) -> Tensor:
    """Sum (y_hat − y)² (d2l §3.5.6, exercise 1)."""
    return _sum((y_hat - y) ** 2)


def absolute(y_hat: Tensor, y: Tensor) -> Tensor:
    """Sum |y_hat − y| (d2l §3.4.6, exercise 8)."""
    return _sum((y_hat - y).abs())


def _huber(y_hat: Tensor, y: Tensor) -> Tensor:
    error = (y_hat - y).abs()
    return torch.where(error < 1, error**2 / 2, error - 0.5)


def huber(y_hat: Tensor, y: Tensor) -> Tensor:
    """Mean Huber loss with δ = 1: ½e² below 1, |e| − ½ above (d2l §3.5.6, exercise 2)."""
    return mean(_huber(y_hat, y))


def smooth_l1(y_hat: Tensor, y: Tensor) -> Tensor:
    """Sum of the smooth L1 loss with β = 1, where it equals the Huber loss (d2l §3.4.6, exercise 8)."""
    return _sum(_huber(y_hat, y))


def mnist_loss_without_sigmoid(logits: Tensor, y: Tensor) -> Tensor:
    """Mean distance of a prediction that may be any number from the label: the book's first `mnist_loss`."""
    return mean(torch.where(y == 1, 1 - logits, logits))


def error_rate(logits: Tensor, y: Tensor) -> Tensor:
    """The share of images that are told wrong: what we want small, and useless as a loss, for its gradient is zero."""
    return mean(((logits > 0) != (y == 1)).float() + 0 * logits)


def mnist_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean distance of the prediction sigmoid(logits) from the label, 0 or 1 (fastbook ch. 4, `mnist_loss`).

    The book writes `torch.where(y == 1, 1 - predictions, predictions)`: the same numbers.
    """
    return mean((y - logits.sigmoid()).abs())


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean −log softmax(logits)[y] for logits (R, B, classes) and class numbers y (B, 1)."""
    chosen = logits.gather(-1, y.long().expand(len(logits), -1, -1))
    return mean(logits.logsumexp(-1, keepdim=True) - chosen)


LOSSES: dict[str, Loss] = {
    "squared": squared,
    "mse": mse,
    "mse_sum": mse_sum,
    "absolute": absolute,
    "huber": huber,
    "smooth_l1": smooth_l1,
    "mnist_loss": mnist_loss,
    "mnist_loss_without_sigmoid": mnist_loss_without_sigmoid,
    "error_rate": error_rate,
    "cross_entropy": cross_entropy,
}
