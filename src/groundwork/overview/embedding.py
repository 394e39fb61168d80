"""Files as part of a page: data URIs, and for pictures the size at which every figure has the same scale."""

import base64
import re
from pathlib import Path
from urllib.parse import quote

from PIL import Image

PNG_DPI, CSS_DPI, POINTS = 150, 96, 72  # an inch: of `savefig.dpi`, of a browser, of an SVG by matplotlib
PLAIN = " !$&'()*+,-./:;=?@_~"  # what a data URI may hold as it is


def embedded(picture: Path) -> dict[str, str]:
    """The attributes src, width and height of an <img> that needs no other file.

    An SVG stays text: shorter than base64, and servers compress it well.
    """
    if picture.suffix == ".svg":
        svg = picture.read_text(encoding="utf-8")
        viewed = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        width, height = (float(size) * CSS_DPI / POINTS for size in viewed.groups()) if viewed else (300.0, 150.0)
        source = "data:image/svg+xml," + quote(svg if "'" in svg else svg.replace('"', "'"), safe=PLAIN)
    else:
        with Image.open(picture) as pixels:
            width, height = (size * CSS_DPI / PNG_DPI for size in pixels.size)
        source = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    return {"src": source, "width": f"{width:.0f}", "height": f"{height:.0f}"}


def downloaded(table: Path) -> str:
    """The address of a table that is saved as a file when its link is followed."""
    return "data:text/csv;charset=utf-8," + quote(table.read_text(encoding="utf-8"), safe=PLAIN)
