"""The same figure is the same bytes, whatever the user's own matplotlib looks like."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from groundwork.reporting.plots import curve_with_band, picture, strip
from groundwork.reporting.style import COLOURS, canvas, colour, house_style, save

DRAW = """
import sys
from pathlib import Path
import numpy as np
from groundwork.reporting.plots import curve_with_band, picture, strip
from groundwork.reporting.style import canvas, house_style, save
for name in sys.argv[1:]:
    with house_style():
        figure, axes = canvas(columns=3)
        values = np.random.default_rng(0).random((20, 30))
        curve_with_band(axes[0], np.arange(20), values, "σ² of w₁", 0)
        axes[0].legend()
        strip(axes[1], [("one", values[0]), ("none", values[0][:0])], "value")
        picture(axes[2], values, "weights", diverging=True)
        save(figure, Path(name))
"""


def drawn(*names: str, **env: str) -> list[bytes]:
    subprocess.run([sys.executable, "-c", DRAW, *names], env=os.environ | env, check=True)
    return [Path(name).read_bytes() for name in names]


def test_the_same_bytes_under_any_matplotlibrc(tmp_path):
    svg, png, again, once_more = drawn("a.svg", "a.png", "b.svg", "b.png")
    assert (again, once_more) == (svg, png)
    style = {"axes.facecolor": "black", "font.size": 30, "svg.fonttype": "none", "savefig.dpi": 30, "backend": "pdf"}
    (tmp_path / "matplotlibrc").write_text("".join(f"{key}: {value}\n" for key, value in style.items()))
    assert drawn("c.svg", "c.png", MPLCONFIGDIR=str(tmp_path)) == [svg, png]
    assert svg.startswith(b"<svg ")
    assert b"date" not in svg
    assert b"Software" not in png


def test_the_users_style_comes_back():
    before = dict(matplotlib.rcParams)
    with house_style():
        assert dict(matplotlib.rcParams) != before
    assert dict(matplotlib.rcParams) == before


def test_colours_come_round():
    assert len(set(COLOURS)) == len(COLOURS)
    assert colour(len(COLOURS)) == colour(0)


def test_a_diverged_replicate_hides_no_other():
    values = np.random.default_rng(0).random((5, 100))
    wild = values.copy()
    wild[2:, 0] = [1e20, np.inf, np.nan]
    with house_style():
        _, (ax, other) = canvas(columns=2)
        curve_with_band(ax, np.arange(5), values, "calm", 0)
        curve_with_band(other, np.arange(5), wild, "wild", 0)
    (calm,), (seen,) = ax.lines, other.lines
    np.testing.assert_allclose(calm.get_ydata(), np.median(values, axis=1), atol=0.02)
    np.testing.assert_allclose(seen.get_ydata()[:4], np.median(wild[:4], axis=1), atol=0.02)


def test_a_curve_ends_where_it_leaves_the_numbers():
    values = np.array([1.0, 10, 1e20, 1e35, np.inf, np.nan])[:, None] * np.ones(10)
    with house_style():
        _, (ax,) = canvas()
        curve_with_band(ax, np.arange(6), values, "diverges", 0)
    assert ax.lines[0].get_ydata().tolist() == [1, 10, 1e20]


def test_a_strip_has_a_dot_a_replicate_and_a_bar_at_the_mean():
    groups = [("a", np.array([1.0, 2, 6])), ("nobody", np.array([])), ("b", np.array([4.0]))]
    with house_style():
        _, (ax,) = canvas()
        strip(ax, groups, "value")
    assert [len(dots.get_offsets()) for dots in ax.collections] == [3, 0, 1]
    assert [line.get_xdata()[0] for line in ax.lines] == [3, 4]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "nobody", "b"]


@pytest.mark.parametrize("diverging", [False, True])
def test_a_picture_of_nothing_is_drawn(diverging):
    with house_style():
        figure, (ax,) = canvas()
        picture(ax, np.zeros((28, 28)), "blank", diverging)
        save(figure, Path("blank.png"))
    low, high = ax.images[0].get_clim()
    assert low < high
