"""Models trained for real on a few made-up digits, rebuilt and judged: against the same sums in numpy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from scipy.special import expit

from groundwork.common import paths
from groundwork.common.errors import ParamsError, UserError
from groundwork.common.params import Params, read_params
from groundwork.common.tensors import load_tensors, save_tensors
from groundwork.engine.training import train_study
from groundwork.evaluate import evaluate
from groundwork.runs import read_runs

SHIPPED = Path(__file__).parents[1] / "params.yaml"
JUDGED = paths.dataset("evaluated/mnist_sample")

DIGITS = {"dataset": "raw/mnist_sample", "model": "digits"}
SGD = {"loss": "mnist_loss", "optimizer": "sgd", "start": "uniform", "batch_size": 16, "epochs": 10, "shuffle": True}
STUDIES: dict[str, dict[str, Any]] = {
    "pixel_similarity": {
        **DIGITS,
        **{"replicates": 1, "block_size": 1, "fixed": {"network": "pixel_similarity"}},
        "grid": {"distance": ["L1", "RMSE"]},
    },
    "mnist_linear": {
        **DIGITS,
        **{"replicates": 5, "block_size": 2, "fixed": {"network": "linear", "lr": 0.1, **SGD}},
        "variants": {"straight": {}},
    },
    "mnist_net": {
        **DIGITS,
        **{"replicates": 3, "block_size": 2, "fixed": {"network": "net", "lr": 0.5, **SGD}},
        "variants": {"bent": {"hidden": 5}},
    },
    "mnist_resnet": {
        **DIGITS,
        **{"replicates": 2, "block_size": 1},
        "fixed": {
            **{"network": "resnet18", "loss": "cross_entropy", "optimizer": "one_cycle", "lr": 0.01},
            **{"batch_size": 16, "epochs": 4, "shuffle": True},
        },
        "variants": {"deep": {}},
    },
    "pixels": {
        **DIGITS,
        **{"replicates": 1, "block_size": 1, "fixed": {"network": "mean_image"}, "grid": {"digit": [3, 7]}},
    },
    "mnist_ladder": {
        **{"dataset": "evaluated/mnist_sample", "model": "rung", "replicates": 5, "block_size": 5},
        "variants": {
            "L1": {"study": "pixel_similarity", "run": "distance=L1"},
            "RMSE": {"study": "pixel_similarity", "run": "distance=RMSE"},
            "linear": {"study": "mnist_linear", "run": "straight"},
            "net": {"study": "mnist_net", "run": "bent"},
            "ResNet18": {"study": "mnist_resnet", "run": "deep"},
        },
        "fewer": {"L1": 1, "RMSE": 1, "net": 2, "ResNet18": 2},
    },
}
RUNGS = {"pixel_similarity/distance=L1", "pixel_similarity/distance=RMSE"}
RUNGS |= {"mnist_linear/straight", "mnist_net/bent", "mnist_resnet/deep"}


def with_studies(studies: dict[str, Any]) -> dict[str, Any]:
    return YAML(typ="safe").load(SHIPPED) | {"jobs": 1, "studies": studies}


PARAMS = Params.model_validate(with_studies(STUDIES))


def digits() -> dict[str, np.ndarray]:
    """3s have more ink on the left, 7s on the right; noise hides it in some."""
    rng = np.random.default_rng(0)
    tensors = {}
    for part, count in (("train", 40), ("valid", 30)):
        labels = np.repeat([1, 0], count).astype(np.uint8)
        slope = np.where(labels == 1, -1, 1) * 12 + 25 * rng.standard_normal(2 * count)
        ink = 128 + slope[:, None, None] * np.linspace(-1, 1, 28) + 40 * rng.standard_normal((2 * count, 28, 28))
        tensors[f"{part}/images"] = ink.clip(0, 255).astype(np.uint8)
        tensors[f"{part}/labels"] = labels
        tensors[f"{part}/index"] = rng.permutation(2 * count).astype(np.int32)
    return tensors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the rungs have been trained and judged."""
    folder = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_tensors(paths.dataset("raw/mnist_sample"), digits())
        for study in ("pixel_similarity", "mnist_linear", "mnist_net", "mnist_resnet"):
            train_study(study, PARAMS)
        evaluate(PARAMS)
    return folder


