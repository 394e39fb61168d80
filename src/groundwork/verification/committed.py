"""What HEAD has: files that git keeps, and outs that DVC keeps, as far as its cache is here."""

import json
import subprocess
from functools import cached_property
from pathlib import Path

from dvc.repo import Repo

from groundwork.common.errors import UserError
from groundwork.healing import cached_at, digest
from groundwork.verification.differences import first_difference

FIRST = (".csv", ".json", ".md")  # of several files that differ, those that say most


def git(root: Path, *arguments: str) -> bytes:
    """What git answers at `root`; what it refuses is a `UserError`."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True)
    except FileNotFoundError:
        raise UserError("git is not installed, and verify compares with what git keeps") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UserError(f"`git {arguments[0]}` failed: {' '.join(reason)}") from None
    return done.stdout


class Committed:
    """HEAD beside its rerun in `clone`; `origin` is the repository whose DVC cache may hold the committed outs."""

    def __init__(self, clone: Path, origin: Path) -> None:
        self.clone = clone
        self.origin = origin

    def difference(self, out: dict) -> str:
        """How an out in the clone differs from HEAD: its first differing file and value; nothing if it does not.

        `out`: its entry in HEAD's dvc.lock.
        """
        path = out["path"]
        if not (self.clone / path).exists():
            return f"{path}: not made"
        moved = [name for name in self.moved if name == path or name.startswith(f"{path}/")]
        if moved:
            name = min(moved, key=_what_says_most)
            return self._first(name, self._kept_by_git(name))
        here = digest(self.clone / path)
        if here == out["md5"]:
            return ""
        if any(name == path or name.startswith(f"{path}/") for name in self.tracked):
            return f"{path}: as committed, but dvc.lock has another hash"
        return self._of_cached(path, out["md5"], here)

    @cached_property
    def tracked(self) -> list[str]:
        """The files of HEAD."""
        return git(self.clone, "ls-tree", "-r", "-z", "--name-only", "HEAD").decode().split("\0")[:-1]

    @cached_property
    def moved(self) -> list[str]:
        """The files that are not as in HEAD, missing or new: as git has them."""
        status = git(self.clone, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
        return [line[3:] for line in status.decode().split("\0")[:-1]]

    @cached_property
    def _cache(self) -> Path:
        with Repo(str(self.origin)) as repo:
            return Path(repo.cache.local.path)

    def _kept_by_git(self, name: str) -> bytes | None:
        return git(self.clone, "show", f"HEAD:{name}") if name in self.tracked else None

    def _kept_by_dvc(self, md5: str) -> bytes | None:
        file = cached_at(md5, self._cache)
        return file.read_bytes() if file.is_file() else None

    def _of_cached(self, path: str, md5: str, here: str) -> str:
        unknown = f"{path}: committed {md5}, here {here}; the committed content is not in DVC's cache"
        content = self._kept_by_dvc(md5)
        if content is None:
            return unknown
        if not md5.endswith(".dir"):
            return self._first(path, content)
        kept = {f"{path}/{file['relpath']}": file["md5"] for file in json.loads(content)}
        found = {file.relative_to(self.clone).as_posix() for file in (self.clone / path).rglob("*") if file.is_file()}
        for name in sorted(kept.keys() | found, key=_what_says_most):
            if name not in kept:
                return f"{name}: not committed"
            if name not in found or digest(self.clone / name) != kept[name]:
                content = self._kept_by_dvc(kept[name])
                return self._first(name, content) if content is not None else unknown
        return unknown

    def _first(self, name: str, committed: bytes | None) -> str:
        if committed is None:
            return f"{name}: not committed"
        if not (self.clone / name).is_file():
            return f"{name}: not made"
        return f"{name}: {first_difference(name, committed, (self.clone / name).read_bytes())}"


def _what_says_most(name: str) -> tuple[bool, str]:
    return not name.endswith(FIRST), name
