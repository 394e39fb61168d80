"""What a power cut or a failing disk leaves: never carried on, and healed by a plain `groundwork repro`."""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from project import Project

RAW, WEIGHTS = Path("data/raw/mnist_sample.safetensors"), Path("data/runs/pixel_similarity/weights.safetensors")
PAGE, SUMMARY = Path("reports/index.md"), Path("data/reports/learning_rate.json")
LOCK, BUSY, RUNS = Path("dvc.lock"), Path(".dvc/tmp/rwlock"), Path(".dvc/cache/runs")


def write(path: Path, content: bytes) -> None:
    before = path.stat().st_mode
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_bytes(content)
    path.chmod(before)  # DVC trusts files of its cache that are read-only


def cut(path: Path) -> None:
    write(path, path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    write(path, b"")


def zeros(path: Path) -> None:
    """The size and the time that it had, without its content: what DVC does not see."""
    before = path.stat()
    write(path, bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cached(path: Path) -> Path:
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    return Path(".dvc/cache/files/md5", digest[:2], digest[2:])


def cached_and_gone(harm: Callable[[Path], None]) -> None:
    harm(cached(RAW))
    RAW.unlink()


def folder_cached_and_gone() -> None:
    for path in Path(".dvc/cache/files/md5").rglob("*.dir"):
        cut(path)
    shutil.rmtree("data/runs/pixel_similarity")


def run_cache() -> None:
    """DVC asks it about the first stage, whose out is not as dvc.lock says now."""
    for path in RUNS.glob("*/*/*"):
        cut(path)
    digest = hashlib.md5(Path("data/checked.txt").read_bytes()).hexdigest()
    LOCK.write_text(LOCK.read_text().replace(digest, "0" * 32, 1))


def lock_cut() -> None:
    text = LOCK.read_text()
    LOCK.write_text(text[: text.rindex("md5") - 3])


def locked_by(pid: int) -> None:
    holder = {"pid": pid, "cmd": "dvc repro"}
    BUSY.write_text(json.dumps({"write": {str(RAW.absolute()): holder}, "read": {str(RAW.absolute()): [holder]}}))
    RAW.unlink()


def memory(content: Callable[[bytes], bytes]) -> None:
    for database in Path(os.environ["DVC_SITE_CACHE_DIR"]).rglob("hashes/local/cache.db"):
        database.write_bytes(content(database.read_bytes()))


HARMS: dict[str, Callable[[], None]] = {
    "an out cut short": lambda: cut(RAW),
    "an out without content": lambda: empty(SUMMARY),
    "an out full of zeros, of the same size and time": lambda: zeros(RAW),
    "a file of a folder full of zeros, of the same size and time": lambda: zeros(WEIGHTS),
    "a page cut short": lambda: cut(PAGE),
    "a cached file cut short, its out gone": lambda: cached_and_gone(cut),
    "a cached file without content, its out gone": lambda: cached_and_gone(empty),
    "a cached file full of zeros, of the same size and time, its out gone": lambda: cached_and_gone(zeros),
    "the cached lists of folders cut short, an out gone": folder_cached_and_gone,
    "dvc.lock cut short": lock_cut,
    "dvc.lock without content": lambda: empty(LOCK),
    "dvc.lock full of zeros": lambda: zeros(LOCK),
    "DVC's run cache cut short, and a wrong hash in dvc.lock": run_cache,
    "DVC's list of locks cut short": lambda: write(BUSY, b'{"write": {"a'),
    "DVC's list of locks without content": lambda: write(BUSY, b""),
    "locks of a process that is gone": lambda: locked_by(2**22 + 1),  # more than Linux ever counts
    "locks of a process whose number another one has now": lambda: locked_by(os.getpid()),
    "DVC's memory of hashes cut short": lambda: memory(lambda content: content[: len(content) // 2]),
    "DVC's memory of hashes full of zeros": lambda: memory(lambda content: bytes(len(content))),
}


@pytest.fixture(scope="module")
def shared(healthy: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy for all harms: each must leave it as it was before. DVC has its hashes in memory."""
    folder = tmp_path_factory.mktemp("damaged")
    project = healthy.copy(folder / "project").remembering(folder / "memory")
    project.succeed("dvc", "status")
    return project


@pytest.mark.parametrize("harm", HARMS)
def test_damage(harm, inflicted, shared, monkeypatch):
    monkeypatch.chdir(shared.root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", shared.env["DVC_SITE_CACHE_DIR"])
    before = shared.hashes()
    with inflicted("Damaged", harm):
        HARMS[harm]()
        printed = shared.repro()
        assert shared.hashes() == before
        assert "Traceback" not in printed


def test_half_of_the_lock_side_by_side(inflicted, shared, monkeypatch):
    """DVC takes it for whole; stages that run side by side get the places back that they had."""
    monkeypatch.chdir(shared.root)
    before = shared.hashes()
    with inflicted("Damaged", "dvc.lock cut between two stages, `--jobs 2`"):
        text = LOCK.read_text()
        LOCK.write_text(text[: text.index("  train@pixel_similarity")])
        shared.repro("--jobs", "2")
        assert shared.hashes() == before
