"""Random numbers that depend on what they are for, and on nothing else.

Each stream is a Philox counter generator whose key is a hash of (seed, owner, replicate, purpose). It gives the same
numbers on every machine, and adding a variant, a replicate or a purpose changes none of the others.
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np


def stream(seed: int, owner: str, replicate: int, purpose: str) -> np.random.Generator:
    """The stream of one replicate of an owner ("studies/planck") for one purpose ("start", "order", "noise", …)."""
    key = blake2b(f"{seed}/{owner}/{replicate}/{purpose}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def normal(streams: Iterable[np.random.Generator], shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal draws, one stream a replicate: (R, *shape), float64."""
    return np.stack([rng.standard_normal(shape) for rng in streams])


def uniform(streams: Iterable[np.random.Generator], shape: tuple[int, ...]) -> np.ndarray:
    """Draws from [0, 1), one stream a replicate: (R, *shape), float64."""
    return np.stack([rng.random(shape) for rng in streams])


def laplace(streams: Iterable[np.random.Generator], shape: tuple[int, ...]) -> np.ndarray:
    """Laplace draws of standard deviation 1, one stream a replicate: (R, *shape), float64.

    The difference of two exponential draws: no logarithm, whose last bit depends on the machine.
    """
    return np.stack([rng.standard_exponential(shape) - rng.standard_exponential(shape) for rng in streams]) / 2**0.5


def permutations(streams: Iterable[np.random.Generator], count: int, n: int) -> np.ndarray:
    """`count` shuffles of 0 … n−1, one after another from each stream: (R, count, n), int64.

    Fewer shuffles are the beginning of more, so runs of different length see the same batches while both last.
    """
    return np.stack([np.stack([rng.permutation(n) for _ in range(count)]) for rng in streams])
