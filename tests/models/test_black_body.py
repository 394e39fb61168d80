"""The black body against Planck's law in float64 numpy with the constants of scipy."""

import numpy as np
import pytest
import torch
from scipy.constants import c, h, k

from groundwork.models.planck import BlackBody, units

TEMPERATURES = (3000.0, 5020.0, 6000.0)


def wavelengths(replicates: int = 1) -> torch.Tensor:
    return torch.arange(300, 2000, dtype=torch.float32)[None, :, None].expand(replicates, -1, -1)


def planck(T: float) -> np.ndarray:
    metres = wavelengths()[0].double().numpy() * 1e-9
    return 2 * h * c**2 / metres**5 / np.expm1(h * c / (metres * k * T))


@pytest.mark.parametrize("T", TEMPERATURES)
def test_forward_is_plancks_law(T):
    radiance = BlackBody(T, 2)(wavelengths(2)).detach().numpy()
    assert radiance.shape == (2, 1700, 1)
    np.testing.assert_allclose(radiance[1], planck(T), rtol=1e-5)


@pytest.mark.parametrize("T", TEMPERATURES)
def test_gradient_is_finite_differences(T):
    model = BlackBody(T, 1)
    (gradient,) = torch.autograd.grad(model(wavelengths()).mean(), model.parameters)
    slope = (planck(T + 0.1).mean() - planck(T - 0.1).mean()) / 0.2
    np.testing.assert_allclose(gradient.item(), slope, rtol=1e-4)


@pytest.mark.parametrize("T", TEMPERATURES)
@pytest.mark.parametrize("name", ["scaled", "normalised"])
def test_units_change_the_numbers_but_not_the_physics(T, name):
    spectrum = torch.from_numpy(np.stack([planck(T), 3 * planck(T)])).float()
    unit_T, unit_B = units(name, spectrum)
    SI, other = BlackBody(T, 2), BlackBody(T, 2, unit_T, unit_B)
    torch.testing.assert_close(other(wavelengths(2)) * unit_B, SI(wavelengths(2)), rtol=1e-5, atol=0)
    torch.testing.assert_close(other.kelvin, torch.full((2,), T))


def test_what_the_units_are():
    spectrum = torch.from_numpy(np.stack([planck(5020), 3 * planck(5020)])).float()
    assert units("SI", spectrum) == (1, 1)
    assert units("scaled", spectrum) == (1e3, 1e13)
    unit_T, peaks = units("normalised", spectrum)
    assert unit_T == 1e3
    np.testing.assert_allclose(
        torch.as_tensor(peaks).flatten(), [planck(5020).max(), 3 * planck(5020).max()], rtol=1e-6
    )


def test_scaling_only_rescales_the_learning_rate():
    """A step of gradient descent with lr in SI is a step with lr·unit_B²/unit_T² in other units."""
    spectrum = torch.from_numpy(planck(5020))[None].float()
    found = []
    for name in ("SI", "scaled"):
        unit_T, unit_B = units(name, spectrum)
        model = BlackBody(3000, 1, unit_T, unit_B)
        loss = ((model(wavelengths()) - spectrum / unit_B) ** 2 / 2).mean()
        (gradient,) = torch.autograd.grad(loss, model.parameters)
        found.append((model.T - 1e-21 * unit_B**2 / unit_T**2 * gradient).item() * unit_T)
    assert found[0] > 3005
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


def test_the_temperature_is_a_metric_that_later_steps_leave_alone():
    model = BlackBody(3000, 2, unit_T=1e3)
    spectrum = model(wavelengths(2))
    before = model.temperature(spectrum, spectrum)
    with torch.no_grad():
        model.T += 1
    assert before.tolist() == [3000, 3000]
    assert model.temperature(spectrum, spectrum).tolist() == [4000, 4000]
