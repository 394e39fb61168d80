"""What training leaves: written, read back, whole or a clear error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.params import Study
from groundwork.runs import MissingVariant, Results, Trained, join, read_runs, write_runs

NAME, R, STEPS = "learning_rate", 4, 6
FOLDER = paths.runs(NAME)
FIXED: dict[str, bool | int | float | str] = {
    "loss": "squared",
    "optimizer": "sgd",
    "lr": 0.03,
    "batch_size": 32,
    "epochs": 3,
    "shuffle": True,
    "sigma": 0.01,
}
FILES = ["history.parquet", "runs.csv", "weights.safetensors"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def study_of(*names: str, replicates: int = R, **fixed) -> Study:
    return Study(
        dataset="generated/regression",
        model="linear",
        replicates=replicates,
        block_size=replicates,
        fixed=FIXED | fixed,
        variants={name: {"lr": 0.1 * (i + 1)} for i, name in enumerate(names)},
    )


def trained(seed: int = 0, replicates: int = R) -> Trained:
    rng = np.random.default_rng(seed)
    losses = rng.random((STEPS, replicates), np.float32)
    return Trained(
        metrics={"w1": rng.standard_normal(replicates, np.float32), "val/loss": losses[-1]},
        history={
            "train/loss": (np.arange(1, STEPS), np.arange(1, STEPS) / 2, losses[1:]),
            "val/loss": (np.arange(STEPS), np.arange(STEPS) / 2, losses),
        },
        weights={"w": rng.random((replicates, 2, 1), np.float32), "b": rng.random((replicates, 1, 1), np.float32)},
    )


def write(study: Study, **runs: Trained) -> None:
    settings = {variant.name: variant.settings for variant in study.expand()}
    write_runs(FOLDER, {name: runs.get(name, trained(i)) for i, name in enumerate(settings)}, settings)


def written() -> Results:
    study = study_of("slow", "fast")
    write(study)
    return read_runs(NAME, study)


# --- what was written comes back -------------------------------------------------------------------------------------


def test_metrics_curves_and_weights_come_back():
    results = written()
    for name, original in (("slow", trained(0)), ("fast", trained(1))):
        runs = results[name]
        for metric, values in original.metrics.items():
            np.testing.assert_array_equal(runs[metric].astype(np.float32), values)
        for metric, (_, epochs, values) in original.history.items():
            found_epochs, found = runs.curve(metric)
            np.testing.assert_array_equal(found_epochs, epochs)
            np.testing.assert_array_equal(found, values)
        assert runs.weights.keys() == original.weights.keys()
        for key, values in original.weights.items():
            np.testing.assert_array_equal(runs.weights[key], values)


def test_the_columns_are_settings_and_metrics():
    results = written()
    assert set(results.settings) == FIXED.keys()
    assert results.metrics == ["w1", "val/loss"]
    table = pd.read_csv(FOLDER / "runs.csv")
    assert list(table) == ["variant", "replicate", *results.settings, "w1", "val/loss", "status"]
    assert table["replicate"].tolist() == [0, 1, 2, 3] * 2
    assert table["lr"].tolist() == [0.1] * 4 + [0.2] * 4


def test_results_are_by_the_name_of_the_variant():
    results = written()
    assert [runs.variant.name for runs in results] == ["slow", "fast"]
    assert results["fast"].variant.settings.lr == 0.2
    with pytest.raises(MissingVariant, match="no variant 'slower' of learning_rate"):
        results["slower"]


def test_a_name_that_begins_another_keeps_its_own_weights():
    study = study_of("lr=0.1", "lr=0.10", "lr")
    write(study)
    for i, runs in enumerate(read_runs(NAME, study)):
        np.testing.assert_array_equal(runs.weights["w"], trained(i).weights["w"])


@pytest.mark.parametrize("name", ["1", "2.50", "1e3", "True"])
def test_a_name_that_looks_like_something_else_stays_a_name(name):
    study = study_of(name)
    write(study)
    assert read_runs(NAME, study)[name].variant.name == name


def test_a_run_without_history_or_weights():
    study = study_of("only")
    write(study, only=replace(trained(), history={}, weights={}))
    runs = read_runs(NAME, study)["only"]
    assert len(runs.history) == 0
    assert runs.weights == {}
    assert runs.ok.all()


def test_every_float32_survives_the_csv():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**31, 5000, dtype=np.uint32).view(np.float32)  # any positive bits: tiny, huge, nan
    study = study_of("only", replicates=len(values))
    write(study, only=Trained({"w1": values}, {}, {}))
    np.testing.assert_array_equal(read_runs(NAME, study)["only"]["w1"].astype(np.float32), values)


def test_the_same_bytes_when_written_twice():
    written()
    first = {name: (FOLDER / name).read_bytes() for name in FILES}
    assert [path.name for path in sorted(FOLDER.iterdir())] == FILES
    written()
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == first


# --- divergence ------------------------------------------------------------------------------------------------------


def test_nan_and_inf_survive_and_count_as_diverged():
    wild = np.array([1, np.nan, np.inf, -np.inf], np.float32)
    original = trained()
    losses = original.history["val/loss"][2].copy()
    losses[2] = wild
    history = original.history | {"val/loss": (*original.history["val/loss"][:2], losses)}
    study = study_of("wild", "calm")
    write(study, wild=Trained(original.metrics | {"w1": wild}, history, {"w": wild[:, None]}))
    written = pd.read_csv(FOLDER / "runs.csv", dtype=str, keep_default_na=False)
    assert written["w1"].tolist()[:4] == ["1", "nan", "inf", "-inf"]
    results = read_runs(NAME, study)
    np.testing.assert_array_equal(results["wild"]["w1"], wild)
    np.testing.assert_array_equal(results["wild"].curve("val/loss")[1][2], wild)
    np.testing.assert_array_equal(results["wild"].weights["w"][:, 0], wild)
    assert results["wild"].diverged.tolist() == [False, True, True, True]
    assert results["wild"].ok.tolist() == [True, False, False, False]
    assert results["calm"].ok.all()


def test_a_loss_that_ends_over_ten_times_its_start_has_diverged():
    losses = np.array([[1, 1, 1, 1, 0], [99, 99, 99, np.nan, 0], [9.9, 10, 10.1, np.nan, 0]], np.float32)
    history = {"val/loss": (np.arange(3), np.arange(3), losses)}
    run = Trained({"w1": np.zeros(5, np.float32)}, history, {})
    assert run.diverged.tolist() == [False, False, True, True, False]


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_blocks_joined_are_one_block():
    whole = trained(replicates=7)

    def part(first: int, end: int) -> Trained:
        return Trained(
            {key: values[first:end] for key, values in whole.metrics.items()},
            {key: (steps, epochs, values[:, first:end]) for key, (steps, epochs, values) in whole.history.items()},
            {key: values[first:end] for key, values in whole.weights.items()},
        )

    joined = join([part(0, 3), part(3, 6), part(6, 7)])
    for ours, theirs in ((joined.metrics, whole.metrics), (joined.weights, whole.weights)):
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)
    assert joined.history.keys() == whole.history.keys()
    for key, columns in whole.history.items():
        assert all(np.array_equal(one, other) for one, other in zip(joined.history[key], columns, strict=True))


# --- what cannot be read ---------------------------------------------------------------------------------------------


def message_of(study: Study) -> str:
    with pytest.raises(UserError) as error:
        read_runs(NAME, study)
    message = str(error.value)
    assert message.startswith("data/runs/learning_rate")
    assert "dvc repro train@learning_rate" in message
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file(file):
    study = study_of("slow", "fast")
    write(study)
    (FOLDER / file).unlink()
    assert f"{FOLDER / file} is missing" in message_of(study)


def test_a_missing_folder():
    assert "is missing" in message_of(study_of("slow"))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-12])


def html(file: Path) -> None:
    file.write_text("<!DOCTYPE html>\n<html><body>Service unavailable, sorry</body></html>\n")


def binary(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 20)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_table(file: Path) -> None:
    table = pd.DataFrame({"a": [1], "b": [2]})
    table.to_csv(file, index=False) if file.suffix == ".csv" else table.to_parquet(file)


@pytest.mark.parametrize("damage", [cut, html, binary, empty])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file(file, damage):
    study = study_of("slow", "fast")
    write(study)
    damage(FOLDER / file)
    assert "is damaged" in message_of(study)


@pytest.mark.parametrize("file", ["runs.csv", "history.parquet"])
def test_another_table(file):
    study = study_of("slow", "fast")
    write(study)
    other_table(FOLDER / file)
    assert "is damaged" in message_of(study)


@pytest.mark.parametrize(
    "changed",
    [
        study_of("slow", "faster"),
        study_of("slow"),
        study_of("fast", "slow"),
        study_of("slow", "fast", replicates=R + 1),
    ],
    ids=["renamed", "fewer", "reordered", "more replicates"],
)
def test_runs_of_other_parameters(changed):
    write(study_of("slow", "fast"))
    assert "was made with other parameters" in message_of(changed)
