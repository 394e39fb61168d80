"""Each loss against torch's own, replicate by replicate, and against what the books print."""

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from groundwork.losses import LOSSES, mnist_loss, squared

ORACLES = {
    "squared": lambda y_hat, y: functional.mse_loss(y_hat, y) / 2,
    "mse": functional.mse_loss,
    "mse_sum": lambda y_hat, y: functional.mse_loss(y_hat, y, reduction="sum"),
    "absolute": lambda y_hat, y: functional.l1_loss(y_hat, y, reduction="sum"),
    "huber": functional.huber_loss,
    "smooth_l1": lambda y_hat, y: functional.smooth_l1_loss(y_hat, y, reduction="sum"),
    "mnist_loss": lambda logits, y: (y - logits.sigmoid()).abs().mean(),
}


def predictions_and_labels(name: str):
    torch.manual_seed(0)
    y_hat, y = 2 * torch.randn(5, 33, 1), torch.randn(5, 33, 1)  # errors on both sides of the Huber loss's 1
    return y_hat.requires_grad_(), (y > 0).float() if name == "mnist_loss" else y


def test_every_loss_has_an_oracle():
    assert ORACLES.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_are_torchs(name):
    y_hat, y = predictions_and_labels(name)
    ours = LOSSES[name](y_hat, y)
    theirs = torch.stack([ORACLES[name](one, labels) for one, labels in zip(y_hat, y, strict=True)])
    assert ours.shape == (5,)
    assert_close(ours, theirs)
    assert_close(*(torch.autograd.grad(loss.sum(), y_hat)[0] for loss in (ours, theirs)))


@pytest.mark.parametrize("name", LOSSES)
def test_labels_may_be_shared(name):
    y_hat, y = predictions_and_labels(name)
    assert torch.equal(LOSSES[name](y_hat, y[0]), LOSSES[name](y_hat, y[:1].expand_as(y)))


@pytest.mark.parametrize("name", LOSSES)
def test_the_sum_gives_each_replicate_its_own_gradient(name):
    y_hat, y = predictions_and_labels(name)
    together = torch.autograd.grad(LOSSES[name](y_hat, y).sum(), y_hat)[0]
    for r in range(len(y)):
        alone = torch.autograd.grad(LOSSES[name](y_hat, y)[r], y_hat)[0]
        assert torch.equal(alone[r], together[r])
        assert not alone[torch.arange(len(y)) != r].any()


def test_gradient_of_squared_loss_in_closed_form():
    torch.manual_seed(0)
    X, y = torch.randn(4, 32, 2), torch.randn(4, 32, 1)
    w, b = torch.randn(4, 2, 1, requires_grad=True), torch.randn(4, 1, 1, requires_grad=True)
    squared(X @ w + b, y).sum().backward()
    error = X @ w.detach() + b.detach() - y
    assert_close(w.grad, X.mT @ error / 32)
    assert_close(b.grad, error.mean(1, keepdim=True))


@pytest.mark.parametrize(("predictions", "printed"), [([0.9, 0.4, 0.2], "0.4333"), ([0.9, 0.4, 0.8], "0.2333")])
def test_mnist_loss_is_what_the_book_prints(predictions, printed):
    logits = torch.tensor(predictions).logit().view(1, 3, 1)
    labels = torch.tensor([1, 0, 1]).view(3, 1)
    assert f"{mnist_loss(logits, labels).item():.4f}" == printed
