"""What MLflow is to show of a study, as plain data: one row a variant. Nothing here knows MLflow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
from pandas.util import hash_pandas_object
from safetensors.numpy import save

from groundwork.classifiers import Classifier, classifier
from groundwork.common import paths
from groundwork.common.params import Params
from groundwork.common.settings import plain
from groundwork.runs import Results, VariantRuns, read_runs
from groundwork.tracking.models import described

SD = "_sd"  # ends the name of a metric's standard deviation over the replicates

Point = tuple[str, int, float]  # metric, step, value


@dataclass(frozen=True)
class Row:
    """One variant with all its replicates: one run of MLflow."""

    name: str
    key: str  # of all the content below: the same content has the same key, wherever and whenever it was made
    params: dict[str, str]
    points: list[Point]
    dataset: tuple[str, str]  # name, sha256
    files: list[Path]  # the study's report and figures, relative to paths.REPORTS
    converges: bool  # whether any replicate does
    classifier: Classifier | None  # of the first replicate that does, if it tells digits apart


def read_rows(name: str, params: Params) -> list[Row]:
    """The rows of a study, in the order of params.yaml; missing or damaged files are a `UserError`."""
    study = params.studies[name]
    shared = {
        "study": name,
        "model": study.model,
        "dataset": study.dataset,
        "block_size": str(study.block_size),
        "seed": str(params.seed),
    }
    dataset = (study.dataset, _digest(paths.dataset(study.dataset)))
    files = [path.relative_to(paths.REPORTS) for path in _report_files(name)]
    digests = [(path.as_posix(), _digest(paths.REPORTS / path)) for path in files]
    results = read_runs(name, study)
    rows = []
    for runs in results:
        settings = {key: plain(value) for key, value in runs.variant.settings.model_dump().items()}
        settings |= {"replicates": str(runs.variant.replicates)}
        model = classifier(runs, study.dataset, int(runs.ok.argmax())) if runs.ok.any() else None
        shown = [runs.variant.name, shared | settings, dataset, digests, described(model) if model else None]
        rows.append(
            Row(
                name=runs.variant.name,
                key=_key(json.dumps(shown, sort_keys=True), runs),
                params=shared | settings,
                points=list(_points(results, runs)),
                dataset=dataset,
                files=files,
                converges=bool(runs.ok.any()),
                classifier=model,
            )
        )
    return rows


def _points(results: Results, runs: VariantRuns) -> Iterator[Point]:
    """Mean and standard deviation over the replicates that did not diverge; NaN and inf are data.

    A curve of a variant that diverged in every replicate shows all of them; its final values are NaN.
    """
    shown = runs.ok if runs.ok.any() else runs.diverged
    for metric in runs.history["metric"].unique():
        steps = runs.history.loc[runs.history["metric"] == metric, "step"].unique()
        mean, sd = _mean_and_sd(runs.curve(metric)[1][:, shown])
        name = metric if "/" in metric else f"val/{metric}"
        for at, step in enumerate(steps):
            yield name, int(step), mean[at]
            yield name + SD, int(step), sd[at]
    for metric in results.metrics:
        if runs.table.loc[runs.ok, metric].isna().all() and runs.ok.any():
            continue  # a metric of other variants
        mean, sd = _mean_and_sd(runs[metric][None, runs.ok])
        yield f"final/{metric}", 0, mean[0]
        yield f"final/{metric}{SD}", 0, sd[0]
    yield "replicates", 0, float(len(runs.table))
    yield "diverged", 0, float(runs.diverged.sum())


def _mean_and_sd(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the replicates, (S, R) -> (S,), (S,): NaN where there are none; the spread of a single one is 0."""
    R = values.shape[1]
    if R == 0:
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    with np.errstate(all="ignore"):
        return values.mean(1), values.std(1, ddof=min(1, R - 1))


def _key(shown: str, runs: VariantRuns) -> str:
    content = sha256(shown.encode())
    for table in (runs.table, runs.history):
        content.update(hash_pandas_object(table, index=False).to_numpy().tobytes())
    content.update(save({name: np.ascontiguousarray(runs.weights[name]) for name in sorted(runs.weights)}))
    return content.hexdigest()


def _report_files(study: str) -> list[Path]:
    """The report and its figures, as far as they have been made."""
    return [path for path in (paths.page(study), *sorted(paths.figures(study).glob("*"))) if path.is_file()]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise paths.missing(path) from None
