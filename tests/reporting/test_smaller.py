"""Smaller files show the same: every point, every letter and every colour is compared with what matplotlib wrote."""

import base64
import re
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from groundwork.reporting.plots import picture, strip
from groundwork.reporting.smaller import PNG, small_png, small_svg
from groundwork.reporting.style import canvas, house_style

LETTER = "scale(0.015625)"


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    """A figure with words, a curve and dots, as matplotlib writes it."""
    random = np.random.default_rng(0)
    with house_style():
        figure, (ax, dots) = canvas(columns=2)
        ax.semilogy(np.exp(random.standard_normal(30)), label="σ² of w₁ & b < 1")
        ax.legend()
        strip(dots, [("one", random.random(300)), ("other one", random.random(300))], "value")
        files = {kind: BytesIO() for kind in ("svg", "png")}
        for kind, file in files.items():
            figure.savefig(file, format=kind)
    return {kind: file.getvalue() for kind, file in files.items()}


def named(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Every element in its order, without namespaces, groups and metadata."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.items()}
    kept = ("path", "use", "image", "rect", "clipPath")
    return [element for element in root.iter() if element.tag in kept]


def numbers(text: str | None) -> np.ndarray:
    return np.array(re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text or ""), float)


def test_a_small_svg_has_every_point_where_it_was(drawn):
    whole = drawn["svg"].decode()
    small = small_svg(whole)
    before, after = named(ElementTree.fromstring(whole)), named(ElementTree.fromstring(small))
    assert [element.tag for element in after] == [element.tag for element in before]
    for one, other in zip(before, after, strict=True):
        scale, error = (1 / 8, 0.5) if one.get("transform") == LETTER else (1, 0.005)
        np.testing.assert_allclose(numbers(other.get("d")), numbers(one.get("d")) * scale, atol=error + 1e-9)
        assert re.findall("[A-Za-z]", other.get("d", "")) == re.findall("[A-Za-z]", one.get("d", ""))
        if one.tag in ("rect", "image") or one.get("y"):
            for key in ("x", "y", "width", "height"):
                np.testing.assert_allclose(numbers(other.get(key)), numbers(one.get(key)), atol=0.005 + 1e-9)
        if one.tag == "use" and one.get("transform"):  # a letter, to the right of the one before it
            across = numbers(other.get("x") or other.get("transform"))
            np.testing.assert_allclose(across[0], numbers(one.get("transform"))[0], atol=0.005 + 1e-9)
    assert len(small) < 0.6 * len(whole)


def test_what_a_small_svg_refers_to_is_there(drawn):
    small = small_svg(drawn["svg"].decode())
    ids = re.findall(r' id="([^"]*)"', small)
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', small))
    assert {one or other for one, other in referred} == set(ids)


def test_dots_in_a_small_svg_keep_their_colours(drawn):
    whole = drawn["svg"].decode()
    before, after = (re.findall(f'href="{PNG}([^"]*)"', text) for text in (whole, small_svg(whole)))
    assert before
    for one, other in zip(before, after, strict=True):
        one, other = (Image.open(BytesIO(base64.b64decode(text))).convert("RGBA") for text in (one, other))
        paper = Image.new("RGBA", one.size, "white")
        seen, again = (np.asarray(Image.alpha_composite(paper, image), float) for image in (one, other))
        assert np.abs(seen - again).mean() < 2


def test_a_small_png_of_grey_digits_is_the_same():
    with house_style():
        figure, (ax,) = canvas(width=2, height=2)
        picture(ax, np.random.default_rng(0).random((28, 28)), "3 as 7")
        file = BytesIO()
        figure.savefig(file, format="png")
    small = small_png(file.getvalue())
    pixels = [np.asarray(Image.open(BytesIO(content)).convert("RGB")) for content in (file.getvalue(), small)]
    np.testing.assert_array_equal(*pixels)
    assert len(small) < 0.7 * len(file.getvalue())


def test_a_small_png_of_many_colours_looks_the_same():
    ramp = np.linspace(-1, 1, 28 * 28).reshape(28, 28)
    with house_style():
        figure, (ax,) = canvas(width=2, height=2)
        picture(ax, ramp, "weights", diverging=True)
        file = BytesIO()
        figure.savefig(file, format="png")
    before, after = (
        np.asarray(Image.open(BytesIO(content)).convert("RGB"), float)
        for content in (file.getvalue(), small_png(file.getvalue()))
    )
    assert np.abs(before - after).max() <= 12
