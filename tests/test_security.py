"""Nothing runs that a data file says, nobody outside gets in, no secret gets out: see SECURITY.md."""

import ast
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from beginning import BEGINNING
from groundwork.common import paths
from groundwork.common.errors import ParamsError, UserError, masked
from groundwork.common.params import read_params
from groundwork.common.studies import load_study, study_names

SOURCE = Path(__file__).parents[1] / "src" / "groundwork"
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
SECRET = "hunter2hunter2"

# --- what the code never does ----------------------------------------------------------------------------------------


def names(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Whatever is imported or called, as it is written: `pickle`, `torch.load`, `np.load`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def uses(pattern: str) -> set[tuple[str, str]]:
    """Where something is imported or called: (file, what)."""
    return {(file, name) for file, tree in TREES.items() for name, _ in names(tree) if re.fullmatch(pattern, name)}


def test_no_pickle_is_written_or_read():
    """But by Dask, which is one: a task that the client has made, checked by its worker before it is unpacked."""
    pickles = r"(c?pickle|dill|cloudpickle|shelve|marshal)(\..*)?|torch\.(load|save|jit\..*)|joblib\.(load|dump|Memory)"
    dask = {("engine/workers.py", name) for name in ("pickle", "pickle.dumps", "pickle.loads")}
    assert uses(pickles) == dask
    assert uses(r".*\b(read_pickle|to_pickle|memmap)") == set()
    assert uses(r"(np|numpy)\.(load|loadtxt|genfromtxt|fromregex|save|savez.*)") == set()


def test_no_text_is_run():
    assert (
        uses(r"eval|exec|compile|__import__|os\.(system|popen)|subprocess\.(getoutput|getstatusoutput)|runpy\..*")
        == set()
    )
    for file, tree in TREES.items():
        for _, call in names(tree):
            keywords = {keyword.arg for keyword in getattr(call, "keywords", [])}
            assert "shell" not in keywords, file
    for file, name in uses(r"subprocess\.(run|Popen|call|check_call|check_output)"):
        for node in ast.walk(TREES[file]):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:  # a list, never one text
                assert isinstance(node.args[0], ast.List | ast.Name), file


def test_modules_are_chosen_from_tables():
    """What is imported by name is a file of a folder, or one of the literals of settings.py."""
    assert uses(r"(importlib\.)?import_module") == {
        ("datasets/__init__.py", "import_module"),
        ("datasets/__init__.py", "importlib.import_module"),
        ("common/studies.py", "import_module"),
        ("common/studies.py", "importlib.import_module"),
    }  # fmt: skip


def test_yaml_is_safe():
    for file, tree in TREES.items():
        for name, call in names(tree):
            if name.split(".")[-1] == "YAML" and isinstance(call, ast.Call):
                assert {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}["typ"] == "'safe'", file
    assert uses(r"yaml\..*") - {("common/plain.py", "yaml.load")} == set()  # no PyYAML; this one is ruamel's, safe


def test_archives_are_read_in_memory():
    assert uses(r".*\.?(extract|extractall|unpack_archive)") == set()
    assert uses(r"zipfile.*|shutil\.unpack_archive") == set()


def test_servers_bind_this_machine_only():
    from groundwork.ui import HOST

    assert HOST == "127.0.0.1"
    for file, tree in TREES.items():
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not [text for text in texts if "0.0.0.0" in text], file


# --- names choose, they do not lead anywhere -------------------------------------------------------------------------

STUDY = """\
datasets:
  line: {family: regression, replicates: 5, train: 100, valid: 50, w: [2, -3.4], b: 4.2, noise: 0.01}
studies:
  learning_rate:
    dataset: generated/line
    model: linear
    replicates: 5
    block_size: 2
    fixed: {loss: squared, optimizer: sgd, batch_size: 32, shuffle: true, epochs: 1, lr: 1}
"""


@pytest.mark.parametrize(
    "name", ["os", "../x", "/etc/passwd", "groundwork.repro", "subprocess", "studies.planck", ".", ""]
)
@pytest.mark.parametrize(
    "place",
    ["model: linear", "family: regression", "  learning_rate:", "generated/line", "optimizer: sgd", "loss: squared"],
)
def test_a_name_that_is_in_no_table(place, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place in STUDY
    bad = f"  {name!r}:" if place.endswith(":") else f"{place.rpartition(' ')[0]} {name!r}".lstrip()
    paths.PARAMS.write_text(BEGINNING + STUDY.replace(place, bad, 1))
    before = set(sys.modules)
    with pytest.raises(ParamsError):
        read_params()
    assert name not in set(sys.modules) - before


@pytest.mark.parametrize("name", ["os", "../runs", "learning_rate.py", "__init__", "", "groundwork.studies.planck"])
def test_a_study_is_a_file_of_its_folder(name):
    assert name not in study_names()
    with pytest.raises(ValueError, match="there is no study"):
        load_study(name)


# --- no secret is shown ----------------------------------------------------------------------------------------------


def groundwork(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "groundwork", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ | env, capture_output=True, text=True)


@pytest.mark.parametrize("text", [f"http://user:{SECRET}@host/x", f"two http://{SECRET}@a, http://b:{SECRET}@c/d"])
def test_every_message_is_masked(text):
    assert SECRET not in str(UserError(text))
    assert SECRET not in str(ParamsError(text))
    assert "***@" in masked(text)


@pytest.mark.parametrize("command", ["track", "ui"])
def test_a_tracking_address_is_masked(command, tmp_path):
    project(tmp_path)
    done = groundwork(command, cwd=tmp_path, MLFLOW_TRACKING_URI=f"http://user:{SECRET}@127.0.0.1:1")
    assert done.returncode == 1
    assert "http://***@127.0.0.1:1" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_publisher_is_masked(tmp_path):
    (tmp_path / "params.yaml").write_text(
        (BEGINNING + STUDY).replace("https://example.org", f"x://me:{SECRET}@host", 1)
    )
    done = groundwork("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "publisher = x://***@host" in done.stderr
    assert SECRET not in done.stderr


def project(root: Path) -> None:
    """A project with results, whose git remote has a token in its address."""
    (root / "params.yaml").write_text(BEGINNING + STUDY)
    for arguments in (["init", "-q"], ["remote", "add", "origin", f"https://token:{SECRET}@example.org/x.git"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    for command in ("generate --dataset line", "train --study learning_rate"):
        done = groundwork(*command.split(), cwd=root)
        assert done.returncode == 0, done.stderr


def test_no_secret_reaches_mlflow(tmp_path):
    project(tmp_path)
    environment = {"MLFLOW_TRACKING_PASSWORD": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET, "GROUNDWORK_TOKEN": SECRET}
    done = groundwork("track", cwd=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (1,)
        assert SECRET not in "\n".join(connection.iterdump())
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


# --- nobody else gets in ---------------------------------------------------------------------------------------------


def listening(group: int) -> set[str]:
    """The addresses on which the processes of a process group listen, as /proc tells."""
    sockets = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rpartition(")")[2].split()[2]) == group:
                sockets |= {str(link.readlink()) for link in (status.parent / "fd").iterdir()}
        except OSError:  # it has just ended
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            (
                _,
                local,
                _,
                state,
                *_,
            ) = fields = line.split()
            if state == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(local.split(":")[0])
    return found


LOOPBACK = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"


def test_the_ui_listens_here_and_hides_the_address_of_its_store(tmp_path, monkeypatch):
    from groundwork.ui import free_port, server

    monkeypatch.chdir(tmp_path)
    uri = "sqlite:///mlflow.db"
    with server(uri, free_port(5800)) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        assert listening(process.pid) == {LOOPBACK}
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            if command.parent.name == str(process.pid):
                assert uri not in command.read_text()


def test_a_worker_listens_here_if_its_scheduler_does(tmp_path):
    (tmp_path / "params.yaml").write_text(BEGINNING + STUDY)
    options = {"cwd": tmp_path, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen([*scheduler, "--dashboard-address", "127.0.0.1:0"], **options) as one:
        try:
            address = next(line.split()[-1] for line in one.stderr if "Scheduler at:" in line)
            command = [sys.executable, "-m", "groundwork", "worker", address, "--local-directory", str(tmp_path)]
            with subprocess.Popen(command, **options) as other:
                try:
                    next(line for line in other.stderr if "Registered to:" in line)
                    assert listening(one.pid) == listening(other.pid) == {LOOPBACK}
                finally:
                    os.killpg(other.pid, 9)
        finally:
            os.killpg(one.pid, 9)
