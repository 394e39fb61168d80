"""One file a dataset or a family of them; each dataset becomes one file of tensors in data/."""

import os
from importlib import import_module

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.layouts import layouts
from groundwork.common.params import Params
from groundwork.common.tensors import misfit, save_tensors


def download_dataset(name: str, params: Params) -> None:
    """Download a real dataset of params.yaml and write it; the module of its name knows what its sources serve."""
    module = import_module(f"{__name__}.{name}")
    given = os.environ.get(f"GROUNDWORK_{name.upper()}")
    save_tensors(paths.dataset(f"raw/{name}"), module.download(params.downloads, given))


def generate_dataset(name: str, params: Params) -> None:
    """Generate a synthetic dataset of params.yaml and write it; its family names the module that makes it."""
    data = params.datasets[name]
    family = import_module(f"{__name__}.{data.family}")
    tensors = family.generate(name, data, params.seed)
    problem = misfit(tensors, layouts(f"generated/{name}", params))
    if problem:  # numbers of params.yaml that float32 does not hold
        raise UserError(f"{paths.PARAMS}: datasets.{name} cannot be made: {problem}")
    save_tensors(paths.dataset(f"generated/{name}"), tensors)
