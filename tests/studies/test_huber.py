"""The gradients that are left when a training has ended, against numpy."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import permutations, stream
from groundwork.studies.huber import GRADIENTS, noise_of_gradient

DERIVATIVES = {"huber": lambda error: error.clip(-1, 1), "mse": lambda error: 2 * error}


@pytest.mark.parametrize("variant", ["huber lr=0.3", "huber lr=0.03", "mse lr=0.15", "mse lr=0.03"])
def test_gradients(variant, results):
    """Those of the last minibatch are from before the last step, those of all rows from after it."""
    runs = results("huber")[variant]
    settings, data = runs.variant.settings, load_tensors(paths.dataset("generated/regression"))
    for replicate in range(3):
        X = np.column_stack([data["train/X"][replicate], np.ones(1000)]).astype(float)
        y = data["train/y"][replicate, :, 0].astype(float)
        end = np.array([runs[name][replicate] for name in ("w1", "w2", "b")])
        last = np.array([runs[name][replicate] for name in GRADIENTS])
        batch = permutations([stream(20, "studies/huber", replicate, "order")], 3, 1000)[0, -1, 992:]

        def gradient(rows, found, X=X, y=y):
            return X[rows].T @ DERIVATIVES[settings.loss](X[rows] @ found - y[rows]) / len(X[rows])

        np.testing.assert_allclose(last, gradient(batch, end + settings.lr * last), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(runs["gradient"][replicate], np.linalg.norm(last), rtol=1e-5)
        whole = np.linalg.norm(gradient(slice(None), end))
        np.testing.assert_allclose(runs["gradient_all"][replicate], whole, rtol=1e-4, atol=1e-6)


def test_both_losses_end_together(results):
    runs = results("huber")
    for name in ("w1", "w2", "b"):
        np.testing.assert_allclose(runs["huber lr=0.3"][name], runs["mse lr=0.15"][name], rtol=0, atol=1e-6)


def test_the_noise_of_eight_rows(results):
    runs = results("huber")
    np.testing.assert_allclose(noise_of_gradient(runs, runs["huber lr=0.3"]), 0.01 / np.sqrt(8))
