"""Scratch clones of this repository with tiny parameters, in which the pipeline runs as a user runs it.

The pipeline runs twice at a time, a few studies as here and all of them as on a strange machine; the tests look at what
is left.
"""

import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dvc.dependency import ParamsDependency
from dvc.repo import Repo
from few import FEW
from ruamel.yaml import YAML

from tiny import environment, sample, shrink, ten_digits

REPOSITORY = Path(__file__).parents[2]
TRACER = Path(__file__).parent / "tracer"

STRANGE = {  # another processor's kernels, more threads, another place, and text that is not UTF-8 unless we say so
    "OMP_NUM_THREADS": "4",
    "MKL_NUM_THREADS": "2",
    "OPENBLAS_CORETYPE": "SkylakeX",
    "PYTHONHASHSEED": "1",
    "TZ": "Asia/Tokyo",
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}


@dataclass(frozen=True)
class Clone:
    """A copy of the repository, and the environment in which its commands run."""

    root: Path
    env: dict[str, str]
    umask: int = 0o022

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command at the root, with this clone's own code, whatever it exits with."""
        code = [str(self.root / "src"), *filter(None, [self.env.get("PYTHONPATH")])]
        return subprocess.run(
            command,
            cwd=self.root,
            env={**self.env, **env, "PYTHONPATH": os.pathsep.join(code)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            umask=self.umask,
        )

    def succeed(self, *command: str, **env: str) -> str:
        """Run a command that must succeed; what it printed."""
        done = self.run(*command, **env)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def groundwork(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`python -m groundwork …`, as the stages call it."""
        return self.run("python", "-m", "groundwork", *arguments, **env)

    def hashes(self, *places: str) -> dict[str, str]:
        """The sha256 of each file at these places or below, by its path."""
        roots = [self.root / place for place in places]
        files = [path for root in roots for path in ([root] if root.is_file() else sorted(root.rglob("*")))]
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file()
        }

    def copy(self, root: Path) -> "Clone":
        """The same at another place, with everything that ran here."""
        shutil.copytree(self.root, root, symlinks=True)
        return Clone(root, self.env, self.umask)

    def dvc(self) -> Repo:
        """The same as DVC sees it, for what would take too many calls of `dvc`."""
        return Repo(str(self.root), config={"core": {"site_cache_dir": self.env["DVC_SITE_CACHE_DIR"]}})

    @contextmanager
    def restored(self, file: str) -> Iterator[Path]:
        """The path of a file to change, which is as before after the block."""
        before = (self.root / file).read_bytes()
        try:
            yield self.root / file
        finally:
            (self.root / file).write_bytes(before)

    @contextmanager
    def changed(self, file: str, text: str) -> Iterator[None]:
        """A file with other content, for as long as the block lasts."""
        with self.restored(file) as path:
            path.write_text(text, encoding="utf-8")
            yield

    def params_with(self, key: str, value: Any) -> str:
        """The text of params.yaml with another value at a key like `studies.planck.fixed.lr`."""
        yaml, text = YAML(), io.StringIO()
        params = yaml.load(self.root / "params.yaml")
        block, *path = params, *key.split(".")
        for name in path[:-1]:
            block = block[name]
        block[path[-1]] = value
        yaml.dump(params, text)
        return text.getvalue()


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml, with paths as they stand there."""

    arguments: str  # of `python -m groundwork`
    deps: set[str]
    outs: set[str]


@pytest.fixture(scope="session")
def clones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, Clone]:
    """Two clones with results: few studies by `dvc repro` here; all of them in a strange environment, under the tracer.

    The second runs the commands of the stages without DVC, which would cost as much again as the commands.
    """
    root = tmp_path_factory.mktemp("here") / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPOSITORY, capture_output=True, check=True
    )
    for name in listed.stdout.decode().split("\0")[:-1]:
        if (REPOSITORY / name).is_file():  # not deleted in the working tree
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, root / name)
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    shrink(params)
    publisher = tmp_path_factory.mktemp("publisher")
    params["downloads"]["mnist_sample"]["checksum"] = sample(publisher / "mnist_sample.tgz", 12)
    params["downloads"]["mnist"]["checksums"].update(ten_digits(publisher, 40, 20))
    yaml.dump(params, root / "params.yaml")

    config, memory = tmp_path_factory.mktemp("config"), tmp_path_factory.mktemp("cache")
    env = environment(publisher / "mnist_sample.tgz", publisher, config, memory)
    here = Clone(root, env)
    here.succeed("git", "init", "--quiet")
    here.succeed("git", "config", "user.name", "Nobody")
    here.succeed("git", "config", "user.email", "nobody@example.org")
    commit(here, "the code")

    matplotlib = tmp_path_factory.mktemp("matplotlib")
    (matplotlib / "matplotlibrc").write_text("axes.facecolor: black\nfont.size: 30\nsvg.fonttype: none\n")
    strange = env | STRANGE | {"MPLCONFIGDIR": str(matplotlib), "PYTHONPATH": str(TRACER)}
    strange["GROUNDWORK_TRACES"] = str(tmp_path_factory.mktemp("traces"))
    elsewhere = Clone(here.copy(tmp_path_factory.mktemp("elsewhere") / "a clone").root, strange, 0o077)

    params["studies"] = {name: study for name, study in params["studies"].items() if name in FEW}
    used = {study["dataset"] for study in params["studies"].values()}
    params["datasets"] = {name: data for name, data in params["datasets"].items() if f"generated/{name}" in used}
    yaml.dump(params, root / "params.yaml")
    commit(here, "few studies")

    shutil.rmtree(elsewhere.root / "reports")  # DVC would remove each stage's outs before it runs the stage
    with ThreadPoolExecutor(3) as pool:
        by_dvc = pool.submit(here.succeed, "dvc", "repro")
        for wave in ("check", "download", "generate", "train", "evaluate", "ladder", "report", "summary", "track"):
            commands = [stage.arguments for name, stage in read_stages(elsewhere).items() if wave_of(name) == wave]
            list(pool.map(lambda command: elsewhere.succeed("python", "-m", "groundwork", *command.split()), commands))
        by_dvc.result()
    commit(here, "the results")
    return here, elsewhere


def wave_of(stage: str) -> str:
    """Stages of one wave do not need each other."""
    return "ladder" if stage == "train@mnist_ladder" else stage.split("@")[0]


def commit(clone: Clone, message: str) -> None:
    clone.succeed("git", "add", "--all")
    clone.succeed("git", "commit", "--quiet", "--message", message)


@pytest.fixture(scope="session")
def clone(clones: tuple[Clone, Clone]) -> Clone:
    """The clone in which `dvc repro` has run, with few studies. Leave it as it is."""
    return clones[0]


@pytest.fixture(scope="session")
def elsewhere(clones: tuple[Clone, Clone]) -> Clone:
    """The other one, with all studies. Leave it as it is."""
    return clones[1]


@pytest.fixture(scope="session")
def stages(elsewhere: Clone) -> dict[str, Stage]:
    """All stages, by name, in the order of dvc.yaml."""
    return read_stages(elsewhere)


def read_stages(clone: Clone) -> dict[str, Stage]:
    """The stages of a clone as DVC reads them from dvc.yaml."""
    with clone.dvc() as repo:
        return {
            stage.name: Stage(
                arguments=stage.cmd.removeprefix("python -m groundwork "),
                deps={dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)},
                outs={out.def_path for out in stage.outs},
            )
            for stage in repo.index.stages
        }


@pytest.fixture(scope="module")
def own(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the clone for the tests of a module, which restore what they change."""
    return clone.copy(tmp_path_factory.mktemp("own") / "clone")
