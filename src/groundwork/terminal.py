"""What `make repro` prints when it is done."""

from typing import Any

from rich.console import Console
from rich.table import Table

from groundwork.common import paths
from groundwork.common.params import Params
from groundwork.overview.summary import VERDICTS, read_summary
from groundwork.reporting.words import number


def show(params: Params) -> None:
    """A short table of the headline results, a row a study, and where to look next."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("study", no_wrap=True)
    table.add_column("headline, over the variants", no_wrap=True)
    for mark in ("✓", "✗", "?"):  # claims, in the order of VERDICTS
        table.add_column(mark, justify="right", no_wrap=True)
    for study in params.studies:
        summary = read_summary(study)
        counts = [sum(claim["verdict"] == verdict for claim in summary["claims"]) for verdict in VERDICTS]
        table.add_row(study, headline(summary), *(str(count or "·") for count in counts))
    console = Console()
    console.print(table)
    console.print(
        "\n✓ ✗ ?: claims that hold, fail, are undecided."
        f"\nReports: {paths.REPORTS / 'index.md'}, or {paths.REPORTS / 'index.html'} in a browser."
        "\nCompare the runs in MLflow: make ui",
        highlight=False,
    )


def headline(summary: dict[str, Any]) -> str:
    """The study's first number, from the smallest to the largest of its variants' means; how many variants diverge."""
    variants = list(summary["headline"].values())
    metric = next(key for key in variants[0] if key != "diverged")
    means = [values[metric] for values in variants if values[metric] is not None]
    lost = len(variants) - len(means)
    ranged = f"{metric} {number(min(means), 3)} … {number(max(means), 3)}" if means else metric
    return ranged + (f", {lost} diverge" if lost else "")
