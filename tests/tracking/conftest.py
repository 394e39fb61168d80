"""Each test has a project of its own; MLflow is used in processes of their own, as in life."""

import shutil

import numpy as np
import pytest
from tiny_project import PARAMS, trained, write

from groundwork.common import paths
from groundwork.common.tensors import save_tensors
from groundwork.tracking.store import SETTINGS, connected


@pytest.fixture(scope="session", autouse=True)
def empty_database(tmp_path_factory):
    """Made once; and MLflow, whose first use takes seconds, is warm in all the processes forked from this one."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        file = tmp_path_factory.mktemp("empty") / "mlflow.db"
        with connected(f"sqlite:///{file}") as client:
            client.search_experiments()
        yield file


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch, empty_database):
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    paths.PARAMS.write_text(PARAMS)
    save_tensors(paths.dataset("generated/regression"), {"train/X": np.zeros(3, np.float32)})
    write(trained())
    shutil.copy(empty_database, "mlflow.db")
