"""`make verify`: HEAD is cloned, everything in the clone runs again from nothing, and each out is held against HEAD.

The clone's DVC has a cache of its own, and its outs are deleted before it starts: what is there afterwards was made
there. The one exception is data/raw, which is reused where it is as HEAD's dvc.lock says. MLflow is left alone: the
stage `track` of the clone fills a store inside the clone.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from groundwork.common.errors import UserError
from groundwork.common.params import read_params
from groundwork.common.paths import PARAMS
from groundwork.healing import cached_at, digest
from groundwork.tracking.provenance import LOCK, locked_stages
from groundwork.verification.bands import Bands
from groundwork.verification.committed import Committed, git
from groundwork.verification.promise import promise

QUICK = 10**6  # bytes: a study is quick if its training writes no more
OUTWARD = ("MLFLOW_", "GIT_")  # variables of the user's that lead out of the clone
OWN_CACHE = "[cache]\n    dir = cache\n"  # for DVC, relative to .dvc: whatever cache the user shares


@dataclass(frozen=True)
class Finding:
    """What a stage came to."""

    stage: str
    verdict: str
    detail: str = ""


def verify(studies: list[str], quick: bool, keep: bool) -> None:
    """Rerun HEAD in a scratch clone and print, stage by stage, what came out; a difference is a `UserError`.

    `studies`: only these, with what comes before them; `quick`: only the quick ones; neither: everything.
    `keep`: the clone stays if something differs.
    """
    scratch = Path(mkdtemp(prefix="groundwork-verify-"))
    differs = True
    try:
        differs = _verify(scratch / "clone", studies, quick)
    finally:
        if keep and differs:
            print(f"The clone is kept: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    if differs:
        raise UserError("a rerun does not give what is committed; see above")


def _verify(clone: Path, studies: list[str], quick: bool) -> bool:
    """Whether anything differs."""
    commit = git(Path(), "rev-parse", "--short", "HEAD").decode().strip()
    if git(Path(), "status", "--porcelain"):
        print(f"The working tree has changes; what is checked is HEAD, {commit}, without them.")
    git(Path(), "clone", "--quiet", "--", ".", str(clone))
    stages = locked_stages(clone / LOCK)
    targets = targets_of(stages, studies, quick)
    chosen = needed(stages, targets) if targets else list(stages)
    promised = promise(read_params(clone / PARAMS).numerics, clone / "requirements.lock")
    print(f"{promised}\nRunning {len(chosen)} of {len(stages)} stages of {commit} in {clone}", flush=True)
    reused = _prepare(clone, stages)
    code = _rerun(clone, targets)
    made = locked_stages(clone / LOCK)
    reused = {stage for stage in reused if made.get(stage) == stages[stage]}  # with other code DVC downloads again
    committed = Committed(clone, Path())
    bands = None if promised.same_bytes else Bands(clone)
    findings = [_find(stage, stages[stage]["outs"], committed, bands, reused) for stage in chosen]
    width = max(map(len, chosen))
    print()
    for finding in findings:
        print(f"{finding.stage:{width}}  {finding.verdict:12}  {finding.detail}".rstrip())
    differing = sum(finding.verdict in ("differs", "not made") for finding in findings)
    print(f"\n{len(findings) - differing} of {len(findings)} stages are as in {commit}.", flush=True)
    if code:
        print(f"The rerun itself ended with code {code}; what it said is above the table.")
    return bool(differing or code)


def targets_of(stages: dict, studies: list[str], quick: bool) -> list[str]:
    """The stages to ask DVC for; none: all."""
    sizes = {name.partition("@")[2]: stage["outs"][0] for name, stage in stages.items() if name.startswith("train@")}
    for study in studies:
        if study not in sizes:
            raise UserError(f"HEAD has no study {study}; it has: {', '.join(sizes)}")
    small = [study for study, out in sizes.items() if quick and out.get("size", 0) <= QUICK]
    return [f"report@{study}" for study in sizes if study in {*studies, *small}]


def needed(stages: dict, targets: list[str]) -> list[str]:
    """The targets and what comes before them, in the order of dvc.lock."""
    makers = {out["path"]: name for name, stage in stages.items() for out in stage.get("outs", [])}
    needed, todo = set[str](), list(targets)
    while todo:
        stage = todo.pop()
        if stage not in needed:
            needed.add(stage)
            deps = [dep["path"] for dep in stages[stage].get("deps", [])]
            todo += [
                maker for out, maker in makers.items() if any(out == dep or out.startswith(f"{dep}/") for dep in deps)
            ]
    return [stage for stage in stages if stage in needed]


def _prepare(clone: Path, stages: dict) -> set[str]:
    """Delete the outs that git has, give DVC a cache of the clone's own, and bring data/raw if it is as committed.

    Returns the stages whose outs were brought.
    """
    (clone / ".dvc/config.local").write_text(OWN_CACHE, encoding="utf-8")
    reused = set()
    for name, stage in stages.items():
        for out in stage.get("outs", []):
            path, md5 = Path(out["path"]), out["md5"]
            if (clone / path).is_dir():
                shutil.rmtree(clone / path)
            else:
                (clone / path).unlink(missing_ok=True)
            if name.startswith("download@") and path.is_file() and digest(path) == md5:
                for place in (clone / path, clone / cached_at(md5)):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, place)
                reused.add(name)
    return reused


def _rerun(clone: Path, targets: list[str]) -> int:
    """Run the pipeline in the clone, with the clone's own code; the exit code."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(OUTWARD)}
    env |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(clone / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = ["dvc", "repro", *targets] if targets else ["groundwork", "repro"]
    return subprocess.run([sys.executable, "-m", *command], cwd=clone, env=env, stdin=subprocess.DEVNULL).returncode


def _find(stage: str, outs: list[dict], committed: Committed, bands: Bands | None, reused: set[str]) -> Finding:
    """Bytes, or where bytes are not promised: raw data by bytes all the same, reports by their numbers."""
    if missing := [out["path"] for out in outs if not (committed.clone / out["path"]).exists()]:
        return Finding(stage, "not made", missing[0])
    kind, _, study = stage.partition("@")
    if bands is None or kind in ("check", "download"):
        detail = next(filter(None, (committed.difference(out) for out in outs)), "")
        return Finding(stage, "differs" if detail else "reused" if stage in reused else "same", detail)
    if kind != "report":
        return Finding(stage, "made", "not promised byte for byte here; the report has its numbers")
    detail = bands.leaving(study)
    return Finding(stage, "differs" if detail else "within bands", detail)
