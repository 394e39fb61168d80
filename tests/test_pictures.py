"""Pictures of digits, written by Pillow in many ways, against the 28×28 grey values that were drawn."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from groundwork.common.errors import UserError
from groundwork.pictures import BOX, SIDE, read_digit


def drawn() -> np.ndarray:
    """A 2 as in MNIST, soft at its edges: 20 pixels high, its centre of mass at the centre of the picture."""
    large = np.zeros((SIDE * 8, SIDE * 8), np.uint8)
    large[32:56, 64:164] = large[160:192, 64:174] = 255  # the bars
    for row in range(56, 160):
        left = 140 - 7 * (row - 56) // 10
        large[row, left : left + 24] = 255
    return np.asarray(Image.fromarray(large).resize((SIDE, SIDE), Image.Resampling.BOX))


DIGIT = drawn()


def read(image: Image.Image, path: Path, kind: str = "PNG", **options: object) -> np.ndarray:
    image.save(path, kind, **options)
    return read_digit(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture"


# --- 28×28: as it is -------------------------------------------------------------------------------------------------


MODES = {
    "PNG": ["L", "RGB", "RGBA", "LA", "P"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["L", "P"],
    "BMP": ["L", "RGB", "P"],
    "PPM": ["L", "RGB"],
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_28_by_28_grey_values_stay_as_they_are(kind, mode, path):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(read(Image.fromarray(DIGIT).convert(mode), path, kind, **options), DIGIT)


def test_sixteen_bits_one_bit_and_jpeg(path):
    assert np.array_equal(read(Image.fromarray(DIGIT.astype(np.uint16) * 257), path), DIGIT)
    assert np.array_equal(read(Image.fromarray(DIGIT > 99), path), (DIGIT > 99) * 255)
    assert np.abs(read(Image.fromarray(DIGIT).convert("CMYK"), path, "JPEG", quality=100) - DIGIT.astype(int)).max() < 9


@pytest.mark.parametrize("ink", [0, 60])
@pytest.mark.parametrize("paper", [100, 255])
def test_dark_on_light_is_inverted(ink, paper, path):
    image = (paper - (paper - ink) * (DIGIT / 255)).round().astype(np.uint8)
    assert np.array_equal(read(Image.fromarray(image), path), 255 - image)


@pytest.mark.parametrize("ink", [0, 255])
def test_what_is_transparent_is_paper(ink, path):
    colour = np.full_like(DIGIT, ink)
    assert np.array_equal(read(Image.fromarray(np.stack([colour, DIGIT], 2), "LA"), path), DIGIT)


def test_of_an_animation_the_first_picture_counts(path):
    others = [Image.fromarray(255 - DIGIT), Image.fromarray(DIGIT.T.copy())]
    assert np.array_equal(read(Image.fromarray(DIGIT), path, "GIF", save_all=True, append_images=others), DIGIT)


def test_a_photograph_is_turned_as_its_camera_was_held(path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn it a quarter clockwise"
    turned = Image.fromarray(np.rot90(DIGIT).copy())
    assert np.array_equal(read(turned, path, "PNG", exif=exif), DIGIT)


# --- any other size: as MNIST was made -------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
def test_an_enlarged_digit_anywhere_on_any_paper_comes_back(dark, path):
    enlarged = Image.fromarray(DIGIT).resize((SIDE * 5, SIDE * 5), Image.Resampling.NEAREST)
    paper = Image.new("L", (500, 300), 0)
    paper.paste(enlarged, (340, 20))
    values = np.asarray(paper) * 0.7 + 20
    found = read(Image.fromarray((255 - values if dark else values).astype(np.uint8)), path)
    assert np.abs(found.astype(int) - DIGIT).mean() < 2
    assert np.abs(found.astype(int) - DIGIT).max() < 50


@pytest.mark.parametrize("shape", [(100, 8), (8, 100), (3, 2), (1, 90), (1500, 1200), (28, 27)])
def test_the_digit_fits_the_box_and_is_centred_by_its_mass(shape, path):
    height, width = shape
    image = np.zeros((height + 2, width + 2), np.uint8)
    image[1:-1, 1:-1] = 200
    image[1 : 1 + height // 2, 1:-1] = 255  # heavier above
    found = read(Image.fromarray(image), path)
    sides = [np.flatnonzero(found.any(axis)) for axis in (1, 0)]
    lengths = [side[-1] - side[0] + 1 for side in sides]
    assert max(lengths) == BOX
    assert lengths == pytest.approx([max(1, BOX * side / max(shape)) for side in shape], abs=0.51)
    for axis in (1, 0):
        assert 13.5 <= np.average(np.arange(SIDE), weights=found.sum(axis)) < 14.5


# --- no picture ------------------------------------------------------------------------------------------------------


def png_of(width: int, height: int) -> bytes:
    """The beginning of a PNG that claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 9) + b"IDAT"


def png() -> bytes:
    content = io.BytesIO()
    Image.fromarray(DIGIT).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a picture"),
        (b"a text\n", "not a picture"),
        (bytes(range(256)) * 9, "not a picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n", "not a picture"),
        (png()[:70], "damaged"),
        (png_of(28, 28), "damaged"),
        (png_of(10_000, 10_000), "too large"),
        (png_of(60_000, 60_000), "too large"),
    ],
    ids=["empty", "text", "bytes", "SVG", "EPS", "half", "header", "large", "huge"],
)
def test_a_file_that_is_no_picture(content, problem, path):
    path.write_bytes(content)
    with pytest.raises(UserError, match=problem) as caught:
        read_digit(path)
    assert "\n" not in str(caught.value)


def test_places_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, problem in (
        (tmp_path / "nowhere.png", "No such file"),
        (tmp_path / "pipe", "not a file"),
        (tmp_path, "a folder without files"),
        (tmp_path / ("long" * 99), "too long"),
    ):
        with pytest.raises(UserError, match=problem):
            read_digit(path)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (SIDE, SIDE), 7), Image.new("RGBA", (90, 90), (1, 2, 3, 0)), Image.new("1", (1, 1), 1)],
    ids=["one grey", "transparent", "one pixel"],
)
def test_nothing_is_drawn(image, path):
    with pytest.raises(UserError, match="nothing is drawn in it"):
        read(image, path)


@given(st.sampled_from(["PNG", "GIF", "BMP", "JPEG", "WEBP", "PPM"]), st.data())
def test_whatever_is_damaged_gives_a_digit_or_one_line(tmp_path_factory, kind, data):
    content = io.BytesIO()
    Image.fromarray(np.pad(DIGIT, 2)).save(content, kind)
    damaged = bytearray(content.getvalue())
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), max_size=9)):
        damaged[at] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        found, problem = read_digit(path), ""
    except UserError as error:
        found, problem = DIGIT, str(error)
    assert "\n" not in problem
    assert (found.shape, found.dtype) == ((SIDE, SIDE), np.uint8)
    assert found.any()
