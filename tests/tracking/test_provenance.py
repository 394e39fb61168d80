"""The tags that say where a result comes from."""

import json
import subprocess
from pathlib import Path

import pytest
from tiny_project import current, fill_alone, seen

from groundwork.common.errors import UserError


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_provenance_is_refreshed_without_a_new_run():
    fill_alone()
    first = current()
    assert {run.tags["groundwork.dirty"] for run in seen()} == {"unknown"}
    Path(".gitignore").write_text("/mlflow.db*\n/mlruns/\n/data/\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    Path("dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  train@learning_rate:\n    cmd: train\n    deps:\n"
        "    - path: params.yaml\n      md5: 0cc175b9\n    outs:\n"
        "    - path: data/runs/learning_rate\n      md5: 92eb5ffe.dir\n"
    )
    fill_alone()
    assert current() == first
    for run in seen():
        assert run.tags["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
        assert run.tags["groundwork.dirty"] == "true"
        assert json.loads(run.tags["dvc.deps"]) == {"params.yaml": "0cc175b9"}
        assert json.loads(run.tags["dvc.outs"]) == {"data/runs/learning_rate": "92eb5ffe.dir"}
    git("add", "dvc.lock")
    git("commit", "--quiet", "--message", "locked")
    fill_alone()
    assert {run.tags["groundwork.dirty"] for run in seen()} == {"false"}


def test_a_damaged_dvc_lock_is_one_clear_line():
    Path("dvc.lock").write_text("stages: [\n")
    with pytest.raises(UserError, match=r"dvc\.lock is damaged .*git checkout dvc\.lock"):
        fill_alone()
