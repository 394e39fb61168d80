"""Whatever happens to MLflow's store: in the end exactly one current run a variant, and no result touched.

`track` runs as it does in life, in processes of its own; the store is looked at with plain SQL. Where it cannot be
used, one line says what to do, the test does that, and tracks once more.
"""

import os
import shutil
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.tensors import save_tensors
from groundwork.tracking.store import connected
from groundwork.ui import free_port, server
from tracking.tiny_project import PARAMS, STUDY, VARIANTS, alone, fill_from_params, trained, write

DATABASE = Path("mlflow.db")


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; and MLflow, whose first use takes seconds, is warm in all the processes forked from this one."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    with connected(f"sqlite:///{file}") as client:
        client.search_experiments()
    return file


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A project that has been tracked; `tracked.db` is a copy of its database."""
    root = tmp_path_factory.mktemp("checkout")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        paths.PARAMS.write_text(PARAMS)
        save_tensors(paths.dataset("generated/regression"), {"train/X": np.zeros(3, np.float32)})
        write(trained())
        paths.page(STUDY).parent.mkdir()
        paths.page(STUDY).write_text("# A study\n")
        shutil.copy(empty_database, DATABASE)
        alone(fill_from_params)
        shutil.copy(DATABASE, "tracked.db")
    return root


@pytest.fixture(autouse=True)
def _project(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    shutil.copy("tracked.db", DATABASE)


def not_tracked(empty: Path, database: Path = DATABASE) -> None:
    shutil.copy(empty, database)
    paths.TRACKED.unlink(missing_ok=True)


def results() -> dict[Path, bytes]:
    """What training and reports have made."""
    files = [path for folder in ("data", "reports") for path in Path(folder).rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if "tracked.json" not in path.name}


def rows(database: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


CURRENT = """
    select runs.name, runs.status from runs join tags using (run_uuid) join experiments using (experiment_id)
    where tags.key = 'groundwork.status' and tags.value = 'current' and experiments.name = 'learning_rate'
