"""Where a result comes from, as tags: the commit, the DVC stage with the hashes of its deps and outs, the versions."""

import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from groundwork.common.errors import UserError
from groundwork.common.params import Params

LOCK = Path("dvc.lock")
PACKAGES = ("torch", "numpy")


def common_tags(params: Params) -> dict[str, str]:
    """The tags that every run shares."""
    return {
        **_git_tags(),
        "groundwork.numerics": params.numerics,
        "groundwork.python": platform.python_version(),
        **{f"groundwork.{package}": version(package) for package in PACKAGES},
    }


def stage_tags(stage: str, stages: dict) -> dict[str, str]:
    """The tags of one DVC stage; the hashes are JSON, path -> md5, and `{}` where the stage is not in dvc.lock."""
    entry = stages.get(stage, {})
    hashes = {
        f"dvc.{kind}": json.dumps({one["path"]: one.get("md5", "") for one in entry.get(kind, [])}, sort_keys=True)
        for kind in ("deps", "outs")
    }
    return {"dvc.stage": stage, **hashes}


def locked_stages(path: Path = LOCK) -> dict:
    """The stages of dvc.lock by name; none if there is no such file yet."""
    try:
        lock = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (YAMLError, UnicodeDecodeError) as error:
        line = str(error).splitlines()[0]
        raise UserError(f"{LOCK} is damaged ({line}): bring it back with `git checkout {LOCK}`") from None
    return (lock or {}).get("stages", {})


def _git_tags() -> dict[str, str]:
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    return {
        "mlflow.source.git.commit": commit or "unknown",
        "groundwork.dirty": "unknown" if status is None else str(bool(status)).lower(),
    }


def _git(*arguments: str) -> str | None:
    """What git answers; nothing where there is no git, no repository or no commit."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
