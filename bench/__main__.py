"""`python -m bench`: everything, into docs/; `--quick` or `--only`: a look, into .bench/.

`--cores`: a cold repro on one core and on all, which takes half an hour, added to what is in docs/; with `--study` only
some studies, into .bench/.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from bench import worker
from bench.cores import cores_json
from bench.growth import SERIES, grow
from bench.machine import description
from bench.pictures import write_pictures
from bench.report import write_report
from bench.results import series_json, work_json
from bench.rounds import measure, workers
from bench.works import NATIVE, PORTABLE, WORKS
from groundwork.common.errors import UserError
from groundwork.common.files import write_text

NAMES = [*(work.task.kind for work in WORKS), "growth"]
GROWTH_SECONDS = 60  # a series
DOCS, LOOK, FILE = Path("docs"), Path(".bench/report"), "performance.json"


def main(
    quick: Annotated[bool, typer.Option(help="few rounds: the numbers wobble")] = False,
    only: Annotated[list[str], typer.Option(help=f"one of {', '.join(NAMES)}; may be repeated")] = [],  # noqa: B006
    cores: Annotated[bool, typer.Option("--cores", help="one core against all, nothing else")] = False,
    study: Annotated[list[str], typer.Option(help="with --cores: only this one; may be repeated")] = [],  # noqa: B006
) -> None:
    """Measure Groundwork beside its peers."""
    try:
        if cores:
            _cores(study)
        else:
            _bench(quick, only or NAMES)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _bench(quick: bool, names: list[str]) -> None:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f"there is no {unknown[0]!r} to measure; there is {', '.join(NAMES)}")
    whole = not quick and names == NAMES
    write_pictures()
    chosen = [work for work in WORKS if work.task.kind in names]
    works = [work._replace(task=work.quick) if quick and work.quick else work for work in chosen]
    along = list(SERIES) if "growth" in names else []
    contenders = {PORTABLE, NATIVE, *(contender for work in works for contender in work.peers)}
    results: dict = {"quick": quick, "machine": description(), "cores": _kept(DOCS).get("cores") if whole else None}
    with tqdm(total=len(works) + len(along), unit="work", disable=None) as bar:
        with workers(contenders) as ask:
            results["limits"] = {ours.profile: ask(ours, worker.limits, ours) for ours in (PORTABLE, NATIVE)}
            results["works"] = []
            for work in works:
                bar.set_description(work.label)
                results["works"].append(work_json(work, measure(work, quick, ask, bar.set_postfix_str)))
                bar.update()
        results["growth"] = []
        for axis in along:
            bar.set_description(axis)
            seconds = GROWTH_SECONDS / 8 if quick else GROWTH_SECONDS
            results["growth"].append(series_json(grow(axis, seconds, bar.set_postfix_str)))
            bar.update()
    _write(results, DOCS if whole else LOOK)


def _cores(studies: list[str]) -> None:
    folder = LOOK if studies else DOCS
    results = _kept(folder)
    if not results:
        raise UserError(f"{folder / FILE} is missing: make the bench first, these numbers are added to it")
    _write(results | {"cores": cores_json(studies)}, folder)


def _kept(folder: Path) -> dict:
    return json.loads((folder / FILE).read_text()) if (folder / FILE).exists() else {}


def _write(results: dict, folder: Path) -> None:
    write_text(folder / FILE, json.dumps(results, indent=1) + "\n")
    write_report(results, folder)
    print(f"{folder / 'performance.md'}")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)
app()
