"""Planck's law with the temperature as the one parameter (d2l §3.4.6, exercise 3)."""

import torch
from scipy.constants import physical_constants
from torch import Tensor

C1 = physical_constants["first radiation constant for spectral radiance"][0]  # 2hc², W m² sr⁻¹
C2 = physical_constants["second radiation constant"][0]  # hc/k, m K

UNITS = {"SI": (1.0, 1.0), "scaled": (1e3, 1e13)}  # of temperature, in K, and of radiance, in W m⁻³ sr⁻¹


class BlackBody:
    """B(λ, T) = 2hc²/λ⁵ / (exp(hc/λkT) − 1) for λ = X (R, B, 1) in nm; the parameter T is (R, 1, 1).

    SI: T in K, B in W m⁻³ sr⁻¹; scaled: T in 1000 K, B in 10¹³ W m⁻³ sr⁻¹.
    """

    def __init__(self, T_start: float, replicates: int, units: str) -> None:
        self.unit_T, self.unit_B = UNITS[units]
        self.T = torch.full((replicates, 1, 1), T_start / self.unit_T, requires_grad=True)
        self.parameters = [self.T]

    def __call__(self, X: Tensor) -> Tensor:
        metres = X * 1e-9
        scale = C1 / self.unit_B / metres**5
        return scale / torch.expm1(C2 / self.unit_T / (metres * self.T))

    @property
    def kelvin(self) -> Tensor:
        """The temperatures in K, (R,)."""
        return self.T.detach().flatten() * self.unit_T
