"""One file a dataset or a family of them; each dataset becomes one file of tensors in data/."""

import os
from importlib import import_module

from groundwork.common import paths
from groundwork.common.params import Params
from groundwork.tensors import save_tensors


def download_dataset(name: str, params: Params) -> None:
    """Download a real dataset of params.yaml and write it; the module of its name knows what its sources serve."""
    module = import_module(f"{__name__}.{name}")
    given = os.environ.get(f"GROUNDWORK_{name.upper()}")
    save_tensors(paths.dataset(f"raw/{name}"), module.download(params.downloads, given))


def generate_dataset(name: str, params: Params) -> None:
    """Generate a synthetic dataset of params.yaml and write it; its family names the module that makes it."""
    data = params.datasets[name]
    family = import_module(f"{__name__}.{data.family}")
    save_tensors(paths.dataset(f"generated/{name}"), family.generate(name, data, params.seed))
