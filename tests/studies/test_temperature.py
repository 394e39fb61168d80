"""Planck's law against scipy's least squares."""

import numpy as np
import pytest
from scipy.constants import c, h, k
from scipy.optimize import least_squares

from groundwork.common import paths
from groundwork.common.tensors import load_tensors

FIXED = {"noise": "independent", "units": "normalised", "T_start": 3000, "loss": "squared", "optimizer": "sgd"}
FIXED |= {"lr": 0.5, "batch_size": 1000, "epochs": 150, "shuffle": False}


def radiance(wavelength: np.ndarray, T: float) -> np.ndarray:
    """B(λ, T) in float64, for λ in nm."""
    metres = wavelength * 1e-9
    return 2 * h * c**2 / metres**5 / np.expm1(h * c / (metres * k * T))


def fitted(T: int, noise: str) -> np.ndarray:
    """The temperature of each replicate's spectrum, (R,), by scipy."""
    data = load_tensors(paths.dataset("generated/planck"))
    wavelength = data["train/X"][:, 0].astype(float)
    found = []
    for y in data[f"train/T={T}/{noise}"][..., 0].astype(float):
        fit = least_squares(lambda x, y=y: (radiance(wavelength, 1e3 * x[0]) - y) / y.max(), x0=[4.0], xtol=1e-12)
        found.append(1e3 * fit.x[0])
    return np.array(found)


@pytest.mark.parametrize("T", [4000, 6000])
def test_many_epochs_end_at_least_squares(T, train):
    (runs,) = train("planck", fixed=FIXED | {"T_true": T}, variants={"only": {}})
    np.testing.assert_allclose(runs["T"], fitted(T, "independent"), rtol=0, atol=1)
    np.testing.assert_allclose(runs["T_error"], runs["T"] - T, rtol=0, atol=0.01)


def test_the_kept_spectrum_is_the_law_at_the_temperature_found(results):
    for runs in results("planck"):
        wavelength = np.arange(300.0, 300 + runs.weights["y_hat"].shape[1])
        expected = radiance(wavelength, runs["T"][0])
        np.testing.assert_allclose(runs.weights["y_hat"][0, :, 0], expected, rtol=1e-4)
