"""A mistake, made from end to end in a copy of a small repository with results."""

from dataclasses import replace

import pytest

from groundwork.common.errors import UserError
from mutations.catalogue import MUTATIONS, again
from mutations.machine import check_unmutated, checked_out, notice

UP = next(mutation for mutation in MUTATIONS if mutation.mistake == "a step up the gradient")
HERE = replace(UP, stages=again("learning_rate"))  # which this repository has


@pytest.fixture
def repository(own, monkeypatch):
    for key in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR", "GIT_CONFIG_GLOBAL"):
        monkeypatch.setenv(key, own.env[key])
    return own


def test_a_step_up_is_noticed(repository, tmp_path):
    before = repository.hashes("data", "reports", "src", ".dvc/cache")
    pristine = checked_out(repository.root, tmp_path / "pristine")
    check_unmutated(pristine, [HERE])
    copied = {path: path.read_bytes() for path in pristine.rglob("*") if path.is_file()}
    found = notice(pristine, HERE)
    assert any(": holds -> fails, effect 1 -> " in line for line in found.verdicts)
    assert all(line.startswith("learning_rate: ") or " -> inconsistent, mean " in line for line in found.verdicts)
    assert "engine/test_optimizers.py::test_scratch_is_torchs_to_the_bit[0.03]" in found.tests
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["pristine"]
    assert copied == {path: path.read_bytes() for path in copied}  # though the copy was made of links to it
    assert repository.hashes("data", "reports", "src", ".dvc/cache") == before


def test_results_that_are_not_in_the_cache(repository, tmp_path):
    empty = f"[cache]\n    dir = {tmp_path / 'empty'}\n"
    with (
        repository.changed(".dvc/config", empty),
        pytest.raises(UserError, match="are not in DVC's cache: run `make repro` first"),
    ):
        checked_out(repository.root, tmp_path / "pristine")
