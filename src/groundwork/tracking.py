"""MLflow as a projection of data/runs: one experiment a study, one run a variant, the same however often it is done.

A run carries a content key, a hash over all that it shows. A finished run whose key is still true is kept, what is
missing is written, and what is no longer true is marked superseded. So a rerun, a crash halfway, a second process and
a deleted database all end in exactly one current run for each variant.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from time import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from groundwork import paths
from groundwork.files import write_text
from groundwork.mlflow_charts import VIEW_TAG, saved_view
from groundwork.mlflow_store import DEFAULT_URI, connected, deep_link, masked, tracking_uri
from groundwork.params import Params
from groundwork.projection import Row, read_rows
from groundwork.provenance import common_tags, locked_stages, stage_tags
from groundwork.studies import load_study

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MARKER = Path("data/tracked.json")

STUDY, KEY, STATUS = "groundwork.study", "groundwork.key", "groundwork.status"

MOST_METRICS = 1000  # of one log_batch
ROUNDS = 5  # of `_reconcile`; another process that keeps undoing ours has other parameters, and wins

# The first eight are those of the reports' figures.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#666666"),
    *("#8C564B", "#17BECF", "#BCBD22", "#1B4F2A", "#F781BF", "#003366", "#FF6F61", "#88CC66"),
)

HOW_TO_READ = """\
[Compare the current runs as charts]({link})

A run is one variant, with all its replicates (random seeds). Curves and `final/` values are means over the replicates
that did not diverge (over all of them, if each one did), `_sd` is their standard deviation, `diverged` counts the others.
The tag `groundwork.status` tells `current` runs from `superseded` ones: earlier results, other parameters, crashes.
The report and its figures are among the artifacts of each run.
"""


@dataclass(frozen=True)
class Count:
    """What an experiment holds after `track`."""

    current: int
    new: int
    superseded: int


def track(params: Params) -> None:
    """Bring MLflow in line with data/runs and reports, then write data/tracked.json: study -> variant -> content key.

    A `UserError` if results are missing, or if MLflow cannot be reached; then no data/tracked.json is written.
    """
    uri = tracking_uri()
    common, stages = common_tags(params), locked_stages()
    rows, tags = {}, {}
    for study in params.studies:
        rows[study] = read_rows(study, params)
        tags[study] = common | stage_tags(paths.stage_of(paths.runs(study)), stages)
    counts = {}
    with connected(uri) as client:
        for study in params.studies:
            counts[study] = _project(client, study, rows[study], tags[study])
        _supersede_other_studies(client, set(params.studies))
    keys = {study: {row.name: row.key for row in rows[study]} for study in rows}
    write_text(MARKER, json.dumps(keys, indent=1, sort_keys=True) + "\n")
    print(f"MLflow at {masked(uri)}:")
    for study, count in counts.items():
        print(f"  {study}: {count.current} current ({count.new} new), {count.superseded} superseded")
    print("Look at them with `make ui`.")


def _project(client: "MlflowClient", study: str, rows: list[Row], tags: dict[str, str]) -> Count:
    """One study: write the runs that are missing, then say of every run whether it is current."""
    experiment = _experiment(client, study, rows)
    kept = _finished(_all_runs(client, experiment))
    missing = [row for row in rows if row.key not in kept]
    for row in reversed(missing):  # MLflow lists the newest first
        _write(client, experiment, row)
    wanted = {
        row.key: tags | {STATUS: "current", "mlflow.runColor": COLOURS[at % len(COLOURS)]}
        for at, row in enumerate(rows)
    }
    _reconcile(client, experiment, wanted)
    superseded = len(_all_runs(client, experiment)) - len(rows)
    return Count(current=len(rows), new=len(missing), superseded=superseded)


def _experiment(client: "MlflowClient", study: str, rows: list[Row]) -> str:
    """The id of a study's experiment: made, brought back if it was deleted, set aside if its artifacts lie elsewhere."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(study)
    if found and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found and tracking_uri() == DEFAULT_URI and _lies_elsewhere(found.artifact_location):
        client.rename_experiment(found.experiment_id, f"{study} (moved, {found.experiment_id})")
        found = None
    if not found:
        try:
            client.create_experiment(study)
        except MlflowException as error:  # another `track` on the same server was quicker
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(study)
    module = load_study(study)
    link = deep_link("", found.experiment_id)
    tags = {
        STUDY: study,
        "mlflow.note.content": f"{getdoc(module)}\n\nSource: {module.SOURCE}\n\n{HOW_TO_READ.format(link=link)}",
        VIEW_TAG: saved_view(rows, module.HEADLINE, f"tags.`{STATUS}` = 'current'"),
    }
    for key, value in tags.items():
        if found.tags.get(key) != value:
            client.set_experiment_tag(found.experiment_id, key, value)
    return found.experiment_id


