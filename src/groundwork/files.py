"""Files that are whole or not there: written beside their place, then renamed into it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from groundwork.errors import UserError
from groundwork.paths import stage_of


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


def save_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write named arrays as one safetensors file: the same arrays give the same bytes."""
    with replacing(path) as partial:
        partial.write_bytes(save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}))


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read a safetensors file that a stage made; a missing or damaged one is a `UserError` that names the stage."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it with `dvc repro {stage_of(path)}`") from None
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged ({error}): delete it and make it again with `dvc repro {stage_of(path)}`"
        ) from None
