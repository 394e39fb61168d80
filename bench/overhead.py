"""What the commands take beside their work, each started anew, as `dvc repro` and a user start them."""

import os
import subprocess
import time
from pathlib import Path
from statistics import median

from bench.results import Json
from groundwork.common.errors import UserError

STUDY = "weight_decay"  # one block, so its own process trains it
FIRST_BATCH = f"""
from groundwork.__main__ import start
params = start("studies", {STUDY!r})
from groundwork.engine.learner import Learner
from groundwork.engine.training import train_study
def stop(learner, X, y):
    raise SystemExit
Learner.step = stop
train_study({STUDY!r}, params)
"""
COMMANDS = {
    "`groundwork --help`": ["-m", "groundwork", "--help"],
    "a training, up to its first batch": ["-c", FIRST_BATCH],
    "a report": ["-m", "groundwork", "report", "--study", STUDY],
    "`dvc repro`, nothing to do": ["-m", "dvc", "repro"],
    "`groundwork repro`, nothing to do": ["-m", "groundwork", "repro"],
}


def overhead_json(interpreter: str, project: Path, environment: dict[str, str], times: int = 5) -> Json:
    """Seconds by the clock, medians, in a project of which everything is made."""
    return {
        name: median(once(interpreter, command, project, environment) for _ in range(times))
        for name, command in COMMANDS.items()
    }


def once(
    interpreter: str, command: list[str], project: Path, environment: dict[str, str], cores: set[int] | None = None
) -> float:
    """Seconds by the clock of one command, on these cores or on all; one that fails is a `UserError`."""
    allowed = cores or os.sched_getaffinity(0)
    begin = time.perf_counter()
    done = subprocess.run(
        [interpreter, *command],
        cwd=project,
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(f"`{' '.join(command)}` ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - begin
