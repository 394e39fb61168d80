"""Named arrays as safetensors files: the same arrays give the same bytes, and nothing in them can be run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from groundwork.common.files import replacing
from groundwork.common.layouts import Layout
from groundwork.common.paths import damaged, missing


def save_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write named arrays as one safetensors file: the same arrays give the same bytes."""
    with replacing(path) as partial:
        partial.write_bytes(pack(tensors))


def pack(tensors: dict[str, np.ndarray]) -> bytes:
    """Named arrays as the content of a safetensors file."""
    return save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def load_tensors(path: Path, layouts: Mapping[str, Layout] | None = None) -> dict[str, np.ndarray]:
    """Read a safetensors file that a stage made, and hold it against what it should have in it.

    A missing or damaged file is a `UserError` that names the stage.
    """
    try:
        tensors = load_file(path, backend="pread")  # mapped into memory, it would take three times as long
    except FileNotFoundError:
        raise missing(path) from None
    except (SafetensorError, OSError, TypeError, AttributeError, ValueError) as error:  # numpy has no bfloat16
        raise damaged(path, error) from None
    problem = misfit(tensors, layouts) if layouts is not None else None
    if problem:
        raise damaged(path, problem)
    return tensors


def misfit(tensors: Mapping[str, np.ndarray], layouts: Mapping[str, Layout]) -> str | None:
    """The first thing in which tensors are not as their layouts say."""
    for name, (dtype, shape, finite) in layouts.items():
        if name not in tensors:
            return f"it has no {name}"
        found = tensors[name]
        fits = len(shape) == found.ndim and all(n in (None, m) for n, m in zip(shape, found.shape, strict=True))
        if found.dtype != dtype or not fits:
            expected = f"{dtype} ({', '.join('n' if n is None else str(n) for n in shape)})"
            return f"{name} is {found.dtype} {found.shape}, expected is {expected}"
        if finite and found.dtype.kind == "f" and not np.isfinite(found).all():
            return f"{name} has a value that is no finite number"
    strangers = sorted(tensors.keys() - layouts.keys())
    return f"{strangers[0]} does not belong there" if strangers else None
