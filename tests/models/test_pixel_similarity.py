"""Nearest mean image against numpy in float64."""

import numpy as np
import torch

from groundwork.models.pixel_similarity import DISTANCES, l1_distance, mean_images, rmse


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((50, 784), np.float32), (np.arange(50) % 3 == 0).astype(np.float32)


def test_the_means_are_of_threes_and_of_sevens():
    X, y = images()
    three, seven = mean_images(torch.from_numpy(X), torch.from_numpy(y))
    np.testing.assert_allclose(three, X[y == 1].mean(0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(seven, X[y == 0].mean(0, dtype=np.float64), rtol=1e-6)


def test_distances():
    X, _ = images()
    difference = X[1:].astype(np.float64) - X[0]
    args = torch.from_numpy(X[1:]), torch.from_numpy(X[0])
    np.testing.assert_allclose(l1_distance(*args), np.abs(difference).mean(1), rtol=1e-5)
    np.testing.assert_allclose(rmse(*args), np.sqrt((difference**2).mean(1)), rtol=1e-5)


def test_distances_by_name():
    assert {"L1": l1_distance, "RMSE": rmse} == DISTANCES


def test_an_image_is_at_no_distance_from_itself():
    image = torch.rand(784)
    assert all(distance(image[None], image).item() == 0 for distance in DISTANCES.values())
