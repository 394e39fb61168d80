"""One file a dataset family; each dataset becomes one file of tensors in data/."""

from importlib import import_module

from groundwork import paths
from groundwork.params import Params
from groundwork.tensors import save_tensors


def generate_dataset(name: str, params: Params) -> None:
    """Generate a synthetic dataset of params.yaml and write it; its family names the module that makes it."""
    data = params.datasets[name]
    family = import_module(f"{__name__}.{data.family}")
    save_tensors(paths.dataset(f"generated/{name}"), family.generate(name, data, params.seed))
