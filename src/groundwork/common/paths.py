"""Where everything lies, relative to the repository root, and which DVC stage makes it."""

from pathlib import Path

from groundwork.common.errors import UserError, one_line

PARAMS = Path("params.yaml")
CHECKED = Path("data/checked.txt")
BLOCKS = Path("data/params")
ALL_BLOCKS = Path("data/params.json")
TRACKED = Path("data/tracked.json")
REPORTS = Path("reports")
FIGURES = REPORTS / "figures"
RUNS = Path("data/runs")
SUMMARIES = Path("data/reports")


def dataset(name: str) -> Path:
    """The file of a dataset, named as in params.yaml: `raw/mnist`, `generated/regression`, `evaluated/mnist_sample`."""
    return Path("data") / f"{name}.safetensors"


def runs(study: str) -> Path:
    """The folder that `train` fills: runs.csv, history.parquet, weights.safetensors."""
    return RUNS / study


def summary(study: str) -> Path:
    """What `report` passes on to `summary` and `track`: claims, printed values, headline numbers."""
    return SUMMARIES / f"{study}.json"


def page(study: str) -> Path:
    """The Markdown report of a study."""
    return REPORTS / f"{study}.md"


def figures(study: str) -> Path:
    """The folder with the figures of a study's report."""
    return FIGURES / study


def curves(study: str) -> Path:
    """The mean learning curves of a study, for `dvc plots`."""
    return REPORTS / "curves" / f"{study}.csv"


def stage_of(path: Path) -> str:
    """The DVC stage that makes a file below data/."""
    kind, name = path.parts[1], path.parts[2].split(".")[0]
    if kind == "evaluated":
        return "evaluate"
    return {"raw": "download", "generated": "generate", "runs": "train", "reports": "report"}[kind] + f"@{name}"


def missing(path: Path) -> UserError:
    """What to say of a file below data/ that is not there."""
    return UserError(f"{path} is missing: make it with `dvc repro {stage_of(path)}`")


def damaged(path: Path, reason: object) -> UserError:
    """What to say of a file below data/ that is not as its stage writes it."""
    return UserError(f"{path} is damaged ({one_line(reason)}): make it again with `dvc repro {stage_of(path)}`")
