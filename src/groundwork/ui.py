"""`groundwork ui`: MLflow's own server on this machine, opened where the charts are."""

import os
import signal
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from urllib.parse import urlsplit, urlunsplit

import requests

from groundwork.common.errors import UserError, masked, one_line
from groundwork.common.params import Params
from groundwork.tracking.store import DEFAULT_URI, connected, deep_link, tracking_uri
from groundwork.tracking.track import fill

HOST = "127.0.0.1"
START = 60  # seconds that the server may take to answer
STOP = 10  # seconds that it may take to end


def serve(params: Params, port: int) -> None:
    """Show the runs in MLflow's UI until Ctrl-C; a server that MLFLOW_TRACKING_URI names is only linked to."""
    uri = tracking_uri()
    if urlsplit(uri).scheme in ("http", "https"):
        _show(_without_login(uri), _experiments(uri, params))
        return
    if uri == DEFAULT_URI:
        try:
            fill(params)
        except UserError as error:  # earlier runs are worth a look even so
            print(f"The newest results are not in MLflow: {error}")
    experiments = _experiments(uri, params)
    free = free_port(port)
    if free != port:
        print(f"Port {port} is taken, using {free}.")
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the server must not outlive us
        signal.signal(ending, signal.default_int_handler)
    with suppress(KeyboardInterrupt), server(uri, free) as (base_url, process):
        _show(base_url, experiments)
        print("Ctrl-C ends it.", flush=True)
        process.wait()
        raise UserError("the MLflow server ended by itself: start it again with `make ui`")
    print()


@contextmanager
def server(uri: str, port: int) -> Iterator[tuple[str, subprocess.Popen]]:
    """MLflow's server for the block, once it answers: its address and process. Its log is kept for a failed start."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": uri,  # all users of this machine could read a password in the command line
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # without the job runner it starts in a third of the time
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    base_url = f"http://{HOST}:{port}"
    with TemporaryFile() as log:
        # A session of its own: Ctrl-C reaches us alone, and we end the server with all its workers.
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            for _ in range(START * 10):
                if _answers(base_url):
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.1)
                    break
            if process.poll() is not None or not _answers(base_url):
                log.seek(0)
                last = (log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
                raise UserError(f"the MLflow server did not start: {one_line(masked(last))}")
            yield base_url, process
        finally:
            _end(process)


def free_port(port: int) -> int:
    """The first port from `port` on that nobody listens on."""
    for candidate in range(port, min(port + 100, 2**16)):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just left is free
            probe.bind((HOST, candidate))
            return candidate
    raise UserError(f"no free port from {port} on: choose another one with --port")


def _experiments(uri: str, params: Params) -> dict[str, str]:
    """The ids of the studies' experiments, by study."""
    with connected(uri) as client:
        found = {study: client.get_experiment_by_name(study) for study in params.studies}
    ids = {study: experiment.experiment_id for study, experiment in found.items() if experiment}
    if not ids:
        raise UserError(f"MLflow at {uri} has no runs of params.yaml: write them with `groundwork track`")
    return ids


def _show(base_url: str, experiments: dict[str, str]) -> None:
    """Print one link a study, and open the first where there is a display."""
    links = {study: deep_link(base_url, experiment) for study, experiment in experiments.items()}
    width = max(map(len, links))
    for study, link in links.items():
        print(f"  {study:{width}}  {link}", flush=True)
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(next(iter(links.values())))


def _answers(base_url: str) -> bool:
    try:
        return requests.get(f"{base_url}/health", timeout=5).ok
    except requests.RequestException:
        return False


def _end(process: subprocess.Popen) -> None:
    """End the server and its workers, gently first."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=STOP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _without_login(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
