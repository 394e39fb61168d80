"""How our own time and memory grow: 1, 2, 4, … replicates, rows or inputs, until memory or the time ends it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from statistics import median

import psutil

from bench import worker
from bench.rounds import workers
from bench.works import PORTABLE, Task

ONE = Task("regression", rows=1000, valid=1000, inputs=2, batch_size=32, epochs=3, lr=0.03)
SERIES: dict[str, Callable[[int], Task]] = {
    "replicates": lambda size: replace(ONE, replicates=size),
    "rows": lambda size: replace(ONE, rows=size),
    "inputs": lambda size: replace(ONE, inputs=size, lr=0.03 / size),  # else it diverges
}
SHARE = 0.5  # of the memory that is free, which the next size may take


@dataclass(frozen=True)
class Series:
    """`seconds` and `memory` (bytes, of the whole process) at each size, and what ended it."""

    along: str
    sizes: list[int]
    seconds: list[float]
    memory: list[int]
    ended: str


def grow(along: str, most: float, report: Callable[[str], None]) -> Series:
    """Double one size for at most so many seconds, in a process of its own."""
    sizes, seconds, memory = [], [], []
    begin = time.perf_counter()
    with workers({PORTABLE}) as ask:
        empty = ask(PORTABLE, worker.peak_memory)
        for power in count():
            before = time.perf_counter()
            task = SERIES[along](2**power)
            report(f"{task.replicates} replicates, {task.rows} rows, {task.inputs} inputs")
            ask(PORTABLE, worker.weights, PORTABLE, task)
            taken = [ask(PORTABLE, worker.seconds, PORTABLE, task)[0] for _ in range(3)]
            sizes.append(2**power)
            seconds.append(median(taken))
            memory.append(ask(PORTABLE, worker.peak_memory))
            ask(PORTABLE, worker.forget)
            now = time.perf_counter()
            if empty + 2 * (memory[-1] - empty) > SHARE * psutil.virtual_memory().available:
                return Series(along, sizes, seconds, memory, "memory")
            if now - begin + 2 * (now - before) > most:
                return Series(along, sizes, seconds, memory, "time")
    raise AssertionError("count() does not end")
