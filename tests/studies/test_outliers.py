"""The corrupted row, and the minimisers of the losses against scipy's solvers."""

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares, linprog

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.engine.batches import Rows
from groundwork.studies.outliers import KNEE, corrupted, minimiser


@pytest.fixture
def clean(results) -> Rows:
    results("outliers")
    data = load_tensors(paths.dataset("generated/regression"))
    return Rows(torch.from_numpy(data["train/X"]), torch.from_numpy(data["train/y"]))


def exact(design: np.ndarray, y: np.ndarray, loss: str) -> np.ndarray:
    """(w, b) of the least loss, by scipy."""
    n, d = design.shape
    if loss == "squared":
        return np.linalg.lstsq(design, y)[0]
    if loss == "absolute":  # y = design·(w, b) + over − under, over and under ≥ 0, their sum as small as can be
        cost = np.concatenate([np.zeros(d), np.ones(2 * n)])
        equations = np.hstack([design, np.eye(n), -np.eye(n)])
        return linprog(cost, A_eq=equations, b_eq=y, bounds=[(None, None)] * d + [(0, None)] * (2 * n)).x[:d]
    return least_squares(lambda found: design @ found - y, np.zeros(d), loss="huber", x_scale="jac", xtol=1e-14).x


@pytest.mark.parametrize("corruption", ["none", "label", "leverage"])
def test_corruption(corruption, clean, results):
    rows = corrupted(clean, corruption)
    others = torch.arange(1000) != 5
    assert rows.X[:, others].equal(clean.X[:, others])
    assert rows.y[:, others].equal(clean.y[:, others])
    factor = 10_000 / clean.y[:, 5] if corruption == "leverage" else 1
    torch.testing.assert_close(rows.X[:, 5], clean.X[:, 5] * factor)
    assert rows.y[:, 5].equal(clean.y[:, 5]) if corruption == "none" else (rows.y[:, 5] == 10_000).all()
    for runs in results("outliers"):
        if runs.variant.settings.corruption == corruption:
            np.testing.assert_array_equal(runs.weights["row"], rows.X[:, 5])


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
@pytest.mark.parametrize("corruption", ["none", "label", "leverage"])
def test_minimiser(corruption, loss, clean, results):
    rows = corrupted(Rows(clean.X[:2], clean.y[:2]), corruption)
    X, y = rows.X.double().numpy(), rows.y.double().numpy()
    found = minimiser(X, y, KNEE[loss])[..., 0]
    reported = results("outliers")[f"{loss} corruption={corruption}"]["minimiser_error"]
    for replicate in range(2):
        expected = exact(np.column_stack([X[replicate], np.ones(1000)]), y[replicate, :, 0], loss)
        np.testing.assert_allclose(found[replicate], expected, atol=2e-3)
        assert reported[replicate] == pytest.approx(np.linalg.norm(expected - [2, -3.4, 4.2]), abs=2e-3)


def test_the_way_to_the_minimiser(train):
    """Whole batches of squared loss walk to where the minimiser says, with a wrong label too."""
    fixed = {"optimizer": "sgd", "batch_size": 1000, "shuffle": False, "loss": "squared", "lr": 0.5, "epochs": 60}
    for runs in train("outliers", fixed=fixed, variants={"only": {}}, grid={"corruption": ["none", "label"]}):
        np.testing.assert_allclose(runs["parameter_error"], runs["minimiser_error"], rtol=1e-4, atol=2e-6)


def test_squared_loss_leaves_the_numbers(results):
    runs = results("outliers")["squared corruption=leverage"]
    assert runs.diverged.all()
    assert not np.isfinite(runs["val/mse"]).any()
