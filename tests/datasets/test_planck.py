"""Black-body spectra against Planck's law in plain numpy, Wien's and Stefan–Boltzmann's laws; the noise factors."""

import numpy as np
import pytest
from scipy import constants
from scipy.constants import c, h, k

from groundwork.common.settings import PlanckData
from groundwork.datasets.planck import generate, radiance

DATA = PlanckData(
    family="planck", replicates=6, wavelengths=[300, 800], train=400, temperatures=[3000, 5020.5], amplitude=0.05
)
NOISES = ("common", "common_centred", "independent", "independent_centred")


def made(**changes) -> dict[str, np.ndarray]:
    return generate("planck", DATA.model_copy(update=changes), seed=20)


def planck(nanometres: np.ndarray, T: float) -> np.ndarray:
    metres = nanometres * 1e-9
    return 2 * h * c**2 / metres**5 / np.expm1(h * c / (metres * k * T))


def factors(data: dict[str, np.ndarray], noise: str, T: str = "3000") -> np.ndarray:
    """The noise factors (R, n) that the spectra were multiplied by."""
    spectra = np.concatenate([data[f"{part}/T={T}/{noise}"] for part in ("train", "valid")], axis=1)
    return (spectra / planck(np.arange(300.0, 800)[:, None], float(T)))[..., 0]


@pytest.mark.parametrize("T", [300, 3000, 5020, 6000])
def test_radiance_is_plancks_law(T):
    nanometres = np.arange(300.0, 20_000)
    np.testing.assert_allclose(radiance(nanometres, T), planck(nanometres, T), rtol=1e-12)


@pytest.mark.parametrize("T", [3000, 6000])
def test_radiance_obeys_the_older_laws(T):
    nanometres = np.linspace(50, 400_000, 2_000_000)
    spectrum = radiance(nanometres, T)
    np.testing.assert_allclose(nanometres[spectrum.argmax()] * 1e-9, constants.Wien / T, rtol=1e-3)
    total = np.pi * np.trapezoid(spectrum, nanometres * 1e-9)
    np.testing.assert_allclose(total, constants.Stefan_Boltzmann * T**4, rtol=1e-4)


def test_tensors_and_shapes():
    data = made()
    spectra = {f"T={T}/{noise}" for T in ("3000", "5020.5") for noise in NOISES}
    assert data.keys() == {f"{part}/{key}" for part in ("train", "valid") for key in spectra | {"X"}}
    assert all(values.dtype == np.float32 for values in data.values())
    assert data["train/T=5020.5/common"].shape == (6, 400, 1)
    assert data["valid/T=5020.5/common"].shape == (6, 100, 1)


def test_the_shortest_wavelengths_train():
    data = made()
    assert data["train/X"].ravel().tolist() == list(range(300, 700))
    assert data["valid/X"].ravel().tolist() == list(range(700, 800))


def test_without_noise_the_law_is_left():
    data = made(amplitude=0)
    for noise in NOISES:
        for T in ("3000", "5020.5"):
            np.testing.assert_allclose(factors(data, noise, T), 1, rtol=1e-6)


@pytest.mark.parametrize(("noise", "low"), [("common", 1), ("common_centred", 0.975)])
def test_common_noise_is_one_factor_a_spectrum(noise, low):
    found = factors(made(replicates=50), noise)
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1], found.shape), rtol=1e-6)
    assert len(np.unique(found[:, 0].round(6))) == 50
    assert low <= found.min() < low + 0.005
    assert low + 0.045 < found.max() < low + 0.05


@pytest.mark.parametrize(("noise", "low"), [("independent", 1), ("independent_centred", 0.975)])
def test_independent_noise_is_a_factor_a_point(noise, low):
    found = factors(made(), noise)
    assert low - 1e-6 <= found.min() < low + 0.001
    assert low + 0.049 < found.max() <= low + 0.05 + 1e-6
    np.testing.assert_allclose(found.mean(1), low + 0.025, atol=4 * 0.05 / np.sqrt(12 * 500))
    np.testing.assert_allclose(found.std(1), 0.05 / np.sqrt(12), rtol=0.1)
    assert np.abs(np.corrcoef(found) - np.eye(6)).max() < 0.2


@pytest.mark.parametrize("noise", ["common", "independent"])
def test_centred_noise_is_the_same_draw_moved_by_half(noise):
    data = made()
    np.testing.assert_allclose(factors(data, f"{noise}_centred"), factors(data, noise) - 0.025, rtol=1e-6)


@pytest.mark.parametrize("noise", NOISES)
def test_every_temperature_has_the_same_noise(noise):
    data = made()
    np.testing.assert_allclose(factors(data, noise, "3000"), factors(data, noise, "5020.5"), rtol=1e-6)


def test_adding_replicates_or_temperatures_changes_none():
    few, many = made(replicates=2), made(replicates=5, temperatures=[3000, 4000, 5020.5])
    for key, values in few.items():
        assert np.array_equal(values, many[key] if key.endswith("/X") else many[key][:2])


def test_the_same_bytes_twice_and_others_for_another_seed():
    first, again, other = made(), made(), generate("planck", DATA, seed=21)
    for key, values in first.items():
        assert values.tobytes() == again[key].tobytes()
        assert np.array_equal(values, other[key]) == key.endswith("/X")
