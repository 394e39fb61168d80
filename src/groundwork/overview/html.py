"""A Markdown page as a part of the one HTML page: its anchors, links, pictures and tables."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from groundwork.overview.counts import PRINTED_VERDICTS, VERDICTS
from groundwork.overview.embedding import downloaded, embedded

FOLDED = ("Final metrics", "Settings")  # long tables that few readers want: closed until asked for
WORD = re.compile(rf"\W*({'|'.join((*VERDICTS, *PRINTED_VERDICTS))})\b")
SAID = re.compile(rf"[^\w\s] ({'|'.join(VERDICTS)})\b")


def html_of(
    markdown: str, name: str, folder: Path, names: Collection[str], shift: int = 0, elsewhere: Collection[str] = ()
) -> str:
    """The page `name` as HTML that needs no other file.

    Its headings are `shift` levels lower, and a heading's id is `<name>-<the anchor that a code host gives it>`; a row
    of the section "Claims" is `<name>-claim-<number>`. A link to a page in `names` leads there within the one HTML
    page, a table (CSV) becomes part of it, and of a link to any other file only the text stays. Files lie below
    `folder`; a picture that stands `elsewhere` in the one page becomes a link to it.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = _figures(parser.parse(markdown))
    _headings(tokens, name, shift)
    tokens = _folded(_tables(tokens, name), 2 + shift)
    for before, token in pairwise(tokens):
        children = token.children or []
        _links(children, name, names, folder)
        if before.type == "paragraph_open":
            children = _verdicts(children)
        token.children = [
            part
            for child in children
            for part in ([child] if child.type != "image" else _picture(child, folder, elsewhere))
        ]
    return parser.renderer.render(tokens, parser.options, {})


def pictures_of(markdown: str) -> set[str]:
    """The addresses of all pictures on a page."""
    tokens = MarkdownIt("commonmark").parse(markdown)
    children = [child for token in tokens for child in token.children or []]
    return {str(child.attrs["src"]) for child in children if child.type == "image"}


def anchor(heading: str) -> str:
    """What code hosts make of a heading: small letters, digits and hyphens."""
    kept = (c for c in heading.lower() if c in " -" or unicodedata.category(c)[0] in "LM" or c.isdecimal() or c == "_")
    return "".join(kept).replace(" ", "-")


def _text(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [])


def _headings(tokens: list[Token], name: str, shift: int) -> None:
    """Give every heading its id and its level."""
    seen: Counter[str] = Counter()
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            own = anchor(_text(inline))
            token.attrSet("id", f"{name}-{own}" + (f"-{seen[own]}" if seen[own] else ""))
            seen[own] += 1
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) + shift}"


def _links(children: list[Token], name: str, names: Collection[str], folder: Path) -> None:
    """Lead links to where the pages are in the one page."""
    attrs: dict[str, str | int | float] = {}
    for child in children:
        if child.type == "link_open":
            child.attrs = attrs = _within(str(child.attrs["href"]), name, names, folder)
        if child.type in ("link_open", "link_close"):
            child.tag = "a" if attrs else "span"


def _within(href: str, name: str, names: Collection[str], folder: Path) -> dict[str, str | int | float]:
    """The attributes of a link to the same place within the one page; none if it leads to a file that is not in it."""
    if "://" in href:
        return {"href": href}
    file, _, heading = href.partition("#")
    if file.endswith(".csv"):
        return {"href": downloaded(folder / file), "download": file}
    page = name if not file else file.removesuffix(".md")
    return {"href": "#" + "-".join(filter(None, [page, heading]))} if page in names else {}


def _verdicts(children: list[Token]) -> list[Token]:
    """A verdict that a sentence begins with gets its colour: "✗ fails: …"."""
    found = children and SAID.match(children[0].content)
    if not found:
        return children
    rest = Token("text", "", 0, content=children[0].content[found.end() :])
    return [_raw(f'<b class="{found[1]}">{found[0]}</b>'), rest, *children[1:]]


def _picture(image: Token, folder: Path, elsewhere: Collection[str]) -> list[Token]:
    """A picture as part of the page, or a link to where it stands; with scripts the picture appears there, too."""
    address = str(image.attrs["src"])
    name = address.rpartition(".")[0].replace("/", "-")
    if address in elsewhere:
        link = Token("link_open", "a", 1, attrs={"href": f"#{name}", "class": "again"})
        return [link, Token("text", "", 0, content=image.content), Token("link_close", "a", -1)]
    image.attrs = {"id": name, "alt": "", **embedded(folder / address), "loading": "lazy", "decoding": "async"}
    return [image]


