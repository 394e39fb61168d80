"""`python -m bench`: everything, into docs/; `--quick` or `--only`: a look, into .bench/."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from bench import worker
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


def main(
    quick: Annotated[bool, typer.Option(help="few rounds: the numbers wobble")] = False,
    only: Annotated[list[str], typer.Option(help=f"one of {', '.join(NAMES)}; may be repeated")] = [],  # noqa: B006
) -> None:
    """Measure Groundwork beside its peers."""
    try:
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
    results: dict = {"quick": quick, "machine": description()}
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
    folder = Path("docs" if whole else ".bench/report")
    write_text(folder / "performance.json", json.dumps(results, indent=1) + "\n")
    write_report(results, folder)
    print(f"{folder / 'performance.md'}")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)
app()
