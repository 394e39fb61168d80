"""Jinja2 templates, and Markdown turned into the one self-contained HTML page."""

import base64
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}


def render(template: Path, values: dict[str, object]) -> str:
    """A template file, filled in; a value that is missing is an error."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(values)


def html_of(markdown: str, folder: Path, heading_shift: int = 0) -> str:
    """Markdown as HTML; pictures below `folder` become part of the text, so the page needs no other file."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    html = re.sub(r'<img src="([^"]+)"', lambda found: f'<img src="{_data_uri(folder / found[1])}"', html)
    html = html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return re.sub(r"<(/?)h(\d)>", lambda found: f"<{found[1]}h{int(found[2]) + heading_shift}>", html)


def _data_uri(picture: Path) -> str:
    content = base64.b64encode(picture.read_bytes()).decode()
    return f"data:{MEDIA[picture.suffix]};base64,{content}"
