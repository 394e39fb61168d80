"""The pages about all studies, made from what each report passed on: index, claims, printed values, metrics."""

import json
import math
from functools import cache
from typing import Any

import pandas as pd

from groundwork.common import paths
from groundwork.common.files import replacing, write_text
from groundwork.common.params import Params
from groundwork.overview.answers import answers
from groundwork.overview.claims import claims_page
from groundwork.overview.corrections import corrections
from groundwork.overview.counts import VERDICTS, counts
from groundwork.overview.index import index_page, totals
from groundwork.overview.printed_values import printed_values_page
from groundwork.overview.site import site
from groundwork.runs import read_runs

CLAIMS = ["study", "claim", "holds", "replicates", "effect", "ci_low", "ci_high", "verdict"]
PRINTED = ["source", "item", "quantity", "setting", "printed", "mean", "sd", "low", "high", "replicates", "verdict"]
PASSED = ("title", "question", "source", "answer", "page", "replicates", "headline", "printed", "claims")  # by a report


def read_summary(study: str) -> dict[str, Any]:
    """What the report of a study passed on; a missing or damaged file is a `UserError`."""
    path = paths.summary(study)
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise paths.missing(path) from None
    except (ValueError, RecursionError) as error:
        raise paths.damaged(path, error) from None
    lacking = [key for key in PASSED if not isinstance(summary, dict) or key not in summary]
    if lacking:
        raise paths.damaged(path, f"it has no {lacking[0]}")
    return summary


def write_summary(params: Params) -> None:
    """Write the pages about all studies, index.html with all pages in it, claims.csv, printed_values.csv, metrics.json.

    The pages about all studies are Markdown, by name; in this order they stand in index.html too.
    """
    summaries = {study: read_summary(study) for study in params.studies}
    claims = [{"study": study, **claim} for study, summary in summaries.items() for claim in summary["claims"]]
    printed = [row for summary in summaries.values() for row in summary["printed"]]
    _write_csv("claims.csv", pd.DataFrame(claims, columns=CLAIMS))
    _write_csv("printed_values.csv", pd.DataFrame(printed, columns=PRINTED))
    write_text(paths.REPORTS / "metrics.json", json.dumps(_metrics(summaries), indent=1, ensure_ascii=False) + "\n")
    read = cache(lambda study: read_runs(study, params.studies[study], params.data_of(study)))
    printed_values, strips = printed_values_page(summaries)
    with replacing(paths.REPORTS / "strips") as folder:
        folder.mkdir()
        for name, picture in strips.items():
            write_text(folder / name, picture)
    pages: dict[str, str] = {
        **answers(summaries, read),
        **corrections(summaries, read),
        "claims": claims_page(summaries),
        "printed_values": printed_values,
    }
    for name, page in (pages | {"index": index_page(summaries, pages)}).items():
        write_text(paths.page(name), page)
    index = index_page(summaries, pages, one_file=True)
    studies = {study: summary["page"] for study, summary in summaries.items()}
    write_text(paths.REPORTS / "index.html", site(index, pages, studies, totals(summaries)))


def _metrics(summaries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A few numbers a study, for `dvc metrics`: what its variants came to, and its claims by verdict."""
    return {
        study: {
            "claims": counts(summary["claims"], VERDICTS),
            **{
                variant: {key: value and _significant(value) for key, value in values.items()}
                for variant, values in summary["headline"].items()
            },
        }
        for study, summary in summaries.items()
    }


def _significant(value: float) -> float:
    return value if isinstance(value, int) or not math.isfinite(value) else float(f"{value:.6g}")


def _write_csv(name: str, table: pd.DataFrame) -> None:
    write_text(paths.REPORTS / name, table.to_csv(index=False, float_format="%.6g", na_rep="nan", lineterminator="\n"))