@pytest.fixture
def judged(folder, monkeypatch) -> dict[str, np.ndarray]:
    """What was found; the working directory is `folder`."""
    monkeypatch.chdir(folder)
    return load_tensors(JUDGED)


def trained(study: str) -> dict[str, np.ndarray]:
    (run, *_) = read_runs(study, PARAMS.studies[study])
    return run.weights


def test_what_is_in_the_file(judged):
    raw = digits()
    for key in ("images", "labels", "index"):
        np.testing.assert_array_equal(judged.pop(key), raw[f"valid/{key}"])
    assert {name.rpartition("/")[0] for name in judged} == RUNGS
    for rung, R in zip(sorted(RUNGS), (5, 2, 2, 1, 1), strict=True):  # the ladder's replicates, not the study's
        predicted, probability, cost = (judged[f"{rung}/{key}"] for key in ("predicted", "probability", "cost"))
        assert (predicted.shape, predicted.dtype) == ((R, 60), np.uint8)
        assert (probability.shape, probability.dtype) == ((R, 60), np.float32)
        assert (cost.shape, cost.dtype) == ((2,), np.int64)
        np.testing.assert_array_equal(predicted, probability > 0.5)


def test_it_agrees_with_the_studies(judged):
    for rung in RUNGS:
        study, _, run = rung.partition("/")
        written = read_runs(study, PARAMS.studies[study])[run]["accuracy"]
        right = (judged[f"{rung}/predicted"] == judged["labels"]).mean(1)
        np.testing.assert_allclose(right, written[: len(right)], rtol=1e-6)
        assert 0.5 < right.mean() < 1, rung  # a test in which all is right would show little


def test_the_linear_model_by_numpy(judged):
    weights = trained("mnist_linear")
    X = judged["images"].reshape(60, 784).astype(float) / 255
    logits = (X @ weights["weights"].astype(float) + weights["bias"])[..., 0]
    np.testing.assert_allclose(judged["mnist_linear/straight/probability"], expit(logits), atol=1e-5)


def test_the_net_by_numpy(judged):
    w1, b1, w2, b2 = (trained("mnist_net")[name][:2].astype(float) for name in ("w1", "b1", "w2", "b2"))
    X = judged["images"].reshape(60, 784) / 255
    logits = (np.maximum(X @ w1 + b1, 0) @ w2 + b2)[..., 0]
    np.testing.assert_allclose(judged["mnist_net/bent/probability"], expit(logits), atol=1e-5)


@pytest.mark.parametrize("distance", ["L1", "RMSE"])
def test_pixel_similarity_by_numpy(distance, judged):
    raw = digits()
    X, V = raw["train/images"] / 255, raw["valid/images"] / 255
    apart = []
    for label in (0, 1):
        difference = V - X[raw["train/labels"] == label].mean(0)
        apart.append(np.abs(difference).mean((1, 2)) if distance == "L1" else (difference**2).mean((1, 2)) ** 0.5)
    found = judged[f"pixel_similarity/distance={distance}/probability"][0]
    np.testing.assert_allclose(found, expit(apart[0] - apart[1]), atol=1e-6)


