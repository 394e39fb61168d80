"""Synthetic regression data: y = Xw + b + ε (d2l §3.3)."""

import numpy as np

from groundwork.common.settings import RegressionData
from groundwork.streams import normal, stream


def generate(name: str, data: RegressionData, seed: int) -> dict[str, np.ndarray]:
    """One draw a replicate: train/X (R, n, d), train/y (R, n, 1) and valid/… alike, float32."""
    rows = data.train + data.valid
    X = normal([stream(seed, f"datasets/{name}", r, "X") for r in range(data.replicates)], (rows, len(data.w)))
    noise = data.noise * normal([stream(seed, f"datasets/{name}", r, "noise") for r in range(data.replicates)], (rows,))
    y = (X * np.array(data.w)).sum(-1) + data.b + noise
    tensors = {"X": X.astype(np.float32), "y": y.astype(np.float32)[..., None]}
    return {
        **{f"train/{key}": values[:, : data.train] for key, values in tensors.items()},
        **{f"valid/{key}": values[:, data.train :] for key, values in tensors.items()},
    }
