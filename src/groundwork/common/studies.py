"""Which studies there are, and their modules."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from groundwork import studies


def study_names() -> list[str]:
    """The studies that there are: the files of the folder src/groundwork/studies."""
    return sorted(module.name for module in iter_modules(studies.__path__))


def load_study(name: str) -> ModuleType:
    """The module of a study; only names of files in that folder are imported."""
    if name not in study_names():
        raise ValueError(f"there is no study {name}")
    return import_module(f"{studies.__name__}.{name}")
