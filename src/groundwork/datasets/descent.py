"""Starting points of gradient descent, and the speeds of a roller coaster as it passes over a hump (fastbook ch. 4)."""

import numpy as np

from groundwork.common.settings import DescentData
from groundwork.streams import normal, stream


def generate(name: str, data: DescentData, seed: int) -> dict[str, np.ndarray]:
    """start (R, points), t (seconds,) in s and speed (R, seconds), float32; speed has the noise of each replicate."""
    replicates = range(data.replicates)
    start = data.spread * normal(
        [stream(seed, f"datasets/{name}", r, "start") for r in replicates], (len(data.points),)
    )
    start[0] = data.points
    t = np.arange(data.seconds, dtype=np.float64)
    noise = data.noise * normal([stream(seed, f"datasets/{name}", r, "noise") for r in replicates], (data.seconds,))
    speed = data.curvature * (t - data.bottom) ** 2 + data.lowest + noise
    return {"start": start.astype(np.float32), "t": t.astype(np.float32), "speed": speed.astype(np.float32)}
