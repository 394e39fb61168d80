"""`kill -9` of `dvc repro` and all it has started, at random moments: nothing half-written, the next run goes on."""

import json
import os
import random
import re
import select
import signal
import time

import pytest
from project import STUDIES, Project

KILLS = 4  # of each phase
PHASES = {  # what must be gone for the phase to run again
    "download": ["data/raw"],
    "generate": ["data/generated"],
    "train": ["data/runs"],
    "report": ["data/reports", "reports/curves", "reports/figures", *(f"reports/{study}.md" for study in STUDIES)],
    "track": ["data/tracked.json", "mlflow.db", "mlruns"],
}
OVER = re.compile(rb"Running stage|skipping\n|Look at them")  # what is printed when the stage before has ended


def kill(project: Project, command: list[str], after: str, seconds: float) -> None:
    """Kill a command and its children some time after a line of its output, or before when that stage has ended."""
    process = project.start(*command)
    assert process.stdout is not None
    pipe, printed = process.stdout.fileno(), b""
    while after.encode() not in printed:
        chunk = os.read(pipe, 65536)
        assert chunk, printed.decode()
        printed += chunk
    deadline, printed = time.monotonic() + seconds, b""
    while not OVER.search(printed) and (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            printed += os.read(pipe, 65536)
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL


def assert_whole(project: Project, healthy: Project) -> None:
    """Every result that is there has its bytes."""
    expected = healthy.hashes()
    other = {path for path, found in project.hashes().items() if found != expected.get(path)}
    assert other <= {"dvc.lock"}  # DVC writes it in place, so it may be cut short


def is_stuck(project: Project, healthy: Project) -> bool:
    """Whether DVC was just writing a file of its own, in place: only `groundwork repro` gets over that."""
    try:
        json.loads((project.root / ".dvc/tmp/rwlock").read_bytes())
    except ValueError:
        return True
    return (project.root / "dvc.lock").read_bytes() != (healthy.root / "dvc.lock").read_bytes()


@pytest.mark.parametrize("phase", PHASES)
def test_kill(phase, inflicted, project, healthy, lengths):
    dice = random.Random(phase)
    for _ in range(KILLS):
        project.forget(healthy, *PHASES[phase])
        line = dice.choice([line for line in lengths if f"groundwork {phase}" in line])
        with inflicted("Killed", f"`dvc repro`, {phase}"):
            kill(project, ["dvc", "repro"], line, dice.uniform(0, 0.9) * lengths[line])
            assert_whole(project, healthy)
            if is_stuck(project, healthy):
                project.repro()
    project.repro()
    assert project.hashes() == healthy.hashes()


def test_kill_of_several_processes(inflicted, project, healthy, lengths):
    dice = random.Random("side by side")
    project.forget(healthy, *PHASES["train"], *PHASES["report"])
    for kind in ("check", "train", "report"):
        with inflicted("Killed", "`groundwork repro --jobs 2`"):
            start = "" if kind == "check" else f"Running stage '{kind}@"
            kill(project, ["python", "-m", "groundwork", "repro", "--jobs", "2"], start, dice.uniform(0, 2))
            assert_whole(project, healthy)
    project.repro("--jobs", "2")
    assert project.hashes() == healthy.hashes()
