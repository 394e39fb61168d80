"""`make repro`: what `dvc repro` does, on all cores.

DVC runs one stage after another. Studies do not depend on each other, so they are dealt out to groups, each a
`dvc repro` of its own, as many at a time as there are cores; a last one does what needs them all. DVC's own locks keep
dvc.lock whole; its stages stay in the order that they had, and new ones are put where dvc.yaml has them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import chain

from tqdm import tqdm

from groundwork.common.errors import UserError
from groundwork.common.params import Params

DVC = [sys.executable, "-m", "dvc"]
GROUPS_PER_CORE = 4  # more of them even out better, fewer start less often, at about two seconds each
NOISE = (
    "Stage '",
    "Updating lock file",
    "Use `dvc push`",
    "Data and pipelines are up",
    "> python -m",
    "To ",
    "git add",
)


def repro(params: Params) -> None:
    """Bring the whole pipeline up to date, with `jobs` processes; a stage that fails is a `UserError`."""
    jobs = os.cpu_count() or 1 if params.jobs == "auto" else params.jobs
    stale = _stale()
    if not stale:
        print("Data and pipelines are up to date.")
        return
    side_by_side = jobs > 1 and _studies(params, stale)
    if side_by_side:
        _dvc(["check"])
        _deal(_data(params), jobs)
        _deal([[f"train@{study}", f"report@{study}"] for study in side_by_side], jobs)
    _dvc([])


def _stale() -> set[str]:
    """The stages that have changed themselves; those that come after them will change too."""
    status = subprocess.run([*DVC, "status", "--json"], capture_output=True, text=True)
    if status.returncode:
        raise UserError(f"dvc status failed: {status.stderr.strip()}")
    return set(json.loads(status.stdout))


def _data(params: Params) -> list[list[str]]:
    downloads = [[f"download@{name}"] for name in type(params.downloads).model_fields]
    return [*downloads, *([f"generate@{name}"] for name in params.datasets)]


def _studies(params: Params, stale: set[str]) -> list[str]:
    """The studies that may have to run, the last of params.yaml first: the dear ones stand there."""
    own = {stage.partition("@")[2] for stage in stale if stage.startswith(("train@", "report@"))}
    before = any(stage == "check" or stage.startswith(("download@", "generate@")) for stage in stale)
    apart = [name for name, study in params.studies.items() if not study.dataset.startswith("evaluated/")]
    return [name for name in reversed(apart) if before or name in own]


def _deal(chains: list[list[str]], jobs: int) -> None:
    """Bring chains of stages up to date in groups, `jobs` of them at a time; the first failure ends it.

    DVC is told each stage: were it to look for what comes before, two groups would both lock the stage `check`.
    """
    count = min(len(chains), GROUPS_PER_CORE * jobs)
    groups = [list(chain.from_iterable(chains[first::count])) for first in range(count)]
    with (
        ThreadPoolExecutor(jobs) as pool,
        tqdm(total=sum(map(len, groups)), unit="stage", leave=False, disable=None) as bar,
    ):
        running = {pool.submit(_dvc, ["--single-item", *group]): group for group in groups}
        try:
            for done in as_completed(running):
                done.result()
                bar.update(len(running[done]))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _dvc(targets: Iterable[str]) -> None:
    """One `dvc repro`, its output line by line without what did not change."""
    command = [*DVC, "--wait-for-lock", "repro", *targets]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() and not line.lstrip().startswith(NOISE):
                tqdm.write(line.rstrip())
    if process.returncode:
        raise UserError(f"`dvc repro {' '.join(targets)}` ended with code {process.returncode}; see above")
