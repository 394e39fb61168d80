"""The same bytes whoever runs it, where and how: a small project from nothing, under one variation after another.

Each run is a process of its own that does what the commands do; DVC would add nothing but its own time.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from ruamel.yaml import YAML

STUDIES = ("planck", "huber", "mnist_linear")  # torch's own functions, products of own data, shared images
EVERYTHING = """
from groundwork.__main__ import start
params = start()
from groundwork.datasets import download_dataset, generate_dataset
from groundwork.engine.training import train_study
from groundwork.overview.summary import write_summary
from groundwork.reporting.study_report import write_report
download_dataset("mnist_sample", params)
for dataset in params.datasets:
    generate_dataset(dataset, params)
for study in params.studies:
    train_study(study, params)
    write_report(study, params)
write_summary(params)
"""


@dataclass(frozen=True)
class Variation:
    """What is different about a run."""

    env: dict[str, str] = field(default_factory=dict)
    folder: str = "clone"
    umask: int = 0o022
    prefix: tuple[str, ...] = ()
    params: Callable[[dict], None] | None = None  # changes what may not matter in params.yaml


def other_order(params: dict) -> None:
    params["studies"] = dict(reversed(list(params["studies"].items())))
    params["datasets"] = dict(reversed(list(params["datasets"].items())))


def more_processes(params: dict) -> None:
    params["jobs"] = 2


def both(params: dict) -> None:
    other_order(params)
    more_processes(params)


ONE_CORE = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
HOME = {"HOME": "{folder}/home", "XDG_CACHE_HOME": "{folder}/cache", "XDG_CONFIG_HOME": "{folder}/config"}
TIME = {"TZ": "Asia/Kathmandu", "SOURCE_DATE_EPOCH": "1"}
LOCALE = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
HASHES = {"PYTHONHASHSEED": "12345"}
THREADS = {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2", "MKL_DYNAMIC": "TRUE"}
KERNELS = {
    "MKL_CBWR": "AUTO",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "ONEDNN_DEFAULT_FPMATH_MODE": "ANY",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
}
MEMORY = {"MALLOC_PERTURB_": "165"}  # what is not yet written, and what is no longer used, is no zero

VARIATIONS = {
    "none": Variation(),
    "none, at the same time": Variation(),
    "path": Variation(folder="with space and ü/clone"),
    "home": Variation(HOME),
    "umask": Variation(umask=0o077),
    "time": Variation(TIME),
    "locale": Variation(LOCALE),
    "hashes": Variation(HASHES),
    "cores": Variation(prefix=ONE_CORE),
    "threads": Variation(THREADS),
    "kernels": Variation(KERNELS),
    "memory": Variation(MEMORY),
    "order": Variation(params=other_order),
    "processes": Variation(params=more_processes),
    "all together": Variation(
        HOME | TIME | LOCALE | HASHES | THREADS | KERNELS | MEMORY, "with space and ü/clone", 0o077, ONE_CORE, both
    ),
}


@pytest.fixture(scope="module")
def made(clone, tmp_path_factory) -> dict[str, dict[str, str]]:
    """For each variation the sha256 of each file that was made, by its path; two runs at a time."""
    config = tmp_path_factory.mktemp("matplotlib")
    env = {
        key: value for key, value in clone.env.items() if key not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    }
    env["MPLCONFIGDIR"] = str(config)
    folders = {name: tmp_path_factory.mktemp("same") / variation.folder for name, variation in VARIATIONS.items()}
    for name, variation in VARIATIONS.items():
        make_project(clone.root, folders[name], variation)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda name: run(folders[name], VARIATIONS[name], env), VARIATIONS))
    for place in ("data", "reports"):
        shutil.rmtree(folders["none"] / place)
    assert list(folders["none"].rglob("__pycache__"))
    assert list(config.iterdir())
    warm = run(folders["none"], VARIATIONS["none"], env)
    return dict(zip(VARIATIONS, runs, strict=True)) | {"warm caches": warm}


def make_project(root: Path, folder: Path, variation: Variation) -> None:
    """The code of the clone at `root`, and its tiny parameters with fewer studies."""
    shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["studies"] = {name: study for name, study in params["studies"].items() if name in STUDIES}
    if variation.params:
        variation.params(params)
    yaml.dump(params, folder / "params.yaml")


def run(folder: Path, variation: Variation, env: dict[str, str]) -> dict[str, str]:
    """Do everything in a project, in a new process; the sha256 of each file that is there then, by its path."""
    own = {key: value.format(folder=folder) for key, value in variation.env.items()}
    done = subprocess.run(
        [*variation.prefix, sys.executable, "-c", EVERYTHING],
        cwd=folder,
        env=env | own | {"PYTHONPATH": str(folder / "src")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        umask=variation.umask,
    )
    assert done.returncode == 0, done.stderr
    files = [path for place in ("data", "reports") for path in (folder / place).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def test_everything_is_made(made):
    folders = {path.rsplit("/", 1)[0] for path in made["none"]}
    assert {f"data/runs/{study}" for study in STUDIES} | {f"reports/figures/{study}" for study in STUDIES} < folders
    assert {"data/raw/mnist_sample.safetensors", "data/generated/planck.safetensors", "reports/index.html"} < {
        *made["none"]
    }


@pytest.mark.parametrize("name", [*list(VARIATIONS)[1:], "warm caches"])
def test_the_same_bytes(made, name):
    """The pages about all studies have them in the order of params.yaml: they are left out where that varies."""
    other = VARIATIONS.get(name, VARIATIONS["none"]).params in (other_order, both)
    assert differing(made["none"], made[name], of_a_study if other else str) == []


def test_dvc_makes_the_same(clone, made):
    assert differing(made["none"], clone.hashes("data", "reports"), of_a_study) == []


def differing(expected: dict[str, str], found: dict[str, str], counts: Callable[[str], object]) -> list[str]:
    """The paths that count whose files are not the same, or are in one of the two alone."""
    return [path for path in expected.keys() | found.keys() if counts(path) and expected.get(path) != found.get(path)]


def of_a_study(path: str) -> bool:
    """Whether a file was made for one of the studies alone."""
    return any(
        path.startswith((f"data/runs/{study}/", f"reports/figures/{study}/"))
        or path in (f"reports/{study}.md", f"reports/curves/{study}.csv", f"data/reports/{study}.json")
        for study in STUDIES
    )


# --- groundwork verify -----------------------------------------------------------------------------------------------


@pytest.fixture
def verify(own, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Commits what was changed in the clone and verifies it; that touches nothing else and leaves nothing behind."""

    def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
        own.succeed("git", "commit", "--quiet", "--all", "--message", "changed by hand")
        before = own.hashes("data", "reports", "dvc.lock", "mlflow.db", ".dvc/cache")
        done = own.groundwork("verify", *arguments, TMPDIR=str(tmp_path))
        assert own.hashes("data", "reports", "dvc.lock", "mlflow.db", ".dvc/cache") == before
        assert own.succeed("git", "status", "--porcelain") == ""
        assert list(tmp_path.glob("groundwork-verify-*")) == []
        return done

    return verify


