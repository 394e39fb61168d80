"""Counts, mean images and distances against numpy in float64."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.tensors import load_tensors
from groundwork.studies.pixels import distances, label_of

LABELS = {3: 1, 7: 0}


def images(part: str, digit: int) -> np.ndarray:
    """(n, 784) from 0 to 1."""
    data = load_tensors(paths.dataset("raw/mnist_sample"))
    return data[f"{part}/images"][data[f"{part}/labels"] == LABELS[digit]].reshape(-1, 784) / 255


def rms(difference: np.ndarray) -> np.ndarray:
    return np.sqrt((difference**2).mean(-1))


@pytest.mark.parametrize("digit", LABELS)
def test_what_is_counted(digit, results):
    runs = results("pixels")[f"digit={digit}"]
    X, V, others = images("train", digit), images("valid", digit), images("train", 10 - digit)
    middle = (X.mean() + others.mean()) / 2
    side = 1 if X.mean() > others.mean() else -1
    inked = side * (V.mean(1) - middle)
    assert np.abs(inked).min() > 1e-6  # no image so near the threshold that float32 could tell otherwise
    expected = {
        "train": len(X),
        "valid": len(V),
        "grey": X.mean(),
        "ink": (X > 0).mean(),
        "used": (X > 0).any(0).mean(),
        "told_by_ink": (inked > 0).mean(),
        "mid_images": ((X > 0.1) & (X < 0.9)).mean(),
        "mid_mean": ((X.mean(0) > 0.1) & (X.mean(0) < 0.9)).mean(),
        "spread": np.sqrt(X.var(0).mean()),
        "nearest": rms(X - X.mean(0)).min(),
        "valid_distance": rms(V.mean(0) - X.mean(0)),
        "chance_distance": np.sqrt(X.var(0).mean() * (1 / len(X) + 1 / len(V))),
        "paper": 255 * X.min(1).max(),
        "faintest": 255 * X.max(1).min(),
    }
    assert set(expected) == set(results("pixels").metrics)
    for name, value in expected.items():
        np.testing.assert_allclose(runs[name], value, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("digit", LABELS)
def test_what_is_drawn(digit, results):
    weights = results("pixels")[f"digit={digit}"].weights
    X = images("train", digit)
    np.testing.assert_array_equal(weights["examples"][0].reshape(4, 784), np.round(255 * X[:4]))
    np.testing.assert_allclose(weights["mean"][0], X.mean(0), atol=1e-6)
    np.testing.assert_allclose(weights["sd"][0], X.std(0), atol=1e-6)
    counts = weights["counts"][0]
    assert counts.tolist() == [1, 2, 3, 5, 10, 20, 30, 50, 100, 150]
    for count, mean in zip(counts, weights["means_of_first"][0], strict=True):
        np.testing.assert_allclose(mean, X[:count].mean(0), atol=1e-6)


def test_the_distance_of_the_first_means(results):
    runs = results("pixels")["digit=3"]
    X = images("train", 3)
    expected = [rms(X[:count].mean(0) - X.mean(0)) for count in runs.weights["counts"][0]]
    np.testing.assert_allclose(distances(runs), expected, atol=1e-6)


def test_labels_of_digits():
    sevens_and_threes, all_ten = np.array([0, 1], np.uint8), np.arange(10, dtype=np.uint8)
    assert [label_of(digit, sevens_and_threes) for digit in (3, 7)] == [1, 0]
    assert [label_of(digit, all_ten) for digit in range(10)] == list(range(10))
    for digit in (0, 1, 5):
        with pytest.raises(UserError, match=f"has no {digit}: "):
            label_of(digit, sevens_and_threes)
