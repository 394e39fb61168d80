"""Pages: nothing missing in a template, nothing outside of the one HTML page."""

import base64
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from groundwork.overview.summary import TEMPLATES
from groundwork.reporting.pages import html_of, render
from groundwork.reporting.study_report import TEMPLATE

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><text>"quoted"</text></svg>'


def test_pictures_become_part_of_the_page():
    folder = Path("reports")
    (folder / "figures").mkdir(parents=True)
    (folder / "figures/dot.png").write_bytes(PNG)
    (folder / "figures/line.svg").write_bytes(SVG)
    html = html_of("![a dot](figures/dot.png)\n\n![a line](figures/line.svg)\n", folder)
    sources = re.findall(r'src="([^"]*)"', html)
    assert [source.partition(",")[0] for source in sources] == ["data:image/png;base64", "data:image/svg+xml;base64"]
    assert [base64.b64decode(source.partition(",")[2]) for source in sources] == [PNG, SVG]
    assert re.findall(r'alt="([^"]*)"', html) == ["a dot", "a line"]


def test_a_missing_picture_is_an_error():
    with pytest.raises(FileNotFoundError):
        html_of("![a dot](figures/dot.png)", Path("reports"))


def test_html_in_markdown_is_text():
    html = html_of("1 < 2 & <script>alert(1)</script>\n\n| a |\n| - |\n| <b>x</b> |\n", Path())
    assert "<script>" not in html
    assert "<b>" not in html
    assert "1 &lt; 2 &amp;" in html


def test_headings_shift_and_nothing_else_does():
    html = html_of("# One\n\n## Two\n\n`<h1>`\n", Path(), heading_shift=1)
    assert re.findall(r"<(/?h\d)>", html) == ["h2", "/h2", "h3", "/h3"]
    assert "<code>&lt;h1&gt;</code>" in html


def test_wide_tables_scroll():
    assert html_of("| a |\n| - |\n| 1 |\n", Path()).startswith('<div class="wide"><table>')


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATES / "index.md.j2", TEMPLATES / "index.html.j2"], ids=str)
def test_a_value_that_is_missing_is_an_error(template):
    with pytest.raises(UndefinedError):
        render(template, {})
