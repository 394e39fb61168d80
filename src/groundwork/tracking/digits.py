"""A classifier of digits as MLflow loads it: this file and a file of weights are all of it, Groundwork is not needed.

It is models/digits.py once more, for one replicate and in the plainest form; a test holds the two against each other.
MLflow runs this file when it logs a model too, so torch is imported only where a model is loaded.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 256  # images


class DigitClassifier(PythonModel):
    """Images (n, 28, 28), uint8, from 0, the paper, to 255, the ink -> a table of n rows: digit, probability."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights."""
        from safetensors.torch import load_file

        self.weights = load_file(context.artifacts["weights"])

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """The most probable digit of each image, and what the model takes its probability for."""
        import torch

        config = context.model_config
        with torch.no_grad():
            images = torch.from_numpy(np.array(model_input)).flatten(1) / 255
            logits = torch.cat([logits_of(X, self.weights, config) for X in images.split(AT_ONCE)])
            if logits.shape[1] == 1:  # of label 1, against label 0
                logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
            probability, label = logits.softmax(1).max(1)
        digit = np.array(config["digits"])[label.numpy()]
        return pd.DataFrame({"digit": digit, "probability": probability.double().numpy()})


def logits_of(X: "Tensor", w: "dict[str, Tensor]", config: dict[str, Any]) -> "Tensor":
    """Logits (n, k) of images (n, 784) from 0 to 1."""
    match config["network"]:
        case "pixel_similarity":
            difference = X[:, None] - w["means"]
            return -(difference.abs().mean(2) if config["distance"] == "L1" else (difference**2).mean(2).sqrt())
        case "linear":
            return X @ w["weights"] + w["bias"]
        case "net":
            return (X @ w["w1"] + w["b1"]).relu() @ w["w2"] + w["b2"]
        case "resnet18":
            return resnet18(X.view(-1, 1, 28, 28).expand(-1, 3, -1, -1), w)
    raise ValueError(f"unknown network {config['network']}")


def resnet18(x: "Tensor", w: "dict[str, Tensor]") -> "Tensor":
    """He et al. 2015, table 1: images (n, 3, height, width) -> logits (n, k)."""
    from torch.nn.functional import batch_norm, conv2d, linear, max_pool2d

    def norm(x: "Tensor", name: str) -> "Tensor":
        mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return batch_norm(x, mean, variance, w[f"{name}.weight"], w[f"{name}.bias"])

    def block(x: "Tensor", name: str, stride: int) -> "Tensor":
        out = norm(conv2d(x, w[f"{name}.conv1.weight"], stride=stride, padding=1), f"{name}.bn1").relu()
        out = norm(conv2d(out, w[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
        if f"{name}.downsample.0.weight" in w:
            x = norm(conv2d(x, w[f"{name}.downsample.0.weight"], stride=stride), f"{name}.downsample.1")
        return (out + x).relu()

    x = norm(conv2d(x, w["conv1.weight"], stride=2, padding=3), "bn1").relu()
    x = max_pool2d(x, 3, stride=2, padding=1)
    for layer in (1, 2, 3, 4):
        x = block(x, f"layer{layer}.0", stride=1 if layer == 1 else 2)
        x = block(x, f"layer{layer}.1", stride=1)
    return linear(x.mean((2, 3)), w["fc.weight"], w["fc.bias"])


set_model(DigitClassifier())
