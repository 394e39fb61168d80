"""What trained models, the rungs of a ladder, said about the same n images: see groundwork/evaluate.py for the file.

Each rung has R replicates of its own; `wrong` (R, n) bool says which images each of them got wrong.
"""

from collections.abc import Sequence

import numpy as np


def wrong(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels given (R, n) against the true ones (n,): (R, n) bool."""
    return predicted != labels


def truth(probability: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How likely each replicate finds what an image is, (R, n), from how likely it finds a 3."""
    return np.where(labels == 1, probability, 1 - probability)


def missed(rungs: Sequence[np.ndarray]) -> np.ndarray:
    """How many rungs get each image wrong, (n,), given `wrong` of each; one does if most of its replicates do."""
    return np.sum([wrong.mean(0) > 0.5 for wrong in rungs], axis=0)


def hardest(rungs: Sequence[np.ndarray], count: int) -> np.ndarray:
    """The `count` images that most rungs get wrong, (count,); of equals, first what more of their replicates do."""
    share = np.mean([wrong.mean(0) for wrong in rungs], axis=0)
    return np.lexsort((-share, -missed(rungs)))[:count]
