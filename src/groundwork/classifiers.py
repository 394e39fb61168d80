"""A trained classifier of digits as plain data: one replicate of one variant, and what its labels stand for.

`predict` and MLflow both take their models from here; nothing here knows torch.
"""

from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from groundwork.common.settings import (
    LinearDigitsSettings,
    NetSettings,
    PixelSimilaritySettings,
    ResNetSettings,
    Settings,
)
from groundwork.runs import VariantRuns

ClassifierSettings = PixelSimilaritySettings | LinearDigitsSettings | NetSettings | ResNetSettings

DIGITS = {"raw/mnist_sample": (7, 3), "raw/mnist": tuple(range(10))}  # what a dataset's labels 0, 1, … stand for

WEIGHTS = {  # how the names of a network's tensors begin in weights.safetensors, where studies keep others beside them
    "pixel_similarity": ("means",),
    "linear": ("weights", "bias"),
    "net": ("w1", "b1", "w2", "b2"),
    "resnet18": ("conv1.", "bn1.", "layer", "fc."),
}


@dataclass(frozen=True)
class Classifier:
    """One replicate of a variant: all that it takes to tell digits apart."""

    settings: ClassifierSettings
    digits: tuple[int, ...]  # that its labels stand for
    weights: dict[str, np.ndarray]  # of this replicate alone, without the replicate's axis


def classifies(settings: Settings) -> TypeGuard[ClassifierSettings]:
    """Whether a variant makes a classifier; a mean image alone does not."""
    return isinstance(settings, ClassifierSettings)


def classifier(runs: VariantRuns, dataset: str, replicate: int) -> Classifier | None:
    """A replicate of a variant that was trained on `dataset`; nothing if it is no classifier, or kept no weights."""
    settings = runs.variant.settings
    if not classifies(settings):
        return None
    names = WEIGHTS[settings.network]
    if not all(any(key.startswith(name) for key in runs.weights) for name in names):
        return None
    weights = {key: values[replicate] for key, values in runs.weights.items() if key.startswith(names)}
    return Classifier(settings, DIGITS[dataset], weights)
