"""Classifiers as models of MLflow: loaded and served as a user does it, they answer as the trained ones do."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import torch
from safetensors.numpy import load_file
from tiny_project import PARAMS, fill_alone, in_mlflow, seen

from groundwork.common import paths
from groundwork.common.params import read_params
from groundwork.common.tensors import save_tensors
from groundwork.models.digits import ResNets, grey, predicted, probability, resnet_start, restore
from groundwork.runs import Trained, read_runs, write_runs
from groundwork.tracking import models as mlflow_models
from groundwork.ui import free_port

DIGITS = {"raw/mnist_sample": [7, 3], "raw/mnist": list(range(10))}
SGD = {"optimizer": "sgd", "start": "normal", "lr": 1, "batch_size": 256, "epochs": 1, "shuffle": True}
LINEAR = {"network": "linear", "loss": "mnist_loss", **SGD}
NETWORKS: dict[str, dict[str, Any]] = {
    "pixels L1": {"network": "pixel_similarity", "distance": "L1"},
    "pixels RMSE": {"network": "pixel_similarity", "distance": "RMSE"},
    "linear": LINEAR,
    "net": {"network": "net", "hidden": 5, "loss": "cross_entropy", **SGD},
    "ResNet18": {
        "network": "resnet18",
        "loss": "cross_entropy",
        "optimizer": "one_cycle",
        "lr": 0.1,
        "batch_size": 64,
        "epochs": 1,
        "shuffle": True,
    },
}
R = 2
INK = np.random.default_rng(0)
IMAGES = INK.integers(0, 256, (7, 28, 28), np.uint8) * (INK.random((7, 28, 28)) < 0.1)  # little of it: all different
WITHOUT_US = """
import json, sys
sys.modules["groundwork"] = None  # importing it fails
import mlflow.pyfunc, numpy as np
images = np.array(json.load(sys.stdin), np.uint8)
answers = [mlflow.pyfunc.load_model(uri).predict(images).to_dict(orient="list") for uri in sys.argv[1:]]
print(json.dumps(answers))
"""


def weights_of(network: str, logits: int) -> dict[str, np.ndarray]:
    """Weights as a study keeps them, drawn at random, beside a tensor that its report might want."""
    rng = np.random.default_rng(1)
    kept = {"worst_images": np.zeros((R, 2, 28, 28), np.uint8)}
    if network == "resnet18":
        return kept | {name: tensor.numpy() for name, tensor in resnets(rng, logits).weights.items()}
    shapes = {
        "mean_image": {"mean": (784,)},
        "pixel_similarity": {"means": (logits, 784)},
        "linear": {"weights": (784, logits), "bias": (1, logits)},
        "net": {"w1": (784, 5), "b1": (1, 5), "w2": (5, logits), "b2": (1, logits)},
    }
    return kept | {name: rng.normal(0, 0.1, (R, *shape)).astype(np.float32) for name, shape in shapes[network].items()}


def resnets(rng: np.random.Generator, logits: int) -> ResNets:
    """ResNet18s, all of whose tensors are drawn, and that tell IMAGES apart."""
    states = [resnet_start(rng, logits) for _ in range(R)]
    for state in states:
        for name, tensor in state.items():
            if name.endswith("running_var"):
                state[name] = torch.from_numpy(rng.uniform(0.1, 1, tensor.shape)).float()
            elif name.endswith(("running_mean", "bias")):
                state[name] = torch.from_numpy(rng.normal(0, 0.5, tensor.shape)).float()
    found = ResNets(states)
    with torch.no_grad():
        for member, mean in zip(found.members, found(grey(torch.from_numpy(IMAGES))).mean(1), strict=True):
            member.fc.bias -= mean
    return found


def write(study: str, dataset: str, variants: dict[str, dict[str, Any]], diverged: tuple[int, ...] = ()) -> None:
    """A study in params.yaml, its dataset and its results; some replicates of each variant diverged."""
    block = {"dataset": dataset, "model": "digits", "replicates": R, "block_size": R, "variants": variants}
    paths.PARAMS.write_text(f"{PARAMS}  {study}: {json.dumps(block)}\n")
    save_tensors(paths.dataset(dataset), {"valid/images": IMAGES})
    accuracy = np.ones(R, np.float32)
    accuracy[list(diverged)] = np.nan
    runs = {}
    for name, settings in variants.items():
        one = dataset == "raw/mnist_sample" and settings["network"] == "linear"
        weights = weights_of(settings["network"], 1 if one else len(DIGITS[dataset]))
        runs[name] = Trained({"accuracy": accuracy}, {}, weights)
    expanded = read_params().studies[study].expand()
    write_runs(paths.runs(study), runs, {variant.name: variant.settings for variant in expanded})


def models(study: str) -> dict[str, str]:
    """Run id -> id of the model that MLflow shows with it."""
    experiment = in_mlflow("get_experiment_by_name", study).experiment_id
    found = {model.model_id: model for model in in_mlflow("search_logged_models", [experiment])}
    assert {model.status for model in found.values()} <= {"READY"}
    runs = {run.id: in_mlflow("get_run", run.id).outputs.model_outputs for run in seen(study=study)}
    shown = {run: outputs[0].model_id for run, outputs in runs.items() if outputs}
    assert shown == {model.source_run_id: model.model_id for model in found.values()}
    return shown


def folder(study: str, model: str) -> Path:
    return Path("mlruns", study, "models", model, "artifacts")


def answers(*uris: str) -> list[dict[str, list]]:
    """What loaded models say of IMAGES, in a Python that has no Groundwork."""
    command = [sys.executable, "-c", WITHOUT_US, *uris]
    done = subprocess.run(command, input=json.dumps(IMAGES.tolist()), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(answer: dict[str, list], study: str, variant: str, replicate: int = 0) -> None:
    """Compare with the digits and probabilities of the model that the study trained."""
    block = read_params().studies[study]
    runs = read_runs(study, block)[variant]
    weights = {name: torch.from_numpy(values) for name, values in runs.weights.items()}
    with torch.no_grad():
        logits = restore(runs.variant.settings, weights, torch.matmul)(grey(torch.from_numpy(IMAGES)))
    labels = predicted(logits)[replicate]
    probabilities = probability(logits)[replicate, range(len(IMAGES)), labels]
    assert len(set(labels.tolist())) > 1
    assert answer["digit"] == [DIGITS[block.dataset][label] for label in labels]
    np.testing.assert_allclose(answer["probability"], probabilities, rtol=1e-4)


# --- loaded ----------------------------------------------------------------------------------------------------------


def test_each_network_tells_ten_digits_as_it_was_trained_to():
    write("mnist_full", "raw/mnist", NETWORKS)
    fill_alone()
    shown = models("mnist_full")
    uris = [f"models:/{shown[run.id]}" for run in seen(study="mnist_full")]
    for run, answer in zip(seen(study="mnist_full"), answers(*uris), strict=True):
        check(answer, "mnist_full", run.name)


def test_a_single_logit_tells_3_from_7():
    write("mnist_linear", "raw/mnist_sample", {"linear": LINEAR})
    fill_alone()
    [run] = models("mnist_linear")
    [answer] = answers(f"runs:/{run}/classifier")
    check(answer, "mnist_linear", "linear")


# --- what is logged --------------------------------------------------------------------------------------------------


def test_it_is_the_first_replicate_that_did_not_diverge():
    write("mnist_linear", "raw/mnist_sample", {"linear": LINEAR}, diverged=(0,))
    fill_alone()
    [model] = models("mnist_linear").values()
    logged = load_file(folder("mnist_linear", model) / "artifacts/weights.safetensors")
    for name, values in weights_of("linear", 1).items():
        assert name == "worst_images" or np.array_equal(logged[name], values[1])


def test_no_model_where_all_diverged_or_none_tells_digits_apart():
    write("mnist_linear", "raw/mnist_sample", {"linear": LINEAR}, diverged=(0, 1))
    fill_alone()
    assert models("mnist_linear") == {}
    write("pixels", "raw/mnist_sample", {"mean 3": {"network": "mean_image", "digit": 3}})
    fill_alone()
    assert models("pixels") == {}


def test_it_is_code_and_one_replicates_weights_with_signature_and_example():
    from mlflow.models import Model

    write("mnist_linear", "raw/mnist_sample", {"linear": LINEAR})
    fill_alone()
    [model] = models("mnist_linear").values()
    place = folder("mnist_linear", model)
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    described = {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"}
    examples = {"input_example.json", "serving_input_example.json"}
    assert files == {"digits.py", "artifacts/weights.safetensors"} | described | examples
    assert {name: values.shape for name, values in load_file(place / "artifacts/weights.safetensors").items()} == {
        "weights": (784, 1),
        "bias": (1, 1),
    }
    info = Model.load(place)
    assert str(info.signature.inputs) == "[Tensor('uint8', (-1, 28, 28))]"
    assert str(info.signature.outputs) == "['digit': long (required), 'probability': double (required)]"
    assert np.array_equal(info.load_input_example(place), IMAGES[[0, -1]])
    needed = {line.partition("==")[0] for line in (place / "requirements.txt").read_text().split()}
    assert needed == {"mlflow", "numpy", "pandas", "safetensors", "torch"}


def test_a_run_that_is_kept_keeps_its_model_and_changed_code_is_logged_anew(tmp_path, monkeypatch):
    write("mnist_linear", "raw/mnist_sample", {"linear": LINEAR})
    assert fill_alone()["mnist_linear"].new == 1
    first = models("mnist_linear")
    assert fill_alone()["mnist_linear"].new == 0
    assert models("mnist_linear") == first
    changed = tmp_path / mlflow_models.CODE.name
    changed.write_text(mlflow_models.CODE.read_text() + "\n")
    monkeypatch.setattr(mlflow_models, "CODE", changed)
    count = fill_alone()["mnist_linear"]
    assert (count.new, count.superseded) == (1, 1)
    [model] = set(models("mnist_linear").values()) - set(first.values())
    assert (folder("mnist_linear", model) / changed.name).read_text() == changed.read_text()


def test_logging_is_quiet_and_loads_no_torch():
    write("mnist_linear", "raw/mnist_sample", {"linear": LINEAR})
    tracked = "import sys; from groundwork.__main__ import app; app(['track'], standalone_mode=False)"
    command = [sys.executable, "-c", f"{tracked}; print('torch' in sys.modules)"]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(command, env=quiet, capture_output=True, text=True)
    assert done.stderr == ""
    assert "mnist_linear: 1 current (1 new)" in done.stdout
    assert done.stdout.endswith("False\n")


# --- served ----------------------------------------------------------------------------------------------------------


@contextmanager
def served(uri: str) -> Iterator[str]:
    """`mlflow models serve` for the block, once it answers: its address."""
    port = free_port(5700)
    command = ["mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local", "--port", str(port)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # as in an activated environment
    with Path("serve.log").open("w") as log:
        environment = os.environ | {"PATH": path}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            while not answers_ping(port):
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.1)
                assert process.poll() is None, Path("serve.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def answers_ping(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok
    except requests.RequestException:
        return False


def test_it_is_served():
    write("mnist_linear", "raw/mnist_sample", {"linear": LINEAR})
    fill_alone()
    [run] = models("mnist_linear")
    with served(f"runs:/{run}/classifier") as address:
        answer, one, flat = (
            requests.post(f"{address}/invocations", json={"inputs": images.tolist()}, timeout=60)
            for images in (IMAGES, IMAGES[:1], IMAGES.reshape(-1, 784))
        )
    rows = answer.json()["predictions"]
    check({name: [row[name] for row in rows] for name in ("digit", "probability")}, "mnist_linear", "linear")
    [alone] = one.json()["predictions"]
    assert alone == pytest.approx(rows[0])
    assert flat.status_code == 400
    assert "(-1, 28, 28)" in flat.json()["message"]
