"""`python -m bench.scaling`: what a training costs in time, traffic and memory as a study grows, for docs/scaling.md.

A training is one variant for one replicate. A block of each study is trained; writing is measured with 4 and with 16
times as many results, and the difference is what the others cost. Times are of the processor.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from groundwork.common import numerics

if TYPE_CHECKING:
    from groundwork.common.params import Params
    from groundwork.runs import Trained

STUDIES = ("learning_rate", "mnist_linear")  # synthetic data, of each replicate its own; real data, the same for all
MANY = 1_000_000
TASKS = 2000
SIZE = 2**28


class Costs(NamedTuple):
    """Of one training: seconds, bytes to a worker and back, then here bytes of memory, seconds and bytes on disk.

    `dataset` (bytes) and `blocks` are those of the study with MANY trainings.
    """

    training: float
    result: float
    memory: float
    writing: float
    files: float
    dataset: float
    blocks: float


def main() -> None:
    """Print the machine and the table."""
    numerics.apply("portable")
    from groundwork.common.params import read_params

    params = read_params()
    costs = [measure(name, params) for name in STUDIES]
    task = seconds_of_a_task()
    processor = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip("\t :")
    sending, sizes = in_a_process(send, SIZE)
    print(f"{processor}, portable profile, one core a process.")
    print(f"Dask adds {task * 1e3:.2g} ms to a block. A dataset of {SIZE / 2**20:.0f} MiB reaches two workers in")
    print(f"{sending:.2g} s and takes {sizes:.2g} times its size in the memory of client and scheduler together.\n")
    rows: list[tuple[str, list[str]]] = [
        ("training, ms", [f"{cost.training * 1e3:.3g}" for cost in costs]),
        ("result sent back, kB", [f"{cost.result / 1e3:.3g}" for cost in costs]),
        ("memory to write it, kB", [f"{cost.memory / 1e3:.3g}" for cost in costs]),
        ("time to write it, ms", [f"{cost.writing * 1e3:.3g}" for cost in costs]),
        ("files, kB", [f"{cost.files / 1e3:.3g}" for cost in costs]),
        ("**of 10⁶:** training, core hours", [f"{cost.training * MANY / 3600:.3g}" for cost in costs]),
        ("blocks", [f"{cost.blocks:,.0f}" for cost in costs]),
        ("Dask's scheduler, s", [f"{cost.blocks * task:.2g}" for cost in costs]),
        ("dataset, to each worker, GB", [f"{cost.dataset / 1e9:.2g}" for cost in costs]),
        ("results, to the client, GB", [f"{cost.result * MANY / 1e9:.3g}" for cost in costs]),
        ("memory of the client, GB", [f"{cost.memory * MANY / 1e9:.3g}" for cost in costs]),
        ("writing, minutes", [f"{cost.writing * MANY / 60:.3g}" for cost in costs]),
        ("files, GB", [f"{cost.files * MANY / 1e9:.3g}" for cost in costs]),
    ]
    print(f"| of one training | {' | '.join(f'`{name}`' for name in STUDIES)} |\n| :-- | --: | --: |")
    for name, values in rows:
        print(f"| {name} | {' | '.join(values)} |")


def measure(name: str, params: Params) -> Costs:
    """Train the first block of a study twice, the first time to warm up."""
    from groundwork.common import paths
    from groundwork.common.tensors import load_tensors, pack
    from groundwork.engine.training import Block, train_block

    study = params.studies[name]
    variants = study.expand()
    data = load_tensors(paths.dataset(study.dataset))
    block: Block = Block(name, variants, range(study.block_size), params.seed, data, params.data_of(name))
    for _ in range(2):
        begin = time.process_time()
        results = train_block(block)
        seconds = time.process_time() - begin
    contents = {variant: run.to_bytes() for variant, run in results.items()}
    trainings = len(variants) * study.block_size
    few, many = (in_a_process(write, name, contents, copies) for copies in (4, 16))
    memory, writing, files = ((after - before) / (12 * trainings) for before, after in zip(few, many, strict=True))
    replicates = MANY / len(variants)
    made = params.data_of(name)
    return Costs(
        training=seconds / trainings,
        result=sum(map(len, contents.values())) / trainings,
        memory=memory,
        writing=writing,
        files=files,
        dataset=len(pack(data)) * (replicates / made.replicates if made else 1),
        blocks=replicates / study.block_size,
    )


def in_a_process(function: Any, *arguments: Any) -> Any:
    """Call a function in a new process, whose memory is its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def write(study: str, contents: dict[str, bytes], copies: int) -> tuple[int, float, int]:
    """Join and write as many blocks: the process's most memory, the processor's seconds, the bytes on disk."""
    from groundwork.common.params import read_params
    from groundwork.runs import Trained, join, write_runs

    settings = {variant.name: variant.settings for variant in read_params().studies[study].expand()}
    begin = time.process_time()
    trained = {
        name: join([unlike(Trained.from_bytes(content), copy) for copy in range(copies)])
        for name, content in contents.items()
    }
    with TemporaryDirectory() as folder:
        write_runs(Path(folder, study), trained, settings)
        files = sum(path.stat().st_size for path in Path(folder, study).iterdir())
    return peak(), time.process_time() - begin, files


def unlike(run: Trained, copy: int) -> Trained:
    """Other numbers in the same places: the same ones again would take no room in a compressed file."""
    scale = 1 + copy / 1000
    history = {name: (steps, epochs, values * scale) for name, (steps, epochs, values) in run.history.items()}
    return replace(run, history=history)


def seconds_of_a_task() -> float:
    """What Dask adds to each block: many tasks that do nothing, on a scheduler and a worker of this machine."""
    from distributed import Client, LocalCluster

    with LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.gather(client.map(len, [bytes(1000)] * 10, pure=False))
        begin = time.perf_counter()
        client.gather(client.map(len, [bytes(1000)] * TASKS, pure=False))
        return (time.perf_counter() - begin) / TASKS


def send(size: int) -> tuple[float, float]:
    """A dataset to two workers: seconds, and how often it is in the memory of this process: client and scheduler."""
    import dask
    from distributed import Client, LocalCluster

    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        before, begin = peak(), time.perf_counter()
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
            data = client.submit(bytes, os.urandom(size), pure=False)
        client.gather(client.map(lambda content, _: len(content), [data] * 8, range(8), pure=False))
        return time.perf_counter() - begin, (peak() - before) / size


def peak() -> int:
    """The most memory that this process has had, in bytes; unlike `ru_maxrss` without its parent's."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    os.environ.pop("DASK_SCHEDULER_ADDRESS", None)
    main()
