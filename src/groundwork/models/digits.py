"""Models that tell a 3 from a 7 (fastbook ch. 4): one logit an image, above zero for a 3."""

import math

import torch
from torch import Tensor

from groundwork.products import Product, shared_product
from groundwork.settings import DigitsSettings

PIXELS = 28 * 28


class LinearDigits:
    """logits = X @ weights + bias for X (B, 784), shared by the replicates; weights (R, 784, 1), bias (R, 1, 1)."""

    def __init__(self, weights: Tensor, bias: Tensor, product: Product) -> None:
        self.weights = weights.clone().requires_grad_()
        self.bias = bias.clone().requires_grad_()
        self.product = product
        self.parameters = [self.weights, self.bias]

    def __call__(self, X: Tensor) -> Tensor:
        return shared_product(X, self.weights, self.product) + self.bias


def start(settings: DigitsSettings, normal: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Starting weights (R, 784, 1) and bias (R, 1, 1) from draws (R, 785) of N(0, 1) and of [0, 1).

    `normal`: N(0, 1), the book's `init_params`. `uniform`: ±1/√784, as nn.Linear draws both.
    """
    draws = normal if settings.start == "normal" else (2 * uniform - 1) / math.sqrt(PIXELS)
    return draws[:, :PIXELS, None], draws[:, PIXELS:, None]


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """The share of images that are told right: logits (R, n, 1), y (n, 1) -> (R,)."""
    return _right(logits, y).mean(1)


def batch_accuracy(logits: Tensor, y: Tensor, batch_size: int = 256) -> Tensor:
    """The mean of the accuracies of batches, as the book prints it: the images of a short last batch count for more."""
    return torch.stack([batch.mean(1) for batch in _right(logits, y).split(batch_size, dim=1)]).mean(0)


def _right(logits: Tensor, y: Tensor) -> Tensor:
    return ((logits > 0) == (y == 1)).squeeze(-1).float()
