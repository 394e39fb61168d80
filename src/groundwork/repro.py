"""`make repro`: what `dvc repro` does, on all cores.

DVC runs one stage after another. Few studies depend on another, so they are dealt out to groups, each a `dvc repro` of
its own, one more at a time than there are cores; a last one does what needs them all. DVC's own locks keep dvc.lock
whole. Its stages stay in the order that they have; new ones come in the order of params.yaml, whichever was ready
first.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import chain

from joblib import cpu_count
from ruamel.yaml import YAML
from tqdm import tqdm

from groundwork.common.errors import UserError
from groundwork.common.params import Params
from groundwork.healing import committed, distrust, heal, unlock
from groundwork.tracking.provenance import LOCK, locked_stages

DVC = [sys.executable, "-m", "dvc"]
NOISE = (  # how lines of DVC's output begin that say nothing new
    *("Stage '", "Updating lock file", "Data and pipelines are up to date", "> python -m groundwork"),
    *("Use `dvc push`", "To track the changes", "To enable auto staging", "git add", "dvc config"),
)


@dataclass(frozen=True)
class Group:
    """Stages for one `dvc repro`, to begin once those that it comes after are up to date."""

    stages: list[str]
    after: set[str] = field(default_factory=set)


def repro(params: Params, jobs: int | None) -> None:
    """Bring the whole pipeline up to date, `jobs` stages at a time; a stage that fails is a `UserError`.

    Once more if DVC has stumbled over files of its own that a power cut or a failing disk has damaged.
    """
    jobs = jobs or (_enough(cpu_count()) if params.jobs == "auto" else params.jobs)
    unlock()
    try:
        _repro(params, jobs)
    except UserError:
        healed = heal()
        if not healed:
            raise
        for line in healed:
            print(line, file=sys.stderr)
        _repro(params, jobs)


def _enough(cores: int) -> int:
    """One `dvc repro` more than there are cores: at any time one may wait for another to be done with dvc.lock."""
    return cores + 1 if cores > 1 else 1


def _repro(params: Params, jobs: int) -> None:
    stale = _stale()
    wrong = list(distrust(locked_stages()))  # now that DVC has read dvc.lock and found it well formed
    if wrong:
        print(f"not as {LOCK} says, so DVC looks again: {', '.join(wrong)}", file=sys.stderr)
        stale = _stale()
    if not stale:
        print("Data and pipelines are up to date.")
        return
    studies, known = _studies(params, stale), _known()
    if jobs > 1 and len(studies) > 1:
        _deal(_groups(params, studies, jobs), jobs)
        _settle([*known, *_order(params)])
    _dvc([])
    _settle(known)


def _stale() -> set[str]:
    """The stages that have changed themselves; those that come after them will change too."""
    status = subprocess.run([*DVC, "status", "--json"], capture_output=True, text=True)
    if status.returncode:
        lines = status.stderr.strip().splitlines()
        reason = next((line for line in lines if line.startswith("ERROR")), " ".join(lines))
        raise UserError(f"dvc status failed: {reason}")
    return set(json.loads(status.stdout))


def _studies(params: Params, stale: set[str]) -> list[str]:
    """The studies that may have to run, the last of params.yaml first: the dear ones stand there."""
    own = {stage.partition("@")[2] for stage in stale if stage.startswith(("train@", "report@"))}
    before = any(stage.startswith(("download@", "generate@")) for stage in stale)
    return [name for name in reversed(params.studies) if before or name in own]


def _groups(params: Params, studies: list[str], jobs: int) -> list[Group]:
    """All that the studies take, in the order in which it should begin.

    The dear studies are those of real data, so they come first, each alone, and need not wait for synthetic data.
    """
    downloads, generated = _data(params)
    real, synthetic, groups = [], [], [Group(["check", *downloads]), Group(generated, {"check"})]
    for study in studies:
        chained, block = [f"train@{study}", f"report@{study}"], params.studies[study]
        if block.dataset.startswith("generated/"):
            synthetic.append(chained)
        elif block.dataset.startswith("raw/"):
            real.append(Group(chained, set(downloads)))
        else:  # a ladder, whose rungs other studies train
            rungs = {
                f"train@{variant.settings.study}" for variant in block.expand() if variant.settings.study in studies
            }
            groups.append(Group(["evaluate", *chained], {"check"} | rungs))
    groups += real
    while synthetic:  # few `dvc repro` to start, and small ones last, so that all end together
        some = max(len(synthetic) // jobs, 1)
        groups.append(Group(list(chain.from_iterable(synthetic[:some])), set(generated)))
        synthetic = synthetic[some:]
    return groups


def _deal(groups: list[Group], jobs: int) -> None:
    """Bring groups up to date, `jobs` of them at a time; the first failure ends it.

    DVC is told each stage: were it to look for what comes before, two groups would both lock the stage `check`. And a
    training takes half of the cores at most, where it would take them all: others train beside it.
    """
    environment = os.environ | {"LOKY_MAX_CPU_COUNT": str(max(cpu_count() // 2, 1))}
    done: set[str] = set()
    running: dict[Future[None], Group] = {}
    with (
        ThreadPoolExecutor(jobs) as pool,
        tqdm(total=sum(len(group.stages) for group in groups), unit="stage", leave=False, disable=None) as bar,
    ):
        while groups or running:
            for group in [group for group in groups if group.after <= done][: jobs - len(running)]:
                groups.remove(group)
                running[pool.submit(_dvc, ["--single-item", *group.stages], environment)] = group
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                ended.result()
                group = running.pop(ended)
                done.update(group.stages)
                bar.update(len(group.stages))


def _dvc(targets: Iterable[str], environment: Mapping[str, str] = os.environ) -> None:
    """One `dvc repro`, its output line by line without what did not change."""
    command = [*DVC, "--wait-for-lock", "repro", *targets]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() and not line.lstrip().startswith(NOISE):
                tqdm.write(line.rstrip())
    if process.returncode:
        raise UserError(f"`{' '.join(['dvc repro', *targets])}` ended with code {process.returncode}; see above")


def _known() -> list[str]:
    """The stages of dvc.lock in the order that they had, even if a killed process has left only some of them."""
    stages, before = list(locked_stages()), committed()
    earlier = YAML(typ="safe").load(before)["stages"] if stages and before else []
    return list(dict.fromkeys([*earlier, *stages]))


def _data(params: Params) -> tuple[list[str], list[str]]:
    """The stages that download and those that generate."""
    downloads = [f"download@{name}" for name in type(params.downloads).model_fields]
    return downloads, [f"generate@{name}" for name in params.datasets]


def _order(params: Params) -> list[str]:
    """The stages that are dealt out, in the order of params.yaml."""
    trained = [f"{kind}@{study}" for study in params.studies for kind in ("train", "report")]
    return ["check", *chain.from_iterable(_data(params)), *trained]


def _settle(order: list[str]) -> None:
    """Put the stages of dvc.lock into an order; those that it does not have stay behind, as they are."""
    from dvc.utils.serialize import dump_yaml

    stages = locked_stages()
    places = {stage: place for place, stage in enumerate(dict.fromkeys(order))}
    settled = sorted(stages, key=lambda stage: places.get(stage, len(order)))
    if settled != list(stages):
        dump_yaml(str(LOCK), {"schema": "2.0", "stages": {stage: stages[stage] for stage in settled}})
