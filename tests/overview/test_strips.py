"""The small pictures: well-formed, small, the same every time, and the marks lie where the numbers do."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from groundwork.overview.strips import CURVE_HEIGHT, HEIGHT, MARGIN, WIDTH, curve_strip, has_far_tails, number_strip

QUANTILES = list(np.percentile(np.random.default_rng(0).standard_normal(200), np.arange(0, 101, 2.5)))
FALLING = [100 * 0.5**epoch for epoch in range(22)]


def paths(svg: str) -> list[list[tuple[float, float]]]:
    """The points that each path of a picture moves or draws a line to."""
    drawn = ElementTree.fromstring(svg).findall("{http://www.w3.org/2000/svg}path")
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d"))] for path in drawn]


def places(svg: str) -> tuple[list[float], float]:
    """Where our lines stand, and the printed number."""
    lines, *_, diamond = paths(svg)
    return [x for x, _ in lines], diamond[0][0]


@pytest.mark.parametrize("printed", [-0.5, 0.0, 1.7, 40.0, -40.0])
def test_numbers_lie_on_one_even_scale(printed):
    ours, mark = places(number_strip("a title", printed, QUANTILES))
    low, high = min(*QUANTILES, printed), max(*QUANTILES, printed)
    expected = np.interp([*QUANTILES, printed], [low, high], [MARGIN, WIDTH - MARGIN])
    np.testing.assert_allclose([*ours, mark], expected, atol=0.051)


def test_the_order_is_kept_where_the_tails_are_far():
    ours = [-1e4, *QUANTILES, 1e6]
    assert has_far_tails(ours)
    assert not has_far_tails(QUANTILES)
    places_of_ours, mark = places(number_strip("a title", 1e5, ours))
    assert places_of_ours == sorted(places_of_ours)
    assert places_of_ours[-2] < mark < places_of_ours[-1]
    even = np.interp(ours, [-1e4, 1e6], [MARGIN, WIDTH - MARGIN])
    assert np.ptp(places_of_ours[10:30]) > 5 > 100 * np.ptp(even[10:30])  # the middle is not a point


def test_what_explains_is_drawn_as_well():
    svg = number_strip("a title", 5.0, QUANTILES, [value + 5 for value in QUANTILES])
    ours, other, _ = ([x for x, _ in path] for path in paths(svg))
    assert len(ours) == len(other) == len(QUANTILES)
    assert np.mean(ours) < np.mean(other)


@pytest.mark.parametrize("ours", [[1.0, 1.0, 1.0], [2.0]])
def test_values_that_agree_stand_in_the_middle(ours):
    places_of_ours, mark = places(number_strip("a title", ours[0], ours))
    assert {*places_of_ours, mark} == {WIDTH / 2}


def test_a_curve_runs_from_left_to_right_on_a_logarithmic_scale_if_it_falls_far():
    high = [2 * value for value in FALLING]
    _, middle, *printed = paths(curve_strip("a title", FALLING, FALLING, FALLING, high))
    x, y = zip(*middle, strict=True)
    np.testing.assert_allclose(x, np.linspace(MARGIN, WIDTH - MARGIN, 22), atol=0.051)
    np.testing.assert_allclose(np.diff(y), np.diff(y).mean(), atol=0.11)  # halving is a straight line
    assert len(printed) == 22
    np.testing.assert_allclose([point[0][0] for point in printed], x, atol=0.051)


def test_a_curve_that_stays_near_is_on_an_even_scale():
    values = [0.5, 0.6, 0.9]
    _, middle, *_ = paths(curve_strip("a title", values, values, values, values))
    y = [y for _, y in middle]
    assert (y[0] - y[1]) / (y[0] - y[2]) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("svg", "height"),
    [
        (number_strip("5 < 6 & 7", 3.3, QUANTILES, QUANTILES), HEIGHT),
        (number_strip("5 < 6 & 7", math.pi, [1.0, 2.0, 3.0]), HEIGHT),
        (curve_strip("5 < 6 & 7", FALLING, FALLING, FALLING, FALLING), CURVE_HEIGHT),
    ],
)
def test_a_picture_is_small_whole_and_named(svg, height):
    root = ElementTree.fromstring(svg)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "5 < 6 & 7"
    assert len(svg.encode()) < 3200
    assert root.get("viewBox") == f"0 0 {WIDTH} {height}"
    for x, y in (point for path in paths(svg) for point in path):
        assert 0 <= x <= WIDTH
        assert 0 <= y <= height
