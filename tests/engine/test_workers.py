"""Blocks on a Dask cluster: a real scheduler, real workers on 127.0.0.1, and the same bytes as here, whoever dies."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
import pytest
from distributed import Client
from ruamel.yaml import YAML

import groundwork
from groundwork.common import numerics, paths
from groundwork.common.errors import UserError
from groundwork.common.params import Params, read_params
from groundwork.common.settings import RegressionData
from groundwork.common.tensors import save_tensors
from groundwork.datasets.regression import generate
from groundwork.engine.training import train_study
from groundwork.runs import Trained

SHIPPED = Path(__file__).parents[2] / "params.yaml"
STUDY = "learning_rate"
BLOCKS = 8
CLOSED = "tcp://127.0.0.1:9"  # where nobody listens
PATIENCE = "distributed.comm.timeouts.connect"


def project(epochs: int = 1, **fixed: object) -> Params:
    """The shipped parameters with few rows and a study of blocks of one replicate, and the data, in this folder."""
    yaml = YAML()
    block = yaml.load(SHIPPED)
    block["datasets"]["regression"] |= {"replicates": BLOCKS, "train": 100, "valid": 50}
    study = block["studies"][STUDY]
    study |= {"replicates": BLOCKS, "block_size": 1, "grid": {"epochs": [epochs], "lr": [0.03, 3]}}
    study["fixed"] |= fixed
    yaml.dump(block | {"jobs": 1, "studies": {STUDY: study}}, paths.PARAMS)
    params = read_params()
    made = params.data_of(STUDY)
    assert isinstance(made, RegressionData)
    save_tensors(paths.dataset("generated/regression"), generate("regression", made, params.seed))
    return params


def trained(params: Params) -> dict[str, bytes]:
    """Train and return the files."""
    train_study(STUDY, params)
    return {path.name: path.read_bytes() for path in sorted(paths.runs(STUDY).iterdir())}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)


# --- a cluster -------------------------------------------------------------------------------------------------------


def clean() -> dict[str, str]:
    """The environment without the profile of this process."""
    profile = numerics.ONE_THREAD | numerics.KERNELS["portable"]
    return {key: value for key, value in os.environ.items() if key not in profile and not key.startswith("DASK_")}


@contextmanager
def running(folder: Path, *command: str, **env: str) -> Iterator[subprocess.Popen]:
    """A Python command with its children for the block, in a folder."""
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=clean() | env,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen) -> None:
    """End a process and its children, which cannot say goodbye."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """The address of a scheduler."""
    command = (
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--dashboard-address",
        "127.0.0.1:0",
    )
    with running(folder, *command) as process:
        assert process.stderr
        yield next(line.split()[-1] for line in process.stderr if "Scheduler at:" in line)


def worker(folder: Path, address: str, *command: str, **env: str):
    """A worker by `groundwork worker` or another command."""
    shutil.copy(SHIPPED, folder)
    options = ("--name", folder.name, "--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(folder))
    return running(folder, *(command or ("groundwork", "worker")), address, *options, **env)


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Iterator[str]:
    """A scheduler without workers."""
    with scheduler(tmp_path_factory.mktemp("scheduler")) as address:
        yield address


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[str]:
    """A scheduler with a worker that is called `stays`."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "stays").mkdir()
    with scheduler(folder) as address, worker(folder / "stays", address):
        yield address


@pytest.fixture(scope="module")
def watcher(cluster) -> Iterator[Client]:
    with Client(cluster) as client:
        client.wait_for_workers(1, timeout=60)
        yield client


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Ask again until it is so; each question is a call over the network."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"


# --- the same bytes --------------------------------------------------------------------------------------------------


def test_lost_workers_and_lost_data_change_no_byte(cluster, watcher, tmp_path, monkeypatch):
    """One worker is lost for good, the other with its data; its nanny starts it again."""
    params = project(epochs=60)
    here = trained(params)

    def address_of(name: str) -> str:
        workers = watcher.scheduler_info(n_workers=-1)["workers"]
        return next((address for address, worker in workers.items() if worker["name"] == name), "")

    def trains(name: str) -> bool:
        return any(key.startswith("train_here") for key in watcher.processing().get(address_of(name), ()))

    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster)
    (tmp_path / "goes").mkdir()
    with worker(tmp_path / "goes", cluster) as goes, ThreadPoolExecutor(1) as pool:
        watcher.wait_for_workers(2, timeout=60)
        study = pool.submit(trained, params)
        until(lambda: trains("goes"))
        kill(goes)
        until(lambda: trains("stays"))
        os.kill(watcher.run(os.getpid, workers=[address_of("stays")])[address_of("stays")], signal.SIGKILL)
        assert study.result(60) == here
    begun = watcher.run_on_scheduler(
        lambda dask_scheduler: [
            key for key, _, state, *_ in dask_scheduler.transition_log if "train_here" in key and state == "processing"
        ]
    )
    assert len(set(begun)) == BLOCKS
    assert len(begun) >= BLOCKS + 2  # those that the two had begun, once more


def test_a_users_error_is_that_of_the_block(cluster, watcher, monkeypatch):
    params = project(remedy="dropout")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster)
    with pytest.raises(
        UserError, match=r"^params.yaml: studies\.learning_rate: .* sets remedy, which this study does not use"
    ):
        trained(params)
    assert not paths.runs(STUDY).exists()


