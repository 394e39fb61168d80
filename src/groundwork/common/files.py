"""Files that are whole or not there: written beside their place, then renamed into it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file or a folder to; it takes the place of `path` when the block ends without an error.

    Whatever ends the block early, Ctrl-C included, leaves `path` as it was and nothing beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.partial"
    _discard(partial)
    try:
        yield partial
        if path.is_dir():  # a folder cannot be renamed over a folder that has files
            _discard(path)
        partial.replace(path)
    finally:
        _discard(partial)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; always UTF-8 with \\n."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
