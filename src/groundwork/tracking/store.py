"""Where MLflow keeps its runs, and how to reach it: quietly, alone, and with one clear line if it cannot be reached."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from filelock import FileLock
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from groundwork.common.errors import UserError, masked, one_line
from groundwork.common.files import replacing
from groundwork.tracking.charts import VIEW

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///mlflow.db"
WAIT = 60  # seconds for another `track` on the same database

AWAY = "Move {file} away, for what `track` has put there is made again from data/runs"
OTHER = (
    "Another MLflow has made it: if an older one, save a copy and run `mlflow db upgrade {uri}`; "
    "if a newer one, use that or move {file} away"
)
REMEDIES = {  # by what SQLite, alembic, MLflow or the network says
    "database is locked": "End the program that writes to it",
    "file is not a database": AWAY,
    "malformed": AWAY,
    "out-of-date database schema": OTHER,  # said of a newer one too
    "Can't locate revision": OTHER,
    "Connection refused": "Start it",
}

# MLflow reads these when it is imported, so that happens in functions only. What the user has set stands.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a dead server is reported in seconds, not in minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or the database at the root of the repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def deep_link(base_url: str, experiment_id: str) -> str:
    """The charts of an experiment's current runs, as `mlflow_charts` lays them out."""
    query = {"compareRunsMode": "CHART", "workflowType": "machine_learning", "viewStateShareKey": VIEW}
    return f"{base_url}/#/experiments/{experiment_id}/runs?{urlencode(query)}"


@contextmanager
def connected(uri: str) -> Iterator["MlflowClient"]:
    """A client for the block, alone on a local database; whatever MLflow cannot do in it is a `UserError`."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from alembic.util import CommandError
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        with _locked(uri):
            yield MlflowClient(uri)
    except (MlflowException, SQLAlchemyError, CommandError, ModuleNotFoundError, OSError) as error:
        reason = _reason(error)
        remedy = next((remedy for sign, remedy in REMEDIES.items() if sign in reason), "Put that right")
        raise UserError(
            f"MLflow at {uri} cannot be used ({reason}). The results are safe in data/runs and reports. "
            f"{remedy.format(uri=uri, file=_file(uri))}, then show them with `groundwork track`, or elsewhere with "
            "`MLFLOW_TRACKING_URI=<address> groundwork track`"
        ) from None


@contextmanager
def _locked(uri: str) -> Iterator[None]:
    """Check a database before MLflow does, which would try again for minutes; make a new one whole or not at all."""
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if re.split(r"[+:]", uri)[0] not in DATABASE_ENGINES:
        yield
        return
    file = _file(uri)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock", timeout=WAIT) if file else nullcontext():
        if file and not file.exists():
            with replacing(file) as partial:
                SqlAlchemyStore(f"sqlite:///{partial}", "mlruns").engine.dispose()
        engine = create_engine(uri)
        with engine.connect() as connection:
            if file:
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if found != "ok":
                    raise OSError(f"{file} is malformed: {one_line(found)}")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        engine.dispose()
        yield


def _file(uri: str) -> Path | None:
    """The file of a local database; nothing for any other store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: 'Connection refused' rather than how many libraries it came through."""
    inner = error.__cause__ or error.__context__
    if inner and not isinstance(inner, LookupError):
        return _reason(inner)
    return one_line(masked(str(error)), 200) or type(error).__name__  # a cut in an address would hide where it ends
