"""The exercises of each source in their order: the question in our words, the studies' answers, the sources' claims."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundwork.overview.prose import Prose
from groundwork.reporting.pages import render
from groundwork.runs import Results

TEMPLATES = Path(__file__).with_name("templates")
PAGES = ("answers_d2l_3_4", "answers_d2l_3_5", "answers_d2l_3_7", "answers_fastbook_4")


def answers(summaries: dict[str, dict[str, Any]], results_of: Callable[[str], Results]) -> dict[str, str]:
    """The pages as Markdown, by name; a study that is not among the summaries leaves a line that says so."""
    prose = Prose(summaries, results_of).names()
    return {page: render(TEMPLATES / f"{page}.md.j2", prose) for page in PAGES}
