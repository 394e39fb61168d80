"""The pages about all studies, made from what each report passed on: index, claims, printed values, metrics."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.files import write_text
from groundwork.common.params import Params
from groundwork.reporting.pages import html_of, render
from groundwork.reporting.tables import markdown
from groundwork.reporting.words import extent

TEMPLATES = Path(__file__).with_name("templates")
CLAIMS = ["study", "claim", "holds", "replicates", "effect", "ci_low", "ci_high", "verdict"]
PRINTED = ["source", "item", "quantity", "setting", "printed", "mean", "sd", "low", "high", "replicates", "verdict"]
SOURCES = {  # what the `SOURCE` of a study begins with, and what that source is about
    "d2l §3.4": "Linear regression from scratch",
    "d2l §3.5": "Linear regression by the framework",
    "d2l §3.7": "Weight decay",
    "fastbook ch. 4": "Telling 3s from 7s",
}
VERDICTS = ("holds", "fails", "undecided")


def read_summary(study: str) -> dict[str, Any]:
    """What the report of a study passed on; a missing or damaged file is a `UserError`."""
    path = paths.summary(study)
    remake = f"make it again with `dvc repro {paths.stage_of(path)}`"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {remake}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {remake}") from None


def write_summary(params: Params) -> None:
    """Write reports/index.md, index.html, claims.csv, printed_values.csv and metrics.json."""
    summaries = {study: read_summary(study) for study in params.studies}
    claims = [{"study": study, **claim} for study, summary in summaries.items() for claim in summary["claims"]]
    printed = [row for summary in summaries.values() for row in summary["printed"]]
    _write_csv("claims.csv", pd.DataFrame(claims, columns=CLAIMS))
    _write_csv("printed_values.csv", pd.DataFrame(printed, columns=PRINTED))
    write_text(paths.REPORTS / "metrics.json", json.dumps(_metrics(summaries), indent=1, ensure_ascii=False) + "\n")
    index = render(
        TEMPLATES / "index.md.j2",
        {
            "studies": summaries,
            "runs": sum(sum(summary["replicates"]) for summary in summaries.values()),
            "claims": _counts(claims, VERDICTS),
            "printed": _counts(printed, ("exact", "consistent", "explained", "inconsistent")),
            "tables": {
                f"{heading} ({source})": studies_table(part)
                for source, heading in SOURCES.items()
                if (part := {study: s for study, s in summaries.items() if s["source"].startswith(source)})
            },
            "failed": [claim for claim in claims if claim["verdict"] == "fails"],
        },
    )
    write_text(paths.REPORTS / "index.md", index)
    html = render(
        TEMPLATES / "index.html.j2",
        {
            "index": _linked(html_of(index, paths.REPORTS), summaries),
            "studies": [
                {
                    "name": study,
                    "title": summary["title"],
                    "html": _linked(html_of(summary["page"], paths.REPORTS, heading_shift=1), summaries),
                }
                for study, summary in summaries.items()
            ],
        },
    )
    write_text(paths.REPORTS / "index.html", html)


def studies_table(summaries: dict[str, dict[str, Any]]) -> str:
    """One row a study: question, claims by verdict."""
    rows = []
    for study, summary in summaries.items():
        counts = {verdict: sum(claim["verdict"] == verdict for claim in summary["claims"]) for verdict in VERDICTS}
        rows.append(
            [
                f"[{summary['title']}]({study}.md)",
                summary["question"],
                extent(summary["replicates"]),
                *(str(counts[verdict] or "·") for verdict in VERDICTS),
            ]
        )
    return markdown(["study", "question", "variants × replicates", *VERDICTS], rows, left=2)


def _metrics(summaries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A few numbers a study, for `dvc metrics`: what its variants came to, and its claims by verdict."""
    return {
        study: {
            "claims": _counts(summary["claims"], VERDICTS),
            **{
                variant: {key: value and _significant(value) for key, value in values.items()}
                for variant, values in summary["headline"].items()
            },
        }
        for study, summary in summaries.items()
    }


def _significant(value: float) -> float:
    return value if isinstance(value, int) or not math.isfinite(value) else float(f"{value:.6g}")


def _counts(rows: list[dict[str, Any]], verdicts: tuple[str, ...]) -> dict[str, int]:
    return {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in verdicts}


def _linked(html: str, summaries: dict[str, dict[str, Any]]) -> str:
    """Links between the Markdown pages as links within the one HTML page."""
    for study in [*summaries, "index"]:
        html = html.replace(f'href="{study}.md"', f'href="#{study}"')
    return html


def _write_csv(name: str, table: pd.DataFrame) -> None:
    write_text(paths.REPORTS / name, table.to_csv(index=False, float_format="%.6g", na_rep="nan", lineterminator="\n"))
