"""Downloads into a scratch folder, and a web server of our own, so that they fail in every way without the internet."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.params import Params
from groundwork.datasets import download_dataset

SHIPPED = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")["downloads"]
NO_PACKAGE = "groundwork-has-no-such-package@0.0.0"


class Server(ThreadingHTTPServer):
    """Answers every request with `content`, or as a folder that has its keys; None never answers, until `over`.

    `asked` is set when the first request comes.
    """

    daemon_threads = True

    def __init__(self, content: bytes | dict[str, bytes | None] | None, status: int, length: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.status, self.length = content, status, length
        self.asked, self.over = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/" + ("" if isinstance(content, dict) else "mnist_sample.tgz")


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.set()
        content, status = self.server.content, self.server.status
        if isinstance(content, dict):
            name = self.path.removeprefix("/")
            content, status = (content[name], status) if name in content else (b"not here", 404)
        if content is None:
            self.server.over.wait()
            return
        self.send_response(status)
        self.send_header("Content-Length", str(self.server.length or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' own output readable."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """serve(content, status, length) starts a server; a larger length breaks off."""
    servers: list[Server] = []

    def start(content: bytes | dict[str, bytes | None] | None, status: int = 200, length: int | None = None) -> Server:
        server = Server(content, status, length)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return server

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def no_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def block() -> Callable[..., dict[str, Any]]:
    """block(dataset, **changes): a params.yaml with the shipped downloads, one of them changed; without a mirror."""

    def changed(dataset: str, **changes: object) -> dict[str, Any]:
        downloads = {**SHIPPED, dataset: {**SHIPPED[dataset], "mirror": NO_PACKAGE, "timeout": 5, **changes}}
        return {"seed": 20, "numerics": "portable", "jobs": 1, "downloads": downloads, "datasets": {}, "studies": {}}

    return changed


@pytest.fixture
def download(
    block: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """download(dataset, **changes): the out, in a scratch folder; the temporary files must be gone in the end."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    for dataset in SHIPPED:
        monkeypatch.delenv(f"GROUNDWORK_{dataset.upper()}", raising=False)

    def run(dataset: str, **changes: object) -> Path:
        download_dataset(dataset, Params.model_validate(block(dataset, **changes)))
        return paths.dataset(f"raw/{dataset}")

    yield run
    assert list(temporary.iterdir()) == []
