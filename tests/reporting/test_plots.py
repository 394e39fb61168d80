"""The drawings that studies share show what they are given."""

import numpy as np
import pytest

from groundwork.reporting.plots import ladder, mistakes
from groundwork.reporting.style import house_style

RUNGS = [("low", np.array([0.05, 0.04]), 785, 784), ("high", np.array([0.003]), 11_177_538, 34_236_160)]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_a_ladder_has_a_row_a_model():
    with house_style():
        figure = ladder(RUNGS)
    errors, parameters, multiply_adds = figure.axes
    assert [label.get_text() for label in errors.get_yticklabels()] == ["low", "high"]
    np.testing.assert_allclose(errors.collections[0].get_offsets()[:, 0], [0.05, 0.04])
    assert texts(parameters) == ["785", "11,177,538"]
    assert texts(multiply_adds) == ["784", "34,236,160"]
    for ax in figure.axes:
        assert ax.get_xscale() == "log"
        assert ax.get_ylim() == errors.get_ylim()


def test_a_models_colour_is_the_same_throughout():
    with house_style():
        errors, *costs = ladder(RUNGS).axes
    dots = [tuple(group.get_facecolor()[0][:3]) for group in errors.collections]
    for ax in costs:
        assert dots == [pytest.approx(rgb(line.get_color())) for line in ax.lines]


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def test_mistakes_have_a_row_a_model():
    images = np.arange(5 * 784).reshape(5, 28, 28)
    with house_style():
        figure = mistakes([("one", images[:3], ["a", "b", "c"]), ("two", images[3:], ["d", "e"])])
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == ["a", "b", "c", "d", "e"]
    for ax, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)
    assert [texts(figure.axes[place]) for place in (0, 3)] == [["one"], ["two"]]


def test_a_model_without_mistakes_has_an_empty_row():
    with house_style():
        figure = mistakes([("perfect", np.zeros((0, 28, 28)), [])])
    (ax,) = figure.axes
    assert texts(ax) == ["perfect"]
    assert not ax.images
