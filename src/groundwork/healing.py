"""What a power cut, a failing disk or a `kill -9` leaves that `dvc repro` does not get over by itself.

DVC trusts a file that has the size and the time that it remembers, and any in its cache that is read-only. It waits for
a lock as long as there is a process of that number. And it stops at a file of its own that it cannot read. All these
files can be made again, from what is whole.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from hashlib import file_digest, md5
from itertools import chain
from pathlib import Path

from groundwork.common.files import write_text
from groundwork.tracking.provenance import LOCK

BUSY = Path(".dvc/tmp/rwlock")  # who reads and writes which files
CACHE = Path(".dvc/cache/files/md5")
RUN_CACHE = Path(".dvc/cache/runs")  # what each stage came to, by what went in
MEMORY = Path(".dvc/tmp/btime")  # its time is the name of the folder where DVC remembers hashes
NOT_HASHED = ["size", "nfiles"]  # as DVC names a file of its run cache by its content


def distrust(stages: dict) -> Iterator[str]:
    """Have DVC look again at each out that is not as dvc.lock says, and yield its path.

    What DVC's cache has of it, or of one that is missing, is deleted unless it is whole: DVC would not look into it.
    """
    for out in chain.from_iterable(stage.get("outs", []) for stage in stages.values()):
        path, expected = Path(out["path"]), out.get("md5", "")
        if path.exists() and digest(path) == expected:
            continue
        for cached in _cached(expected):
            if cached.is_file() and digest(cached) != (cached.parent.name + cached.name).removesuffix(".dir"):
                cached.unlink()
        if path.exists():
            for file in (path, *path.rglob("*")):
                os.utime(file)
            yield str(path)


def cached_at(digest: str, cache: Path = CACHE) -> Path:
    """Where DVC's cache has what has this hash."""
    return cache / digest[:2] / digest[2:]


def _cached(digest: str) -> list[Path]:
    """Where DVC's cache has a file, or all files of a folder."""
    place = cached_at(digest)
    if not digest.endswith(".dir") or not place.is_file():
        return [place]
    try:
        listed = json.loads(place.read_bytes())
    except ValueError:
        return [place]
    return [place, *(cached_at(one["md5"]) for one in listed)]


def digest(path: Path) -> str:
    """The hash that DVC gives a file, or a folder: that of the list of its files, by path, as JSON."""
    if not path.is_dir():
        with path.open("rb") as file:
            return file_digest(file, "md5").hexdigest()
    hashes = {file.relative_to(path).as_posix(): digest(file) for file in path.rglob("*") if file.is_file()}
    listed = [{"md5": hashes[name], "relpath": name} for name in sorted(hashes)]
    return md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def unlock() -> None:
    """Strike from DVC's list of locks those of processes that are no more; a list that cannot be read goes away.

    DVC asks only whether there is a process of that number. After a restart another one may have it, and in a container
    a killed process may stay in the table for ever.
    """
    try:
        locks = {"write": {}, "read": {}} | json.loads(BUSY.read_text(encoding="utf-8"))
        writers = {path: holder for path, holder in locks["write"].items() if _holds(holder)}
        readers = {path: [*filter(_holds, holders)] for path, holders in locks["read"].items()}
    except FileNotFoundError:
        return
    except (ValueError, AttributeError, TypeError, KeyError):  # not JSON, or of another shape
        BUSY.unlink()
        return
    held = {"write": writers, "read": readers}
    if held != locks:
        write_text(BUSY, json.dumps(held))


def _holds(holder: dict) -> bool:
    """Whether the process that took a lock is still there, with the arguments that it had."""
    import psutil

    try:
        arguments = " ".join(psutil.Process(holder["pid"]).cmdline())
    except psutil.NoSuchProcess:  # or dead, but still in the table
        return False
    except psutil.AccessDenied:
        return True
    return arguments.endswith(holder["cmd"].partition(" ")[2])


def heal() -> list[str]:
    """Delete files of DVC that it cannot read, a line for each kind; DVC makes them again, from what is whole."""
    healed = []
    if _is_damaged(LOCK):
        healed.append(f"{LOCK} is damaged: it is {_replace(LOCK)} again")
    runs = [path for path in RUN_CACHE.glob("*/*/*") if _is_no_run(path)]
    if runs:
        for path in runs:
            shutil.rmtree(path.parent)  # DVC stumbles over an empty folder too
        healed.append(f"{RUN_CACHE} has {len(runs)} damaged files: they are forgotten")
    if not _remembers():
        MEMORY.unlink()
        healed.append("DVC's memory of hashes is damaged: all is hashed again")
    return healed


def committed() -> str | None:
    """dvc.lock as it is in the last commit, if it is there."""
    shown = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True)
    return None if shown.returncode else shown.stdout.decode()


def _replace(lock: Path) -> str:
    """Bring dvc.lock back from the last commit, in its order of stages; where there is none, DVC makes it."""
    lock.unlink()
    before = committed()
    if before is None:
        return "made"
    write_text(lock, before)
    return "as committed"


def _is_damaged(lock: Path) -> bool:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(load_yaml(str(lock)))
    except FileNotFoundError:
        return False
    except (YAMLFileCorruptedError, Invalid):
        return True
    return False


def _is_no_run(path: Path) -> bool:
    from dvc.utils import dict_sha256
    from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml

    try:
        content = load_yaml(str(path))
    except YAMLFileCorruptedError:
        return True
    return not isinstance(content, dict) or dict_sha256(content, exclude=NOT_HASHED) != path.name


def _remembers() -> bool:
    """Whether the databases can be read in which DVC remembers hashes, outside the repository."""
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            for path in Path(repo.site_cache_dir).rglob("cache.db"):
                connection = sqlite3.connect(path)
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                connection.close()
                if answer != "ok":
                    return False
    except sqlite3.OperationalError:  # another process uses it
        return True
    except sqlite3.DatabaseError:
        return False
    return True
