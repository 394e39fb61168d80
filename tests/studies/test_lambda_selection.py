"""Choosing λ against numpy, which trains one λ after another."""

import numpy as np
import pytest
from weight_decay_by_numpy import D, descended, high_dimensional, mse, start

from groundwork.studies.lambda_selection import LAMBDAS

FIXED = {"rows": 20, "batch_size": 5, "loss": "squared", "optimizer": "sgd", "lr": 0.01, "epochs": 2, "shuffle": True}
FIXED |= {"sigma": 0.01, "penalty": "l2"}
VARIANTS = {
    "given": {"selection": "given", "lambd": 5},
    "hold-out": {"selection": "hold_out", "folds": 4},
    "2-fold": {"selection": "k_fold", "folds": 2},
    "validation rows": {"selection": "validation_rows"},
    "test rows": {"selection": "test_rows"},
}


def models(X: np.ndarray, y: np.ndarray, replicate: int) -> list[tuple[np.ndarray, float]]:
    first = start("lambda_selection", replicate)
    return [descended("lambda_selection", replicate, X, y, *first, lambd, epochs=2) for lambd in LAMBDAS]


@pytest.fixture
def chosen(train):
    return train("lambda_selection", fixed=FIXED, variants=VARIANTS, replicates=2, block_size=2)


def test_choices_and_errors(chosen):
    data = high_dimensional()
    for replicate in range(2):
        X, y = data["train/X"][replicate, :20], data["train/y"][replicate, :20, 0]
        valid = data["valid/X"][replicate], data["valid/y"][replicate, :, 0]
        test = data["test/X"], data["test/y"][:, 0]
        fitted = models(X, y, replicate)
        errors = np.array([mse(*test, *model) for model in fitted])
        np.testing.assert_allclose(chosen["test rows"].weights["test_mse"][replicate], errors, rtol=1e-4)
        expected = [((w - 0.01) ** 2).sum() + (b - 0.05) ** 2 + 0.01**2 for w, b in fitted]
        np.testing.assert_allclose(chosen["test rows"].weights["expected_mse"][replicate], expected, rtol=1e-4)

        folds = {"hold-out": np.arange(20) % 4 == np.arange(1)[:, None]}
        folds["2-fold"] = np.arange(20) % 2 == np.arange(2)[:, None]
        scores = {
            name: np.mean([[mse(X[out], y[out], *m) for m in models(X[~out], y[~out], replicate)] for out in outs], 0)
            for name, outs in folds.items()
        }
        scores["validation rows"] = np.array([mse(*valid, *model) for model in fitted])
        scores["test rows"] = errors
        for name, score in scores.items():
            best = score.argmin()
            assert chosen[name]["chosen_lambd"][replicate] == LAMBDAS[best], name
            np.testing.assert_allclose(chosen[name]["score"][replicate], score[best], rtol=1e-4)
            np.testing.assert_allclose(chosen[name]["test_mse"][replicate], errors[best], rtol=1e-4)
            np.testing.assert_allclose(chosen[name]["regret"][replicate], errors[best] - errors.min(), atol=1e-6)
            np.testing.assert_allclose(
                chosen[name].curve("mse")[1][-1, replicate], mse(*valid, *fitted[best]), rtol=1e-4
            )


def test_a_given_lambda_need_not_be_on_the_list(chosen):
    assert 5 not in LAMBDAS
    assert (chosen["given"]["chosen_lambd"] == 5).all()
    data = high_dimensional()
    X, y = data["train/X"][0, :20], data["train/y"][0, :20, 0]
    w, b = descended("lambda_selection", 0, X, y, *start("lambda_selection", 0), 5, epochs=2)
    assert len(w) == D
    np.testing.assert_allclose(
        chosen["given"]["test_mse"][0], mse(data["test/X"], data["test/y"][:, 0], w, b), rtol=1e-4
    )


def test_nothing_beats_the_test_rows_on_the_test_rows(results):
    runs = results("lambda_selection")
    assert (runs["test rows"]["regret"] == 0).all()
    assert all((one["regret"] >= 0).all() for one in runs if one.variant.name != "120 rows")
    assert (runs["training rows"]["chosen_lambd"] == 0).all()