def test_verify_names_what_is_not_as_committed(own, verify):
    runs, page = own.root / "data/runs/huber/runs.csv", own.root / "reports/huber.md"
    header, first, *rest = runs.read_text(encoding="utf-8").splitlines(keepends=True)
    runs.write_text(header + first.replace(",ok", ",diverged") + "".join(rest), encoding="utf-8")
    own.succeed("dvc", "commit", "--force", "train@huber")
    page.write_text(page.read_text(encoding="utf-8").replace("# ", "# Not ", 1), encoding="utf-8")
    done = verify("--study", "huber", "--study", "pixel_similarity")
    assert done.returncode == 1
    assert done.stderr.endswith("error: a rerun does not give what is committed; see above\n")
    found = {line.split()[0]: " ".join(line.split()[1:]) for line in done.stdout.split("\n\n")[-2].splitlines()}
    assert found.pop("train@huber") == "differs data/runs/huber/runs.csv: row 1, status: committed diverged, here ok"
    assert found.pop("report@huber").startswith("differs reports/huber.md: line 1: committed # Not ")
    assert found.pop("download@mnist_sample") == "reused"
    assert found.keys() == {"check", "generate@regression", "train@pixel_similarity", "report@pixel_similarity"}
    assert set(found.values()) == {"same"}
    assert done.stdout.startswith("Promised here: the same bytes\n")


def test_verify_goes_by_bands_where_bytes_are_not_promised(own, verify):
    params = own.root / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("numerics: portable", "numerics: native"), "utf-8")
    own.succeed("dvc", "repro", "--single-item", "check")  # dvc.lock says what params.yaml says
    done = verify("--study", "planck")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Promised here: numbers within bands\n")
    assert "report@planck    within bands" in done.stdout
