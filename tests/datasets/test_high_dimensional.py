"""Linear data with more inputs than training rows: what they were made of, and no row twice."""

import numpy as np

from groundwork.common.settings import HighDimensionalData
from groundwork.datasets.high_dimensional import generate

DATA = HighDimensionalData(
    family="high_dimensional",
    replicates=3,
    train=160,
    valid=100,
    test=500,
    inputs=40,
    nonzero=5,
    value=0.3,
    b=0.05,
    noise=0.01,
)


def made(**changes) -> dict[str, np.ndarray]:
    return generate("high_dimensional", DATA.model_copy(update=changes), seed=20)


def test_shapes():
    assert {key: (values.shape, values.dtype) for key, values in made().items()} == {
        "train/X": ((3, 160, 40), np.float32),
        "train/y": ((3, 160, 1), np.float32),
        "valid/X": ((3, 100, 40), np.float32),
        "valid/y": ((3, 100, 1), np.float32),
        "test/X": ((500, 40), np.float32),
        "test/y": ((500, 1), np.float32),
    }


def test_least_squares_recovers_weights_bias_and_noise():
    data = made()
    truth = [0.3] * 5 + [0] * 35 + [0.05]
    for X, y in [*zip(data["train/X"], data["train/y"], strict=True), (data["test/X"], data["test/y"])]:
        A = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
        solution, squares, *_ = np.linalg.lstsq(A, y[:, 0].astype(np.float64))
        np.testing.assert_allclose(solution, truth, atol=5e-3)
        np.testing.assert_allclose(np.sqrt(squares / (len(X) - 41)), 0.01, rtol=0.2)


def test_no_two_rows_are_alike():
    """Whatever part or replicate they are of: a model is judged on rows that it has not seen."""
    data = made()
    rows = np.concatenate([data["train/X"].reshape(-1, 40), data["valid/X"].reshape(-1, 40), data["test/X"]])
    assert len(np.unique(rows, axis=0)) == 3 * 160 + 3 * 100 + 500


def test_noise_has_draws_of_its_own_in_every_part():
    data = made(inputs=1, nonzero=0, noise=1, train=500, valid=500)
    noise = [data[f"{part}/y"][r, :, 0] for part in ("train", "valid") for r in range(3)] + [data["test/y"][:, 0]]
    inputs = [data[f"{part}/X"][r, :, 0] for part in ("train", "valid") for r in range(3)] + [data["test/X"][:, 0]]
    correlations = np.corrcoef([*noise, *inputs]) - np.eye(14)
    assert np.abs(correlations).max() < 0.2


def test_fewer_training_rows_are_the_beginning_of_more():
    few, many = made(train=20), made()
    np.testing.assert_array_equal(few["train/X"], many["train/X"][:, :20])
    np.testing.assert_array_equal(few["train/y"], many["train/y"][:, :20])
    np.testing.assert_array_equal(few["valid/X"], many["valid/X"])
