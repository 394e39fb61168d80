"""Small pictures of a printed number among ours: blue what we get, a diamond what is printed. SVG, 1 to 2 kB each.

Written by hand: a figure of a plotting library is ten times as large, and there are dozens of them on a page. Sizes
are in points, as in every other figure.
"""

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from groundwork.colours import COLOURS

WIDTH, HEIGHT, CURVE_HEIGHT, MARGIN = 165, 21, 42, 5
OURS, EXPLANATION = COLOURS[:2]
FAR = 12  # quartile distances that fit on an even scale


def number_strip(title: str, printed: float, ours: Sequence[float], explanation: Sequence[float] = ()) -> str:
    """A line for each of some quantiles of ours, ordered, and of the variant that explains the printed number."""
    scale = _scale(ours)
    place = _onto([scale(value) for value in (printed, *ours, *explanation)], MARGIN, WIDTH - MARGIN)
    middle = HEIGHT / 2
    lines = [
        f'<path d="{"".join(f"M{_n(place(scale(value)))} {_n(middle - 6)}v12" for value in values)}" '
        f'stroke="{colour}" stroke-opacity=".55"/>'
        for values, colour in ((ours, OURS), (explanation, EXPLANATION))
        if values
    ]
    return _svg(title, HEIGHT, [*lines, _diamond(place(scale(printed)), middle, 4)])


def curve_strip(
    title: str, printed: Sequence[float], low: Sequence[float], middle: Sequence[float], high: Sequence[float]
) -> str:
    """Our band and median by epoch, from left to right, and the printed points; logarithmic if they fall far."""
    every = [*printed, *low, *high]
    if min(every) > 0 and max(every) > 5 * min(every):
        printed, low, middle, high = ([math.log(value) for value in values] for values in (printed, low, middle, high))
    across = _onto(range(len(printed)), MARGIN, WIDTH - MARGIN)
    up = _onto([*printed, *low, *high], CURVE_HEIGHT - 5, 5)

    def points(values: Sequence[float]) -> list[str]:
        return [f"{_n(across(epoch))} {_n(up(value))}" for epoch, value in enumerate(values)]

    return _svg(
        title,
        CURVE_HEIGHT,
        [
            f'<path d="M{"L".join(points(low) + points(high)[::-1])}Z" fill="{OURS}" fill-opacity=".3"/>',
            f'<path d="M{"L".join(points(middle))}" fill="none" stroke="{OURS}" stroke-width="1.5"/>',
            *(_diamond(across(epoch), up(value), 2) for epoch, value in enumerate(printed)),
        ],
    )


def has_far_tails(values: Sequence[float]) -> bool:
    """Do some of the values (ordered) lie so far out that an even scale would show nothing of the others?"""
    return 0 < FAR * _quartile_distance(values) < values[-1] - values[0]


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    """Even, or even near the median and logarithmic far from it."""
    if not has_far_tails(values):
        return lambda value: value
    median, distance = values[len(values) // 2], _quartile_distance(values)
    return lambda value: math.asinh((value - median) / distance)


def _quartile_distance(values: Sequence[float]) -> float:
    return values[-1 - len(values) // 4] - values[len(values) // 4]


def _onto(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """What maps the range of the values onto start … end."""
    low, high = min(values), max(values)
    if low == high:
        return lambda value: (start + end) / 2
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _diamond(x: float, y: float, size: float) -> str:
    s = _n(size)
    way = f"M{_n(x)} {_n(y - size)}l{s} {s}l-{s} {s}l-{s}-{s}z"
    return f'<path d="{way}" fill="#fff" stroke="#000" stroke-width="{_n(0.2 * size + 0.3)}"/>'


def _svg(title: str, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}pt" height="{height}pt" viewBox="0 0 {WIDTH} {height}" '
        f'role="img"><title>{escape(title)}</title>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _n(value: float) -> str:
    """A coordinate: one decimal is as much as a screen shows."""
    return f"{value:z.1f}".removesuffix(".0")
