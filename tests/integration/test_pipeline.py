"""`dvc repro` from a fresh clone: everything is there, again runs nothing, anywhere else gives the same bytes."""

from dataclasses import replace

import pandas as pd
from few import FEW
from safetensors.numpy import load_file

RESULTS = ("data/raw", "data/generated", "data/runs", "data/reports", "reports", "dvc.lock")


def test_every_out_is_there(elsewhere, stages):
    outs = {name: {out: (elsewhere.root / out).exists() for out in stage.outs} for name, stage in stages.items()}
    assert outs == {name: dict.fromkeys(stage.outs, True) for name, stage in stages.items()}
    assert list(elsewhere.root.rglob("*.partial")) == []


def test_git_sees_only_reports_and_lock(clone):
    """Nothing that a run leaves is missing in .gitignore: all else was committed before it."""
    changed = clone.succeed("git", "diff", "--name-only", "HEAD~1").splitlines()
    assert [path for path in changed if not path.startswith("reports/")] == ["dvc.lock"]
    assert clone.succeed("git", "status", "--porcelain") == ""


def test_the_data_are_the_archives_and_the_parameters(clone):
    mnist = load_file(clone.root / "data/raw/mnist_sample.safetensors")
    assert mnist["train/labels"].tolist() == [1] * 12 + [0] * 12
    assert load_file(clone.root / "data/generated/regression.safetensors")["train/X"].shape == (3, 100, 2)
    runs = pd.read_csv(clone.root / "data/runs/learning_rate/runs.csv")
    assert runs.groupby(["lr", "epochs"])["replicate"].apply(list).tolist() == [[0, 1, 2]] * 8


def test_a_second_time_runs_nothing(clone):
    before = clone.hashes("data", *RESULTS)
    again = clone.succeed("dvc", "repro")
    assert "Running stage" not in again
    assert "Data and pipelines are up to date." in again
    assert "Data and pipelines are up to date." in clone.succeed("dvc", "status")
    assert clone.hashes("data", *RESULTS) == before


def test_a_strange_machine_gives_the_same_bytes(clone, elsewhere):
    """Another folder, umask, time zone, locale, matplotlibrc, and wishes for other kernels and more threads."""
    data = list(clone.hashes("data/raw", "data/generated"))
    places = data + [
        place for study in FEW for place in (f"data/runs/{study}", f"reports/{study}.md", f"reports/figures/{study}")
    ]
    assert elsewhere.hashes(*places) == clone.hashes(*places)


def test_a_strange_machine_gives_the_same_summary(clone, elsewhere, tmp_path):
    other = replace(elsewhere, root=clone.copy(tmp_path / "clone").root)
    (other.root / "reports/index.html").unlink()
    other.succeed("python", "-m", "groundwork", "summary")
    assert other.hashes("reports") == clone.hashes("reports")


def test_two_processes_give_the_same_bytes(elsewhere, tmp_path):
    other = elsewhere.copy(tmp_path / "clone")
    (other.root / "data/runs/mnist_linear/runs.csv").unlink()
    with other.changed("params.yaml", other.params_with("jobs", 2)):
        other.succeed("python", "-m", "groundwork", "train", "--study", "mnist_linear")
    assert other.hashes("data/runs") == elsewhere.hashes("data/runs")
