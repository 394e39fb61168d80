"""Rates with and without the ½: one is twice the other, and so is the largest that is stable."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.studies.learning_rate_concise import of_three_epochs


@pytest.mark.parametrize(("mse", "squared"), [("mse lr=0.6", "squared lr=1.2"), ("mse lr=0.8", "squared lr=1.6")])
def test_half_the_loss_needs_twice_the_rate(mse, squared, results):
    runs = results("learning_rate_concise")
    for name in ("w1", "w2", "b"):
        np.testing.assert_allclose(runs[mse][name], runs[squared][name], rtol=0, atol=1e-6)
    np.testing.assert_allclose(runs[mse]["val/loss"], 2 * runs[squared]["val/loss"], rtol=1e-5)


def test_the_limit_is_an_eigenvalue(results):
    data = load_tensors(paths.dataset("generated/regression"))
    for runs in results("learning_rate_concise"):
        scale = {"mse": 2, "squared": 1}[runs.variant.settings.loss]
        for replicate, X in enumerate(data["train/X"]):
            design = np.column_stack([X, np.ones(len(X))]).astype(float)
            largest = np.linalg.norm(design, ord=2) ** 2 / len(X)  # by singular values
            np.testing.assert_allclose(runs["lr_limit"][replicate], 2 / (scale * largest), rtol=1e-6)


def test_far_beyond_it_every_replicate_diverges(results):
    for runs in results("learning_rate_concise"):
        share = runs.variant.settings.lr / runs["lr_limit"]
        assert runs.diverged[share > 1.25].all()
        assert runs.ok[share < 0.8].all()


def test_variants_of_three_epochs(results):
    runs = results("learning_rate_concise")
    for loss in ("mse", "squared"):
        rates = [variant.variant.settings.lr for variant in of_three_epochs(runs, loss)]
        assert rates == sorted(set(rates))
        assert {variant.variant.settings.epochs for variant in of_three_epochs(runs, loss)} == {3}
