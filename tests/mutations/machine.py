"""What notices a mistake: the verdicts of the stages that run again, and the unit tests of the code that it is in.

Every mistake is made in a copy of the last commit, with that commit's results out of DVC's cache, by hard links. The
commands are those of the stages, and the judge is that of CI: `groundwork verdicts`.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from groundwork.common.errors import UserError, one_line
from groundwork.common.files import write_text

from .catalogue import Mutation

DVC = (sys.executable, "-m", "dvc")
GROUNDWORK = (sys.executable, "-m", "groundwork")
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=no")
ARGUMENT = {"generate": "--dataset", "train": "--study", "report": "--study"}


@dataclass(frozen=True)
class Noticed:
    """Lines of `groundwork verdicts`, or what a stage broke off with, and the unit tests that failed."""

    verdicts: tuple[str, ...]
    tests: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.verdicts or self.tests)


def check_anchors(repository: Path, mutations: Iterable[Mutation]) -> None:
    """Each mutation has exactly one place in the code; another number of them is a `UserError`."""
    for mutation in mutations:
        mutated(repository, mutation)


def mutated(root: Path, mutation: Mutation) -> str:
    """The text of the file with the mistake in it."""
    path = source(root, mutation)
    places = path.read_text(encoding="utf-8").count(mutation.old) if path.is_file() else 0
    if places != 1:
        raise UserError(
            f"mutation '{mutation.mistake}': src/groundwork/{mutation.file} has {places} places with "
            f"`{mutation.old}`, not one: mend tests/mutations/catalogue.py"
        )
    return path.read_text(encoding="utf-8").replace(mutation.old, mutation.new)


def source(root: Path, mutation: Mutation) -> Path:
    """The file that a mutation changes."""
    return root / "src" / "groundwork" / mutation.file


def checked_out(repository: Path, folder: Path) -> Path:
    """A clone of the last commit with its results, all out of DVC's cache; `UserError` if some are not there."""
    run(repository, "git", "clone", "--quiet", str(repository), str(folder))
    cache = run(repository, *DVC, "cache", "dir").stdout.strip()
    run(folder, *DVC, "config", "--local", "cache.dir", cache)
    run(folder, *DVC, "config", "--local", "cache.type", "hardlink,copy")
    if run(folder, *DVC, "checkout", "--quiet", check=False).returncode:
        raise UserError("the results of the last commit are not in DVC's cache: run `make repro` first")
    return folder


def check_unmutated(root: Path, mutations: Iterable[Mutation]) -> None:
    """Without a mistake nothing is noticed; else it would say nothing about the mistakes."""
    tests = dict.fromkeys(test for mutation in mutations for test in mutation.tests)
    found = Noticed(moved_verdicts(root, ()), failed_tests(root, tests))
    if found:
        raise UserError(f"without any mutation too: {one_line('; '.join([*found.verdicts, *found.tests]))}")


def notice(pristine: Path, mutation: Mutation) -> Noticed:
    """What notices the mistake, made in a copy of `pristine` that is gone afterwards."""
    root = pristine.with_name("mutated")
    shutil.copytree(pristine, root, copy_function=os.link)  # whatever is written takes the place of a link
    try:
        write_text(source(root, mutation), mutated(root, mutation))
        return Noticed(
            moved_verdicts(root, mutation.stages) if mutation.stages else (), failed_tests(root, mutation.tests)
        )
    finally:
        shutil.rmtree(root)


def moved_verdicts(root: Path, stages: Iterable[str]) -> tuple[str, ...]:
    """The lines of `groundwork verdicts` after these stages have run again; or the end of the one that breaks off."""
    for stage in (*stages, "summary"):
        command, _, name = stage.partition("@")
        done = run(root, *GROUNDWORK, command, *([ARGUMENT[command], name] if name else []), check=False)
        if done.returncode:
            return (f"{stage} breaks off: {last_line(done.stderr)}",)
    done = run(root, *GROUNDWORK, "verdicts", check=False)
    if done.returncode == 0:
        return ()
    return tuple(done.stdout.splitlines()) or (last_line(done.stderr),)


def failed_tests(root: Path, tests: Iterable[str]) -> tuple[str, ...]:
    """Those of these tests that fail, as pytest names them, below tests/."""
    files = [f"tests/{test}" for test in tests]
    report = root.with_suffix(".xml")
    done = run(root, *PYTEST, f"--junitxml={report}", *files, check=False)
    if done.returncode not in (0, 1):  # pytest could not run them
        return (f"{' '.join(files)}: {last_line(done.stdout)}",)
    return tuple(
        f"{case.get('classname', '').removeprefix('tests.').replace('.', '/')}.py::{case.get('name')}"
        for case in ElementTree.parse(report).iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    )


def run(root: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command with the code of this copy; one that must succeed and does not is a `UserError`."""
    env = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
    if check and done.returncode:
        raise UserError(f"`{' '.join(command)}` failed: {last_line(done.stderr)}")
    return done


def last_line(output: str) -> str:
    """What a program says in the end."""
    return one_line((output.strip().splitlines() or ["without a word"])[-1])