"""


def track() -> None:
    """`groundwork track` must succeed and leave one current run a variant, finished; nothing of the results moves."""
    before = results()
    alone(fill_from_params)
    database = Path(os.environ.get("DATABASE", DATABASE))
    assert Counter(rows(database, CURRENT)) == Counter((name, "FINISHED") for name in VARIANTS)
    assert results() == before
    assert [path.name for path in Path("data").iterdir() if path.is_file()] == ["tracked.json"]


def refused(said: str) -> None:
    """`groundwork track` cannot, and says so in one line with a way out; no file is touched."""
    before = results() | {DATABASE: DATABASE.read_bytes()}
    with pytest.raises(UserError) as error:
        alone(fill_from_params)
    message = str(error.value)
    assert message.startswith("MLflow at ")
    assert "The results are safe in data/runs and reports" in message
    assert said in message
    assert "groundwork track" in message
    assert message.isprintable()
    assert results() | {DATABASE: DATABASE.read_bytes()} == before


# --- the database ----------------------------------------------------------------------------------------------------


def test_another_program_writes(inflicted):
    with inflicted("MLflow", "another program holds the database in a transaction"):
        with closing(sqlite3.connect(DATABASE)) as other:
            other.execute("begin immediate")
            refused("End the program that writes to it")
        track()


@pytest.mark.parametrize(
    "what", ["the database deleted", "a database of no bytes", "the marker data/tracked.json deleted"]
)
def test_gone(inflicted, what):
    with inflicted("MLflow", what):
        if "marker" in what:
            paths.TRACKED.unlink()
        else:
            DATABASE.unlink()
        if "no bytes" in what:
            DATABASE.touch()
        track()


def test_the_artifacts_are_gone(inflicted):
    with inflicted("MLflow", "the folder of artifacts deleted"):
        shutil.rmtree("mlruns")
        track()
        assert len(list(Path("mlruns").rglob(f"{STUDY}.md"))) == len(VARIANTS)


DAMAGE = {
    "garbage where the database begins": lambda whole: os.urandom(4096) + whole[4096:],
    "garbage in the middle of the database": lambda whole: whole[: 4096 * 40] + b"\xff" * 40960 + whole[4096 * 50 :],
    "half a database": lambda whole: whole[: len(whole) // 2],
    "a hundred bytes of a database": lambda whole: whole[:100],
    "another file in its place": lambda _: b"not a database, whatever its name says\n" * 100,
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_database_is_named_and_never_deleted(inflicted, empty_database, what):
    with inflicted("MLflow", what):
        DATABASE.write_bytes(DAMAGE[what](DATABASE.read_bytes()))
        refused("Move mlflow.db away, for what `track` has put there is made again from data/runs")
        DATABASE.replace("damaged.db")
        shutil.copy(empty_database, DATABASE)  # `track` would make it too, in seconds
        track()


def test_an_older_schema(inflicted):
    with inflicted("MLflow", "the schema of an older MLflow"):
        alone(downgrade)
        track()


def downgrade():
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    command.downgrade(_get_alembic_config(f"sqlite:///{DATABASE}"), "-1")


@pytest.mark.parametrize(
    ("what", "revision", "said"),
    [
        (
            "a schema that MLflow will not use as it is",
            "75868b020152",
            "if an older one, save a copy and run `mlflow db upgrade sqlite:///mlflow.db`;",
        ),
        (
            "the schema of a newer MLflow",
            "ffffffffffff",
            "if a newer one, use that or move mlflow.db away",
        ),
    ],
)
def test_another_schema(inflicted, what, revision, said):
    with inflicted("MLflow", what):
        with closing(sqlite3.connect(DATABASE)) as connection, connection:
            ((ours,),) = connection.execute("select version_num from alembic_version")
            connection.execute("update alembic_version set version_num = ?", [revision])
        refused(said)
        with closing(sqlite3.connect(DATABASE)) as connection, connection:
            connection.execute("update alembic_version set version_num = ?", [ours])
        track()


# --- killed ----------------------------------------------------------------------------------------------------------


def started():
    """`groundwork track` in a process of its own that the test can kill."""
    process = get_context("fork").Process(target=fill_from_params)
    process.start()
    return process


def when(process, database: Path, runs: int) -> None:
    """Return once so many runs are in the database, or the process has ended."""
    while process.is_alive() and rows(database, "select count(*) from runs")[0][0] < runs:
        process.join(0.01)


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_track_is_killed(inflicted, empty_database, runs):
    not_tracked(empty_database)
    with inflicted("MLflow", "`kill -9` of `track` while it writes a run"):
        process = started()
        when(process, DATABASE, runs)
        process.kill()
        process.join()
        track()


def test_of_two_at_once_one_is_killed(inflicted, empty_database):
    not_tracked(empty_database)
    with inflicted("MLflow", "two `track` at once, one of them killed"):
        one, other = started(), started()
        when(one, DATABASE, 1)
        one.kill()
        one.join()
        other.join()
        assert other.exitcode == 0
        track()


def test_a_server_that_comes_and_goes(inflicted, empty_database, monkeypatch):
    port = free_port(5700)
    uri, database = f"sqlite:///{Path('server.db').resolve()}", Path("server.db").resolve()
    not_tracked(empty_database, database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("DATABASE", str(database))
    with inflicted("MLflow", "the server gone before `track`"):
        refused("Start it, then")
    for runs in (1, 2):
        with inflicted("MLflow", "the server killed during `track`"):
            with server(uri, port) as (_, process):
                tracking = started()
                when(tracking, database, runs)
                os.killpg(process.pid, signal.SIGKILL)
                tracking.join()
            assert paths.TRACKED.exists() == (tracking.exitcode == 0)
    with inflicted("MLflow", "the server killed after `track`"):
        with server(uri, port) as (_, process):
            track()
            os.killpg(process.pid, signal.SIGKILL)
        with server(uri, port):
            track()
