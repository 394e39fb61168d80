"""Planck's law with the temperature as the one parameter (d2l §3.4.6, exercise 3)."""

import torch
from scipy.constants import physical_constants
from torch import Tensor

C1 = physical_constants["first radiation constant for spectral radiance"][0]  # 2hc², W m² sr⁻¹
C2 = physical_constants["second radiation constant"][0]  # hc/k, m K


class BlackBody:
    """B(λ, T) = 2hc²/λ⁵ / (exp(hc/λkT) − 1) for λ = X (R, B, 1) in nm; the parameter T is (R, 1, 1).

    T counts in `unit_T` kelvin, y_hat in `unit_B` W m⁻³ sr⁻¹, which is one number or one a replicate, (R, 1, 1).
    """

    def __init__(self, T_start: float, replicates: int, unit_T: float = 1.0, unit_B: float | Tensor = 1.0) -> None:
        self.unit_T = unit_T
        self.unit_B = unit_B
        self.T = torch.full((replicates, 1, 1), T_start / unit_T, requires_grad=True)
        self.parameters = [self.T]

    def __call__(self, X: Tensor) -> Tensor:
        metres = X * 1e-9
        return C1 / metres**5 / self.unit_B / torch.expm1(C2 / self.unit_T / (metres * self.T))

    @property
    def kelvin(self) -> Tensor:
        """The temperatures in K, (R,)."""
        return self.T.detach().flatten() * self.unit_T

    def temperature(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """`kelvin` as a metric of the learner."""
        return self.kelvin.clone()


def units(name: str, radiance: Tensor) -> tuple[float, float | Tensor]:
    """`unit_T` and `unit_B` of a choice of units, for training radiances (R, n, 1) in W m⁻³ sr⁻¹.

    SI: as printed. scaled: 1000 K and 10¹³ W m⁻³ sr⁻¹, which only rescales the learning rate:
    lr_scaled = lr_SI · unit_B² / unit_T². normalised: 1000 K and each spectrum's own peak, so that one learning rate
    fits all temperatures.
    """
    if name == "SI":
        return 1.0, 1.0
    return 1e3, 1e13 if name == "scaled" else radiance.amax(dim=1, keepdim=True)
