"""What a study's training leaves in data/runs/<study>/, written and read without torch.

runs.csv            one row a variant and replicate: settings, final metrics, status (ok or diverged)
history.parquet     the same metrics while training: variant, replicate, metric, step, epoch, value
weights.safetensors `<variant>/<parameter>`, replicates first
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from safetensors.numpy import load

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.files import replacing
from groundwork.common.params import Study
from groundwork.common.settings import Dataset, Settings, Variant, plain
from groundwork.common.tensors import load_tensors, pack, save_tensors

HISTORY = ["variant", "replicate", "metric", "step", "epoch", "value"]
FLOAT_FORMAT = "%.9g"  # enough digits for every float32


@dataclass(frozen=True)
class Trained:
    """One variant, trained for R replicates. Everything is data here, NaN and inf too."""

    metrics: dict[str, np.ndarray]  # final values, each (R,)
    history: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]  # metric -> steps (S,), epochs (S,), values (S, R)
    weights: dict[str, np.ndarray]  # each (R, …)

    @property
    def diverged(self) -> np.ndarray:
        """Which replicates diverged, (R,): something is not finite, or val/loss ends at over ten times its start."""
        failed = ~np.isfinite(np.stack(list(self.metrics.values()))).all(0)
        if "val/loss" in self.history:
            values = self.history["val/loss"][2]
            failed |= ~(values[-1] <= 10 * values[0])
        return failed

    def to_bytes(self) -> bytes:
        """All of it as the content of a safetensors file; numbers before the names keep the order."""
        arrays = {f"metrics {name}": array for name, array in self.metrics.items()}
        for name, (steps, epochs, values) in self.history.items():
            arrays |= {f"steps {name}": steps, f"epochs {name}": epochs, f"values {name}": values}
        arrays |= {f"weights {name}": array for name, array in self.weights.items()}
        return pack({f"{index:06} {name}": array for index, (name, array) in enumerate(arrays.items())})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """What `to_bytes` was called on."""
        parts: dict[str, dict[str, np.ndarray]] = {
            part: {} for part in ("metrics", "steps", "epochs", "values", "weights")
        }
        for key, array in sorted(load(content).items()):
            _, part, name = key.split(" ", 2)
            parts[part][name] = array
        return cls(
            metrics=parts["metrics"],
            history={
                name: (parts["steps"][name], parts["epochs"][name], parts["values"][name]) for name in parts["values"]
            },
            weights=parts["weights"],
        )


def join(blocks: list[Trained]) -> Trained:
    """The blocks of one variant as one, in the order of the replicates."""
    first = blocks[0]
    return Trained(
        metrics={key: np.concatenate([block.metrics[key] for block in blocks]) for key in first.metrics},
        history={
            key: (steps, epochs, np.concatenate([block.history[key][2] for block in blocks], axis=1))
            for key, (steps, epochs, _) in first.history.items()
        },
        weights={key: np.concatenate([block.weights[key] for block in blocks]) for key in first.weights},
    )


def write_runs(folder: Path, trained: dict[str, Trained], settings: dict[str, Settings]) -> None:
    """Write all variants of a study: the whole folder or nothing."""
    runs = _final_table(trained, settings)
    history = pd.concat([_history_rows(name, run) for name, run in trained.items()], ignore_index=True)
    for column in ("variant", "metric"):
        history[column] = history[column].astype("category")
    tensors = {f"{name}/{key}": values for name, run in trained.items() for key, values in run.weights.items()}
    with replacing(folder) as partial:
        partial.mkdir()
        runs.to_csv(partial / "runs.csv", index=False, float_format=FLOAT_FORMAT, na_rep="nan", lineterminator="\n")
        history.to_parquet(partial / "history.parquet", index=False, compression="zstd")
        save_tensors(partial / "weights.safetensors", tensors)


def _final_table(trained: dict[str, Trained], settings: dict[str, Settings]) -> pd.DataFrame:
    """Settings, then metrics; a variant that does not have one that another has leaves it out: nan."""
    given = {name: one.model_dump(exclude_unset=True) for name, one in settings.items()}
    tables = []
    for name, run in trained.items():
        replicates = len(run.diverged)
        tables.append(
            pd.DataFrame(
                {"variant": name, "replicate": range(replicates)}
                | {key: [value] * replicates for key, value in given[name].items()}
                | run.metrics
                | {"status": np.where(run.diverged, "diverged", "ok")}
            )
        )
    runs = pd.concat(tables, ignore_index=True)
    keys = list(dict.fromkeys(key for one in given.values() for key in one))
    for key in keys:
        if runs[key].isna().any():  # pandas has made 256 into 256.0
            runs[key] = runs[key].map(plain, na_action="ignore")
    metrics = dict.fromkeys(key for run in trained.values() for key in run.metrics)
    return runs[["variant", "replicate", *keys, *metrics, "status"]]


def _history_rows(name: str, run: Trained) -> pd.DataFrame:
    tables = [pd.DataFrame({column: [] for column in HISTORY})]
    for metric, (steps, epochs, values) in run.history.items():
        S, R = values.shape
        tables.append(
            pd.DataFrame(
                {
                    "variant": name,
                    "replicate": np.tile(np.arange(R, dtype=np.int32), S),
                    "metric": metric,
                    "step": np.repeat(steps.astype(np.int32), R),
                    "epoch": np.repeat(epochs.astype(np.float32), R),
                    "value": values.astype(np.float32).ravel(),
                }
            )
        )
    return pd.concat(tables[1:] or tables, ignore_index=True)


# --- reading -------------------------------------------------------------------------------------------------------


class MissingVariant(LookupError):
    """A report asks for a variant that params.yaml does not have (any more)."""


@dataclass(frozen=True)
class VariantRuns:
    """All replicates of one variant."""

    variant: Variant
    table: pd.DataFrame  # its rows of runs.csv
    history: pd.DataFrame  # its rows of history.parquet
    weights: dict[str, np.ndarray]

    def __getitem__(self, metric: str) -> np.ndarray:
        """A final metric of every replicate, diverged ones too: (R,), float64."""
        return self.table[metric].to_numpy(float)

    @property
    def diverged(self) -> np.ndarray:
        """Which replicates diverged: (R,)."""
        return (self.table["status"] == "diverged").to_numpy()

    @property
    def ok(self) -> np.ndarray:
        """Which replicates did not diverge: (R,)."""
        return ~self.diverged

    def curve(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """A metric while training: epochs (S,) and values (S, R)."""
        rows = self.history[self.history["metric"] == metric]
        values = rows["value"].to_numpy(float).reshape(-1, len(self.table))
        return rows["epoch"].to_numpy(float)[:: len(self.table)], values


@dataclass(frozen=True)
class Results:
    """A study's runs, by the name of the variant."""

    study: str
    variants: dict[str, VariantRuns]
    settings: list[str]  # the columns of runs.csv that are settings
    metrics: list[str]  # the columns of runs.csv that are final metrics
    data: Any  # how the synthetic data were made: the block of params.yaml

    def __getitem__(self, name: str) -> VariantRuns:
        if name not in self.variants:
            raise MissingVariant(f"params.yaml has no variant '{name}' of {self.study}")
        return self.variants[name]

    def __iter__(self) -> Iterator[VariantRuns]:
        return iter(self.variants.values())


