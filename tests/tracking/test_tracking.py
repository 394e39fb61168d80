"""Exactly one current run for each variant, whatever came before."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_project import PARAMS, STUDY, VARIANTS, current, fill_alone, in_mlflow, seen, trained, write

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.paths import TRACKED
from groundwork.common.tensors import save_tensors
from groundwork.ui import free_port, server

# --- again, and again ------------------------------------------------------------------------------------------------


def test_twice_is_the_same_as_once():
    assert fill_alone()[STUDY].new == 3
    before, marker = seen(), TRACKED.read_bytes()
    count = fill_alone()[STUDY]
    assert (count.current, count.new, count.superseded) == (3, 0, 0)
    assert repr(seen()) == repr(before)  # NaN is not equal to itself
    assert TRACKED.read_bytes() == marker


def test_a_changed_result_takes_the_place_of_the_old_one_and_gives_it_back():
    fill_alone()
    first, marker = current(), TRACKED.read_text()
    write(trained() | {"lr=0.3": trained(1)["lr=0.3"]})
    count = fill_alone()[STUDY]
    assert (count.current, count.new, count.superseded) == (3, 1, 1)
    second = current()
    assert second["lr=0.3"] != first["lr=0.3"]
    assert {name: second[name] == first[name] for name in VARIANTS} == {"lr=0.03": True, "lr=0.3": False, "lr=3": True}
    assert TRACKED.read_text() != marker
    write(trained())
    assert fill_alone()[STUDY].new == 0
    assert current() == first
    assert TRACKED.read_text() == marker


@pytest.mark.parametrize("what", ["weights", "history", "figure", "seed"])
def test_whatever_a_run_shows_is_part_of_its_key(what):
    fill_alone()
    first, runs = current(), trained()
    if what == "weights":
        runs["lr=0.03"].weights["w"][0, 0, 0] += 1
        write(runs)
    elif what == "history":
        runs["lr=0.03"].history["accuracy"][2][0, 0] += 1
        write(runs)
    elif what == "figure":
        paths.figures(STUDY).mkdir(parents=True)
        (paths.figures(STUDY) / "loss.svg").write_text("<svg/>")
    else:
        paths.PARAMS.write_text(PARAMS.replace("seed: 20", "seed: 21"))
    fill_alone()
    changed = {name for name, run in current().items() if first[name] != run}
    assert changed == ({"lr=0.03"} if what in ("weights", "history") else set(VARIANTS))


def test_a_variant_and_a_study_that_are_gone_are_superseded():
    fill_alone()
    fewer = PARAMS.replace("[0.03, 0.3, 3]", "[0.03, 0.3]")
    paths.PARAMS.write_text(fewer)
    write({name: run for name, run in trained().items() if name != "lr=3"})
    count = fill_alone()[STUDY]
    assert (count.current, count.new, count.superseded) == (2, 0, 1)
    paths.PARAMS.write_text(PARAMS.split("studies:")[0] + "studies: {}\n")
    fill_alone()
    assert {run.tags["groundwork.status"] for run in seen()} == {"superseded"}
    assert json.loads(TRACKED.read_text()) == {}


def test_another_program_keeps_its_own_runs():
    fill_alone()
    run = in_mlflow("create_run", in_mlflow("create_experiment", "not ours"))
    fill_alone()
    assert in_mlflow("get_run", run.info.run_id).data.tags.keys() == run.data.tags.keys()


# --- after accidents -------------------------------------------------------------------------------------------------


def test_a_deleted_database_is_filled_again():
    fill_alone()
    first, marker = current(), TRACKED.read_text()
    Path("mlflow.db").unlink()
    assert fill_alone()[STUDY].new == 3
    assert set(current().values()).isdisjoint(first.values())
    assert TRACKED.read_text() == marker


def test_a_run_that_was_cut_short_is_superseded():
    fill_alone()
    experiment = in_mlflow("get_experiment_by_name", STUDY).experiment_id
    key = json.loads(TRACKED.read_text())[STUDY]["lr=0.3"]
    finished = current()["lr=0.3"]
    in_mlflow("delete_run", finished)
    run = in_mlflow("create_run", experiment, None, {"groundwork.key": key}, "lr=0.3").info.run_id
    assert fill_alone()[STUDY].new == 1
    assert current()["lr=0.3"] not in (run, finished)
    assert {one.id: one.tags["groundwork.status"] for one in seen()}[run] == "superseded"


def test_of_two_finished_runs_with_the_same_key_the_oldest_counts():
    fill_alone()
    first = current()
    experiment = in_mlflow("get_experiment_by_name", STUDY).experiment_id
    tags = {"groundwork.key": json.loads(TRACKED.read_text())[STUDY]["lr=0.3"], "groundwork.status": "current"}
    run = in_mlflow("create_run", experiment, None, tags, "lr=0.3").info.run_id
    in_mlflow("set_terminated", run)
    fill_alone()
    assert current() == first


def test_a_deleted_experiment_is_restored():
    fill_alone()
    first = current()
    in_mlflow("delete_experiment", in_mlflow("get_experiment_by_name", STUDY).experiment_id)
    fill_alone()
    assert current() == first


def test_a_database_that_was_only_begun_is_made_anew():
    Path("mlflow.db").rename(".mlflow.db.partial")
    fill_alone()
    current()
    assert not Path(".mlflow.db.partial").exists()


def test_a_moved_checkout_gets_its_artifacts_where_it_is(tmp_path, monkeypatch):
    paths.figures(STUDY).mkdir(parents=True)
    (paths.figures(STUDY) / "loss.svg").write_text("<svg/>")
    fill_alone()
    odd = tmp_path / "moved #1?%20"  # a name that does not survive as a part of an address
    shutil.copytree(Path.cwd(), odd)
    shutil.rmtree(tmp_path / "checkout")
    monkeypatch.chdir(odd)
    assert fill_alone()[STUDY].new == 3
    for run in current().values():
        assert (odd / "mlruns" / STUDY / run / "artifacts/figures" / STUDY / "loss.svg").is_file()
    old = in_mlflow("get_experiment_by_name", "learning_rate (moved, 1)")
    assert {run.tags["groundwork.status"] for run in seen(study=old.name)} == {"superseded"}
    assert fill_alone()[STUDY].new == 0


def test_a_missing_dataset_or_run_names_the_stage():
    paths.dataset("generated/regression").unlink()
    with pytest.raises(UserError, match="dvc repro generate@regression"):
        fill_alone()
    shutil.rmtree(paths.runs(STUDY))
    save_tensors(paths.dataset("generated/regression"), {"train/X": np.zeros(3, np.float32)})
    with pytest.raises(UserError, match="dvc repro train@learning_rate"):
        fill_alone()
    assert not TRACKED.exists()


# --- two at once -----------------------------------------------------------------------------------------------------


def track_twice_at_once(**environment: str) -> None:
    command = [sys.executable, "-m", "groundwork", "track"]
    started = [subprocess.Popen(command, env=os.environ | environment) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]


def test_two_at_once_on_a_fresh_store():
    Path("mlflow.db").unlink()
    track_twice_at_once()
    current()
    assert len(seen()) == 3


def test_two_at_once_on_a_server():
    with server("sqlite:///server.db", free_port(5600)) as (uri, _):
        track_twice_at_once(MLFLOW_TRACKING_URI=uri)
        current(uri)
        marker = TRACKED.read_text()
    fill_alone()
    assert TRACKED.read_text() == marker  # it is about the results, not about where they are shown
