"""The shipped parameters, tiny; publishers that serve pictures of noise; and an environment without the user's own."""

import gzip
import hashlib
import io
import os
import struct
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from groundwork.common import numerics

# What a user's environment may hold against us; `numerics.apply` of the tests has set some of it.
OURS = ("DASK_", "GROUNDWORK_", "MLFLOW_", "DVC_", "GIT_", "MPL", *numerics.ONE_THREAD, *numerics.KERNELS["portable"])


def shrink(params: Any) -> None:
    """Every variant, on few rows, for three replicates in two blocks, by one process."""
    params["jobs"] = 1
    for dataset in params["datasets"].values():
        dataset["replicates"] = 3
    params["datasets"]["regression"].update(train=100, valid=50)
    params["datasets"]["planck"].update(wavelengths=[300, 800], train=400)
    for study in params["studies"].values():
        study.update(replicates=min(3, study["replicates"]), block_size=min(2, study["block_size"]))
        for variant in study.get("fewer", {}):
            study["fewer"][variant] = min(3, study["fewer"][variant])


def sample(path: Path, pictures: int) -> str:
    """MNIST_SAMPLE in the publisher's shape, so many pictures of noise for each digit and part; its checksum."""
    rng = np.random.default_rng(0)
    with tarfile.open(path, "w:gz") as packed:
        for folder in ("train/3", "train/7", "valid/3", "valid/7"):
            for index in range(pictures):
                png = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(png, "png")
                member = tarfile.TarInfo(f"mnist_sample/{folder}/{index}.png")
                member.size = png.tell()
                packed.addfile(member, io.BytesIO(png.getvalue()))
    return f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"


def ten_digits(folder: Path, train: int, valid: int) -> dict[str, str]:
    """MNIST in the publisher's shape, four idx files with pictures of noise; their checksums as in params.yaml."""
    rng, checksums = np.random.default_rng(0), {}
    for part, name, rows in (("train", "train", train), ("valid", "t10k", valid)):
        images, labels = rng.integers(0, 256, (rows, 28, 28), np.uint8), np.arange(rows, dtype=np.uint8) % 10
        for kind, array in (("images", images), ("labels", labels)):
            idx = struct.pack(f">i{array.ndim}i", 0x800 + array.ndim, *array.shape) + array.tobytes()
            (folder / f"{name}-{kind}-idx{array.ndim}-ubyte.gz").write_bytes(gzip.compress(idx, 1))
            checksums[f"{part}_{kind}"] = f"sha256:{hashlib.sha256(idx).hexdigest()}"
    return checksums


def environment(archive: Path, ten_digits: Path, config: Path, memory: Path) -> dict[str, str]:
    """Our Python first on the path, these publishers, and folders of its own for DVC, `memory` for its hashes."""
    return {key: value for key, value in os.environ.items() if not key.startswith(OURS)} | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "GROUNDWORK_MNIST_SAMPLE": str(archive),
        "GROUNDWORK_MNIST": str(ten_digits),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "DVC_GLOBAL_CONFIG_DIR": str(config),
        "DVC_SITE_CACHE_DIR": str(memory),
    }
