"""`groundwork predict`, on models that were trained here, against the accuracy that training wrote down."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.errors import ParamsError, UserError
from groundwork.common.params import Params, read_params
from groundwork.common.tensors import load_tensors, save_tensors
from groundwork.engine.training import train_study
from groundwork.predict import predict
from groundwork.runs import Trained, write_runs

SHIPPED = Path(__file__).parents[1] / "params.yaml"
SGD = {"optimizer": "sgd", "start": "uniform", "batch_size": 64, "shuffle": True}
LINEAR = {"network": "linear", "loss": "mnist_loss", **SGD}
STUDIES: dict[str, dict[str, Any]] = {
    "pixel_similarity": {
        "dataset": "raw/mnist_sample",
        "variants": {"L1": {"network": "pixel_similarity", "distance": "L1"}},
    },
    "mnist_linear": {
        "dataset": "raw/mnist_sample",
        "variants": {
            "one epoch": {**LINEAR, "lr": 0.1, "epochs": 1},
            "two epochs": {**LINEAR, "lr": 0.1, "epochs": 2},
        },
    },
    "mnist_net": {
        "dataset": "raw/mnist_sample",
        "variants": {"net": {"network": "net", "hidden": 3, "loss": "mnist_loss", **SGD, "lr": 0.1, "epochs": 2}},
    },
    "mnist_full": {
        "dataset": "raw/mnist",
        "variants": {"linear": {**LINEAR, "loss": "cross_entropy", "lr": 0.5, "epochs": 10}},
    },
    "pixels": {"dataset": "raw/mnist_sample", "variants": {"3": {"network": "mean_image", "digit": 3}}},
}
TRAINED = ("mnist_linear", "mnist_net", "mnist_full")  # for all replicates
R = 2


def digits(classes: int) -> dict[str, np.ndarray]:
    """Noise, with a bar that tells the label; a part of them is hard to tell."""
    rng = np.random.default_rng(classes)
    tensors = {}
    for part, count in (("train", 400), ("valid", 90)):
        labels = rng.integers(0, classes, count).astype(np.uint8)
        images = np.zeros((count, 28, 28))
        images[:, 1:-1, 1:-1] = rng.integers(0, 200, (count, 26, 26))
        for image, label, light in zip(images, labels, rng.integers(0, 200, count), strict=True):
            image[2 * label + 4] += light * (np.arange(28) > 4) * (np.arange(28) < 23)
        tensors |= {f"{part}/images": images.clip(0, 255).astype(np.uint8), f"{part}/labels": labels}
        if classes == 2:
            tensors[f"{part}/index"] = np.arange(count, dtype=np.int32)
    return tensors


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with datasets, trained studies, and the validation pictures as PNGs: <dataset>/<number>.png."""
    root = tmp_path_factory.mktemp("predict")
    block = YAML(typ="safe").load(SHIPPED) | {"jobs": 1}
    replicates = {name: R if name in TRAINED else 1 for name in STUDIES}
    block["studies"] = {
        name: {**study, "model": "digits", "replicates": replicates[name], "block_size": R}
        for name, study in STUDIES.items()
    }
    block["studies"]["planck"] = YAML(typ="safe").load(SHIPPED)["studies"]["planck"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        with paths.PARAMS.open("w") as file:
            YAML().dump(block, file)
        for name, classes in (("mnist_sample", 2), ("mnist", 10)):
            tensors = digits(classes)
            save_tensors(paths.dataset(f"raw/{name}"), tensors)
            Path(name).mkdir()
            for index, image in enumerate(tensors["valid/images"]):
                Image.fromarray(image).save(f"{name}/{index:03}.png")
        for study in STUDIES:
            train_study(study, read_params())
    return root


@pytest.fixture
def params(project: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The parameters of the project, in which the test runs."""
    monkeypatch.chdir(project)
    return read_params()


def groundwork(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "groundwork", *arguments], capture_output=True, text=True)


# --- the same answers as in training ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("study", "run", "replicate"),
    [
        ("pixel_similarity", None, 0),
        ("mnist_linear", "one epoch", 0),
        ("mnist_linear", None, 1),
        ("mnist_net", "net", 1),
        ("mnist_full", None, 1),
    ],
)
def test_the_share_that_is_right_is_the_accuracy_of_training(study, run, replicate, params, capsys):
    dataset = params.studies[study].dataset
    predict(params, study, run, replicate, [Path(dataset.removeprefix("raw/"))])
    printed = capsys.readouterr()
    assert printed.err == ""
    head, *lines = printed.out.splitlines()
    last = list(STUDIES[study]["variants"])[-1]
    ten = dataset == "raw/mnist"
    told = "0, 1, 2, 3, 4, 5, 6, 7, 8 or 9" if ten else "3 or 7"
    assert head == f"{study}, {run or last}, replicate {replicate}: {told}"
    files, digits, probabilities = zip(*(line.split() for line in lines), strict=True)
    assert list(files) == [f"{dataset.removeprefix('raw/')}/{index:03}.png" for index in range(90)]
    labels = load_tensors(paths.dataset(dataset))["valid/labels"]
    meant = labels if ten else np.where(labels == 1, 3, 7)
    table = pd.read_csv(paths.runs(study) / "runs.csv").set_index(["variant", "replicate"])
    expected = table.loc[(run or last, replicate), "accuracy"]
    assert 0.15 < expected < 1
    assert np.mean(np.array(digits, int) == meant) == pytest.approx(expected, abs=1e-6)
    assert all(1 / (10 if ten else 2) - 1e-4 <= float(p) <= 1 for p in probabilities)


def test_the_probability_is_the_sigmoid_of_the_logit(params, capsys):
    predict(params, "mnist_linear", "two epochs", 0, [Path("mnist_sample/000.png")])
    *_, digit, probability = capsys.readouterr().out.split()
    weights = load_tensors(paths.runs("mnist_linear") / "weights.safetensors")
    x = load_tensors(paths.dataset("raw/mnist_sample"))["valid/images"][0].ravel() / 255
    logit = x @ weights["two epochs/weights"][0, :, 0].astype(float) + weights["two epochs/bias"][0, 0, 0]
    p = 1 / (1 + np.exp(-logit))
    assert (int(digit), float(probability)) == (3 if p > 0.5 else 7, pytest.approx(max(p, 1 - p), abs=1e-4))


# --- files -----------------------------------------------------------------------------------------------------------


def test_what_is_no_picture_is_one_line_and_the_others_go_on(params, tmp_path):
    folder = tmp_path / "a folder"
    (folder / "folder").mkdir(parents=True)
    (folder / ".hidden").write_text("not looked at")
    png = io.BytesIO()
    Image.open("mnist_sample/001.png").save(png, "PNG")
    for name, content in {
        "2.png": png.getvalue(),
        "1 é.png": png.getvalue(),
        "0.txt": b"text",
        "3.png": png.getvalue()[:100],
        "4\n.png": b"",
    }.items():
        (folder / name).write_bytes(content)
    (tmp_path / "empty").mkdir()
    done = groundwork(
        *("predict", "--study", "mnist_linear", "--replicate", "1"),
        *("mnist_sample/000.png", str(folder), str(tmp_path / "empty"), "nowhere.png"),
    )
    assert done.returncode == 1
    head, *lines = done.stdout.splitlines()
    assert head == "mnist_linear, two epochs, replicate 1: 3 or 7"
    width = len(f"{folder}/1 é.png")
    assert [line[:width].rstrip() for line in lines] == ["mnist_sample/000.png", f"{folder}/1 é.png", f"{folder}/2.png"]
    assert len({len(line) for line in lines}) == 1
    errors = done.stderr.splitlines()
    assert [line.partition(": ")[2].rpartition(": ")[0] or line for line in errors] == [
        f"{folder}/0.txt: not a picture; allowed",
        f"{folder}/3.png",
        f"{folder}/4\\n.png: not a picture; allowed",
        f"{tmp_path}/empty",
        "nowhere.png",
    ]
    assert all(line.startswith("error: ") for line in errors)


def test_no_picture_at_all(params, capsys):
    with pytest.raises(SystemExit) as caught:
        predict(params, "mnist_linear", None, 0, [paths.PARAMS])
    assert caught.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: params.yaml: not a picture; allowed: PNG, ")


# --- which model -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("study", "run", "replicate", "problem"),
    [
        ("planck", None, 0, "planck: .*; allowed: pixel_similarity, mnist_linear, mnist_net, mnist_full$"),
        ("pixels", None, 0, "pixels: .*; allowed: pixel_similarity, "),
        ("mnist_linear", "three epochs", 0, "three epochs: .*; allowed: one epoch, two epochs$"),
        ("mnist_linear", None, R, "--replicate 2: allowed for two epochs of mnist_linear: 0 to 1$"),
        ("mnist_linear", None, -1, "--replicate -1: allowed .*: 0 to 1$"),
    ],
)
def test_a_model_that_is_not_there(study, run, replicate, problem, params):
    with pytest.raises(ParamsError, match=problem):
        predict(params, study, run, replicate, [Path("mnist_sample")])


def test_an_unknown_study_is_refused_by_the_command(params):
    done = groundwork("predict", "mnist_sample", "--study", "nonsense")
    assert done.returncode == 2
    assert done.stderr.startswith("error: params.yaml: studies.nonsense: not there; allowed: pixel_similarity, ")


def test_missing_weights_name_the_stage(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data/runs/mnist_net/.* is missing: .*`dvc repro train@mnist_net`"):
        predict(params, "mnist_net", None, 0, [])


def test_a_replicate_that_diverged_or_kept_no_weights(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    accuracy = np.array([np.nan, 1], np.float32)
    [variant] = params.studies["mnist_net"].expand()
    write_runs(paths.runs("mnist_net"), {"net": Trained({"accuracy": accuracy}, {}, {})}, {"net": variant.settings})
    with pytest.raises(UserError, match="replicate 0 of net of mnist_net diverged; these did not: 1"):
        predict(params, "mnist_net", None, 0, [])
    with pytest.raises(UserError, match="mnist_net keeps no weights of net"):
        predict(params, "mnist_net", None, 1, [])
