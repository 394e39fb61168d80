"""No room on the disk, or no way to write there: one clear line, nothing half-written, and what was there is there.

Rights do not bind root, so the tests do not take any away: a file lies in the way of a folder, or a link leads to a
part of the system where nobody makes files.
"""

import re
import resource
from functools import partial
from pathlib import Path

import pytest
from project import Project

COMMANDS = {  # what each writes, and the folder that it needs for it
    "download --dataset mnist_sample": ("data/raw/mnist_sample.safetensors", "data/raw"),
    "generate --dataset regression": ("data/generated/regression.safetensors", "data/generated"),
    "train --study learning_rate": ("data/runs/learning_rate", "data/runs"),
    "report --study learning_rate": ("reports/figures/learning_rate", "reports/figures"),
    "summary": ("reports/index.html", "reports"),
}

NO_WAY = "File exists|Not a directory|Permission denied|Operation not permitted|Read-only file system"


@pytest.fixture(scope="module")
def shared(healthy: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy for all harms: each must leave it as it was before."""
    return healthy.copy(tmp_path_factory.mktemp("disk") / "project")


def limit(most: int) -> None:
    """In a child: what would be more bytes of a file than that is not written, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def assert_refused(
    project: Project, command: str, folder: str, reason: str, most: int = resource.RLIM_INFINITY
) -> None:
    """A command fails with one line for a file below the folder, and leaves nothing."""
    code, printed = project.run("python", "-m", "groundwork", *command.split(), preexec_fn=partial(limit, most))
    assert code == 1
    line = printed.splitlines()[-1]  # before it, the source that has served
    assert "Traceback" not in printed
    assert re.fullmatch(rf"error: {folder}\S* cannot be written \(({reason})\): see that .*", line), printed
    assert [*project.root.rglob("*.partial")] == []


def size(path: Path) -> int:
    return max(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")))


@pytest.mark.parametrize("command", COMMANDS)
def test_full(command, inflicted, shared):
    out, folder = COMMANDS[command]
    before = shared.hashes()
    with inflicted("Disk", f"full: `groundwork {command.split()[0]}`"):
        most = size(shared.root / out) // 2
        assert_refused(shared, command, folder, r"File too large|.*\[errno 27\] File too large", most)
        assert shared.hashes() == before


def test_no_room_for_a_temporary_file(inflicted, shared):
    before = shared.hashes()
    with inflicted("Disk", "full: the folder for temporary files"):
        command = ["python", "-m", "groundwork", "download", "--dataset", "mnist_sample"]
        code, printed = shared.run(*command, preexec_fn=partial(limit, 0))
        assert code == 1
        assert re.fullmatch(r"error: mnist_sample: no temporary folder can be made \(No usable .*\)\n", printed), (
            printed
        )
        assert shared.hashes() == before


@pytest.mark.parametrize("command", list(COMMANDS)[:-1])
@pytest.mark.parametrize("way", ["a file in the way of its folder", "a folder where nobody may write"])
def test_no_way(way, command, inflicted, shared):
    _, folder = COMMANDS[command]
    before = shared.hashes()
    place, aside = shared.root / folder, shared.root / "aside"
    with inflicted("Disk", f"{way}: `groundwork {command.split()[0]}`"):
        place.rename(aside)
        try:
            if way.startswith("a file"):
                place.touch()
            else:
                place.symlink_to("/sys")
            assert_refused(shared, command, folder, NO_WAY)
        finally:
            place.unlink()
            aside.rename(place)
        assert shared.hashes() == before


def test_full_for_all_of_repro(inflicted, shared, healthy):
    """DVC has no room either: it ends with a line, and with room again all comes back."""
    before = shared.hashes()
    with inflicted("Disk", "full: `groundwork repro`, then room again"):
        shared.forget(healthy, "data/raw")
        command = ["python", "-m", "groundwork", "repro"]
        code, printed = shared.run(*command, preexec_fn=partial(limit, 2000))
        assert code == 1
        assert printed.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in printed
        shared.repro()
        assert shared.hashes() == before
