"""The bench: what is timed computes the same as plain PyTorch, and the page says what the numbers say."""

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from bench.growth import Series
from bench.overhead import FIRST_BATCH, once
from bench.parts import parts_of
from bench.peers import ours, torch_loop
from bench.report import goal_rows, write_report
from bench.results import work_json
from bench.rounds import Measured, check, disagreement, entries_of, steady
from bench.works import D2L, FASTAI, JAX, LOOP, NATIVE, PORTABLE, WORKS, Goal, Task, Work
from ruamel.yaml import YAML

from groundwork.common.errors import UserError
from tiny import shrink

TINY = Task("regression", replicates=3, rows=10, valid=5, inputs=2, batch_size=4, epochs=2, lr=0.03)
TASKS = {"regression": TINY, "decay": replace(TINY, kind="decay", inputs=7, lambd=3.0)}


@pytest.mark.parametrize("kind", TASKS)
def test_ours_and_the_plain_loop_end_with_the_same_weights(kind):
    expected = torch_loop.program(TASKS[kind])()
    for profile in ("portable", "native"):
        found = ours.program(TASKS[kind], profile)()
        assert len(found["w"]) == TINY.replicates
        assert disagreement({name: w[:1] for name, w in found.items()}, expected) < 1e-6


def test_a_program_starts_anew_each_time():
    program = ours.program(TINY, "portable")
    assert disagreement(program(), program()) == 0


def test_one_that_computes_something_else_is_an_error():
    work = replaced(tolerance=1e-6)

    def ask(contender, _, __, task):
        weights = {"w": np.ones((task.replicates, 2, 1)), "b": np.zeros((task.replicates, 1, 1))}
        return {**weights, "b": weights["b"] + (contender == JAX)}, 0.1

    with pytest.raises(UserError, match=r"JAX, 1 replicate computes something else .* 1e-06 is allowed"):
        check(work, entries_of(work), ask, lambda _: None)


def test_all_of_the_time_has_a_name():
    parts = parts_of(TINY, "portable")
    assert parts.keys() == {"products", "batches", "validation", "steps"}
    for part, times in parts.values():
        part()
        assert times in (TINY.epochs, TINY.epochs + 1)


def test_steady():
    assert steady([1.0, 1.001, 1.002])
    assert not steady([1.0, 1.5, 2.0])


def test_the_page_says_what_the_numbers_say(tmp_path):
    write_report(results(), tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "| tiny, 2 epochs of 10 rows | 1 | 5.0 | 10 | 50 | 40 | 20 | 2.5 | 10× | 5.0× |" in page
    assert "| tiny, 2 epochs of 10 rows | 4 | 2.5 | 5.0 |  |  |  | 0.62 | 20× | 10× |" in page
    assert "at least 12× as fast as fastai's Learner | 10× | **missed**" in page
    assert "at most 3.0× the time of JAX | 4.0× | **missed**" in page
    assert "at least 15× as fast as fastai's Learner | 20× | reached" in page
    assert "a run takes 5.0 ms, of which Python and dispatch 60 %, arithmetic on elements 30 %, products 10 %." in page
    assert "Ended by half of the free memory." in page
    assert (tmp_path / "performance.svg").read_text().count("</svg>") == 1


def test_the_same_numbers_give_the_same_page(tmp_path):
    for folder in ("first", "second"):
        write_report(results(), tmp_path / folder)
    for name in ("performance.md", "performance.svg"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_every_goal_is_about_something_that_is_measured():
    for work in WORKS:
        entries = entries_of(work)
        for goal in work.goals:
            assert (goal.ours, goal.replicates) in entries
            assert {(goal.against, goal.replicates), (goal.against, 1)} & set(entries)
    assert {"wanted", "factor", "reached"} <= next(goal_rows(results())).keys()


def replaced(**settings):
    """A small work with every contender."""
    peers = (FASTAI, D2L, LOOP, JAX)
    goals = (Goal(PORTABLE, 1, FASTAI, 12), Goal(PORTABLE, 4, FASTAI, 15), Goal(PORTABLE, 4, JAX, 1 / 3))
    return Work("tiny", TINY, (1, 4), peers, seconds=1, goals=goals, **settings)


def results():
    """Made up: fastai takes 50 ms, and so on."""
    work = replaced(tolerance=1e-6)
    alone = {PORTABLE: 5, NATIVE: 10, FASTAI: 50, D2L: 40, LOOP: 20, JAX: 2.5}  # ms
    measured = {}
    for contender, replicates in entries_of(work):
        together = alone[contender] * {1: 1, 4: 1 if contender == JAX else 2}[replicates] / 1000
        parts = {"products": 0.0005, "steps": 0.003} if (contender, replicates) == (PORTABLE, 1) else {}
        counts = {"flops": 1e6, "bytes": 1e6} if parts else {}
        measured[contender, replicates] = Measured(1e-8, 1.0, [together] * 3, [together] * 3, parts, counts)
    limit = {"gflops": 100.0, "narrow_gflops": 80.0, "gbytes": 10.0, "dispatch": 1e-6}
    return {
        "quick": False,
        "machine": {"processor": "a", "memory": "b", "system": "c", "packages": "d"},
        "limits": {"portable": limit, "native": limit},
        "works": [work_json(work, measured)],
        "growth": [asdict(Series("rows", [1, 2], [0.001, 0.002], [2**20, 2**21], "memory"))],
    }


def test_a_training_ends_at_its_first_batch(tmp_path):
    yaml = YAML()
    params = yaml.load(Path("params.yaml"))
    shrink(params)
    yaml.dump(params, tmp_path / "params.yaml")
    environment = dict(os.environ)
    with pytest.raises(UserError, match="generate@high_dimensional"):  # so it is a real training
        once(sys.executable, ["-c", FIRST_BATCH], tmp_path, environment)
    once(sys.executable, ["-m", "groundwork", "generate", "--dataset", "high_dimensional"], tmp_path, environment)
    once(sys.executable, ["-c", FIRST_BATCH], tmp_path, environment)
    assert not (tmp_path / "data/runs").exists()
