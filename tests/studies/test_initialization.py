"""Where training starts, and how long it takes from there, against a plain loop in numpy."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream
from groundwork.studies.initialization import ENOUGH, STARTS, epochs_needed, epochs_predicted

TRUTH = np.array([2, -3.4, 4.2])


def errors_by_epoch(sigma: float, replicate: int, epochs: int) -> np.ndarray:
    """‖(w, b) − truth‖ after 0 … `epochs` epochs of minibatch SGD, in double precision."""
    data = load_tensors(paths.dataset("generated/regression"))
    X = np.column_stack([data["train/X"][replicate], np.ones(1000)]).astype(float)
    y = data["train/y"][replicate, :, 0].astype(float)
    draws = {purpose: [stream(20, "studies/initialization", replicate, purpose)] for purpose in ("start", "order")}
    found = np.append(sigma * normal(draws["start"], (2,))[0], 0)
    errors = [np.linalg.norm(found - TRUTH)]
    for order in permutations(draws["order"], epochs, 1000)[0]:
        for first in range(0, 1000, 32):
            batch = order[first : first + 32]
            found = found - 0.03 * X[batch].T @ (X[batch] @ found - y[batch]) / len(batch)
        errors.append(np.linalg.norm(found - TRUTH))
    return np.array(errors)


@pytest.mark.parametrize(
    ("start", "sigma"), [("zero", 0), ("sigma=0.01", 0.01), ("variance=1000", 1000**0.5), ("sigma=1000", 1000)]
)
def test_the_error_of_every_epoch(start, sigma, results):
    runs = results("initialization")[f"{start} epochs=20"]
    for replicate in (0, 2):
        epochs, errors = runs.curve("parameter_error")
        np.testing.assert_array_equal(epochs, range(21))
        np.testing.assert_allclose(errors[:, replicate], errors_by_epoch(sigma, replicate, 20), rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(runs["parameter_error"], errors[-1], rtol=1e-6)


@pytest.mark.parametrize("start", STARTS)
def test_epochs_needed(start, results):
    runs = results("initialization")[f"{start} epochs=20"]
    errors = runs.curve("parameter_error")[1]
    needed = epochs_needed(runs)
    for replicate, epoch in enumerate(needed):
        assert errors[int(np.floor(epoch)), replicate] >= ENOUGH > errors[int(np.ceil(epoch)), replicate]
    np.testing.assert_allclose(errors[0] * 0.97 ** (32 * epochs_predicted(runs, 1000)), ENOUGH, rtol=1e-9)
    np.testing.assert_allclose(needed, epochs_predicted(runs, 1000), atol=2)


def test_never(results):
    assert np.isinf(epochs_needed(results("initialization")["sigma=1000 epochs=3"])).all()
