"""All pages in one HTML file, which needs no other: it can be sent, kept, and read without a network."""

from typing import Any

from groundwork.common import paths
from groundwork.overview.html import anchor, html_of, pictures_of
from groundwork.overview.index import TEMPLATES, headings_of, title_of
from groundwork.reporting.pages import render

MENU = {  # what stands at the top of the screen, if it is there
    "index-studies": "Studies",
    "index-the-ladder-of-models": "Ladder",
    "index-answers": "Answers",
    "corrections": "Corrections",
    "claims": "Claims",
    "printed_values": "Printed values",
}


def site(index: str, pages: dict[str, str], studies: dict[str, str], totals: dict[str, Any]) -> str:
    """reports/index.html: the Markdown page `index`, those about all studies, and those of the studies.

    A figure is in it once: where its study is.
    """
    names = {"index", *pages, *studies}
    drawn = set().union(*map(pictures_of, studies.values()))
    lead, *sections = html_of(index, "index", paths.REPORTS, names).partition("<h2")
    articles = [_article(name, page, names, drawn) for name, page in pages.items()]
    articles += [_article(name, page, names, set()) for name, page in studies.items()]
    places = names | {f"index-{anchor(heading)}" for heading in headings_of(index)}
    return render(
        TEMPLATES / "index.html.j2",
        {
            "title": title_of(index),
            "top": f"index-{anchor(title_of(index))}",
            "lead": lead,
            "sections": "".join(sections),
            "totals": totals,
            "menu": {place: label for place, label in MENU.items() if place in places},
            "articles": articles,
        },
    )


def _article(name: str, page: str, names: set[str], elsewhere: set[str]) -> dict[str, str]:
    html = html_of(page, name, paths.REPORTS, names, shift=1, elsewhere=elsewhere)
    return {"name": name, "title": f"{name}-{anchor(title_of(page))}", "html": html}
