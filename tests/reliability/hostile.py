"""Servers on 127.0.0.1 that misbehave, and archives made to do harm."""

import gzip
import io
import socket
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Behaviour = Callable[[socket.socket, str, bytes], None]  # of a server: the connection, the path asked for, its file

HTML = b"<!DOCTYPE html>\n<title>Sign in to this network</title>\n"


@contextmanager
def serving(behave: Behaviour, files: Callable[[str], bytes]) -> Iterator[str]:
    """The address of a server that treats every request as told; `files` gives what a path should have."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_accept, args=(listening, behave, files), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listening: socket.socket, behave: Behaviour, files: Callable[[str], bytes]) -> None:
    with suppress(OSError):  # it is over
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError):  # the client has gone
                request = b""
                while b"\r\n\r\n" not in request:
                    received = connection.recv(4096)
                    if not received:
                        raise ConnectionError
                    request += received
                path = request.split()[1].decode().removeprefix("/")
                behave(connection, path, files(path))


def send(connection: socket.socket, content: bytes, *headers: str, status: str = "200 OK") -> None:
    """An answer, with these headers and no others."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode() + content)


def well(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content, f"Content-Length: {len(content)}")


# --- servers ---------------------------------------------------------------------------------------------------------


def reset(connection: socket.socket, path: str, content: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends a reset


def reset_halfway(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content[: len(content) // 2], f"Content-Length: {len(content)}")
    reset(connection, path, content)


def silent(connection: socket.socket, path: str, content: bytes) -> None:
    connection.recv(1)  # until the client goes


def stalled(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content[: len(content) // 2], f"Content-Length: {len(content)}")
    connection.recv(1)


def endless(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, b"")
    while True:
        connection.sendall(bytes(2**20))


def dripping(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, b"")
    connection.settimeout(0.02)
    while True:
        connection.sendall(bytes(512))
        with suppress(TimeoutError):
            connection.recv(1)


def truncated(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content[: len(content) // 2], f"Content-Length: {len(content) // 2}")


def closed_halfway(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content[: len(content) // 2], f"Content-Length: {len(content)}")


def length_too_small(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content, f"Content-Length: {len(content) - 1}")


def length_too_large(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content, f"Content-Length: {len(content) + 1}")


def length_of_letters(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, content, "Content-Length: many")


def html(connection: socket.socket, path: str, content: bytes) -> None:
    well(connection, path, HTML)


def other_content(connection: socket.socket, path: str, content: bytes) -> None:
    """Of the right format, with one other byte: only a checksum tells."""
    unpacked = gzip.decompress(content)
    well(connection, path, gzip.compress(unpacked[:-1] + bytes([unpacked[-1] ^ 1]), 1))


def in_circles(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, b"", f"Location: /{path}", "Content-Length: 0", status="302 Found")


def to_a_file(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, b"", f"Location: {Path(__file__).as_uri()}", "Content-Length: 0", status="302 Found")


def packed_bomb(connection: socket.socket, path: str, content: bytes) -> None:
    """Packed for the way, as a header says: small to send, 32 MiB to write."""
    bomb = gzip.compress(bytes(2**25), 1)
    send(connection, bomb, "Content-Encoding: gzip", f"Content-Length: {len(bomb)}")


def not_found(connection: socket.socket, path: str, content: bytes) -> None:
    send(connection, b"", "Content-Length: 0", status="404 Not Found")


# --- archives --------------------------------------------------------------------------------------------------------


def tgz(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """An archive of these others, then these files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        for other in others:
            archive.addfile(other, io.BytesIO(bytes(other.size)))
        for name, file in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(file)
            archive.addfile(member, io.BytesIO(file))
    return content.getvalue()


def member(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    """A link, a device, or a file of zeros."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size, found.devmajor, found.devminor = kind, target, size, 1, 3
    return found
