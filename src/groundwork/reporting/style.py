"""How every figure looks, and how it is written: the same figure gives the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundwork.colours import COLOURS
from groundwork.reporting.smaller import small_png, small_svg

GREY = "#888888"

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 12,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 11,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "savefig.dpi": 150,  # of PNG, and of what is rasterized in an SVG
    "lines.linewidth": 1.8,
    "svg.fonttype": "path",
    "svg.hashsalt": "groundwork",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save figures inside this block."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever matplotlibrc the user has
        matplotlib.rcParams.update(STYLE)
        yield


def colour(index: int) -> str:
    """The colour of the n-th thing that is compared; the same in every figure of a study."""
    return COLOURS[index % len(COLOURS)]


def canvas(columns: int = 1, rows: int = 1, width: float = 8.0, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """An empty figure of `width` × `height` inches, and its axes row by row."""
    figure = Figure(figsize=(width, height))
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def save(figure: Figure, path: Path) -> None:
    """Write SVG or PNG, by the ending of the name."""
    drawn = BytesIO()
    figure.savefig(drawn, format=path.suffix[1:])
    if path.suffix == ".svg":
        path.write_text(small_svg(drawn.getvalue().decode()), encoding="utf-8")
    else:
        path.write_bytes(small_png(drawn.getvalue()))
