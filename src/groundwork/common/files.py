"""Files that are whole or not there: written beside their place, then renamed into it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundwork.common.errors import UserError


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Wait until a file, or all files of a folder, are on the disk: a power cut must not leave an empty one."""
    for file in (path, *path.rglob("*")):
        if file.is_file():
            with file.open("rb+") as written:
                os.fsync(written.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file or a folder to; it takes the place of `path` when the block ends without an error.

    Whatever ends the block early, Ctrl-C included, leaves `path` as it was and nothing beside it. A disk that is full,
    or that does not let us write there, is a `UserError`.
    """
    partial = path.parent / f".{path.name}.partial"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _discard(partial)
        try:
            yield partial
            _settle(partial)
            if path.is_dir():  # a folder cannot be renamed over a folder that has files
                _discard(path)
            partial.replace(path)
        finally:
            _discard(partial)
    except FileNotFoundError:  # the block has read or written something else: not for the user to put right
        raise
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        todo = "see that there is room and nothing in its way, then repeat this"
        raise UserError(f"{path} cannot be written ({reason}): {todo}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; always UTF-8 with \\n."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
