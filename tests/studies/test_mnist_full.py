"""All ten digits, on a few hundred pictures: each model against numpy, or against torch.nn in double precision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML
from torch import Tensor, nn

from groundwork.common import paths
from groundwork.common.params import Params
from groundwork.common.tensors import load_tensors, save_tensors
from groundwork.engine.convolutions import PixelConvolution
from groundwork.engine.losses import cross_entropy
from groundwork.engine.products import product
from groundwork.engine.training import train_study
from groundwork.models.digits import ResNet18, resnet_start, restore
from groundwork.reporting.study_report import write_report
from groundwork.runs import Results, read_runs
from groundwork.streams import permutations, stream, uniform
from groundwork.studies import mnist_full

SHIPPED = Path(__file__).parents[2] / "params.yaml"
SGD = {"optimizer": "sgd", "start": "uniform", "batch_size": 64, "shuffle": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "pixel similarity L1": {"network": "pixel_similarity", "distance": "L1"},
    "pixel similarity RMSE": {"network": "pixel_similarity", "distance": "RMSE"},
    "linear mnist_loss": {"network": "linear", "loss": "mnist_loss", "lr": 1, "epochs": 2} | SGD,
    "linear": {"network": "linear", "loss": "cross_entropy", "lr": 0.02, "epochs": 3} | SGD,
    "net": {"network": "net", "hidden": 12, "loss": "cross_entropy", "lr": 0.05, "epochs": 3} | SGD,
    "ResNet18": {"network": "resnet18", "loss": "cross_entropy", "optimizer": "one_cycle", "lr": 0.1, "epochs": 1}
    | {"batch_size": 64, "shuffle": True},
}
STUDY = {
    "dataset": "raw/mnist",
    "model": "digits",
    "replicates": 3,
    "block_size": 2,
    "variants": VARIANTS,
    "fewer": {"pixel similarity L1": 1, "pixel similarity RMSE": 1, "ResNet18": 1},
}
BLOCK_OF = {0: 0, 1: 0, 2: 2}  # the first replicate of the block of each: it draws the order of the images


def pictures() -> dict[str, np.ndarray]:
    """Ten patterns of 7×7 patches, some of them close to another, under noise."""
    rng = np.random.default_rng(0)
    patterns = 25 * rng.standard_normal((10, 7, 7))
    patterns[5:] = 0.7 * patterns[:5] + 0.3 * patterns[5:]
    tensors = {}
    for part, count in (("train", 300), ("valid", 130)):
        labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
        images = 110 + np.kron(patterns[labels], np.ones((4, 4))) + 60 * rng.standard_normal((count, 28, 28))
        tensors[f"{part}/images"] = images.clip(0, 255).astype(np.uint8)
        tensors[f"{part}/labels"] = labels
    return tensors


def params() -> Params:
    return Params.model_validate(YAML(typ="safe").load(SHIPPED) | {"jobs": 1, "studies": {"mnist_full": STUDY}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mnist_full")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_tensors(paths.dataset("raw/mnist"), pictures())
        train_study("mnist_full", params())
    return folder


@pytest.fixture
def results(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(folder)
    return read_runs("mnist_full", params().studies["mnist_full"])


def digits(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 784) in [0, 1], float64, and labels (n,)."""
    data = load_tensors(paths.dataset("raw/mnist"))
    return data[f"{part}/images"].reshape(-1, 784) / 255, data[f"{part}/labels"].astype(int)


def streams_of(replicate: int, purpose: str) -> np.random.Generator:
    return stream(20, "studies/mnist_full", replicate, purpose)


# --- nearest mean image ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", ["L1", "RMSE"])
def test_pixel_similarity(distance, results):
    runs = results[f"pixel similarity {distance}"]
    (X, y), (V, labels) = digits("train"), digits("valid")
    means = np.stack([X[y == digit].mean(0) for digit in range(10)])
    apart = V[:, None] - means
    distances = np.abs(apart).mean(-1) if distance == "L1" else np.sqrt((apart**2).mean(-1))
    nearest, second = np.sort(distances, axis=1)[:, :2].T
    assert (second - nearest).min() > 1e-6  # no call so close that float32 could tell otherwise
    told = distances.argmin(1)
    assert 0.5 < (told == labels).mean() < 1
    np.testing.assert_array_equal(runs.weights["predicted"], told[None])
    np.testing.assert_allclose(runs.weights["means"][0], means, atol=1e-6)
    np.testing.assert_allclose(runs["accuracy"], (told == labels).mean(), rtol=1e-6)
    assert runs["parameters"] == runs["multiply_adds"] == 7840


