"""The gradients of a loss, in two ways: by autograd, for any model, and by hand, for layers of X @ w + b with ReLU.

By hand a small step takes a third of the time: autograd's bookkeeping costs more than the arithmetic. Each is the
other's test.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from groundwork.engine.losses import Loss, mean, mnist_loss, mse, squared
from groundwork.engine.products import multiply, shared_product


@runtime_checkable
class Layered(Protocol):
    """A model that is a chain of layers, w (R, d, k) and b (R, 1, k); after each but the last comes a ReLU."""

    layers: list[tuple[Tensor, Tensor]]


def by_autograd(model: Callable[[Tensor], Tensor], loss: Loss, X: Tensor, y: Tensor) -> Tensor:
    """The loss of each replicate, (R,); its gradients go to the parameters' `grad`, or are added there."""
    losses = loss(model(X), y)
    losses.backward(torch.ones_like(losses))  # the gradient of their sum, which gives each its own
    return losses.detach()


def by_hand(model: Layered, loss: Loss, X: Tensor, y: Tensor) -> Tensor:
    """The same as `by_autograd`, but whatever is in `grad` is replaced."""
    layers = [(w.detach(), b.detach()) for w, b in model.layers]
    inputs = [X]
    for w, b in layers[:-1]:
        inputs.append(_affine(inputs[-1], w, b).clamp_(min=0))
    y_hat = _affine(inputs[-1], *layers[-1])
    losses, slope = with_slope(loss, y_hat, y)
    for w, b in reversed(model.layers):
        x = inputs.pop()
        w.grad, b.grad = weights_gradient(x, slope), slope.sum(1, keepdim=True)
        if inputs:
            slope = (w.detach() * slope.mT if w.shape[-1] == 1 else multiply(w.detach(), slope.mT)).mT
            torch.ops.aten.threshold_backward.grad_input(slope, x, 0, grad_input=slope)  # zero where the ReLU gave it
    return losses


def _affine(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x @ w + b for x (R, B, d) or, shared, (B, d): (R, B, k)."""
    return forward_product(x, w).add_(b)


def forward_product(x: Tensor, w: Tensor) -> Tensor:
    """x @ w, (R, B, k), for x (R, B, d) or, shared, (B, d)."""
    return shared_product(x, w, multiply) if x.dim() == 2 else multiply(x, w)


def weights_gradient(x: Tensor, slope: Tensor) -> Tensor:
    """(R, d, k) of x (R, B, d) or, shared, (B, d), and the loss's slope in x @ w + b, (R, B, k)."""
    if x.dim() == 3:
        return multiply(x.mT, slope)
    R, B, k = slope.shape
    return multiply(slope.mT.reshape(R * k, B), x).view(R, k, -1).mT


# --- a loss and its slope --------------------------------------------------------------------------------------------


def with_slope(loss: Loss, y_hat: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The loss (R,) and ∂loss/∂y_hat (R, B, k): by hand for the losses of most studies, by autograd for the others."""
    if loss in BY_HAND:
        return BY_HAND[loss](y_hat, y)
    y_hat.requires_grad_()
    losses = loss(y_hat, y)
    return losses.detach(), torch.autograd.grad(losses, y_hat, torch.ones_like(losses))[0]


def _squared(y_hat: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    error = y_hat - y
    slope = error / error[0].numel()
    return (error * slope).sum((1, 2)) / 2, slope


def _mse(y_hat: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    losses, slope = _squared(y_hat, y)
    return 2 * losses, 2 * slope


def _mnist_loss(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    p = logits.sigmoid()
    error = p - y
    slope = torch.ops.aten.sigmoid_backward(error.sign(), p)  # sign · p · (1 − p)
    return mean(error.abs_()), slope.div_(error[0].numel())


BY_HAND: dict[Loss, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    squared: _squared,
    mse: _mse,
    mnist_loss: _mnist_loss,
}
