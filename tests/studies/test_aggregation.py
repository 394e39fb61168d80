"""Sums and means of minibatches against a plain loop in numpy, and the largest stable rate against descent itself."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import permutations, stream, uniform
from groundwork.studies.aggregation import mean_squared_error, predicted_ratio, worse

PARAMETERS = ("w1", "w2", "b")


def found_by_numpy(replicate: int, lr: float, epochs: int, total: bool, drop_last: bool) -> np.ndarray:
    """(w1, w2, b) by SGD on the sum or the mean of the squared errors, in double precision."""
    data = load_tensors(paths.dataset("generated/regression"))
    X = np.column_stack([data["train/X"][replicate], np.ones(1000)]).astype(float)
    y = data["train/y"][replicate, :, 0].astype(float)
    draws = {key: [stream(20, "studies/aggregation", replicate, key)] for key in ("default start", "order")}
    found = (2 * uniform(draws["default start"], (3,))[0] - 1) / 2**0.5
    for order in permutations(draws["order"], epochs, 1000)[0]:
        for first in range(0, 992 if drop_last else 1000, 32):
            batch = order[first : first + 32]
            gradient = 2 * X[batch].T @ (X[batch] @ found - y[batch])
            found = found - lr * (gradient if total else gradient / len(batch))
    return found


@pytest.mark.parametrize(
    ("variant", "lr", "epochs", "total", "drop_last"),
    [
        ("mean", 0.03, 3, False, False),
        ("sum over 32", 0.03 / 32, 3, True, False),
        ("sum over 32 drop_last", 0.03 / 32, 3, True, True),
        ("mean epochs=20", 0.03, 20, False, False),
        ("sum lr=0.02", 0.02, 3, True, False),
    ],
)
def test_against_numpy(variant, lr, epochs, total, drop_last, results):
    runs = results("aggregation")[variant]
    expected = found_by_numpy(1, lr, epochs, total, drop_last)
    np.testing.assert_allclose([runs[name][1] for name in PARAMETERS], expected, rtol=0, atol=2e-5)


def test_without_the_short_minibatch_a_sum_over_32_is_a_mean(results):
    runs = results("aggregation")
    for name in PARAMETERS:
        np.testing.assert_array_equal(runs["mean drop_last"][name], runs["sum over 32 drop_last"][name])


def test_one_unit_for_all_losses(results):
    """Sums become means, the short minibatch's too."""
    runs = results("aggregation")
    for variant in ("sum over 32", "mean"):
        epochs, values = mean_squared_error(runs[variant], runs)
        assert len(epochs) == 96
        np.testing.assert_allclose(values[0], mean_squared_error(runs["mean"], runs)[1][0], rtol=1e-6)
        at_the_end = values[-32:].mean(0)  # eight of 1000 rows count too much, but not a hundred times
        np.testing.assert_allclose(at_the_end, mean_squared_error(runs["mean"], runs)[1][-32:].mean(0), rtol=0.5)


def test_the_largest_stable_rate(train):
    """Descent on all rows at once converges with 95 % of 2/λ_max, and with 105 % does not."""
    fixed = {"optimizer": "sgd", "batch_size": 1000, "epochs": 400, "shuffle": False, "start": "default"}
    (runs,) = train("aggregation", fixed=fixed, variants={"sum": {"loss": "mse_sum", "lr": 1e-4, "epochs": 1}})
    limit = runs["lr_limit"]
    below, above = (
        train("aggregation", fixed=fixed, variants={"sum": {"loss": "mse_sum", "lr": float(lr)}})["sum"]
        for lr in (0.95 * limit.min(), 1.05 * limit.max())
    )
    assert (below["parameter_error"] < 0.01).all()
    assert above.diverged.all()
    assert worse(above).all()
    assert not worse(below).any()


def test_the_predicted_ratio(results):
    """The same by applying the mean step 96 times."""
    mean = total = 1.0
    for step in range(96):
        mean *= 1 - 0.06
        total *= 1 - (0.06 if (step + 1) % 32 else 0.06 * 8 / 32)
    np.testing.assert_allclose(predicted_ratio(results("aggregation")), total / mean)
