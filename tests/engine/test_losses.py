"""Each loss against torch's own, replicate by replicate, and against what the books print."""

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from groundwork.engine.losses import LOSSES, cross_entropy, error_rate, mnist_loss, mnist_loss_without_sigmoid, squared

ORACLES = {
    "squared": lambda y_hat, y: functional.mse_loss(y_hat, y) / 2,
    "mse": functional.mse_loss,
    "mse_sum": lambda y_hat, y: functional.mse_loss(y_hat, y, reduction="sum"),
    "absolute": lambda y_hat, y: functional.l1_loss(y_hat, y, reduction="sum"),
    "huber": functional.huber_loss,
    "smooth_l1": lambda y_hat, y: functional.smooth_l1_loss(y_hat, y, reduction="sum"),
    "mnist_loss": lambda logits, y: (y - logits.sigmoid()).abs().mean(),
    "mnist_loss_without_sigmoid": lambda logits, y: (y * (1 - logits) + (1 - y) * logits).mean(),
    "error_rate": lambda logits, y: (1 - (2 * y - 1) * logits.sign()).mean() / 2,  # whose gradient torch says is zero
    "cross_entropy": lambda logits, y: functional.cross_entropy(logits, y[:, 0].long()),
}
BINARY = {"mnist_loss", "mnist_loss_without_sigmoid", "error_rate"}


def predictions_and_labels(name: str):
    torch.manual_seed(0)
    if name == "cross_entropy":
        return (5 * torch.randn(5, 33, 10)).requires_grad_(), torch.randint(10, (5, 33, 1)).float()
    y_hat, y = 2 * torch.randn(5, 33, 1), torch.randn(5, 33, 1)  # errors on both sides of the Huber loss's 1
    return y_hat.requires_grad_(), (y > 0).float() if name in BINARY else y


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
    """Before the book has the sigmoid; and with it, of the logits that it makes those predictions from."""
    p, labels = torch.tensor(predictions).view(1, 3, 1), torch.tensor([1, 0, 1]).view(3, 1)
    assert f"{mnist_loss_without_sigmoid(p, labels).item():.4f}" == printed
    assert f"{mnist_loss(p.logit(), labels).item():.4f}" == printed


def test_error_rate_counts_mistakes_and_pulls_at_nothing():
    logits = torch.tensor([[[2.0], [0.1], [-3.0], [0.0]], [[-2.0], [0.1], [3.0], [-1.0]]], requires_grad=True)
    loss = error_rate(logits, torch.tensor([[1.0], [0.0], [0.0], [1.0]]))
    assert loss.tolist() == [0.5, 1]  # a logit of zero is a 7
    loss.sum().backward()
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_cross_entropy_of_logits_far_out_is_finite():
    logits = torch.tensor([[[1000.0, 0.0], [-1000.0, 0.0]]], requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([[0], [0]]))
    assert loss.item() == 500
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert_close(gradient, torch.tensor([[[0.0, 0.0], [-0.5, 0.5]]]))
