"""All studies of params.yaml, trained and reported once with few replicates and rows, and variations of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.params import Params
from groundwork.common.tensors import save_tensors
from groundwork.datasets import generate_dataset
from groundwork.engine.training import train_study
from groundwork.evaluate import evaluate
from groundwork.reporting.study_report import write_report
from groundwork.runs import Results, read_runs

SHIPPED = Path(__file__).parents[2] / "params.yaml"


def tiny(studies: dict[str, dict[str, Any]] | None = None) -> Params:
    """The shipped parameters with three replicates in two blocks, and with changes to some studies."""
    params = YAML(typ="safe").load(SHIPPED)
    params["jobs"] = 1
    for data in params["datasets"].values():
        data["replicates"] = 3
    params["datasets"]["planck"] |= {"wavelengths": [300, 800], "train": 400}
    for name, study in params["studies"].items():
        study |= {"replicates": min(3, study["replicates"]), "block_size": min(2, study["block_size"])}
        study |= {"fewer": {variant: min(3, most) for variant, most in study.get("fewer", {}).items()}}
        study |= (studies or {}).get(name, {})
    return Params.model_validate(params)


def digits(seed: int = 0) -> dict[str, np.ndarray]:
    """Pictures that are easy to tell apart in most cases: 3s have more ink on the left, 7s on the right."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for part, count in (("train", 150), ("valid", 40)):
        labels = np.repeat([1, 0], count).astype(np.uint8)
        slope = np.where(labels == 1, -1, 1)[:, None, None] * np.linspace(-1, 1, 28)
        ink = 128 + 15 * slope + 40 * rng.standard_normal((2 * count, 1, 1)) * np.linspace(-1, 1, 28)
        images = ink + 40 * rng.standard_normal((2 * count, 28, 28))
        tensors[f"{part}/images"] = images.clip(0, 255).astype(np.uint8)
        tensors[f"{part}/labels"] = labels
        tensors[f"{part}/index"] = np.arange(2 * count, dtype=np.int32)
    return tensors


def ten_digits(seed: int = 0) -> dict[str, np.ndarray]:
    """Pictures of ten kinds: a bright band on noise, which lies lower for a larger digit, and wavers."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for part, count in (("train", 30), ("valid", 12)):
        labels = np.arange(10 * count) % 10
        middle = 4 + 2.2 * labels + rng.normal(0, 0.7, len(labels))
        band = 150 * np.exp(-((np.arange(28) - middle[:, None]) ** 2) / 4)
        images = band[:, :, None] + 40 * rng.random((len(labels), 28, 28))
        tensors[f"{part}/images"] = images.clip(0, 255).astype(np.uint8)
        tensors[f"{part}/labels"] = labels.astype(np.uint8)
    return tensors


def make_data(params: Params) -> None:
    for name in params.datasets:
        generate_dataset(name, params)
    save_tensors(paths.dataset("raw/mnist_sample"), digits())
    save_tensors(paths.dataset("raw/mnist"), ten_digits())


@pytest.fixture(scope="session")
def params() -> Params:
    return tiny()


@pytest.fixture(scope="session")
def folder(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all studies have been trained and reported."""
    folder = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_data(params)
        for study in params.studies:
            if params.studies[study].dataset == "evaluated/mnist_sample":
                evaluate(params)
            train_study(study, params)
            write_report(study, params)
    return folder


@pytest.fixture
def results(folder: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Results]:
    """results(study), read as a report reads them; the working directory is `folder`."""
    monkeypatch.chdir(folder)
    return lambda study: read_runs(study, params.studies[study], params.data_of(study))


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Results]:
    """train(study, key=value, …): a study with other keys in its block of params.yaml, trained in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(study: str, **changes: Any) -> Results:
        params = tiny({study: changes})
        make_data(params)
        if params.studies[study].dataset == "evaluated/mnist_sample":
            for rung in {variant.settings.study for variant in params.studies[study].expand()}:
                train_study(rung, params)
            evaluate(params)
        train_study(study, params)
        return read_runs(study, params.studies[study], params.data_of(study))

    return run


@pytest.fixture
def report(train: Callable[..., Results]) -> Callable[..., Results]:
    """report(study, key=value, …): the same, trained and reported."""

    def run(study: str, **changes: Any) -> Results:
        results = train(study, **changes)
        write_report(study, tiny({study: changes}))
        return results

    return run
