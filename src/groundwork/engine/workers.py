"""Where the blocks of a study are trained: in processes of this machine, or on a Dask cluster.

The results are the same bytes, for a block does not know who trains it. To a cluster the dataset goes once, and what
comes back is the content of safetensors files. Dask is imported only if `DASK_SCHEDULER_ADDRESS` names a cluster.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from joblib import Parallel, delayed
from tqdm import tqdm

from groundwork.common import numerics
from groundwork.common.errors import UserError

if TYPE_CHECKING:  # Dask's scheduler imports this file too, and has no use for more
    import numpy as np
    from distributed import Client

    from groundwork.engine.training import Block
    from groundwork.runs import Trained

    Train = Callable[[Block], dict[str, Trained]]

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
PATIENCE = "distributed.comm.timeouts.connect"  # Dask's own setting, 30 s: for the scheduler, then for the first worker
REMEDY = "start it again with `groundwork worker`, from this commit and with the packages of requirements.lock"
LARGE = "distributed.admin.large-graph-warning-threshold"


def train_blocks(train: Train, blocks: list[Block], jobs: int) -> list[dict[str, Trained]]:
    """The results of `train` for each block, in order: by `jobs` processes, or by the cluster that the user names."""
    address = os.environ.get(SCHEDULER)
    work = on_cluster(train, blocks, address) if address else on_processes(train, blocks, jobs)
    return list(tqdm(work, desc=blocks[0].study, total=len(blocks), unit="block", disable=None))


def on_processes(train: Train, blocks: list[Block], jobs: int) -> Iterator[dict[str, Trained]]:
    """Train here."""
    return Parallel(n_jobs=min(len(blocks), jobs), return_as="generator", max_nbytes=None)(
        delayed(train)(block) for block in blocks
    )


def on_cluster(train: Train, blocks: list[Block], address: str) -> Iterator[dict[str, Trained]]:
    """Train on the cluster of the Dask scheduler at `address`; a block whose worker is lost goes to another one.

    The dataset is a task of its own: the scheduler keeps it, so it is not lost with the workers that have it.
    """
    try:
        import dask
        from distributed import KilledWorker
    except ImportError:
        raise UserError(
            f"{SCHEDULER} is set but Dask is not installed: install groundwork[dask], or unset it"
        ) from None
    from safetensors.numpy import load

    from groundwork.common.tensors import pack
    from groundwork.runs import Trained

    with connect(address) as client:
        wait_for_a_worker(client, address)
        refuse_strangers(client, address)
        with dask.config.set({LARGE: "1 PiB"}):  # the dataset is meant to be in there
            data = client.submit(load, pack(blocks[0].data), pure=False)
        tasks = [pickle.dumps((train, replace(block, data={}))) for block in blocks]
        futures = client.map(train_here, tasks, data=data, expected=fingerprint(), pure=False)
        try:
            for future in futures:
                yield {name: Trained.from_bytes(content) for name, content in future.result().items()}
                future.release()
        except KilledWorker as error:
            raise UserError(
                f"{error.allowed_failures + 1} workers died of one block, the last at {error.last_worker.address}:"
                " its log says why; often it is memory"
            ) from None
        except CancelledError:
            raise UserError(f"the Dask scheduler at {address} was lost: start it again, then repeat this") from None
        finally:
            client.cancel(futures)


def connect(address: str) -> Client:
    """A client of the scheduler at `address`; none there is a `UserError`."""
    import dask
    from distributed import Client

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # whatever ends the study is told in one line
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{SCHEDULER} = {address}: no Dask scheduler answers within {dask.config.get(PATIENCE)}"
            f" ({' '.join(str(error).split())}): start one with `dask scheduler`, or unset it to train here"
        ) from None


def wait_for_a_worker(client: Client, address: str) -> None:
    """Return when a worker is there; none in time is a `UserError`."""
    import dask

    if client.scheduler_info()["workers"]:
        return
    patience = dask.config.get(PATIENCE)
    print(f"waiting for a worker to join {address}, at most {patience}", file=sys.stderr)
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError:
        raise UserError(
            f"no worker has joined the Dask scheduler at {address} within {patience}:"
            f" start some with `groundwork worker {address}`"
        ) from None


def refuse_strangers(client: Client, address: str) -> None:
    """Raise a `UserError` if the scheduler or a worker cannot import this file.

    Dask would drop a worker that cannot unpickle its task, and wait for another one without a word.
    """
    ours = f"{__name__}:{train_here.__name__}"
    found = client.run(resolve_name, ours, on_error="return")
    try:
        client.run_on_scheduler(resolve_name, ours)
    except ImportError as error:
        found[address] = error
    for place, answer in found.items():
        if isinstance(answer, ImportError):
            raise UserError(f"at {place} there is no Groundwork, or an old one ({answer}): {REMEDY}")


def serve(address: str, options: list[str]) -> None:
    """Become a Dask worker of one thread, in this process's numerics profile; Dask starts it again if it dies."""
    if find_spec("distributed") is None:
        raise UserError("Dask is not installed: install groundwork[dask]")
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", *options]
    os.execv(sys.executable, command)


def train_here(task: bytes, data: dict[str, np.ndarray], expected: dict[str, str]) -> dict[str, bytes]:
    """What a worker does: train a block, and return each variant as the content of a file.

    A worker that would not compute the same bytes raises a `UserError` before it unpacks the task.
    """
    from distributed import get_worker

    found = fingerprint()
    wrong = [f"{key} {found.get(key)} instead of {value}" for key, value in expected.items() if found.get(key) != value]
    if wrong:
        raise UserError(f"the worker at {get_worker().address} has {', '.join(wrong)}: {REMEDY}")
    train, block = pickle.loads(task)
    return {name: run.to_bytes() for name, run in train(replace(block, data=data)).items()}


def fingerprint() -> dict[str, str]:
    """What must agree for the same bytes: the code, what computes, and the environment that chooses its kernels."""
    variables = numerics.ONE_THREAD | numerics.KERNELS["portable"]
    return {
        "code": code_digest(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": version("numpy"),
        "torch": version("torch"),
        **{f"{key} =": os.environ.get(key, "unset") for key in variables},
    }


@cache  # when the first task comes: a checkout that moves on under a worker does not make the worker newer
def code_digest() -> str:
    """A hash of all of Groundwork's modules."""
    root, digest = Path(__file__).parents[1], sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
