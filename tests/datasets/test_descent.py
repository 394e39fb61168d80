"""The roller coaster's speeds against their formula, and the starting points."""

import numpy as np
import pytest

from groundwork.common.settings import DescentData
from groundwork.datasets.descent import generate

DATA = DescentData(
    family="descent",
    replicates=400,
    points=[3, 4, 10],
    spread=10,
    seconds=20,
    curvature=0.75,
    bottom=9.5,
    lowest=1,
    noise=3,
)


def made(**changes) -> dict[str, np.ndarray]:
    return generate("descent", DATA.model_copy(update=changes), seed=20)


def test_tensors_and_shapes():
    shapes = {key: (values.shape, values.dtype) for key, values in made().items()}
    single = np.dtype(np.float32)
    assert shapes == {"start": ((400, 3), single), "t": ((20,), single), "speed": ((400, 20), single)}


def test_without_noise_the_formula_is_left():
    data = made(noise=0)
    expected = [0.75 * (t - 9.5) ** 2 + 1 for t in range(20)]
    assert data["t"].tolist() == list(range(20))
    assert (data["speed"] == np.array(expected, np.float32)).all()  # quarters: nothing is rounded


def test_the_noise():
    noise = made()["speed"] - made(noise=0)["speed"]
    assert noise.mean() == pytest.approx(0, abs=4 * 3 / np.sqrt(8000))
    assert noise.std() == pytest.approx(3, rel=0.04)
    assert np.abs(np.corrcoef(noise.T) - np.eye(20)).max() < 0.25  # a draw a second


def test_the_first_replicate_starts_where_the_book_does():
    start = made()["start"]
    assert start[0].tolist() == [3, 4, 10]
    assert start[1:].std() == pytest.approx(10, rel=0.1)
    assert len(np.unique(start)) == start.size


def test_adding_replicates_changes_none():
    few, many = made(replicates=2), made(replicates=5)
    for key, values in few.items():
        assert np.array_equal(values, many[key] if key == "t" else many[key][:2])


def test_another_seed_other_numbers():
    other = generate("descent", DATA, seed=21)
    for key, values in made().items():
        assert np.array_equal(values, other[key]) == (key == "t")
    assert np.array_equal(other["start"][0], made()["start"][0])