class Weights(dict[str, np.ndarray]):
    """The tensors of a variant by name; asking for one that the file does not have is a `UserError`."""

    def __init__(self, tensors: dict[str, np.ndarray], path: Path, variant: str) -> None:
        super().__init__(
            {
                key.removeprefix(f"{variant}/"): tensor
                for key, tensor in tensors.items()
                if key.startswith(f"{variant}/")
            }
        )
        self.path, self.variant = path, variant

    def __missing__(self, name: str) -> np.ndarray:
        raise paths.damaged(self.path, f"it has no {self.variant}/{name}")


def read_runs(name: str, study: Study, data: Dataset | None = None) -> Results:
    """Read what `train` wrote for the variants of params.yaml; missing or damaged files are a `UserError`."""
    folder, variants = paths.runs(name), study.expand()
    files = [folder / file for file in ("runs.csv", "history.parquet", "weights.safetensors")]
    runs = _read(files[0], lambda file: pd.read_csv(file, converters={"variant": str}))  # a name may look like a number
    history = _read(files[1], lambda file: pd.read_parquet(file, columns=HISTORY))
    weights = load_tensors(files[2])
    problem = _misfit_of_runs(runs)
    if problem:
        raise paths.damaged(files[0], problem)
    rows = [(variant.name, replicate) for variant in variants for replicate in range(variant.replicates)]
    if list(zip(runs["variant"], runs["replicate"], strict=True)) != rows:
        remake = f"make it again with `dvc repro {paths.stage_of(folder)}`"
        raise UserError(f"{folder} was made with other parameters: {remake}")
    replicates = {variant.name: variant.replicates for variant in variants}
    problem = _misfit_of_history(history, replicates)
    if problem:
        raise paths.damaged(files[1], problem)
    problem = _misfit_of_weights(weights, replicates)
    if problem:
        raise paths.damaged(files[2], problem)
    used = set[str]().union(*(variant.settings.model_fields_set for variant in variants))
    fields = dict.fromkeys(key for variant in variants for key in type(variant.settings).model_fields)
    settings = [key for key in fields if key in used]
    metrics = [column for column in runs.columns if column not in ("variant", "replicate", "status", *settings)]
    for metric in metrics:
        if runs[metric].dtype.kind not in "if":
            raise paths.damaged(files[0], f"{metric} is {runs[metric].dtype}, expected are numbers")
    return Results(
        study=name,
        variants={
            variant.name: VariantRuns(
                variant=variant,
                table=runs[runs["variant"] == variant.name].reset_index(drop=True),
                history=history[history["variant"] == variant.name],
                weights=Weights(weights, files[2], variant.name),
            )
            for variant in variants
        },
        settings=settings,
        metrics=metrics,
        data=data,
    )


