"""The entry to all pages: what was asked and what became of it, source by source."""

import re
from pathlib import Path
from typing import Any

from groundwork.overview.counts import PRINTED_VERDICTS, VERDICTS, counts
from groundwork.overview.html import anchor
from groundwork.reporting.pages import render
from groundwork.reporting.tables import markdown
from groundwork.reporting.words import extent, percent

TEMPLATES = Path(__file__).with_name("templates")
SOURCES = {  # what the `SOURCE` of a study begins with, and what that source is about
    "d2l §3.4": "Linear regression from scratch",
    "d2l §3.5": "Linear regression by the framework",
    "d2l §3.7": "Weight decay",
    "fastbook ch. 4": "Telling 3s from 7s",
}
LADDERS = {"mnist_ladder": "3s and 7s", "mnist_full": "all ten digits"}  # a study of models, and what they tell apart


def index_page(summaries: dict[str, dict[str, Any]], pages: dict[str, str], one_file: bool = False) -> str:
    """reports/index.md: counts, the studies by source, the ladder of models, and where the other `pages` are.

    As the beginning of the `one_file` with all pages, it names no other file, and leaves the counts to a picture.
    """
    titles = {name: title_of(page) for name, page in pages.items()}
    return render(
        TEMPLATES / "index.md.j2",
        {
            "totals": totals(summaries),
            "pages": titles,
            "one_file": one_file,
            "answers": {name: title for name, title in titles.items() if name.startswith("answers")},
            "sources": {
                f"{heading} ({source})": studies_table(part)
                for source, heading in SOURCES.items()
                if (part := {study: s for study, s in summaries.items() if s["source"].startswith(source)})
            },
            "ladder": ladder_table({LADDERS[name]: summaries[name] for name in LADDERS if name in summaries}),
            "ladders": {name: summaries[name]["title"] for name in LADDERS if name in summaries},
            "corrections": [(heading, anchor(heading)) for heading in headings_of(pages.get("corrections", ""))],
        },
    )


def totals(summaries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How many studies, training runs, claims and printed values there are, and what became of them."""
    return {
        "studies": len(summaries),
        "runs": sum(sum(summary["replicates"]) for summary in summaries.values()),
        "claims": counts([claim for summary in summaries.values() for claim in summary["claims"]], VERDICTS),
        "printed": counts([row for summary in summaries.values() for row in summary["printed"]], PRINTED_VERDICTS),
    }


def studies_table(summaries: dict[str, dict[str, Any]]) -> str:
    """One row a study: question, claims by verdict."""
    rows = []
    for study, summary in summaries.items():
        verdicts = counts(summary["claims"], VERDICTS)
        rows.append(
            [
                f"[{summary['title']}]({study}.md)",
                summary["question"],
                extent(summary["replicates"]),
                *(str(count or "·") for count in verdicts.values()),
            ]
        )
    return markdown(["study", "question", "variants × replicates", *VERDICTS], rows, left=2)


def ladder_table(ladders: dict[str, dict[str, Any]]) -> str:
    """One row a model: the share of the validation images that it tells right, a column a study."""
    shares = {task: study["headline"] for task, study in ladders.items()}
    models: list[str] = []
    for of_task in shares.values():
        place = 0
        for model in of_task:  # one that is new here stands after the one before it
            if model not in models:
                models.insert(place, model)
            place = models.index(model) + 1
    rows = [[model, *(_share(of_task.get(model)) for of_task in shares.values())] for model in models]
    return markdown(["model", *shares], rows) if rows else ""


def title_of(page: str) -> str:
    """The first heading of a Markdown page."""
    return page.partition("\n")[0].removeprefix("# ")


def headings_of(page: str) -> list[str]:
    """The second-level headings of a Markdown page, in their order."""
    return re.findall(r"^## (.+)$", page, re.MULTILINE)


def _share(values: dict[str, float | None] | None) -> str:
    return "·" if values is None or values["accuracy"] is None else percent(values["accuracy"])
