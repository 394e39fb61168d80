"""The classifiers of digits against numpy and torch.nn, their judge against counting by hand. ResNet18: test_resnet."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch.testing import assert_close

from groundwork.common.settings import LinearDigitsSettings, NetSettings, PixelSimilaritySettings
from groundwork.engine.products import product
from groundwork.models.digits import (
    DISTANCES,
    PIXELS,
    LinearDigits,
    Net,
    PixelSimilarity,
    accuracy,
    batch_accuracy,
    cost,
    init_params,
    l1_distance,
    labelled,
    mean_images,
    predicted,
    probability,
    restore,
    rmse,
    worst_mistakes,
)

R, N = 3, 600
PRODUCT = product


def data(classes: int = 2, count: int = 50) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = (np.arange(count) % classes).astype(np.uint8)
    return {f"{part}/{key}": v for part in ("train", "valid") for key, v in (("images", images), ("labels", labels))}


def test_rows_are_greys_from_0_to_1():
    made = data(classes=10)
    made["train/images"][0, 0, :2] = 0, 255
    rows = labelled(made, "train")
    assert (rows.X.dtype, rows.y.dtype, rows.y.shape) == (torch.float32, torch.float32, (50, 1))
    assert (rows.X[0, 0], rows.X[0, 1]) == (0, 1)
    np.testing.assert_allclose(rows.X[7], made["train/images"][7].ravel() / 255, rtol=1e-6)
    assert rows.y[17] == 7


# --- the judge -------------------------------------------------------------------------------------------------------


def logits_and_labels(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Later replicates are right more often, and all of them more so in the short last batch."""
    torch.manual_seed(0)
    labels = torch.randint(classes, (N, 1))
    towards = 2 * labels - 1 if classes == 2 else 3 * torch.nn.functional.one_hot(labels[:, 0])
    logits = torch.randn(R, *towards.shape) + torch.tensor([0.0, 0.5, 1.0]).view(R, 1, 1) * towards
    logits[:, 512:] += 2 * towards[512:]
    return logits, labels.float()


def rights_by_hand(logits: torch.Tensor, labels: torch.Tensor) -> list[list[bool]]:
    def called(row: list[float]) -> int:
        return int(row[0] > 0) if len(row) == 1 else row.index(max(row))

    truth = labels.flatten().tolist()
    return [[called(row) == label for row, label in zip(rows, truth, strict=True)] for rows in logits.tolist()]


@pytest.mark.parametrize("classes", [2, 10])
def test_accuracy_counts_what_is_right(classes):
    logits, labels = logits_and_labels(classes)
    by_hand = [sum(row) / N for row in rights_by_hand(logits, labels)]
    assert 1 / classes - 0.1 < by_hand[0] < by_hand[1] < by_hand[2] < 1
    assert_close(accuracy(logits, labels), torch.tensor(by_hand))


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("size", [256, 100, 1000])
def test_batch_accuracy_is_the_mean_of_batches(size, classes):
    logits, labels = logits_and_labels(classes)
    by_hand = []
    for row in rights_by_hand(logits, labels):
        batches = [row[first : first + size] for first in range(0, N, size)]
        by_hand.append(sum(sum(batch) / len(batch) for batch in batches) / len(batches))
    assert_close(batch_accuracy(logits, labels, size), torch.tensor(by_hand))


def test_a_short_last_batch_counts_for_more_in_the_books_accuracy():
    logits, labels = logits_and_labels(2)
    assert (batch_accuracy(logits, labels) > accuracy(logits, labels) + 0.01).all()


def test_a_logit_of_zero_is_a_seven():
    assert accuracy(torch.zeros(1, 4, 1), torch.tensor([[1.0], [0.0], [0.0], [0.0]])).item() == 0.75


def test_the_label_of_a_prediction():
    assert predicted(torch.tensor([[[-2.0], [0.0], [0.1]]])).tolist() == [[0, 0, 1]]
    assert predicted(torch.tensor([[[-2.0, -1.0, -3.0], [5.0, 0.0, 1.0], [1.0, 1.0, 0.0]]])).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("classes", [2, 10])
