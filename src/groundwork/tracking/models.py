"""A run's classifier as a model of MLflow, for `mlflow models serve` and `mlflow.pyfunc.load_model`.

It consists of code, tracking/digits.py, and of weights as safetensors: nothing is pickled, and no torch is needed here.
"""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from groundwork.classifiers import Classifier
from groundwork.common import paths
from groundwork.common.tensors import load_tensors, save_tensors

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "classifier"  # runs:/<run id>/classifier
CODE = Path(__file__).with_name("digits.py")
PACKAGES = ("mlflow", "numpy", "pandas", "safetensors", "torch")  # that the code imports


def described(classifier: Classifier) -> dict[str, Any]:
    """What decides a model beside its weights, as JSON: a part of its run's content key."""
    return {"code": sha256(CODE.read_bytes()).hexdigest(), "config": _config(classifier)}


def log_classifier(
    client: "MlflowClient", experiment: str, run: str, classifier: Classifier, params: dict[str, str]
) -> None:
    """Log a classifier as the model that a run has made; `params` are what MLflow shows beside it."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    images = Schema([TensorSpec(np.dtype(np.uint8), (-1, 28, 28))])
    answers = Schema([ColSpec(DataType.long, "digit"), ColSpec(DataType.double, "probability")])
    example = load_tensors(paths.dataset(params["dataset"]))["valid/images"][[0, -1]]
    model = client.create_logged_model(experiment, NAME, run, params=params, model_type=classifier.settings.network)
    with TemporaryDirectory() as folder:
        weights, whole = Path(folder, "weights.safetensors"), Path(folder, "model")
        save_tensors(weights, classifier.weights)
        save_model(
            path=whole,
            python_model=CODE,
            artifacts={"weights": str(weights)},
            model_config=_config(classifier),
            signature=ModelSignature(images, answers),
            input_example=example,
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in PACKAGES],
            mlflow_model=Model(model.artifact_location, run, model_uuid=model.model_id, model_id=model.model_id),
        )
        client.log_model_artifacts(model.model_id, str(whole))
    client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _config(classifier: Classifier) -> dict[str, Any]:
    """What tracking/digits.py has to know: the network, its settings, the digits."""
    return classifier.settings.model_dump() | {"digits": list(classifier.digits)}
