"""What MLflow is to show of a study, as plain data: one row a variant. Nothing here knows MLflow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
from pandas.util import hash_pandas_object
from safetensors.numpy import save

from groundwork import paths
from groundwork.errors import UserError
from groundwork.params import Params, plain
from groundwork.runs import VariantRuns, read_runs

Point = tuple[str, int, float]  # metric, step, value


@dataclass(frozen=True)
class Row:
    """One variant with all its replicates: one run of MLflow."""

    name: str
    key: str  # of all the content below: the same content has the same key, wherever and whenever it was made
    params: dict[str, str]
    dataset: tuple[str, str]  # name, digest
    runs: VariantRuns
    files: tuple[Path, ...]  # the study's report and figures, relative to paths.REPORTS

    def points(self) -> Iterator[Point]:
        """Mean and standard deviation over the replicates that did not diverge (over all, if each of them did).

        Curves first, then the final values at step 0. NaN and inf are data.
        """
        kept = self.runs.ok if self.runs.ok.any() else self.runs.diverged
        for metric in self.runs.history["metric"].unique():
            rows = self.runs.history[self.runs.history["metric"] == metric]
            mean, sd = _mean_and_sd(self.runs.curve(metric)[1][:, kept])
            name = metric if "/" in metric else f"val/{metric}"
            for at, step in enumerate(rows["step"].unique()):
                yield name, int(step), mean[at]
                yield f"{name}_sd", int(step), sd[at]
        for metric in _final_metrics(self.runs):
            mean, sd = _mean_and_sd(self.runs[metric][kept][None])
            yield f"final/{metric}", 0, mean[0]
            yield f"final/{metric}_sd", 0, sd[0]
        yield "replicates", 0, float(len(self.runs.table))
        yield "diverged", 0, float(self.runs.diverged.sum())


def read_rows(name: str, params: Params) -> list[Row]:
    """The rows of a study, in the order of params.yaml; missing or damaged files are a `UserError`."""
    study = params.studies[name]
    shared = {
        "study": name,
        "model": study.model,
        "dataset": study.dataset,
        "replicates": str(study.replicates),
        "block_size": str(study.block_size),
        "seed": str(params.seed),
    }
    dataset = (study.dataset, _digest(paths.dataset(study.dataset)))
    files = tuple(_report_files(name))
    digests = [(str(path), _digest(paths.REPORTS / path)) for path in files]
    rows = []
    for runs in read_runs(name, study):
        settings = {key: plain(value) for key, value in runs.variant.settings.model_dump().items()}
        logged = shared | settings
        content = sha256(json.dumps([runs.variant.name, logged, dataset, digests], sort_keys=True).encode())
        for table in (runs.table, runs.history):
            content.update(hash_pandas_object(table, index=False).to_numpy().tobytes())
        content.update(save({key: np.ascontiguousarray(runs.weights[key]) for key in sorted(runs.weights)}))
        rows.append(Row(runs.variant.name, content.hexdigest(), logged, dataset, runs, files))
    return rows


def _final_metrics(runs: VariantRuns) -> list[str]:
    known = {"variant", "replicate", "status", *type(runs.variant.settings).model_fields}
    return [column for column in runs.table if column not in known]


def _mean_and_sd(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the replicates: (S, R) -> (S,), (S,). One replicate has no spread: its sd is 0."""
    spread = min(1, values.shape[1] - 1)  # the sample's standard deviation
    with np.errstate(all="ignore"):
        return values.mean(1), values.std(1, ddof=spread)


def _report_files(study: str) -> Iterator[Path]:
    found = [paths.page(study), *sorted(paths.figures(study).rglob("*"))]
    return (path.relative_to(paths.REPORTS) for path in found if path.is_file())


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it with `dvc repro {paths.stage_of(path)}`") from None
