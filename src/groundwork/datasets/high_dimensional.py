"""Linear data with more inputs than training rows (d2l §3.7.4)."""

import numpy as np

from groundwork.common.settings import HighDimensionalData
from groundwork.streams import normal, stream


def generate(name: str, data: HighDimensionalData, seed: int) -> dict[str, np.ndarray]:
    """train/X (R, n, d), train/y (R, n, 1), valid/… alike; test/X (n, d), test/y (n, 1), shared by all; float32.

    The training rows of a replicate are drawn one after another, so the first 20 are the same whatever `train` is.
    """
    w = np.array(data.weights)
    tensors: dict[str, np.ndarray] = {}
    sizes = {"train": (data.replicates, data.train), "valid": (data.replicates, data.valid), "test": (1, data.test)}
    for part, (replicates, rows) in sizes.items():
        streams = {
            purpose: [stream(seed, f"datasets/{name}", r, f"{part}/{purpose}") for r in range(replicates)]
            for purpose in ("X", "noise")
        }
        X = normal(streams["X"], (rows, data.inputs)).astype(np.float32)
        noise = data.noise * normal(streams["noise"], (rows,))
        y = (X * w).sum(-1) + data.b + noise
        tensors |= {f"{part}/X": X, f"{part}/y": y.astype(np.float32)[..., None]}
    return tensors | {key: tensors[key][0] for key in ("test/X", "test/y")}
