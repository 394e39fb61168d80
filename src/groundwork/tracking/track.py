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

from filelock import FileLock

from groundwork.colours import COLOURS
from groundwork.common import paths
from groundwork.common.errors import masked
from groundwork.common.files import write_text
from groundwork.common.params import Params
from groundwork.common.studies import load_study
from groundwork.tracking.charts import VIEW_TAG, saved_view
from groundwork.tracking.models import log_classifier
from groundwork.tracking.projection import Row, read_rows
from groundwork.tracking.provenance import common_tags, locked_stages, stage_tags
from groundwork.tracking.store import DEFAULT_URI, connected, deep_link, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STUDY, KEY, STATUS = "groundwork.study", "groundwork.key", "groundwork.status"

LOCK = "mlflow.db.lock"  # the store's own, if it lies here
MOST_METRICS = 1000  # of one log_batch
ROUNDS = 5  # of `_reconcile`; another process that keeps undoing ours has other parameters, and wins

HOW_TO_READ = """\
[Compare the current runs as charts]({link})

A run is one variant, with all its replicates (random seeds). Curves and `final/` values are means over the replicates
that did not diverge, `_sd` is their standard deviation, `diverged` counts the others. If each one diverged, the curves
show all of them and the final values are NaN.

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
    """Bring MLflow in line with data/runs and reports, and say what it shows."""
    counts = fill(params)
    print(f"MLflow at {masked(tracking_uri())}:")
    for study, count in counts.items():
        print(f"  {study}: {count.current} current ({count.new} new), {count.superseded} superseded")
    print("Look at them with `make ui`.")


def fill(params: Params) -> dict[str, Count]:
    """Bring MLflow in line with data/runs and reports, then write data/tracked.json: study -> variant -> content key.

    A `UserError` if results are missing or MLflow cannot be reached; data/tracked.json is left as it was then.
    """
    rows = {study: read_rows(study, params) for study in params.studies}
    common, stages = common_tags(params), locked_stages()
    counts = {}
    with connected(tracking_uri()) as client:
        for study in params.studies:
            tags = common | stage_tags(paths.stage_of(paths.runs(study)), stages)
            counts[study] = _project(client, study, rows[study], tags)
        _supersede_other_studies(client, set(params.studies))
    keys = {study: {row.name: row.key for row in rows[study]} for study in rows}
    with FileLock(LOCK):  # another `track` of this checkout writes the same file
        write_text(paths.TRACKED, json.dumps(keys, indent=1, sort_keys=True) + "\n")
    return counts


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
    """The id of a study's experiment, which is made, or brought back if it was deleted, and described."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(study)
    if found and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    local = tracking_uri() == DEFAULT_URI
    if found and local and not _lies_here(found.artifact_location, any(row.files for row in rows)):
        client.rename_experiment(found.experiment_id, f"{study} (moved, {found.experiment_id})")
        found = None
    if not found:
        try:
            found = client.get_experiment(client.create_experiment(study, _artifacts(study) if local else None))
        except MlflowException:
            found = client.get_experiment_by_name(study)
            if not found:
                raise  # it was not that another `track` on the same server was quicker
    module = load_study(study)
    link = deep_link("", found.experiment_id).removeprefix("/")  # a server may lie below a path
    tags = {
        STUDY: study,
        "mlflow.note.content": f"{getdoc(module)}\n\nSource: {module.SOURCE}\n\n{HOW_TO_READ.format(link=link)}",
        VIEW_TAG: saved_view(rows, module.HEADLINE, f"tags.`{STATUS}` = 'current'"),
    }
    for key, value in tags.items():
        if found.tags.get(key) != value:
            _insisting(client.set_experiment_tag, found.experiment_id, key, value)
    return found.experiment_id


def _artifacts(study: str) -> str:
    """Where the artifacts of a local experiment lie; MLflow's own choice breaks on a `#` in the path."""
    return (Path("mlruns").resolve() / study).as_uri()


def _lies_here(location: str, needed: bool) -> bool:
    """Whether artifacts lie below ./mlruns, and still do if there are any.

    Not so after the checkout was moved, for MLflow keeps whole paths, or after mlruns was deleted.
    """
    folder = Path(unquote(urlsplit(location).path))
    return folder.is_relative_to(Path("mlruns").resolve()) and (folder.is_dir() or not needed)


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
    dataset = DatasetInput(Dataset(name, digest[:8], source_type="local", source=source))
    _insisting(client.log_inputs, run.run_id, [dataset])
    for file in row.files:
        folder = str(file.parent) if file.parent.name else None
        client.log_artifact(run.run_id, str(paths.REPORTS / file), folder)
    if row.classifier:
        log_classifier(client, experiment, run.run_id, row.classifier, row.params)
    client.set_terminated(run.run_id)


def _insisting(call: Callable[..., None], *arguments: object) -> None:
    """A call with a second try: another `track` on the same server may make the same row first; then it is there."""
    from mlflow.exceptions import MlflowException

    try:
        call(*arguments)
    except MlflowException:
        call(*arguments)


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
    """Mark the runs of studies that params.yaml does not have any more; what others keep there is not touched."""
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
