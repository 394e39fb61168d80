"""Spectra of black bodies with noise, by Planck's law (d2l §3.4.6, exercise 3)."""

import numpy as np
import torch
from scipy.constants import c, h, k

from groundwork.common.settings import PlanckData, plain
from groundwork.streams import stream, uniform


def generate(name: str, data: PlanckData, seed: int) -> dict[str, np.ndarray]:
    """Wavelengths in nm, train/X (n, 1), and radiances in W m⁻³ sr⁻¹, train/T=5020/common (R, n, 1); valid/… alike.

    The noise multiplies. common: one factor 1 + a·u, u ~ U[0, 1), for the whole spectrum, as the source has it;
    independent: one for each point; …_centred: 1 + a·(u − ½), whose mean is 1. The same u serves every temperature.
    """
    wavelength = np.arange(*data.wavelengths, dtype=np.float64)[:, None]
    replicates = range(data.replicates)
    common = uniform([stream(seed, f"datasets/{name}", r, "common") for r in replicates], (1, 1))
    independent = uniform([stream(seed, f"datasets/{name}", r, "independent") for r in replicates], wavelength.shape)
    factors = {
        "common": 1 + data.amplitude * common,
        "common_centred": 1 + data.amplitude * (common - 0.5),
        "independent": 1 + data.amplitude * independent,
        "independent_centred": 1 + data.amplitude * (independent - 0.5),
    }
    tensors = {"X": wavelength.astype(np.float32)}
    for T in data.temperatures:
        for noise, factor in factors.items():
            tensors[f"T={plain(T)}/{noise}"] = (radiance(wavelength, T) * factor).astype(np.float32)
    return {
        **{f"train/{key}": values[..., : data.train, :] for key, values in tensors.items()},
        **{f"valid/{key}": values[..., data.train :, :] for key, values in tensors.items()},
    }


def radiance(wavelength: np.ndarray, T: float) -> np.ndarray:
    """B(λ, T) = 2hc²/λ⁵ / (exp(hc/λkT) − 1) in W m⁻³ sr⁻¹, float64, for wavelengths in nm and T in K."""
    metres = wavelength * 1e-9
    exponent = torch.from_numpy(h * c / (metres * k * T))
    growth = torch.expm1(exponent).numpy()  # torch's, because numpy's depends on the machine
    return 2 * h * c**2 / (metres * metres * metres * metres * metres) / growth