def test_probabilities(classes):
    logits, _ = logits_and_labels(classes)
    z = 9 * logits.double().numpy()
    expected = np.concatenate([expit(-z), expit(z)], axis=-1) if classes == 2 else softmax(z, axis=-1)
    found = probability(9 * logits.double())
    assert found.shape == (R, N, classes)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert torch.equal(found.argmax(-1), predicted(logits))


@pytest.mark.parametrize("classes", [2, 10])
def test_the_worst_mistakes(classes):
    logits, labels = logits_and_labels(classes)
    made = data(count=N) | {"valid/labels": labels[:, 0].numpy().astype(np.uint8)}
    worst = worst_mistakes(logits, made, 5)
    p = probability(logits).numpy()
    for r in range(R):
        own = np.array([p[r, row, label] for row, label in enumerate(made["valid/labels"])])
        rows = np.argsort(own)[:5]
        np.testing.assert_array_equal(worst["worst_images"][r], made["valid/images"][rows])
        np.testing.assert_array_equal(worst["worst_labels"][r], made["valid/labels"][rows])
        np.testing.assert_array_equal(worst["worst_probabilities"][r], own[rows])


# --- nearest mean image ----------------------------------------------------------------------------------------------

BY_NUMPY = {"L1": lambda d: np.abs(d).mean(-1), "RMSE": lambda d: np.sqrt((d**2).mean(-1))}


@pytest.mark.parametrize("classes", [2, 10])
def test_the_mean_image_of_each_label(classes):
    rows = labelled(data(classes), "train")
    means = mean_images(rows.X, rows.y)
    X, y = rows.X.double().numpy(), rows.y[:, 0].numpy()
    np.testing.assert_allclose(means, [X[y == label].mean(0) for label in range(classes)], rtol=1e-6)


def test_distances():
    X = labelled(data(), "train").X
    difference = X[1:].double().numpy() - X[0].double().numpy()
    assert {"L1": l1_distance, "RMSE": rmse} == DISTANCES
    for name, distance in DISTANCES.items():
        np.testing.assert_allclose(distance(X[1:], X[0]), BY_NUMPY[name](difference), rtol=1e-5)
        assert distance(X[:1], X[0]).item() == 0


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_nearest_mean_image_wins(distance):
    rows = labelled(data(classes=10), "train")
    means = mean_images(rows.X, rows.y)
    logits = PixelSimilarity(means[None], distance)(rows.X)
    away = BY_NUMPY[distance](rows.X.double().numpy()[:, None] - means.double().numpy())
    np.testing.assert_allclose(logits[0], -away, rtol=1e-5)
    np.testing.assert_array_equal(predicted(logits)[0], away.argmin(1))


# --- linear, and one hidden layer ------------------------------------------------------------------------------------


