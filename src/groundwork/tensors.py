"""Named arrays as safetensors files: the same arrays give the same bytes, and nothing in them can be run."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from groundwork.common.errors import UserError
from groundwork.common.files import replacing
from groundwork.common.paths import stage_of


def save_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write named arrays as one safetensors file: the same arrays give the same bytes."""
    with replacing(path) as partial:
        partial.write_bytes(pack(tensors))


def pack(tensors: dict[str, np.ndarray]) -> bytes:
    """Named arrays as the content of a safetensors file."""
    return save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read a safetensors file that a stage made; a missing or damaged one is a `UserError` that names the stage."""
    try:
        return load_file(path, backend="pread")  # mapped into memory, it would take three times as long
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it with `dvc repro {stage_of(path)}`") from None
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged ({error}): delete it and make it again with `dvc repro {stage_of(path)}`"
        ) from None
