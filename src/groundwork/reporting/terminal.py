"""What `make repro` prints when it is done."""

from rich.console import Console
from rich.table import Table

from groundwork import paths
from groundwork.params import Params
from groundwork.reporting.summary import headline_rows


def show(params: Params) -> None:
    """A short table of the headline results, and where to look next."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, justify in (
        ("study", "left"),
        ("variant", "left"),
        ("metric", "left"),
        ("mean", "right"),
        ("diverged", "right"),
    ):
        table.add_column(column, justify="right" if justify == "right" else "left", no_wrap=True)
    last = None
    for study, variant, metric, mean, diverged in headline_rows(params):
        table.add_row(study if study != last else "", variant, metric, mean, diverged)
        last = study
    console = Console()
    console.print(table)
    console.print(
        f"\nReports: {paths.REPORTS / 'index.md'}, or {paths.REPORTS / 'index.html'} in a browser."
        "\nCompare the runs in MLflow: make ui",
        highlight=False,
    )
