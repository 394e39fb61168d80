"""Markdown as a part of the one HTML page: nothing lies outside of it, and whoever cannot see it can use it."""

import base64
import io
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from PIL import Image

from groundwork.overview.html import anchor, html_of, pictures_of

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 576 302.4"><text fill="#333">100 % &lt; ∞</text></svg>'
TABLE = "| verdict | claim | holds |\n| :-- | :-- | --: |\n| ✗ fails | a | 2 |\n| → explained by `b` | c | · |\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def page(markdown: str, **options) -> str:
    return html_of(markdown, "one", Path(), {"one", "two"}, **options)


def body(html: str) -> ElementTree.Element:
    """What the HTML holds, which is as well formed as XML."""
    return ElementTree.fromstring(f"<body>{html}</body>")


def test_pictures_become_part_of_the_page():
    Path("figures").mkdir()
    Image.new("L", (300, 150)).save("figures/dot.png")
    Path("figures/line.svg").write_text(SVG, encoding="utf-8")
    dot, line = body(page("![a dot](figures/dot.png)\n\n![a line](figures/line.svg)\n")).iter("img")
    kind, _, content = dot.get("src").partition(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (300, 150)
    kind, _, content = line.get("src").partition(",")
    assert kind == "data:image/svg+xml"
    assert re.search('[<>#"]', content) is None
    assert ElementTree.fromstring(unquote(content))[0].text == "100 % < ∞"
    assert [(image.get("alt"), image.get("width"), image.get("height")) for image in (dot, line)] == [
        ("a dot", "192", "96"),  # two inches at 150 dots an inch
        ("a line", "768", "403"),  # eight inches, 96 pixels each
    ]


def test_a_missing_picture_is_an_error():
    with pytest.raises(FileNotFoundError):
        page("![a dot](figures/dot.png)")


def test_a_picture_elsewhere_is_a_link():
    (link,) = body(page("![a dot](figures/two/dot.svg)\n", elsewhere={"figures/two/dot.svg"})).iter("a")
    assert (link.get("href"), link.get("class"), link.text) == ("#figures-two-dot", "again", "a dot")
    assert pictures_of("![a *dot*](figures/two/dot.svg) and ![](b.png)") == {"figures/two/dot.svg", "b.png"}


def test_a_picture_and_its_caption_are_a_figure_and_said_once():
    Path("line.svg").write_text(SVG, encoding="utf-8")
    same, other = body(page("![A line.](line.svg)\n\n*A line.*\n\n![A line.](line.svg)\n\n*Another.*\n")).iter("figure")
    assert [caption.get("aria-hidden") for figure in (same, other) for caption in figure.iter("figcaption")] == [
        "true",
        None,
    ]
    assert "".join(same.itertext()).strip() == "A line."


def test_html_in_markdown_is_text():
    html = page("1 < 2 & <script>alert(1)</script>\n\n| a |\n| - |\n| <b>x</b> |\n")
    assert "<script>" not in html
    assert "<b>" not in html
    assert "1 &lt; 2 &amp;" in html


def test_headings_shift_and_can_be_linked_to():
    html = body(page("# One\n\n## Two `x`\n\n## Two x\n\n`<h1>`\n", shift=1))
    assert [(heading.tag, heading.get("id")) for heading in html if heading.tag != "p"] == [
        ("h2", "one-one"),
        ("h3", "one-two-x"),
        ("h3", "one-two-x-1"),
    ]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [("Answer", "answer"), ("λ, ℓ1 & σ_2: ½·MSE?", "λ-ℓ1--σ_2-mse"), ("“A” (d2l §3.4.6)", "a-d2l-346")],
)
def test_an_anchor_is_what_code_hosts_make_of_a_heading(heading, expected):
    assert anchor(heading) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("two.md", "#two"),
        ("two.md#claims", "#two-claims"),
        ("#claims", "#one-claims"),
        ("https://example.org/a.md#b", "https://example.org/a.md#b"),
        ("three.md", None),
        ("../docs/two.md", None),
    ],
)
def test_links_stay_within_the_page(target, expected):
    paragraph = body(page(f"[text]({target})"))[0]
    assert "".join(paragraph.itertext()) == "text"
    assert [link.get("href") for link in paragraph.iter("a")] == ([expected] if expected else [])


def test_a_table_for_programs_can_be_saved():
    Path("claims.csv").write_text('study,claim\none,"a, ""b"" é"\n', encoding="utf-8")
    (link,) = body(page("[table](claims.csv)")).iter("a")
    assert link.get("download") == "claims.csv"
    assert unquote(link.get("href").partition(",")[2]) == Path("claims.csv").read_text(encoding="utf-8")


def test_tables_can_be_heard_and_scrolled():
    box = body(page(f"## Claims\n\n{TABLE}"))[1]
    assert (box.get("class"), box.get("tabindex"), box.get("aria-label")) == ("wide", "0", "Claims")
    table = box[0]
    assert table.find("caption").text == "Claims"
    assert [header.get("scope") for header in table.iter("th")] == ["col", "col", "col", "row", "row"]
    assert [row.find("th").text for row in table.find("tbody")] == ["a", "c"]
    assert [row.get("id") for row in table.find("tbody")] == ["one-claim-1", "one-claim-2"]
    assert "style" not in page(TABLE)


def test_verdicts_can_be_found_by_a_style_sheet():
    table = next(body(page(TABLE)).iter("table"))
    assert table.get("class") == "cards"
    cells = [(cell.get("class"), cell.get("data-label")) for cell in table.iter("td")]
    assert cells == [
        ("text verdict fails", None),
        ("count holds", "holds"),
        ("text verdict explained", None),
        ("none", "holds"),
    ]
    marked = body(page("- ✓ holds: that.\n- It holds.\n"))
    assert [(mark.get("class"), mark.text) for mark in marked.iter("b")] == [("holds", "✓ holds")]


def test_long_tables_are_closed_until_asked_for():
    html = body(page("# One\n\n## Final metrics\n\n### a\n\n1\n\n## Settings\n\n2\n\n## More\n\n3\n", shift=1))
    assert [child.tag for child in html] == ["h2", "details", "details", "h3", "p"]
    assert [details.find("summary/h3").text for details in html.iter("details")] == ["Final metrics", "Settings"]
    assert [paragraph.text for paragraph in html[1].iter("p")] == ["1"]
