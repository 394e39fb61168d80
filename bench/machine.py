"""The machine in words, and what it can do at most with one thread: products, memory, and one small operation."""

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from groundwork.common.numerics import Profile
from groundwork.engine.products import product

PACKAGES = ("torch", "numpy", "jax", "fastai", "d2l")


def description() -> dict[str, str]:
    """What a reader must know of the machine, without its name."""
    processor = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip("\t :")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{processor}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def limits_of(profile: Profile) -> dict[str, float]:
    """`gflops`: of a product of two 1024×1024 matrices; `narrow_gflops`: of MNIST's batch for 20 replicates; `gbytes`:
    a second, read and written, of a copy of 256 MB; `dispatch`: seconds of adding one number to another in torch."""
    square = torch.ones(1024, 1024)
    batch, weights = torch.ones(784, 256), torch.ones(20, 784)
    here, there = np.ones(2**25), np.empty(2**25)
    one = torch.ones(1)
    return {
        "gflops": 2 * 1024**3 / _least(lambda: product(square, square)) / 1e9,
        "narrow_gflops": 2 * 20 * 784 * 256 / _least(lambda: product(weights, batch), 100) / 1e9,
        "gbytes": 2 * here.nbytes / _least(lambda: np.copyto(there, here)) / 1e9,
        "dispatch": _least(lambda: one.add_(1), 10_000),
    }


def _least(action: Callable[[], object], inner: int = 1, rounds: int = 15) -> float:
    """Seconds of the processor of one call, at best: a limit is what nothing disturbs."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(inner):
            action()
        taken.append((time.process_time() - begin) / inner)
    return min(taken)
