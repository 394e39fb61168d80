"""Training a study, the real thing, tiny: which files appear, and that only the parameters decide their bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.params import Params
from groundwork.common.settings import LinearSettings, RegressionData
from groundwork.common.tensors import save_tensors
from groundwork.datasets.regression import generate
from groundwork.engine.batches import Rows
from groundwork.engine.products import product
from groundwork.engine.training import Block, fit, kept, length, train_study
from groundwork.models.linear import LinearRegression
from groundwork.runs import read_runs
from groundwork.streams import normal, uniform

SHIPPED = Path(__file__).parents[2] / "params.yaml"
STUDY = "learning_rate"


def tiny(replicates: int = 3, block_size: int = 1, jobs: int = 1) -> Params:
    """The shipped parameters with few rows, few replicates, and one rate that learns beside one that diverges."""
    block = YAML(typ="safe", pure=True).load(SHIPPED)
    block["jobs"] = jobs
    block["datasets"]["regression"] |= {"replicates": 5, "train": 100, "valid": 50}
    study = block["studies"][STUDY] | {"replicates": replicates, "block_size": block_size}
    study["grid"] = {"lr": [0.03, 3], "epochs": [1, 4]}
    return Params.model_validate(block | {"studies": {STUDY: study}})


def data_of(params: Params) -> dict[str, np.ndarray]:
    made = params.data_of(STUDY)
    assert isinstance(made, RegressionData)
    return generate("regression", made, params.seed)


def trained(params: Params) -> dict[str, bytes]:
    """Generate the data, train, and return the files."""
    save_tensors(paths.dataset("generated/regression"), data_of(params))
    train_study(STUDY, params)
    return {path.name: path.read_bytes() for path in sorted(paths.runs(STUDY).iterdir())}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- a whole study ---------------------------------------------------------------------------------------------------


def test_a_setting_that_the_study_does_not_use_is_refused():
    params = tiny()
    params.studies[STUDY].fixed["remedy"] = "dropout"
    with pytest.raises(UserError, match=r"studies\.learning_rate: .* sets remedy, which this study does not use"):
        trained(params)
    assert not paths.runs(STUDY).exists()


def test_files_and_rows():
    params = tiny()
    assert list(trained(params)) == ["history.parquet", "runs.csv", "weights.safetensors"]
    results = read_runs(STUDY, params.studies[STUDY])
    assert [runs.variant.name for runs in results] == [
        "lr=0.03 epochs=1",
        "lr=0.03 epochs=4",
        "lr=3 epochs=1",
        "lr=3 epochs=4",
    ]
    for runs in results:
        assert runs.table["replicate"].tolist() == [0, 1, 2]
        epochs, losses = runs.curve("val/loss")
        assert epochs.tolist() == list(range(runs.variant.settings.epochs + 1))
        np.testing.assert_array_equal(losses[-1].astype(np.float32), runs["val/loss"].astype(np.float32))
        steps = runs.history.loc[runs.history["metric"] == "train/loss", "step"]
        assert sorted(set(steps)) == list(range(1, 4 * runs.variant.settings.epochs + 1))
        assert runs.diverged.all() == (runs.variant.settings.lr == 3)
        assert runs.ok.all() == (runs.variant.settings.lr == 0.03)


def test_training_learns():
    params = tiny()
    trained(params)
    for runs in read_runs(STUDY, params.studies[STUDY]):
        _, losses = runs.curve("val/loss")
        assert (losses[-1] < losses[0]).all() == (runs.variant.settings.lr == 0.03)


def test_longer_training_begins_as_shorter():
    """Variants share their draws: the first epoch of four is the one epoch of the other variant."""
    params = tiny()
    trained(params)
    results = read_runs(STUDY, params.studies[STUDY])
    for lr in ("0.03", "3"):
        shorter, longer = (results[f"lr={lr} epochs={epochs}"].curve("train/loss")[1] for epochs in (1, 4))
        assert np.array_equal(shorter, longer[: len(shorter)], equal_nan=True)


def test_the_same_bytes_again_and_with_two_processes():
    first = trained(tiny(jobs=1))
    assert trained(tiny(jobs=1)) == first
    assert trained(tiny(jobs=2)) == first


def test_an_uneven_last_block_loses_nobody():
    results = []
    for block_size in (5, 2):
        params = tiny(replicates=5, block_size=block_size)
        trained(params)
        results.append(read_runs(STUDY, params.studies[STUDY]))
    for whole, in_blocks in zip(*results, strict=True):
        assert in_blocks.table["replicate"].tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(whole["val/loss"], in_blocks["val/loss"], rtol=1e-4)


def test_adding_replicates_changes_none():
    trained(tiny(replicates=2))
    few = pd.read_csv(paths.runs(STUDY) / "runs.csv", dtype=str)
    trained(tiny(replicates=4))
    many = pd.read_csv(paths.runs(STUDY) / "runs.csv", dtype=str)
    pd.testing.assert_frame_equal(few, many[many["replicate"].isin(["0", "1"])].reset_index(drop=True))


def test_missing_data_name_the_stage_and_leave_the_old_runs():
    before = trained(tiny())
    paths.dataset("generated/regression").unlink()
    with pytest.raises(UserError, match=r"missing: make it with `dvc repro generate@regression`"):
        train_study(STUDY, tiny())
    assert {path.name: path.read_bytes() for path in sorted(paths.runs(STUDY).iterdir())} == before


# --- what a study builds on ------------------------------------------------------------------------------------------


def block(replicates: range) -> Block:
    params = tiny()
    return Block(
        study=STUDY,
        variants=params.studies[STUDY].expand(),
        replicates=replicates,
        seed=params.seed,
        data=data_of(params),
        made=params.data_of(STUDY),
    )


def test_a_block_has_its_part_of_everything():
    whole, part = block(range(5)), block(range(2, 4))
    assert torch.equal(part.slice("train/X"), whole.slice("train/X")[2:4])
    assert torch.equal(part.tensor("train/X"), whole.slice("train/X"))
    for draws in (normal, uniform):
        assert torch.equal(part.draw("start", (3, 1), draws), whole.draw("start", (3, 1), draws)[2:4])
    assert torch.equal(part.orders(20, 3), whole.orders(20, 3)[:, 2:4])


def test_draws_depend_on_the_purpose():
    one = block(range(2))
    assert one.draw("start", (3, 1), normal).shape == (2, 3, 1)
    assert one.draw("start", (3, 1), normal).dtype == torch.float32
    assert not torch.equal(one.draw("start", (3, 1), normal), one.draw("other", (3, 1), normal))


def test_orders_are_shuffles_that_all_differ():
    orders = block(range(4)).orders(50, 3)
    assert orders.shape == (3, 4, 50)
    assert torch.equal(orders.sort(-1).values, torch.arange(50).expand(3, 4, 50))
    assert len(orders.reshape(-1, 50).unique(dim=0)) == 12


def test_common_orders_are_those_of_the_first_replicate():
    one = block(range(1, 4))
    assert torch.equal(one.common_orders(50, 3), one.orders(50, 3)[:, 0])


def test_without_a_shuffle_rows_come_as_they_lie():
    rows = block(range(2))
    train, valid = (Rows(rows.slice(f"{part}/X"), rows.slice(f"{part}/y")) for part in ("train", "valid"))
    as_they_lie = torch.arange(len(train)).expand(2, 2, -1)
    found = []
    for shuffle, orders in (
        (False, rows.orders(len(train), 2)),
        (True, as_they_lie),
        (True, rows.orders(len(train), 2)),
    ):
        settings = LinearSettings(
            loss="squared", optimizer="sgd", lr=0.03, batch_size=32, epochs=2, shuffle=shuffle, sigma=0.01
        )
        model = LinearRegression(rows.draw("start", (2, 1), normal), product)
        found.append(kept(fit(model, settings, train, valid, orders), {}, {"w": model.w}))
    in_order, by_numbers, shuffled = (run.weights["w"] for run in found)
    assert np.array_equal(in_order, by_numbers)
    assert not np.array_equal(in_order, shuffled)
    steps, epochs, losses = found[0].history["train/loss"]
    assert steps.tolist() == list(range(1, 9))
    assert epochs.tolist() == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert losses.shape == (8, 2)
    assert found[0].metrics.keys() == {"val/loss"}
    assert np.array_equal(found[0].metrics["val/loss"], found[0].history["val/loss"][2][-1])


def test_length_is_the_euclidean_norm():
    vectors = torch.randn(7, 3)
    np.testing.assert_allclose(length(vectors), np.linalg.norm(vectors.double().numpy(), axis=1), rtol=1e-12)
