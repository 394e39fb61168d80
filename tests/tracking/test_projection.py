"""What MLflow shows of a study, against the files of data/runs read by other means."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_project import PARAMS, SECOND_STUDY, STUDY, VARIANTS, R, current, fill_alone, in_mlflow, seen, trained, write

from groundwork.common import paths
from groundwork.common.params import read_params
from groundwork.common.tensors import save_tensors
from groundwork.runs import Trained, write_runs
from groundwork.tracking.store import deep_link


def test_a_run_shows_its_settings_data_and_provenance():
    fill_alone()
    runs = {run.name: run for run in seen()}
    assert set(runs) == set(VARIANTS)
    shared = {"study": STUDY, "model": "linear", "dataset": "generated/regression", "seed": "20"}
    shared |= {"replicates": "5", "block_size": "5", "loss": "squared", "optimizer": "sgd", "batch_size": "32"}
    shared |= {"epochs": "3", "shuffle": "True", "sigma": "0.01"}
    settings = set(pd.read_csv(paths.runs(STUDY) / "runs.csv")) - {"variant", "replicate", "status", "w1", "val/loss"}
    digest = sha256(paths.dataset("generated/regression").read_bytes()).hexdigest()
    for name, run in runs.items():
        assert run.params.items() >= (shared | {"lr": name.removeprefix("lr=")}).items()
        assert run.params.keys() >= settings
        assert run.dataset is not None
        assert run.dataset[:2] == ("generated/regression", digest[:8])
        assert digest in run.dataset[2]
        assert run.tags["groundwork.numerics"] == "portable"
        assert run.tags["groundwork.numpy"] == np.__version__
        assert run.tags["dvc.stage"] == "train@learning_rate"
    assert len({run.tags["mlflow.runColor"] for run in runs.values()}) == len(VARIANTS)


def test_metrics_are_mean_and_spread_over_the_replicates_that_did_not_diverge():
    fill_alone()
    table = pd.read_csv(paths.runs(STUDY) / "runs.csv")
    runs = {run.name: run for run in seen()}
    ok = table[table["status"] == "ok"].groupby("variant")
    for name in VARIANTS[:2]:
        for metric in ("w1", "val/loss"):
            assert runs[name].metrics[f"final/{metric}"] == pytest.approx(ok[metric].mean()[name], rel=1e-9)
            assert runs[name].metrics[f"final/{metric}_sd"] == pytest.approx(ok[metric].std()[name], rel=1e-9)
    assert np.isnan(runs["lr=3"].metrics["final/w1"])
    assert [runs[name].metrics["diverged"] for name in VARIANTS] == [0, 1, 5]
    assert {run.metrics["replicates"] for run in runs.values()} == {5}


def test_curves_are_means_by_step():
    fill_alone()
    table = pd.read_csv(paths.runs(STUDY) / "runs.csv")
    history = pd.read_parquet(paths.runs(STUDY) / "history.parquet").astype({"variant": str, "metric": str})
    history = history.merge(table[["variant", "replicate", "status"]])
    for name, run in current().items():
        rows = history[(history["variant"] == name) & ((history["status"] == "ok") | (name == "lr=3"))]
        for metric, shown in (("train/loss",) * 2, ("val/loss",) * 2, ("accuracy", "val/accuracy")):
            values = rows[rows["metric"] == metric].astype({"value": float}).groupby("step")["value"]
            for ending, expected in (("", values.mean()), ("_sd", values.std())):
                points = in_mlflow("get_metric_history", run, shown + ending)
                assert [point.step for point in points] == list(expected.index)
                for point, value in zip(points, expected, strict=True):
                    if np.isinf(value):  # MLflow has no inf: the largest double stands for it
                        assert point.value == np.finfo(float).max
                    else:
                        assert point.value == pytest.approx(value, rel=1e-9, nan_ok=True)


def test_a_long_history_is_whole():
    runs = trained()
    steps = np.arange(1300)
    losses = np.random.default_rng(1).random((1300, R), np.float32)
    runs["lr=0.03"] = replace(runs["lr=0.03"], history={"train/loss": (steps, steps / 100, losses)})
    write(runs)
    fill_alone()
    points = in_mlflow("get_metric_history", current()["lr=0.03"], "train/loss")
    np.testing.assert_allclose([point.value for point in points], losses.astype(float).mean(1))


def test_the_report_and_its_figures_are_artifacts():
    paths.figures(STUDY).mkdir(parents=True)
    paths.page(STUDY).write_text("# Learning rate")
    (paths.figures(STUDY) / "loss.svg").write_text("<svg/>")
    fill_alone()
    for run in seen():
        assert run.artifacts == ["figures/learning_rate/loss.svg", "learning_rate.md"]
        copy = Path("mlruns", STUDY, run.id, "artifacts", "figures", STUDY, "loss.svg")
        assert copy.read_text() == "<svg/>"


def test_the_experiment_says_what_it_is_and_how_to_read_it():
    fill_alone()
    experiment = in_mlflow("get_experiment_by_name", STUDY)
    note = experiment.tags["mlflow.note.content"]
    assert note.startswith("What does the learning rate do to linear regression?\n")
    assert f"({deep_link('', experiment.experiment_id).removeprefix('/')})" in note


def test_a_study_without_curves_and_spread():
    paths.PARAMS.write_text(PARAMS + SECOND_STUDY)
    save_tensors(paths.dataset("raw/mnist_sample"), {"X": np.zeros(3, np.float32)})
    variants = read_params().studies["pixel_similarity"].expand()
    runs = {variant.name: Trained({"accuracy": np.ones(1, np.float32)}, {}, {}) for variant in variants}
    write_runs(paths.runs("pixel_similarity"), runs, {variant.name: variant.settings for variant in variants})
    fill_alone()
    assert {run.metrics["final/accuracy"] for run in seen(study="pixel_similarity")} == {1}
