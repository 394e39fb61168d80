"""When MLflow cannot be used: one clear line, soon, and the results stay safe."""

import sqlite3
import sys
from pathlib import Path

import pytest
from tiny_project import alone, current, fill_alone

from groundwork.common.errors import UserError, masked
from groundwork.common.params import read_params
from groundwork.common.paths import TRACKED
from groundwork.tracking.store import connected
from groundwork.tracking.track import track


def test_it_says_what_it_did_and_nothing_else(capfd):
    alone(_track_quietly)
    out, err = capfd.readouterr()
    assert out.splitlines() == [
        "MLflow at sqlite:///mlflow.db:",
        "  learning_rate: 3 current (3 new), 0 superseded",
        "Look at them with `make ui`.",
    ]
    assert err == ""


def _track_quietly():
    track(read_params())
    sys.stdout.flush()


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://user:secret@127.0.0.1:9", "Connection refused"),
        ("postgresql+psycopg2://user:secret@127.0.0.1:9/mlflow", "psycopg2"),
        ("sqlite:///damaged.db", "file is not a database"),
        ("sqlite:///folder/x.db", "File exists"),
        ("sqlite:///newer.db", "ffff"),
        ("carrier-pigeon://loft", "carrier-pigeon"),
    ],
)
def test_no_mlflow_is_one_clear_line_without_the_password(uri, reason, monkeypatch):
    Path("damaged.db").write_text("not a database, whatever its name says")
    Path("folder").write_text("not a folder")
    with sqlite3.connect("newer.db") as newer:
        newer.execute("create table alembic_version (version_num text)")
        newer.execute("insert into alembic_version values ('ffff')")
    newer.close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match=reason) as caught:
        fill_alone()
    message = str(caught.value)
    assert "safe in data/runs and reports" in message
    assert "`groundwork track`" in message
    assert "MLFLOW_TRACKING_URI=" in message
    assert "\n" not in message
    assert "secret" not in message
    assert not TRACKED.exists()


def test_a_database_that_another_program_holds():
    fill_alone()
    TRACKED.unlink()
    other = sqlite3.connect("mlflow.db")
    other.execute("begin immediate")
    with pytest.raises(UserError, match="database is locked"):
        fill_alone()
    other.close()
    assert not TRACKED.exists()
    fill_alone()
    current()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://***@host:5000/x"),
        ("https://token@host", "https://***@host"),
        ("postgresql://me:p@s/s@host/db", "postgresql://***@host/db"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        (
            "GET http://a:b@host/x failed, GET http://c:d@host/y too",
            "GET http://***@host/x failed, GET http://***@host/y too",
        ),
    ],
)
def test_passwords_are_masked(text, shown):
    assert masked(text) == shown


def test_bugs_are_not_dressed_up():
    with pytest.raises(KeyError):
        alone(_fail_while_connected)


def _fail_while_connected():
    with connected("sqlite:///mlflow.db"):
        raise KeyError
