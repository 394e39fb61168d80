"""Random streams: the same for the same key, frozen, different for anything else."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from groundwork.streams import normal, permutations, stream, uniform

names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
keys = st.tuples(st.integers(0, 2**63), names, st.integers(0, 10**6), names)


def streams(replicates: int) -> list[np.random.Generator]:
    return [stream(20, "learning_rate", replicate, "start") for replicate in range(replicates)]


def test_the_draws_are_frozen():
    """Every result of the project rests on these numbers: whoever changes them changes all data and reports."""
    start = normal([stream(20, "learning_rate", 0, "start")], (3,))
    assert start.tolist() == [[2.2189719962043757, -1.4587322117125927, 0.2681054432133507]]
    noise = uniform([stream(20, "regression", 199, "noise")], (3,))
    assert noise.tolist() == [[0.7245999596766373, 0.03904656268084161, 0.8837906965888772]]
    orders = permutations([stream(20, "mnist_linear", 7, "order")], 2, 10)
    assert orders.tolist() == [[[6, 9, 8, 1, 0, 3, 4, 7, 5, 2], [4, 3, 1, 6, 0, 8, 5, 2, 9, 7]]]
    raw = stream(0, "a", 0, "b").bit_generator.random_raw(2)
    assert raw.tolist() == [9967556032885118909, 9528823650217551026]


@given(keys)
def test_one_key_gives_the_same_numbers(key):
    assert np.array_equal(stream(*key).random(8), stream(*key).random(8))


@given(keys, keys, st.integers(0, 3))
def test_any_differing_part_gives_others(key, other, part):
    assume(key[part] != other[part])
    changed = (*key[:part], other[part], *key[part + 1 :])
    assert not np.intersect1d(stream(*key).random(8), stream(*changed).random(8)).size


def test_adding_replicates_changes_none():
    assert np.array_equal(normal(streams(9), (4, 2))[:3], normal(streams(3), (4, 2)))
    assert np.array_equal(uniform(streams(9), (4,))[:3], uniform(streams(3), (4,)))
    assert np.array_equal(permutations(streams(9), 2, 10)[:3], permutations(streams(3), 2, 10))


def test_fewer_permutations_begin_more():
    more = permutations(streams(3), 5, 100)
    assert more.shape == (3, 5, 100)
    assert np.array_equal(more[:, :2], permutations(streams(3), 2, 100))


def test_each_permutation_has_every_row_once():
    orders = permutations(streams(3), 4, 50)
    assert (np.sort(orders, axis=-1) == np.arange(50)).all()
    assert len(np.unique(orders.reshape(-1, 50), axis=0)) == 12


def test_the_draws_have_the_distributions_they_say():
    draws = normal(streams(4), (50_000,))
    np.testing.assert_allclose(draws.mean(1), 0, atol=4 / np.sqrt(50_000))
    np.testing.assert_allclose(draws.std(1), 1, rtol=0.02)
    draws = uniform(streams(4), (50_000,))
    assert draws.min() >= 0
    assert draws.max() < 1
    np.testing.assert_allclose(draws.mean(1), 0.5, atol=0.01)
    np.testing.assert_allclose(draws.std(1), 1 / np.sqrt(12), rtol=0.02)
