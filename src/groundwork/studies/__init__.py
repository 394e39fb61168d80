"""One file a study: its question, what it compares, how it is drawn, what it claims, what it answers.

A study's module has TITLE, SOURCE, METRICS, HEADLINE and the functions train, figures, claims, printed, answer. Each
function imports what it needs, so that training does not load the drawing and a report does not load torch.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def study_names() -> list[str]:
    """The studies that there are: the files of this folder."""
    return sorted(module.name for module in iter_modules(__path__))


def load_study(name: str) -> ModuleType:
    """The module of a study; only names of files in this folder are imported."""
    if name not in study_names():
        raise ValueError(f"there is no study {name}")
    return import_module(f"{__name__}.{name}")
