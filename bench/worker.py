"""What runs in a contender's own process. Nothing here may import numpy before the profile is set."""

import gc
import os
import signal
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from groundwork.common import numerics

if TYPE_CHECKING:
    import numpy as np

    from bench.works import Contender, Task

SHORTEST = 0.05  # seconds of a turn
ONE_THREAD_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def start(profile: Literal["portable", "native"]) -> None:
    """Called once, first: one thread, on one core, so that nobody can use another."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    numerics.apply(profile)
    os.environ["XLA_FLAGS"] = ONE_THREAD_XLA
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)


def weights(contender: "Contender", task: "Task") -> tuple[dict[str, "np.ndarray"], float]:
    """What the contender computes, and how many seconds the first time takes: with compiling."""
    program = _program(contender, task)
    begin = time.process_time()
    computed = program()
    return computed, time.process_time() - begin


def seconds(contender: "Contender", task: "Task") -> tuple[float, float]:
    """How long it takes, prepared and not for the first time: of the processor, and by the clock.

    What is soon done is done again and again: the first time after the others' turn it finds the caches cold.
    """
    program = _program(contender, task)
    gc.collect()
    times, clock, processor = 0, time.perf_counter(), time.process_time()
    while not times or time.perf_counter() - clock < SHORTEST:
        program()
        times += 1
    return (time.process_time() - processor) / times, (time.perf_counter() - clock) / times


def parts(contender: "Contender", task: "Task") -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of the processor for parts of our own work, each done alone, and what they count, see bench/parts.py."""
    from bench.parts import counts_of, parts_of

    found = parts_of(task, contender.profile).items()
    return {name: times * _median(part) for name, (part, times) in found}, counts_of(task)


def limits(contender: "Contender") -> dict[str, float]:
    """The physical limits of this machine under a profile, see bench/machine.py."""
    from bench.machine import limits_of

    return limits_of(contender.profile)


def peak_memory() -> int:
    """The most bytes that this process has had; what `resource` says of it counts the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget() -> None:
    """Let go of all that was prepared."""
    _program.cache_clear()
    gc.collect()


@cache
def _program(contender: "Contender", task: "Task") -> Callable[[], dict[str, "np.ndarray"]]:
    program = import_module(f"bench.peers.{contender.peer}").program
    return program(task, contender.profile) if contender.peer == "ours" else program(task)


def _median(part: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        begin = time.process_time()
        part()
        taken.append(time.process_time() - begin)
    return sorted(taken)[times // 2]