# --- descent, a replicate at a time ----------------------------------------------------------------------------------


NAMES = {"linear mnist_loss": ("weights", "bias"), "linear": ("weights", "bias"), "net": ("w1", "b1", "w2", "b2")}


def linear(draws: np.ndarray) -> nn.Linear:
    """A layer in double precision that starts from draws (d + 1, k) of [0, 1) as nn.Linear would."""
    d, k = len(draws) - 1, draws.shape[1]
    layer = nn.Linear(d, k, dtype=torch.float64)
    start = torch.from_numpy((2 * draws - 1) / np.sqrt(d))
    layer.load_state_dict({"weight": start[:d].T, "bias": start[d]})
    return layer


def ten_sigmoids(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.sigmoid() - torch.eye(10, dtype=torch.float64)[labels]).abs().mean()


def start_of(variant: str, replicate: int) -> nn.Module:
    def layer(name: str, d: int, k: int) -> nn.Linear:
        return linear(uniform([streams_of(replicate, f"uniform {name}")], (d + 1, k))[0])

    if variant == "net":
        return nn.Sequential(layer("layer1", 784, 12), nn.ReLU(), layer("layer2", 12, 10))
    return layer("layer", 784, 10)


def descend(model: nn.Module, loss: Callable, variant: str, replicate: int) -> None:
    """As the settings say, by torch.optim."""
    X, y = map(torch.from_numpy, digits("train"))
    optimizer = torch.optim.SGD(model.parameters(), VARIANTS[variant]["lr"])
    order = streams_of(BLOCK_OF[replicate], "order")
    for rows in permutations([order], VARIANTS[variant]["epochs"], len(X))[0]:
        for batch in torch.from_numpy(rows).split(64):
            optimizer.zero_grad()
            loss(model(X[batch]), y[batch]).backward()
            optimizer.step()


@pytest.mark.parametrize("replicate", BLOCK_OF)
@pytest.mark.parametrize(
    ("variant", "loss"),
    [("linear mnist_loss", ten_sigmoids), ("linear", nn.CrossEntropyLoss()), ("net", nn.CrossEntropyLoss())],
)
def test_descent(variant, loss, replicate, results):
    runs, model = results[variant], start_of(variant, replicate)
    V, labels = map(torch.from_numpy, digits("valid"))
    with torch.no_grad():
        untrained = loss(model(V), labels)
    descend(model, loss, variant, replicate)
    with torch.no_grad():
        logits = model(V)
    for name, expected in zip(NAMES[variant], model.parameters(), strict=True):
        ours = runs.weights[name][replicate]
        np.testing.assert_allclose(ours, expected.detach().numpy().T.reshape(ours.shape), atol=1e-5)
    two_best = logits.topk(2).values
    assert (two_best[:, 0] - two_best[:, 1]).min() > 1e-5  # no call so close that float32 could tell otherwise
    told = logits.argmax(1)
    np.testing.assert_array_equal(runs.weights["predicted"][replicate], told)
    np.testing.assert_allclose(runs["accuracy"][replicate], (told == labels).double().mean(), rtol=1e-6)
    np.testing.assert_allclose(runs["val/loss"][replicate], loss(logits, labels), rtol=1e-4)
    np.testing.assert_allclose(runs.curve("val/loss")[1][0, replicate], untrained, rtol=1e-4)