def _lies_elsewhere(location: str) -> bool:
    """Whether a local artifact location is not below ./mlruns, because the checkout was moved or copied."""
    parts = urlsplit(location)
    return parts.scheme in ("", "file") and not Path(unquote(parts.path)).is_relative_to(Path("mlruns").resolve())


def _write(client: "MlflowClient", experiment: str, row: Row) -> None:
    """A new run; it counts only once it is finished, which is the last step."""
    from mlflow.entities import Dataset, DatasetInput, Metric, Param

    run = client.create_run(experiment, run_name=row.name, tags={KEY: row.key}).info
    now = int(time() * 1000)
    metrics = [Metric(name, value, now, step) for name, step, value in row.points]
    client.log_batch(run.run_id, params=[Param(key, value) for key, value in row.params.items()])
    for first in range(0, len(metrics), MOST_METRICS):
        client.log_batch(run.run_id, metrics=metrics[first : first + MOST_METRICS])
    name, digest = row.dataset
    source = json.dumps({"uri": str(paths.dataset(name)), "sha256": digest})
    client.log_inputs(run.run_id, [DatasetInput(Dataset(name, digest[:16], source_type="local", source=source))])
    for file in row.files:
        folder = str(file.parent) if file.parent.name else None
        client.log_artifact(run.run_id, str(paths.REPORTS / file), folder)
    client.set_terminated(run.run_id)


def _reconcile(client: "MlflowClient", experiment: str, wanted: dict[str, dict[str, str]]) -> None:
    """Give the oldest finished run of each wanted key its tags, mark every other run superseded.

    On a server, another process may do the same at the same time: look again until there is nothing left to do.
    """
    from mlflow.entities import RunTag

    for _ in range(ROUNDS):
        runs = _all_runs(client, experiment)
        kept = _finished(runs)
        settled = True
        for run in runs:
            key = run.data.tags.get(KEY, "")
            tags = wanted.get(key, {}) if kept.get(key) == run.info.run_id else {}
            tags = {STATUS: "superseded"} | tags
            changed = [RunTag(name, value) for name, value in tags.items() if run.data.tags.get(name) != value]
            if changed:
                client.log_batch(run.info.run_id, tags=changed)
                settled = False
        if settled:
            return


def _supersede_other_studies(client: "MlflowClient", studies: set[str]) -> None:
    """Mark all runs of the studies that params.yaml does not have any more; what others keep in MLflow is not touched."""
    ours = f"tags.`{STUDY}` != ''"
    for experiment in _pages(lambda token: client.search_experiments(filter_string=ours, page_token=token)):
        if experiment.name not in studies:
            _reconcile(client, experiment.experiment_id, {})


def _finished(runs: "list[Run]") -> dict[str, str]:
    """Content key -> id of the oldest finished run that has it."""
    oldest_last = sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id), reverse=True)
    return {run.data.tags.get(KEY, ""): run.info.run_id for run in oldest_last if run.info.status == "FINISHED"}


def _all_runs(client: "MlflowClient", experiment: str) -> "list[Run]":
    return _pages(lambda token: client.search_runs([experiment], max_results=1000, page_token=token))


def _pages(search: Callable) -> list:
    """All results of a search that comes in pages."""
    found = page = search(None)
    while page.token:
        page = search(page.token)
        found = [*found, *page]
    return found
