"""Measuring: all contenders agree first; then they take turns until the medians are steady or the time is up."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing import get_context
from typing import Any

import numpy as np

from bench import worker
from bench.works import NAMES, NATIVE, PORTABLE, Contender, Work
from groundwork.common.errors import UserError

STEADY = 0.02  # of a median: half the width of the middle half of its measurements, over the root of their number
FEWEST = 3  # rounds
Entry = tuple[Contender, int]  # who, at how many replicates


@contextmanager
def workers(contenders: set[Contender]) -> Iterator[Callable[..., Any]]:
    """`ask(contender, function of bench.worker, *what it wants)`: the answer of the contender's own process."""
    pools = {
        contender: ProcessPoolExecutor(1, get_context("spawn"), worker.start, (contender.profile,))
        for contender in sorted(contenders)
    }
    try:
        yield lambda contender, function, *given: pools[contender].submit(function, *given).result()
    finally:
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Measured:
    """One entry: its disagreement with the first entry of as many replicates, and seconds a round."""

    disagreement: float
    first: float  # seconds of the first time, with compiling
    processor: list[float]
    clock: list[float]
    parts: dict[str, float]  # of our own: seconds, see bench/parts.py
    counts: dict[str, float]


def measure(work: Work, quick: bool, ask: Callable, report: Callable[[str], None]) -> dict[Entry, Measured]:
    """All entries of a work, in turns; `UserError` if one does not compute the same."""
    entries = entries_of(work)
    first = check(work, entries, ask, report)
    taken: dict[Entry, list[tuple[float, float]]] = {entry: [] for entry in entries}
    most, begin = work.seconds / (8 if quick else 1), time.perf_counter()
    for turn in count():
        start = turn % len(entries)  # nobody always follows the same one
        for entry in entries[start:] + entries[:start]:
            contender, replicates = entry
            report(f"round {turn + 1}: {named(entry)}")
            task = replace(work.task, replicates=replicates)
            taken[entry].append(ask(contender, worker.seconds, contender, task))
        spent = time.perf_counter() - begin
        enough = turn + 1 >= FEWEST and all(steady([seconds for seconds, _ in times]) for times in taken.values())
        if enough or spent * (turn + 2) / (turn + 1) > most:
            break
    parts: dict[Entry, tuple[dict[str, float], dict[str, float]]] = {}
    for contender, replicates in entries:
        if contender.peer == "ours" and work.task.kind != "loading":
            report(f"parts: {named((contender, replicates))}")
            task = replace(work.task, replicates=replicates)
            parts[contender, replicates] = ask(contender, worker.parts, contender, task)
    for contender in {contender for contender, _ in entries}:
        ask(contender, worker.forget)
    return {
        entry: Measured(*first[entry], [p for p, _ in times], [c for _, c in times], *parts.get(entry, ({}, {})))
        for entry, times in taken.items()
    }


def entries_of(work: Work) -> list[Entry]:
    """Ours and JAX at every number of replicates; the others train one at a time, however many there are."""
    ours = [(contender, replicates) for replicates in work.replicates for contender in (PORTABLE, NATIVE)]
    peers = [
        (contender, replicates)
        for contender in work.peers
        for replicates in (work.replicates if contender.peer == "jax_scan" else (1,))
    ]
    return ours + peers


def check(
    work: Work, entries: list[Entry], ask: Callable, report: Callable[[str], None]
) -> dict[Entry, tuple[float, float]]:
    """Each entry's disagreement and the seconds of its first time; `UserError` where it disagrees too much.

    All are compared with our portable one of as many replicates, and of those the first with our portable one alone.
    """
    computed: dict[Entry, dict[str, np.ndarray]] = {}
    first = {}
    for entry in entries:
        contender, replicates = entry
        report(f"check: {named(entry)}")
        task = replace(work.checked or work.task, replicates=replicates)
        computed[entry], seconds = ask(contender, worker.weights, contender, task)
        expected = computed[PORTABLE, 1 if contender == PORTABLE else replicates]
        found = {name: values[: len(expected[name])] for name, values in computed[entry].items() if name in expected}
        difference = disagreement(found, expected)
        if not difference <= work.tolerance:
            raise UserError(
                f"{work.label}: {named(entry)} computes something else than Groundwork: the final weights differ by "
                f"{difference:.1e} of their length, and {work.tolerance:.0e} is allowed"
            )
        first[entry] = difference, seconds
    return first


def disagreement(weights: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    """‖weights − expected‖ / ‖expected‖ over the names of the first."""
    a, b = (np.concatenate([np.ravel(some[name]) for name in weights]).astype(float) for some in (weights, expected))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def steady(seconds: list[float]) -> bool:
    """Whether more rounds would hardly move the median."""
    low, median, high = np.percentile(seconds, [25, 50, 75])
    return (high - low) / 2 / len(seconds) ** 0.5 < STEADY * median


def named(entry: Entry) -> str:
    contender, replicates = entry
    return f"{NAMES[contender]}, {replicates} replicate{'s' if replicates > 1 else ''}"