def layer(inputs: int, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(R, inputs, outputs), torch.randn(R, 1, outputs)


def as_nn_linear(weights: torch.Tensor, bias: torch.Tensor) -> torch.nn.Linear:
    module = torch.nn.Linear(*weights.shape)
    module.load_state_dict({"weight": weights.mT, "bias": bias[0]})
    return module


def compare(model, oracles: list[torch.nn.Module]) -> None:
    """The same logits, and the same gradients of their squares."""
    X = torch.rand(20, PIXELS)
    logits = model(X)
    (logits**2).sum().backward()
    for r, oracle in enumerate(oracles):
        expected = oracle(X)
        (expected**2).sum().backward()
        assert_close(logits[r], expected, rtol=1e-4, atol=1e-4)
        for ours, theirs in zip(model.parameters, oracle.parameters(), strict=True):
            assert_close(ours.grad[r], theirs.grad.mT if theirs.dim() == 2 else theirs.grad[None], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("outputs", [1, 10])
def test_each_replicate_predicts_as_nn_linear(outputs):
    torch.manual_seed(0)
    weights, bias = layer(PIXELS, outputs)
    compare(LinearDigits(weights, bias, PRODUCT), [as_nn_linear(weights[r], bias[r]) for r in range(R)])


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("hidden", [1, 30])
def test_each_net_predicts_as_nn_sequential(hidden, outputs):
    torch.manual_seed(0)
    first, second = layer(PIXELS, hidden), layer(hidden, outputs)
    oracles = [
        torch.nn.Sequential(
            as_nn_linear(first[0][r], first[1][r]), torch.nn.ReLU(), as_nn_linear(second[0][r], second[1][r])
        )
        for r in range(R)
    ]
    compare(Net(first, second, PRODUCT), oracles)


def test_the_starts_are_copies():
    """Variants share one draw, so training must not write into it."""
    torch.manual_seed(0)
    first, second = layer(PIXELS, 4), layer(4, 1)
    before = [tensor.clone() for tensor in (*first, *second)]
    with torch.no_grad():
        for model in (Net(first, second, PRODUCT), LinearDigits(*first, PRODUCT)):
            for p in model.parameters:
                p.zero_()
    assert all(torch.equal(*pair) for pair in zip((*first, *second), before, strict=True))


def test_the_normal_start_is_the_draw_itself():
    torch.manual_seed(0)
    draws = torch.randn(R, PIXELS + 1, 10)
    weights, bias = init_params("normal", draws)
    assert (weights.shape, bias.shape) == ((R, PIXELS, 10), (R, 1, 10))
    assert torch.equal(torch.cat([weights, bias], 1), draws)


def test_the_uniform_start_has_the_range_of_nn_linear():
    torch.manual_seed(0)
    weights, bias = init_params("uniform", torch.rand(50, PIXELS + 1, 1))
    theirs = torch.cat([torch.nn.Linear(PIXELS, 1).weight.detach().flatten() for _ in range(50)])
    bound = 1 / math.sqrt(PIXELS)
    assert (weights.shape, bias.shape) == ((50, PIXELS, 1), (50, 1, 1))
    for drawn in (weights, bias, theirs):
        assert drawn.abs().max() <= bound
        assert drawn.abs().max() > 0.9 * bound
    assert_close(weights.mean(), theirs.mean(), rtol=0, atol=0.03 * bound)
    assert_close(weights.std(), theirs.std(), rtol=0.02, atol=0)


# --- what a model costs, and from files ------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 10])
def test_what_a_linear_model_costs(outputs):
    assert cost(LinearDigits(*layer(784, outputs), PRODUCT)) == (785 * outputs, 784 * outputs)


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("hidden", [1, 30])
def test_what_a_net_costs(hidden, outputs):
    parameters = 785 * hidden + (hidden + 1) * outputs
    multiply_adds = 784 * hidden + hidden * outputs
    assert cost(Net(layer(784, hidden), layer(hidden, outputs), PRODUCT)) == (parameters, multiply_adds)


def test_what_pixel_similarity_costs():
    assert cost(PixelSimilarity(torch.rand(1, 10, 784), "L1")) == (7840, 7840)


def test_models_from_their_weights():
    torch.manual_seed(0)
    X = torch.rand(20, PIXELS)
    sgd = {"lr": 1, "batch_size": 256, "epochs": 1, "shuffle": True, "optimizer": "sgd", "start": "uniform"}
    first, second, means = layer(PIXELS, 4), layer(4, 10), torch.rand(1, 10, PIXELS)
    linear = LinearDigitsSettings.model_validate(sgd | {"network": "linear", "loss": "mnist_loss"})
    net = NetSettings.model_validate(sgd | {"network": "net", "hidden": 4, "loss": "cross_entropy"})
    similarity = PixelSimilaritySettings(network="pixel_similarity", distance="RMSE")
    linear_weights = dict(zip(("weights", "bias"), first, strict=True))
    net_weights = dict(zip(("w1", "b1", "w2", "b2"), (*first, *second), strict=True))
    for settings, weights, model in (
        (linear, linear_weights, LinearDigits(*first, PRODUCT)),
        (net, net_weights, Net(first, second, PRODUCT)),
        (similarity, {"means": means, "second3": X[:1]}, PixelSimilarity(means, "RMSE")),
    ):
        assert torch.equal(restore(settings, weights, PRODUCT)(X), model(X))
