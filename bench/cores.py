"""A cold `groundwork repro` on one core against all of them, and how much of its work is training.

Each repeats in a clone of its own, with the downloads in place and everything else, DVC's cache too, still to make.
"""

import os
import resource
import shutil
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.overhead import once, overhead_json
from bench.results import Json
from groundwork.common.errors import UserError
from groundwork.common.params import read_params

RAW = Path("data/raw")
WRAPPER = """#!{python}
import os, resource, subprocess, sys
code = subprocess.run([{python!r}, *sys.argv[1:]]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open({log!r}, "a") as log:
    log.write(f"{{sys.argv[3]}} {{used.ru_utime + used.ru_stime}}\\n")
sys.exit(code)
"""  # `python` as the stages call it, -m groundwork train …: it writes down what each took, worker processes included


@dataclass(frozen=True)
class Cold:
    """`seconds` by the clock, of the `processor` (user and system, all processes), and of it in each command.

    `overhead`: what commands take beside their work, once everything is made; on all cores only.
    """

    cores: int
    seconds: float
    processor: float
    commands: dict[str, float]
    overhead: Json


def cores_json(studies: list[str]) -> Json:
    """Both measurements; no studies: the whole pipeline, else their stages alone."""
    all_of_them = os.sched_getaffinity(0)
    measured = [cold(cores, studies) for cores in ({min(all_of_them)}, all_of_them)]
    one, several = measured
    return {
        "studies": studies or list(read_params().studies),
        "one": vars(one),
        "all": vars(several),
        "ratio": one.seconds / several.seconds,
        "shares": {command: seconds / one.processor for command, seconds in one.commands.items()},
    }


def cold(cores: set[int], studies: list[str]) -> Cold:
    """Clone the last commit and make everything anew on these cores."""
    with TemporaryDirectory(prefix="groundwork-cores-") as folder:
        clone, log = Path(folder, "clone"), Path(folder, "trainings")
        subprocess.run(["git", "clone", "--quiet", ".", clone], check=True)
        (clone / RAW).mkdir(parents=True, exist_ok=True)
        for file in sorted(RAW.glob("*.safetensors")):
            (clone / RAW / file.name).write_bytes(file.read_bytes())
        project = shutil.which("dvc")  # its Python is the one of the pipeline, not the one of the bench
        if not project:
            raise UserError("dvc is not on the PATH: run `make bench`, or put .venv/bin there")
        interpreter = str(Path(project).with_name("python"))
        python = Path(folder, "bin", "python")
        python.parent.mkdir()
        python.write_text(WRAPPER.format(python=interpreter, log=str(log)))
        python.chmod(0o755)
        environment = os.environ | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(clone / "src"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        }
        before, begin = used(), time.perf_counter()
        for arguments in pipeline(studies):
            once(interpreter, ["-m", *arguments], clone, environment, cores)
        seconds, processor = time.perf_counter() - begin, used() - before
        commands: dict[str, float] = defaultdict(float)
        for line in log.read_text().splitlines():
            command, taken = line.split()
            commands[command] += float(taken)
        overhead = {} if studies or len(cores) == 1 else overhead_json(interpreter, clone, environment)
        return Cold(len(cores), seconds, processor, commands, overhead)


def pipeline(studies: list[str]) -> list[list[str]]:
    """What runs in the clone: `groundwork repro`, or for some studies plain `dvc repro` up to their reports."""
    downloads = [f"download@{name}" for name in type(read_params().downloads).model_fields]
    first = [["dvc", "repro", "--quiet", "check"], ["dvc", "commit", "--force", *downloads]]
    if not studies:
        return [*first, ["groundwork", "repro"]]
    return [*first, ["dvc", "repro", *(f"report@{study}" for study in studies)]]


def used() -> float:
    """Seconds of the processor that all finished children took, user and system."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime
