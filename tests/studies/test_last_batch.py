"""The batches of an epoch against the framework's own sampler, and what a short one costs against a simulation."""

import numpy as np
import pytest
from torch.utils.data import BatchSampler, SequentialSampler

from groundwork.common.settings import LinearSettings
from groundwork.studies.last_batch import price_of_a_short_step


@pytest.mark.parametrize("rows", [1000, 992])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches(drop_last, rows, train):
    (runs,) = train("last_batch", variants={"only": {"drop_last": drop_last, "rows": rows}}, grid={"lr": [0.1]})
    sizes = [len(batch) for batch in BatchSampler(SequentialSampler(range(rows)), 32, drop_last)]
    assert (runs.weights["batch_sizes"] == sizes).all()
    assert (runs["last_batch_size"] == sizes[-1]).all()
    assert (runs["steps"] == 3 * len(sizes)).all()
    assert len(runs.curve("train/loss")[0]) == 3 * len(sizes)


def test_the_batches_before_the_short_one_are_the_same(results):
    keep, drop = (results("last_batch")[f"{variant} lr=0.03"].curve("train/loss")[1] for variant in ("keep", "drop"))
    np.testing.assert_array_equal(keep[:31], drop[:31])
    assert (keep[32] != drop[31]).all()


def test_price_of_a_short_step():
    """Many models at rest, then one step on few rows; σ = 1."""
    settings = LinearSettings(loss="squared", optimizer="sgd", lr=0.3, batch_size=32, epochs=1, shuffle=True)
    rng = np.random.default_rng(0)
    error = np.zeros((10_000, 3))

    def step(rows: int) -> np.ndarray:
        X = np.concatenate([rng.standard_normal((len(error), rows, 2)), np.ones((len(error), rows, 1))], axis=2)
        pull = np.einsum("rnd,rd->rn", X, error) - rng.standard_normal((len(error), rows))
        return error - 0.3 * np.einsum("rnd,rn->rd", X, pull) / rows

    for _ in range(12):
        error = step(32)
    ratio = (step(8) ** 2).sum() / (error**2).sum()
    assert price_of_a_short_step(settings, 8, 2) == pytest.approx(ratio, rel=0.05)
