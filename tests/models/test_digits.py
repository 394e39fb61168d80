"""The models of 3 and 7: against torch.nn.Linear, and accuracies against counting by hand."""

import math
from typing import Literal

import pytest
import torch
from torch.testing import assert_close

from groundwork.models.digits import PIXELS, LinearDigits, accuracy, batch_accuracy, start
from groundwork.products import product_for
from groundwork.settings import DigitsSettings

R, N = 3, 600


def settings(start: Literal["normal", "uniform"]) -> DigitsSettings:
    return DigitsSettings(
        optimizer="sgd", lr=1, batch_size=256, epochs=1, shuffle=False, loss="mnist_loss", start=start
    )


def logits_and_labels() -> tuple[torch.Tensor, torch.Tensor]:
    """Two of three replicates are right more often than not, and more so in the short last batch."""
    torch.manual_seed(0)
    labels = torch.randint(2, (N, 1)).float()
    logits = torch.randn(R, N, 1) + torch.tensor([0.0, 0.5, 1.0]).view(R, 1, 1) * (2 * labels - 1)
    logits[:, 512:] += 2 * (2 * labels[512:] - 1)
    return logits, labels


def rights_by_hand(logits: torch.Tensor, labels: torch.Tensor) -> list[list[bool]]:
    return [
        [
            (logit > 0) == (label == 1)
            for logit, label in zip(row.flatten().tolist(), labels.flatten().tolist(), strict=True)
        ]
        for row in logits
    ]


def test_each_replicate_predicts_as_nn_linear():
    torch.manual_seed(0)
    X, weights, bias = torch.rand(20, PIXELS), torch.randn(R, PIXELS, 1), torch.randn(R, 1, 1)
    logits = LinearDigits(weights, bias, product_for("portable"))(X)
    assert logits.shape == (R, 20, 1)
    for r in range(R):
        expected = torch.nn.functional.linear(X.double(), weights[r].mT.double(), bias[r, 0].double())
        assert_close(logits[r].double(), expected, rtol=1e-5, atol=1e-4)


def test_accuracy_counts_what_is_right():
    logits, labels = logits_and_labels()
    by_hand = [sum(row) / N for row in rights_by_hand(logits, labels)]
    assert 0.4 < by_hand[0] < by_hand[1] < by_hand[2] < 1
    assert_close(accuracy(logits, labels), torch.tensor(by_hand))


@pytest.mark.parametrize("size", [256, 100, 1000])
def test_batch_accuracy_is_the_mean_of_batches(size):
    logits, labels = logits_and_labels()
    by_hand = []
    for row in rights_by_hand(logits, labels):
        batches = [row[first : first + size] for first in range(0, N, size)]
        by_hand.append(sum(sum(batch) / len(batch) for batch in batches) / len(batches))
    assert_close(batch_accuracy(logits, labels, size), torch.tensor(by_hand))


def test_a_short_last_batch_counts_for_more_in_the_books_accuracy():
    logits, labels = logits_and_labels()
    assert (batch_accuracy(logits, labels) > accuracy(logits, labels) + 0.01).all()


def test_a_logit_of_zero_is_a_seven():
    assert accuracy(torch.zeros(1, 4, 1), torch.tensor([[1.0], [0.0], [0.0], [0.0]])).item() == 0.75


def test_the_normal_start_is_the_draw_itself():
    torch.manual_seed(0)
    normal, uniform = torch.randn(R, PIXELS + 1), torch.rand(R, PIXELS + 1)
    weights, bias = start(settings("normal"), normal, uniform)
    assert (weights.shape, bias.shape) == ((R, PIXELS, 1), (R, 1, 1))
    assert torch.equal(torch.cat([weights, bias], 1).squeeze(-1), normal)


def test_the_uniform_start_has_the_range_of_nn_linear():
    torch.manual_seed(0)
    weights, bias = start(settings("uniform"), torch.randn(50, PIXELS + 1), torch.rand(50, PIXELS + 1))
    theirs = torch.cat([torch.nn.Linear(PIXELS, 1).weight.detach().flatten() for _ in range(50)])
    bound = 1 / math.sqrt(PIXELS)
    assert (weights.shape, bias.shape) == ((50, PIXELS, 1), (50, 1, 1))
    for drawn in (weights, bias, theirs):
        assert drawn.abs().max() <= bound
        assert drawn.abs().max() > 0.9 * bound
    assert_close(weights.mean(), theirs.mean(), rtol=0, atol=0.03 * bound)
    assert_close(weights.std(), theirs.std(), rtol=0.02, atol=0)