def _read(path: Path, read: Callable[[BytesIO], pd.DataFrame]) -> pd.DataFrame:
    try:
        return read(BytesIO(path.read_bytes()))
    except FileNotFoundError:
        raise paths.missing(path) from None
    except (ValueError, KeyError, OSError) as error:  # pandas' and arrow's parser errors are ValueErrors
        raise paths.damaged(path, error) from None


def _misfit_of_runs(runs: pd.DataFrame) -> str | None:
    """What is wrong with runs.csv whatever the parameters."""
    for column in ("variant", "replicate", "status"):
        if column not in runs:
            return f"it has no column {column}"
    if not runs["status"].isin(["ok", "diverged"]).all():
        return "it breaks off"
    return None


def _misfit_of_history(history: pd.DataFrame, replicates: dict[str, int]) -> str | None:
    """What is wrong with history.parquet: each step of a metric has a row for each replicate of a variant."""
    for column in ("replicate", "step", "epoch", "value"):
        if history[column].dtype.kind not in "if":
            return f"{column} is {history[column].dtype}, expected are numbers"
    counts = history.groupby(["variant", "metric"], observed=True).size().reset_index(name="rows")
    for variant, metric, rows in counts.itertuples(index=False):
        if variant not in replicates:
            return f"it has a variant '{variant}', expected are {', '.join(replicates)}"
        if rows % replicates[variant]:
            return f"{metric} of '{variant}' has {rows} rows, expected is a multiple of {replicates[variant]}"
    return None


def _misfit_of_weights(weights: dict[str, np.ndarray], replicates: dict[str, int]) -> str | None:
    """What is wrong with weights.safetensors: tensors are named by their variant, and begin with its replicates."""
    for name, tensor in weights.items():
        variant = name.partition("/")[0]
        if variant not in replicates:
            return f"{name} belongs to no variant, expected are {', '.join(replicates)}"
        if not 1 <= len(np.atleast_1d(tensor)) <= replicates[variant]:
            return f"{name} has shape {tensor.shape}, expected are at most {replicates[variant]} replicates"
    return None
