"""The report of one study: a Markdown page, its figures, its curves, and a summary for the pages about all studies."""

import inspect
import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from groundwork.common import paths
from groundwork.common.files import replacing, write_text
from groundwork.common.params import Params
from groundwork.common.studies import load_study
from groundwork.judging.printed import judge, reference
from groundwork.reporting.pages import render
from groundwork.reporting.style import house_style, save
from groundwork.reporting.tables import claims_table, curves_table, metric_table, printed_table, settings_table
from groundwork.reporting.words import extent
from groundwork.runs import MissingVariant, Results, read_runs

TEMPLATE = Path(__file__).with_name("templates") / "study.md.j2"


def write_report(name: str, params: Params) -> None:
    """Write reports/<study>.md, reports/figures/<study>/, reports/curves/<study>.csv and data/reports/<study>.json."""
    results = read_runs(name, params.studies[name], params.data_of(name))
    study = load_study(name)
    judged = [(claim, claim.judge(results)) for claim in study.claims()]
    rows = reference()
    printed = [judge(value, results, rows) for value in study.printed()]
    captions = _draw(name, study, results)
    question, about = question_of(study)
    replicates = [runs.variant.replicates for runs in results]
    answer = _answer(study, results)
    page = render(
        TEMPLATE,
        {
            "study": name,
            "title": study.TITLE,
            "question": question,
            "source": study.SOURCE,
            "about": about,
            "extent": extent(replicates),
            "answer": answer,
            "figures": [{"file": file, "caption": caption} for file, caption in captions.items()],
            "claims": claims_table(judged),
            "printed": printed_table(printed) if printed else "",
            "metrics": [
                {"name": metric, "title": title, "table": metric_table(results, metric)}
                for metric, title in study.METRICS.items()
            ],
            "settings": settings_table(results),
        },
    )
    write_text(paths.page(name), page)
    curves = curves_table(results, "val/loss")
    write_text(paths.curves(name), curves.to_csv(index=False, float_format="%.6g", na_rep="nan", lineterminator="\n"))
    summary = {"title": study.TITLE, "question": question, "source": study.SOURCE, "answer": answer, "page": page}
    summary |= {
        "replicates": replicates,
        "headline": _headline(study, results),
        "printed": printed,
    }
    summary |= {"claims": [{"claim": claim.text, "source": claim.source, **asdict(found)} for claim, found in judged]}
    write_text(paths.summary(name), json.dumps(_plain(summary), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def question_of(study: ModuleType) -> tuple[str, str]:
    """The first line of a study's docstring, which is its question, and the rest as one paragraph a blank line."""
    question, _, about = inspect.cleandoc(study.__doc__ or "").partition("\n\n")
    return question, about


def _draw(name: str, study: ModuleType, results: Results) -> dict[str, str]:
    """Draw and save the figures; their captions by file name."""
    with house_style(), replacing(paths.figures(name)) as folder:
        folder.mkdir()
        try:
            figures = study.figures(results)
        except MissingVariant:
            figures = {}
        for file, (figure, _) in figures.items():
            save(figure, folder / file)
    return {file: caption for file, (_, caption) in figures.items()}


def _answer(study: ModuleType, results: Results) -> str:
    """The study's answer, a paragraph a line."""
    try:
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in study.answer(results).strip().split("\n\n"))
    except MissingVariant as missing:
        return f"The answer in words compares variants that are not here: {missing}. The tables show what is."


def _headline(study: ModuleType, results: Results) -> dict[str, dict[str, float | int | None]]:
    """What each variant came to: the study's first number, over the replicates that did not diverge."""
    return {
        name: {
            study.HEADLINE: float(runs[study.HEADLINE][runs.ok].mean()) if runs.ok.any() else None,
            "diverged": int(runs.diverged.sum()),
        }
        for name, runs in results.variants.items()
    }


def _plain(value: Any) -> Any:
    """The same structure as JSON can hold it: None for NaN, the largest float for an infinity."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return None if value != value else max(min(float(value), sys.float_info.max), -sys.float_info.max)
    return value
