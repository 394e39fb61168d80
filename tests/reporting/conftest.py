"""Made-up results, written and read back as training's are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.params import Study
from groundwork.runs import Results, Trained, read_runs, write_runs

SHIPPED = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def results_of() -> Callable[..., Results]:
    """results_of(name=values, …): a variant a name, whose replicates end with these values of w1; NaN has diverged.

    The variants' learning rates are 0.1, 0.2, …; their validation loss is 3, 2 and 1 times the value at epochs 0, 1, 2.
    """
    study = YAML(typ="safe").load(SHIPPED)["studies"]["learning_rate"]

    def make(**variants: list[float]) -> Results:
        blocks = {name: {"lr": round(0.1 * i, 1), "epochs": 2} for i, name in enumerate(variants, start=1)}
        replicates = len(next(iter(variants.values())))
        changes = {"replicates": replicates, "block_size": replicates, "grid": {}, "variants": blocks}
        made = Study.model_validate(study | changes)
        trained = {}
        for name, values in variants.items():
            values = np.float32(values)
            losses = np.float32([3, 2, 1])[:, None] * values
            history = {"val/loss": (np.arange(3), np.arange(3), losses)}
            trained[name] = Trained({"w1": values}, history, {"w": values[:, None, None]})
        settings = {variant.name: variant.settings for variant in made.expand()}
        write_runs(paths.runs("learning_rate"), trained, settings)
        return read_runs("learning_rate", made)

    return make