def test_a_lost_scheduler_is_one_line(tmp_path, monkeypatch, capfd):
    params = project(epochs=60)
    (tmp_path / "one").mkdir()
    with scheduler(tmp_path) as address, worker(tmp_path / "one", address), ThreadPoolExecutor(1) as pool:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
        with Client(address) as client:
            client.wait_for_workers(1, timeout=60)
            pid = client.run_on_scheduler(os.getpid)
            study = pool.submit(trained, params)
            until(lambda: any("train_here" in key for keys in client.processing().values() for key in keys))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(UserError, match=rf"^the Dask scheduler at {address} was lost: start it again"):
            study.result(60)
    assert not paths.runs(STUDY).exists()
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_leaves_nothing_to_do(cluster, watcher, tmp_path):
    project(epochs=60)
    with running(tmp_path, "groundwork", "train", "--study", STUDY, DASK_SCHEDULER_ADDRESS=cluster) as study:
        until(lambda: any("train_here" in key for keys in watcher.processing().values() for key in keys))
        study.send_signal(signal.SIGINT)
        study.wait(60)
        assert study.returncode == 130
        assert "Traceback" not in study.communicate()[1]
    until(lambda: not watcher.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
    assert not paths.runs(STUDY).exists()


def test_results_survive_the_journey():
    rng = np.random.default_rng(0)
    names = ["val/loss", "accuracy", "a metric of 2 words"]
    trained = Trained(
        metrics={name: rng.random(3) for name in names} | {"count": np.array([1, 2, 3])},
        history={name: (np.arange(4), np.arange(4) / 2, rng.random((4, 3), np.float32)) for name in names},
        weights={"w": rng.random((3, 2, 5), np.float32).transpose(0, 2, 1), "b": np.array([np.nan, np.inf, -0.0])},
    )
    again = Trained.from_bytes(trained.to_bytes())
    for part in ("metrics", "history", "weights"):
        before, after = getattr(trained, part), getattr(again, part)
        assert list(after) == list(before)
        for name in before:
            arrays = zip(*(each if part == "history" else (each,) for each in (before[name], after[name])), strict=True)
            assert all(np.array_equal(one, other, equal_nan=True) and one.dtype == other.dtype for one, other in arrays)
    assert again.to_bytes() == trained.to_bytes()


def test_no_dask_without_a_cluster():
    project()
    script = """if True:
        import runpy, sys
        sys.argv = ["groundwork", "train", "--study", "learning_rate"]
        runpy.run_module("groundwork.__main__")["app"](standalone_mode=False)
        print(*sorted({"dask", "distributed", "groundwork.engine.workers"} & sys.modules.keys()))
    """
    done = subprocess.run([sys.executable, "-c", script], env=clean(), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("groundwork.engine.workers\n", "")
    assert paths.runs(STUDY).exists()


# --- refusals --------------------------------------------------------------------------------------------------------


def refusal(address: str, monkeypatch) -> str:
    """Why the cluster at this address does not train."""
    params = project()
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    with pytest.raises(UserError) as error:
        train_study(STUDY, params)
    assert not paths.runs(STUDY).exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_no_scheduler(monkeypatch, capfd):
    with dask.config.set({PATIENCE: "1s"}):
        line = refusal(CLOSED, monkeypatch)
    assert line.startswith(f"DASK_SCHEDULER_ADDRESS = {CLOSED}: no Dask scheduler answers within 1s (")
    assert capfd.readouterr() == ("", "")


def test_no_scheme_that_dask_knows(monkeypatch):
    assert "unknown address scheme 'pigeon'" in refusal("pigeon://roof", monkeypatch)


def test_no_worker_is_waited_for(bare, monkeypatch, capfd):
    with dask.config.set({PATIENCE: "1s"}):
        line = refusal(bare, monkeypatch)
    assert line.startswith(f"no worker has joined the Dask scheduler at {bare} within 1s")
    assert capfd.readouterr() == ("", f"waiting for a worker to join {bare}, at most 1s\n")


def test_a_worker_of_another_version_is_refused(bare, tmp_path, monkeypatch):
    package = tmp_path / "other" / "groundwork"
    shutil.copytree(Path(groundwork.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / "losses.py").open("a") as file:
        file.write("\n")
    with worker(tmp_path, bare, PYTHONPATH=str(package.parent)):
        line = refusal(bare, monkeypatch)
    assert line.startswith("the worker at tcp://127.0.0.1:")
    assert " has code " in line
    assert " instead of " in line
    assert "=" not in line  # nothing else differs


def test_a_worker_without_the_profile_is_refused(bare, tmp_path, monkeypatch):
    with worker(tmp_path, bare, "distributed.cli.dask_worker"):
        line = refusal(bare, monkeypatch)
    assert "OPENBLAS_CORETYPE = unset instead of Haswell" in line
    assert "code" not in line


def test_a_worker_without_our_code_is_refused(bare, tmp_path, monkeypatch):
    (tmp_path / "other" / "groundwork").mkdir(parents=True)
    (tmp_path / "other" / "groundwork" / "__init__.py").touch()
    with worker(tmp_path, bare, "distributed.cli.dask_worker", PYTHONPATH=str(tmp_path / "other")):
        line = refusal(bare, monkeypatch)
    assert re.match(r"at tcp://127.0.0.1:\d+ there is no Groundwork, or an old one \(No module named 'groundwork", line)