def test_resnet18(results):
    """The same steps by the framework's optimiser, schedule and loop.

    With our own cross entropy and convolution, for five steps blow a last bit up to thousandths.
    """
    data = load_tensors(paths.dataset("raw/mnist"))
    X, V = (torch.from_numpy(data[f"{part}/images"])[:, None] / 255 for part in ("train", "valid"))
    y, labels = (torch.from_numpy(data[f"{part}/labels"]).long() for part in ("train", "valid"))
    model = ResNet18(10, PixelConvolution).to(memory_format=torch.channels_last)
    model.load_state_dict(resnet_start(streams_of(0, "resnet"), 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.95)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
    for batch in torch.from_numpy(streams_of(0, "order").permutation(300)).split(64):
        optimizer.zero_grad()
        cross_entropy(model(X[batch].expand(-1, 3, -1, -1))[None], y[batch, None]).sum().backward()
        optimizer.step()
        schedule.step()
    runs = results["ResNet18"]
    for name, expected in model.state_dict().items():
        np.testing.assert_allclose(runs.weights[name][0], expected, atol=1e-4, err_msg=name)
    with torch.no_grad():
        logits = model.eval()(V.expand(-1, 3, -1, -1))
    np.testing.assert_array_equal(runs.weights["predicted"][0], logits.argmax(1))
    np.testing.assert_allclose(runs["accuracy"], (logits.argmax(1) == labels).double().mean(), rtol=1e-6)


# --- what is kept of every model -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_comes_back_from_its_weights(variant, results):
    runs = results[variant]
    weights = {name: torch.from_numpy(values) for name, values in runs.weights.items()}
    model = restore(runs.variant.settings, weights, product)
    with torch.no_grad():
        logits = model(torch.from_numpy(digits("valid")[0]).float())
    np.testing.assert_array_equal(logits.argmax(-1), runs.weights["predicted"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_confusions_are_counted(variant, results):
    runs, (_, labels) = results[variant], digits("valid")
    for replicate, told in enumerate(runs.weights["predicted"]):
        by_hand = [[sum((labels == digit) & (told == answer)) for answer in range(10)] for digit in range(10)]
        np.testing.assert_array_equal(runs.weights["confusion"][replicate], by_hand)
        assert runs["errors"][replicate] == sum(labels != told)
        assert runs["accuracy"][replicate] == pytest.approx(1 - sum(labels != told) / len(labels))


@pytest.mark.parametrize("replicate", range(3))
def test_the_worst_mistakes(replicate, results):
    weights, (V, labels) = results["linear"].weights, digits("valid")
    logits = V @ weights["weights"][replicate].astype(float) + weights["bias"][replicate]
    lead = logits.max(1) - logits[np.arange(len(V)), labels]
    worst = np.argsort(-lead)[: mnist_full.WORST]
    assert (lead[worst] > 0).all()
    np.testing.assert_array_equal(weights["worst_images"][replicate].reshape(-1, 784) / 255, V[worst])
    np.testing.assert_array_equal(weights["worst_labels"][replicate], labels[worst])
    np.testing.assert_array_equal(weights["worst_predicted"][replicate], logits[worst].argmax(1))
    powers = np.exp(logits[worst])
    np.testing.assert_allclose(weights["worst_probabilities"][replicate], powers.max(1) / powers.sum(1), rtol=1e-5)


# --- the report ------------------------------------------------------------------------------------------------------


def test_claims_of_pairs_and_answers(results):
    told, (_, labels) = results["linear"].weights["predicted"], digits("valid")
    pairs = [{a, b} for a in range(10) for b in range(a)]
    most = [max(pairs, key=lambda pair: sum({a, b} == pair for a, b in zip(labels, row, strict=True))) for row in told]
    seldom = [
        min(list(row).count(digit) for digit in range(10)) for row in results["linear mnist_loss"].weights["predicted"]
    ]
    found = {claim.text: claim.judge(results).holds for claim in mnist_full.claims()}
    (of_pairs,) = (holds for text, holds in found.items() if "4 and 9" in text)
    (of_answers,) = (holds for text, holds in found.items() if "never name" in text)
    assert of_pairs == most.count({4, 9})
    assert of_answers == sum(count < mnist_full.SELDOM for count in seldom)


def test_what_is_not_trained_has_no_curve_but_a_place_in_the_report(results):
    write_report("mnist_full", params())
    curves = pd.read_csv(paths.curves("mnist_full"))
    assert list(curves) == ["epoch", *VARIANTS]
    assert curves["pixel similarity L1"].isna().all()
    assert curves["net"].notna().sum() == 1 + VARIANTS["net"]["epochs"]
    page = paths.page("mnist_full").read_text(encoding="utf-8")
    assert "nan" not in page
    assert page.count("| pixel similarity L1 |") == len(mnist_full.METRICS) + 1
