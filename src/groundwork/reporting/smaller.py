"""The same picture in fewer bytes: what matplotlib writes, without what nobody can see."""

import base64
import re
from io import BytesIO
from xml.etree import ElementTree

from PIL import Image

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
PNG = "data:image/png;base64,"
COLOURS = 256  # of a palette: enough for grey digits, for dots of a few colours, and for a colour map


def small_png(content: bytes) -> bytes:
    """A PNG with a palette instead of four bytes a pixel."""
    picture = Image.open(BytesIO(content))
    if picture.getchannel("A").getextrema() == (255, 255):
        few = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    else:  # the only way that knows transparency
        few = picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small = BytesIO()
    few.save(small, "PNG", optimize=True)
    return small.getvalue()


def small_svg(text: str) -> str:
    """An SVG by matplotlib to a hundredth of a point, without metadata, and names and groups that nothing refers to."""
    root = ElementTree.fromstring(text)
    root[:] = [child for child in root if child.tag != f"{SVG}metadata"]
    named = set(re.findall(r"#([\w.-]+)", text))
    styles = {f"#{element.get('id')}": element.get("style") for element in root.iter(f"{SVG}path")}
    for element in root.iter():
        if "style" in element.attrib and styles.get(element.get(f"{XLINK}href", "")) == element.get("style"):
            del element.attrib["style"]  # a mark on an axis, drawn as it is defined
        if element.get("transform") == "scale(0.015625)":  # a letter, in 6400ths of its size
            outline = re.sub(r"-?[\d.]+", _eighth, element.get("d", ""))  # a space has none
            element.attrib |= {"transform": "scale(0.125)", "d": outline}
        element.text, element.tail = (element.text or "").strip(), None
        element.attrib = {
            key: short for name, value in element.items() for key, short in _shorter(element.tag, name, value, named)
        }
    _unwrap(root)
    ElementTree.register_namespace("", SVG.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>") + "\n"


def _shorter(tag: str, name: str, value: str, named: set[str]) -> list[tuple[str, str]]:
    """An attribute as it is written here; none if it says nothing."""
    match name:
        case "id":
            return [(name, _glyph(value))] if value in named else []
        case "style":
            return [(name, re.sub(r"([:;])\s+", r"\1", value))]
        case "d":
            return [(name, re.sub(r"\s*([A-Za-z])\s*", r"\1", _rounded(value)))]
        case "x" | "y" | "width" | "height":
            return [(name, _rounded(value))]
        case "transform" if tag == f"{SVG}use" and (across := re.fullmatch(r"translate\(([\d.]+) 0\)", value)):
            return [("x", _rounded(across[1]))]
        case "transform":
            return [(name, re.sub(r"translate\([^)]*\)", lambda found: _rounded(found[0]), value))]
    if name != f"{XLINK}href":
        return [(name, value)]
    if not value.startswith(PNG):
        return [("href", _glyph(value))]
    return [("href", PNG + base64.b64encode(small_png(base64.b64decode(value.removeprefix(PNG)))).decode())]


def _rounded(numbers: str) -> str:
    return re.sub(r"-?\d+\.\d{2,}", lambda found: f"{float(found[0]):z.2f}".rstrip("0").rstrip("."), numbers)


def _eighth(found: re.Match[str]) -> str:
    return str(round(float(found[0]) / 8))


def _glyph(name: str) -> str:
    """A letter's name, thousands of which are in a figure."""
    return name.replace("DejaVuSans-", "d")


def _unwrap(element: ElementTree.Element) -> None:
    """Put what is in groups without attributes in their place."""
    for child in element:
        _unwrap(child)
    element[:] = [
        part for child in element for part in (child if child.tag == f"{SVG}g" and not child.attrib else [child])
    ]