def test_what_each_costs(judged):
    """Parameters and multiply-adds; those of ResNet18 by the sizes of its layers, for images of 28×28."""
    layers = [(3, 64, 7, 14), *[(64, 64, 3, 7)] * 4]  # channels in and out, width of the kernel, of the output
    for channels, side in ((128, 4), (256, 2), (512, 1)):
        layers += [(channels // 2, channels, 3, side), (channels // 2, channels, 1, side)]
        layers += [(channels, channels, 3, side)] * 3
    multiply_adds = sum(i * o * kernel**2 * side**2 for i, o, kernel, side in layers) + 512 * 2
    expected = {
        "pixel_similarity/distance=L1": (2 * 784, 2 * 784),
        "pixel_similarity/distance=RMSE": (2 * 784, 2 * 784),
        "mnist_linear/straight": (785, 784),
        "mnist_net/bent": (784 * 5 + 5 + 5 + 1, 784 * 5 + 5),
        "mnist_resnet/deep": (11_177_538, multiply_adds),
    }
    assert {rung: tuple(judged[f"{rung}/cost"]) for rung in RUNGS} == expected


def test_the_same_bytes_again(judged):
    before = JUDGED.read_bytes()
    evaluate(PARAMS)
    assert JUDGED.read_bytes() == before


# --- what is wrong is one clear line ---------------------------------------------------------------------------------


@pytest.fixture
def copy(folder, tmp_path, monkeypatch) -> Path:
    """A folder with links to what was trained, not yet judged, but for the linear model's own copy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/runs/mnist_linear").mkdir(parents=True)
    for name in ("raw", "runs/pixel_similarity", "runs/mnist_net", "runs/mnist_resnet"):
        (tmp_path / "data" / name).symlink_to(folder / "data" / name)
    for file in (folder / "data/runs/mnist_linear").iterdir():
        (tmp_path / "data/runs/mnist_linear" / file.name).write_bytes(file.read_bytes())
    return tmp_path / "data/runs/mnist_linear"


def test_weights_of_another_training_are_noticed(copy):
    weights = load_tensors(copy / "weights.safetensors")
    weights["straight/weights"][3] = 0
    save_tensors(copy / "weights.safetensors", weights)
    with pytest.raises(UserError, match=r"mnist_linear is damaged: replicate 3 of 'straight'.*train@mnist_linear`$"):
        evaluate(PARAMS)
    assert not JUDGED.exists()


def test_weights_that_are_not_there(copy):
    weights = load_tensors(copy / "weights.safetensors")
    del weights["straight/bias"]
    save_tensors(copy / "weights.safetensors", weights)
    with pytest.raises(UserError, match=r"has no 'bias' of 'straight': make it again with `dvc repro train@mnist_lin"):
        evaluate(PARAMS)


def test_a_study_that_was_not_trained(copy):
    (copy / "runs.csv").unlink()
    with pytest.raises(UserError, match=r"runs\.csv is missing: make it with `dvc repro train@mnist_linear`"):
        evaluate(PARAMS)


STUDY_NAMES = "mnist_linear, mnist_net, mnist_resnet, pixel_similarity"


@pytest.mark.parametrize(
    ("rung", "message"),
    [
        ({"study": "mnist", "run": "straight"}, f"variants.linear.study = mnist: allowed: {STUDY_NAMES}"),
        ({"study": "pixels", "run": "digit=3"}, f"variants.linear.study = pixels: allowed: {STUDY_NAMES}"),
        ({"study": "mnist_ladder", "run": "net"}, f"variants.linear.study = mnist_ladder: allowed: {STUDY_NAMES}"),
        ({"study": "mnist_linear", "run": "bent"}, "variants.linear.run = bent: allowed: straight"),
        ({"study": "mnist_linear"}, "run: missing"),
        ({"study": "mnist_linear", "run": "straight", "lr": 1}, "variants.linear.lr: unknown key; allowed: study, run"),
        (
            {"study": "mnist_net", "run": "bent"},
            "5 replicates of 'linear': allowed: at most the 3 of mnist_net",
        ),
    ],
)
def test_a_rung_that_is_not_there(rung, message, tmp_path):
    ladder = STUDIES["mnist_ladder"]
    studies = STUDIES | {"mnist_ladder": ladder | {"variants": ladder["variants"] | {"linear": rung}}}
    file = tmp_path / "params.yaml"
    with file.open("w", encoding="utf-8") as out:
        YAML(typ="safe").dump(with_studies(studies), out)
    with pytest.raises(ParamsError) as caught:
        read_params(file)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{file}: studies.mnist_ladder")
    assert message in line
