"""Linear regression against the closed form."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors


def least_squares() -> np.ndarray:
    """(w, b) of each replicate's training data, (R, 3), by numpy."""
    data = load_tensors(paths.dataset("generated/regression"))
    found = []
    for X, y in zip(data["train/X"], data["train/y"], strict=True):
        design = np.column_stack([X, np.ones(len(X))]).astype(float)
        found.append(np.linalg.lstsq(design, y[:, 0].astype(float), rcond=None)[0])
    return np.array(found)


def found_by(runs) -> np.ndarray:
    return np.column_stack([runs[name] for name in ("w1", "w2", "b")])


@pytest.mark.parametrize(("variant", "tolerance"), [("lr=0.3 epochs=20", 0.01), ("lr=0.03 epochs=20", 0.002)])
def test_minibatches_end_near_least_squares(variant, tolerance, results):
    np.testing.assert_allclose(found_by(results("learning_rate")[variant]), least_squares(), rtol=0, atol=tolerance)


def test_whole_batches_end_at_least_squares(train):
    """Gradient descent without noise has the closed form as its only fixed point."""
    fixed = {"loss": "squared", "optimizer": "sgd", "batch_size": 1000, "shuffle": False, "sigma": 0.01}
    (runs,) = train("learning_rate", fixed=fixed, grid={"lr": [0.5], "epochs": [60]})
    np.testing.assert_allclose(found_by(runs), least_squares(), rtol=0, atol=2e-6)


def test_errors_are_distances_from_the_truth(results):
    for runs in results("learning_rate"):
        expected = np.linalg.norm(found_by(runs) - [2, -3.4, 4.2], axis=1)
        np.testing.assert_allclose(runs["parameter_error"], expected, rtol=1e-4, atol=1e-6)


def test_the_first_rate_diverges_and_the_others_do_not(results):
    for runs in results("learning_rate"):
        assert runs.diverged.all() == (runs.variant.settings.lr == 3)
        assert runs.diverged.any() == (runs.variant.settings.lr == 3)
