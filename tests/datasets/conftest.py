"""A web server of our own, so that downloads fail in every way without the internet."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """Answers every request with `content`; `asked` is set when the first comes, and silence lasts until `over`."""

    daemon_threads = True

    def __init__(self, content: bytes | None, status: int, length: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.status, self.length = content, status, length
        self.asked, self.over = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/mnist_sample.tgz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.set()
        if self.server.content is None:
            self.server.over.wait()
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.length or len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' own output readable."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """serve(content, status, length) starts a server; content None never answers, a larger length breaks off."""
    servers: list[Server] = []

    def start(content: bytes | None, status: int = 200, length: int | None = None) -> Server:
        server = Server(content, status, length)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return server

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()
