"""The tables of a report, as rows of text."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from groundwork.common.settings import plain
from groundwork.judging.claims import Claim, Evidence
from groundwork.reporting.words import number, to_precision
from groundwork.runs import Results

MARKS = {"holds": "✓ holds", "fails": "✗ fails", "undecided": "? undecided"}


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> str:
    """A Markdown table whose first `left` columns are aligned left, the others right."""
    header = list(header)
    rules = [":--" if column < left else "--:" for column in range(len(header))]
    lines = [header, rules, *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def settings_table(results: Results) -> str:
    """What differs between the variants, one row each; what they share goes into one sentence before."""
    values = {
        name: {key: plain(getattr(runs.variant.settings, key, "–")) for key in results.settings}
        for name, runs in results.variants.items()
    }
    differing = [key for key in results.settings if len({row[key] for row in values.values()}) > 1]
    one = next(iter(values.values()))
    shared = ", ".join(f"{key} = {one[key]}" for key in results.settings if key not in differing)
    table = markdown(
        ["variant", *differing], ([name, *(row[key] for key in differing)] for name, row in values.items())
    )
    return f"All variants: {shared}.\n\n{table}" if shared else table


def metric_table(results: Results, metric: str) -> str:
    """Mean, sd, min and max of a final metric over the replicates that did not diverge; the diverged are counted."""
    rows = []
    for name, runs in results.variants.items():
        values = runs[metric][runs.ok]
        if len(values):
            sd = values.std(ddof=1) if np.ptp(values) else 0.0
            mean, low, high = (to_precision(value, sd) for value in (values.mean(), values.min(), values.max()))
            cells = [mean, number(sd, 2) if len(values) > 1 else "–", low, high]
        else:
            cells = ["–"] * 4
        rows.append([name, *cells, f"{runs.diverged.sum()} of {len(runs.diverged)}"])
    return markdown(["variant", "mean", "sd", "min", "max", "diverged"], rows)


def claims_table(claims: list[tuple[Claim, Evidence]]) -> str:
    """The claims with their verdicts."""
    rows = []
    for claim, evidence in claims:
        interval = "–"
        if evidence.replicates:
            interval = f"{number(evidence.effect, 3)} [{number(evidence.ci_low, 3)}, {number(evidence.ci_high, 3)}]"
        count = f"{evidence.holds} of {evidence.replicates}"
        rows.append([MARKS[evidence.verdict], claim.text, claim.source, count, interval])
    return markdown(["verdict", "claim", "who says so", "replicates", "effect [95 % interval]"], rows, left=3)


def printed_table(rows: list[dict]) -> str:
    """The numbers that the source prints beside ours."""
    cells = []
    for row in rows:
        values = str(row["printed"]).split(";")
        shown = values[0] if len(values) == 1 else f"{values[0]} … {values[-1]} ({len(values)} values)"
        ours = number(row["mean"]) + ("" if len(values) == 1 else " (last)")
        region = f"{number(row['low'])} … {number(row['high'])}"
        verdict = row["verdict"] if row["verdict"] != "explained" else f"explained by {row['variant']}"
        cells.append([row["quantity"], row["setting"].replace(";", ","), shown, ours, region, verdict])
    return markdown(["quantity", "setting", "printed", "our mean", "our central 99 %", "verdict"], cells, left=2)


def curves_table(results: Results, metric: str) -> pd.DataFrame:
    """Mean curves over the replicates that did not diverge, for `dvc plots`: epoch, then a column a variant.

    A study that trains nothing has the header only.
    """
    columns = []
    for name, runs in results.variants.items():
        epochs, values = runs.curve(metric)
        means = values[:, runs.ok].mean(axis=1) if runs.ok.any() else np.full(len(epochs), np.nan)
        columns.append(pd.Series(means, index=epochs, name=name))
    return pd.concat(columns, axis=1).sort_index().rename_axis("epoch").reset_index()
