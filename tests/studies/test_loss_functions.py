"""Training with each loss against a plain loop in numpy, and d2l's formula against scipy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import huber

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.streams import normal, permutations, stream
from groundwork.studies.loss_functions import compare_formulas, row_error

PULLS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # of the rows of a batch, by their errors
    "squared": lambda e: e / len(e),
    "absolute": np.sign,
    "huber": lambda e: e.clip(-1, 1) / len(e),
    "smooth_l1": lambda e: e.clip(-1, 1),
}


@pytest.mark.parametrize("variant", ["squared", "absolute", "huber", "smooth_l1", "fair smooth_l1"])
def test_training(variant, results):
    runs = results("loss_functions")[variant]
    settings = runs.variant.settings
    data = load_tensors(paths.dataset("generated/regression"))
    for replicate in (0, 2):
        X = np.column_stack([data["train/X"][replicate], np.ones(1000)]).astype(float)
        y = data["train/y"][replicate, :, 0].astype(float)
        draws = {key: [stream(20, "studies/loss_functions", replicate, key)] for key in ("start", "order")}
        found = np.append(0.01 * normal(draws["start"], (2,))[0], 0)
        steps = []
        for order in permutations(draws["order"], settings.epochs, 1000)[0]:
            for first in range(0, 1000, 32):
                rows = order[first : first + 32]
                steps.append(settings.lr * X[rows].T @ PULLS[settings.loss](X[rows] @ found - y[rows]))
                found = found - steps[-1]
        np.testing.assert_allclose([runs[name][replicate] for name in ("w1", "w2", "b")], found, atol=2e-5)
        assert runs["first_step"][replicate] == pytest.approx(np.linalg.norm(steps[0]), rel=1e-4)


def test_formulas_are_scipys():
    errors = torch.randn(3, 500, dtype=torch.double, generator=torch.Generator().manual_seed(0)) * 4
    e = errors.numpy()
    formula = {sigma: huber(sigma, e) / sigma for sigma in (0.5, 1, 2)}
    expected = np.max([np.abs(found - huber(sigma, e)) for sigma, found in formula.items()], axis=(0, 2))
    found = compare_formulas(errors)
    np.testing.assert_allclose(found["formula_minus_huber"], expected, rtol=1e-12)
    np.testing.assert_allclose(found["formula_minus_smooth_l1"], 0, atol=1e-12)
    np.testing.assert_allclose(found["huber_minus_multiple"], 0, atol=1e-12)


def test_row_error_is_one_unit(results):
    """Before the first step all losses see the same rows, and Huber and smooth L1 make the same of them."""
    runs = results("loss_functions")
    first = {name: row_error(runs[name], 1000)[1][0] for name in runs.variants}
    np.testing.assert_allclose(first["huber"], first["smooth_l1"], rtol=1e-5)
    np.testing.assert_allclose(first["absolute"], first["fair absolute"], rtol=1e-5)
    assert (first["absolute"] < first["squared"]).all()  # mean and root mean square
    last = {name: row_error(runs[name], 1000)[1][31] for name in runs.variants}
    np.testing.assert_allclose(last["squared"], np.sqrt(2 * runs["squared"].curve("train/loss")[1][31]))
    np.testing.assert_allclose(last["absolute"], runs["absolute"].curve("train/loss")[1][31] / 8)
