"""A project of one study with three tiny runs, and what MLflow shows of it."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from beginning import BEGINNING
from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.params import read_params
from groundwork.runs import Trained, write_runs
from groundwork.tracking.track import fill

STUDY, R, STEPS = "learning_rate", 5, 7
PARAMS = (
    BEGINNING
    + """\
datasets:
  regression: {family: regression, replicates: 5, train: 10, valid: 10, w: [2, -3.4], b: 4.2, noise: 0.01}
studies:
  learning_rate:
    dataset: generated/regression
    model: linear
    replicates: 5
    block_size: 5
    fixed: {loss: squared, optimizer: sgd, batch_size: 32, epochs: 3, shuffle: true, sigma: 0.01}
    grid: {lr: [0.03, 0.3, 3]}
"""
)
SECOND_STUDY = """
  pixel_similarity:
    dataset: raw/mnist_sample
    model: digits
    fixed: {network: pixel_similarity}
    replicates: 1
    block_size: 1
    grid: {distance: [L1, RMSE]}
"""
VARIANTS = ["lr=0.03", "lr=0.3", "lr=3"]


def trained(seed: int = 0) -> dict[str, Trained]:
    """Three variants: all replicates converge, the second one diverges in one and the third in all of them."""
    rng = np.random.default_rng(seed)
    found = {}
    for at, name in enumerate(VARIANTS):
        losses = np.sort(rng.random((STEPS, R), np.float32), axis=0)[::-1].copy()
        w1 = rng.standard_normal(R, np.float32)
        if at == 1:
            losses[-1, 2], w1[2] = np.inf, np.nan
        if at == 2:
            losses[3:], w1[:] = np.inf, np.nan
            losses[5:] = np.nan
        steps = np.arange(STEPS) * 10
        history = {
            "train/loss": (steps[1:], steps[1:] / 20, losses[1:]),
            "val/loss": (steps, steps / 20, losses),
            "accuracy": (steps, steps / 20, rng.random((STEPS, R), np.float32)),
        }
        found[name] = Trained({"w1": w1, "val/loss": losses[-1]}, history, {"w": rng.random((R, 2, 1), np.float32)})
    return found


def write(runs: dict[str, Trained]) -> None:
    variants = read_params().studies[STUDY].expand()
    write_runs(paths.runs(STUDY), runs, {variant.name: variant.settings for variant in variants})


def alone(function, *arguments):
    """The result of a call in a process of its own: MLflow keeps open databases for as long as a process lives.

    Of a `UserError` only the text comes back: what MLflow raised before it cannot be sent.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        result, error = pool.submit(_tried, function, *arguments).result()
    if error:
        raise UserError(error)
    return result


def _tried(function, *arguments):
    try:
        return function(*arguments), None
    except UserError as error:
        return None, str(error)


def fill_from_params():
    return fill(read_params())


def fill_alone():
    return alone(fill_from_params)


@dataclass(frozen=True)
class Seen:
    """A run as MLflow shows it."""

    id: str
    name: str
    status: str  # of the run: RUNNING, FINISHED
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    dataset: tuple[str, str, str] | None
    artifacts: list[str]

    @property
    def current(self) -> bool:
        return self.tags.get("groundwork.status") == "current"


def look(uri: str, study: str) -> list[Seen]:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    found = []
    for run in client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]):
        datasets = [one.dataset for one in run.inputs.dataset_inputs]
        folders = ["", *(one.path for one in client.list_artifacts(run.info.run_id) if one.is_dir)]
        folders += [one.path for folder in folders[1:] for one in client.list_artifacts(run.info.run_id, folder)]
        files = [one for folder in folders for one in client.list_artifacts(run.info.run_id, folder) if not one.is_dir]
        found.append(
            Seen(
                id=run.info.run_id,
                name=run.info.run_name,
                status=run.info.status,
                params=run.data.params,
                metrics=run.data.metrics,
                tags=run.data.tags,
                dataset=(datasets[0].name, datasets[0].digest, datasets[0].source) if datasets else None,
                artifacts=sorted({one.path for one in files}),
            )
        )
    return found


def seen(uri: str = "sqlite:///mlflow.db", study: str = STUDY) -> list[Seen]:
    return alone(look, uri, study)


def current(uri: str = "sqlite:///mlflow.db") -> dict[str, str]:
    """Name -> run id of the current runs, each variant exactly once."""
    runs = [run for run in seen(uri) if run.current]
    assert sorted(run.name for run in runs) == VARIANTS
    assert all(run.status == "FINISHED" for run in runs)
    return {run.name: run.id for run in runs}


def in_mlflow(function, *arguments):
    """A call of a client's method, by its name, as a user or another program would do it."""
    return alone(_call, function, *arguments)


def _call(name, *arguments):
    from mlflow import MlflowClient

    return getattr(MlflowClient("sqlite:///mlflow.db"), name)(*arguments)
