"""A project small enough to be killed and damaged many times: the shipped pipeline, one dataset, two studies."""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tiny import environment, sample, shrink, ten_digits

REPOSITORY = Path(__file__).parents[2]
STUDIES = ("learning_rate", "pixel_similarity")
RESULTS = ("data", "reports", "dvc.lock")  # what must have the same bytes; MLflow's store is only a projection of it


@dataclass(frozen=True)
class Project:
    """A folder with the pipeline in it, and the environment in which its commands run."""

    root: Path
    env: dict[str, str]

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command at the root, in a process group of its own, its output and errors in one pipe."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**self.env, "PYTHONPATH": str(self.root / "src")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            **options,
        )

    def run(self, *command: str, **options: Any) -> tuple[int, str]:
        """Run a command to its end: its exit code and what it printed."""
        with self.start(*command, **options) as process:
            printed, _ = process.communicate()
        return process.returncode, printed.decode()

    def succeed(self, *command: str) -> str:
        """Run a command that must succeed; what it printed."""
        code, printed = self.run(*command)
        assert code == 0, printed
        return printed

    def repro(self, *options: str) -> str:
        """What `make repro` does."""
        return self.succeed("python", "-m", "groundwork", "repro", *options)

    def hashes(self) -> dict[str, str]:
        """The sha256 of each result, by its path; without what a killed process was about to write."""
        return {
            file.relative_to(self.root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for place in RESULTS
            for file in self.files(place)
            if ".partial" not in file.as_posix()
        }

    def files(self, place: str) -> list[Path]:
        """The file at a place, or all below it."""
        root = self.root / place
        return sorted(file for file in (root, *root.rglob("*")) if file.is_file())

    def copy(self, root: Path) -> "Project":
        """The same at another place."""
        shutil.copytree(self.root, root, symlinks=True)
        return replace(self, root=root)

    def remembering(self, folder: Path) -> "Project":
        """The same, with a folder of its own where DVC remembers the hashes of its files."""
        return replace(self, env=self.env | {"DVC_SITE_CACHE_DIR": str(folder)})

    def forget(self, healthy: "Project", *places: str) -> None:
        """Delete these results of a healthy project here, from DVC's cache too, so that their stages must run again."""
        for file in [file for place in places for file in healthy.files(place)]:
            digest = hashlib.md5(file.read_bytes()).hexdigest()
            self.delete(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}")
        self.delete(".dvc/cache/runs", *places)

    def delete(self, *places: str) -> None:
        """Delete files and folders, if they are there."""
        for place in places:
            if (self.root / place).is_dir():
                shutil.rmtree(self.root / place)
            else:
                (self.root / place).unlink(missing_ok=True)


def make(folder: Path) -> Project:
    """A new project in a folder, not yet run; its publishers are files beside it."""
    root, sources = folder / "project", folder / "sources"
    sources.mkdir()
    shutil.copytree(REPOSITORY / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in (".dvcignore", ".gitignore", ".dvc/config"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    yaml = YAML()
    pipeline, params = yaml.load(REPOSITORY / "dvc.yaml"), yaml.load(REPOSITORY / "params.yaml")
    del pipeline["stages"]["evaluate"], pipeline["plots"]  # they need studies that are not here
    pipeline["stages"]["track"]["deps"].remove("data/evaluated")
    shrink(params)
    params["studies"] = {name: params["studies"][name] for name in STUDIES}
    params["datasets"] = {"regression": params["datasets"]["regression"]}
    params["downloads"]["mnist_sample"]["checksum"] = sample(sources / "mnist_sample.tgz", 3)
    params["downloads"]["mnist"]["checksums"].update(ten_digits(sources, 20, 10))
    yaml.dump(pipeline, root / "dvc.yaml")
    yaml.dump(params, root / "params.yaml")
    env = environment(sources / "mnist_sample.tgz", sources, folder / "config", folder / "memory")
    return Project(root, env)