def _figures(tokens: list[Token]) -> list[Token]:
    """A paragraph that is a picture, and one after it in italics, become a figure and its caption."""
    made: list[Token] = []
    place = 0
    while place < len(tokens):
        inside = _kinds(tokens, place)
        if inside != ["image"]:
            made.append(tokens[place])
            place += 1
            continue
        picture, after = tokens[place + 1], _kinds(tokens, place + 3)
        made += [_raw("<figure>"), picture]
        place += 3
        if after[:1] == ["em_open"] and after[-1] == "em_close":
            caption = tokens[place + 1]
            heard = picture.content.startswith(f"![{caption.content[1:-1]}]")  # as the picture's own text
            hidden = ' aria-hidden="true"' if heard else ""
            made += [_raw(f"<figcaption{hidden}>"), caption, _raw("</figcaption>")]
            place += 3
        made.append(_raw("</figure>\n"))
    return made


def _kinds(tokens: list[Token], place: int) -> list[str]:
    """What the paragraph that begins at a place consists of; empty if none begins there."""
    if place >= len(tokens) or tokens[place].type != "paragraph_open":
        return []
    return [child.type for child in tokens[place + 1].children or []]


def _tables(tokens: list[Token], name: str) -> list[Token]:
    """Tables get a box to scroll in, a caption that is heard, and what `_row` and `_cell` add."""
    made: list[Token] = []
    heading, header, claims = "", [""], 0
    for token, following in pairwise([*tokens, _raw("")]):
        if token.type == "heading_open":
            heading = _text(following)
        elif token.type == "table_open":
            header = []
            label = escape(heading, quote=True)
            made += [_raw(f'<div class="wide" role="region" tabindex="0" aria-label="{label}">\n'), token]
            made.append(_raw(f'<caption class="unseen">{label}</caption>\n'))
            place = len(made) - 2
            continue
        elif token.type == "tr_open":
            column = 0
            if heading == "Claims" and header[:1] == ["verdict"]:
                claims += 1
                token.attrSet("id", f"{name}-claim-{claims}")
        elif token.type == "th_open":
            header.append(_text(following))
            token.attrSet("scope", "col")
            _align(token)
        elif token.type == "thead_close" and {"verdict", *VERDICTS} & set(header):
            made[place].attrSet("class", "cards")
        elif token.type == "td_open":
            _cell(token, _text(following), header, column)
        elif token.type == "td_close":
            token.tag = made[-2].tag
            column += 1
        made.append(token)
        if token.type == "table_close":
            made.append(_raw("</div>\n"))
    return made


def _cell(token: Token, text: str, header: list[str], column: int) -> None:
    """A header of its row, or a cell with its column's title where rows can become cards, on a narrow screen.

    Classes tell a style sheet where verdicts are, and counts of them.
    """
    title = header[column]
    _align(token)
    if column == (header[0] == "verdict"):  # what a row is about; its verdict is something about that
        token.tag = "th"
        token.attrSet("scope", "row")
    elif title == "verdict" and (found := WORD.match(text)):
        token.attrSet("class", f"text verdict {found[1]}")
    elif title in VERDICTS:
        token.attrSet("class", f"count {title}" if text.isdecimal() else "none")
    if column and {"verdict", *VERDICTS} & set(header):
        token.attrSet("data-label", title)


def _align(token: Token) -> None:
    """Numbers are right-aligned unless a class says otherwise: shorter than a style in each of many thousand cells."""
    if token.attrs.pop("style", "") != "text-align:right":
        token.attrSet("class", "text")


def _folded(tokens: list[Token], level: int) -> list[Token]:
    """The sections named in FOLDED, closed; their heading opens them."""
    made: list[Token] = []
    inside = False
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and int(token.tag[1]) <= level:
            made += [_raw("</details>\n")] * inside
            inside = token.tag == f"h{level}" and _text(tokens[place + 1]) in FOLDED
            made += [_raw("<details>\n<summary>")] * inside
        made.append(token)
        if token.type == "heading_close" and inside and token.tag == f"h{level}":
            made.append(_raw("</summary>\n"))
    return made + [_raw("</details>\n")] * inside


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)
