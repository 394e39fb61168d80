"""Nearest mean image: the book's baseline, without learning (fastbook ch. 4, "First try: pixel similarity")."""

import numpy as np
import torch
from torch import Tensor


def mean_images(X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The mean 3 and the mean 7, each (d,), of images X (n, d) with labels y (n,), 1 for a 3."""
    return X[y == 1].mean(0), X[y == 0].mean(0)


def l1_distance(X: Tensor, image: Tensor) -> Tensor:
    """Mean absolute difference of each image (n, d) from one (d,): (n,)."""
    return (X - image).abs().mean(-1)


def rmse(X: Tensor, image: Tensor) -> Tensor:
    """Root of the mean squared difference of each image (n, d) from one (d,): (n,)."""
    squared = ((X - image) ** 2).mean(-1)
    return torch.from_numpy(np.sqrt(squared.numpy()))  # numpy's root is exact on every machine, torch's is not


DISTANCES = {"L1": l1_distance, "RMSE": rmse}
