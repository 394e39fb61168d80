"""What is wrong or misleading in the sources: what they say, what is so, and the claims that say it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundwork.overview.prose import Prose
from groundwork.reporting.pages import render
from groundwork.runs import Results

TEMPLATE = Path(__file__).with_name("templates") / "corrections.md.j2"


def corrections(summaries: dict[str, dict[str, Any]], results_of: Callable[[str], Results]) -> dict[str, str]:
    """The page as Markdown, by name. The runs of a study are read only for a correction that stands."""
    compared = [row["verdict"] for summary in summaries.values() for row in summary["printed"]]
    values = {"compared": len(compared), "outside": compared.count("inconsistent")}
    return {"corrections": render(TEMPLATE, Prose(summaries, results_of).names() | values)}
