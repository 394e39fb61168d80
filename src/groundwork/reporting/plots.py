"""The drawings that several studies share."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundwork.reporting.style import canvas, colour
from groundwork.runs import VariantRuns
from groundwork.settings import plain

MOST_POINTS = 200  # of a curve; more only make the file larger


def curve_with_band(ax: Axes, x: np.ndarray, values: np.ndarray, label: str, index: int, linestyle: str = "-") -> None:
    """The median over the replicates, values (S, R), and the band that holds the middle 90 % of them.

    Ranks, not means: a replicate that diverges cannot hide the others.
    """
    with np.errstate(invalid="ignore"):
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=1, method="closest_observation")
    seen = np.flatnonzero(np.isfinite(middle) & (middle < 1e30))
    seen = seen[:: max(1, len(seen) // MOST_POINTS)]
    ax.fill_between(x[seen], low[seen], high[seen], color=colour(index), alpha=0.2, linewidth=0)
    ax.plot(x[seen], middle[seen], color=colour(index), label=label, linestyle=linestyle)


def sweep(ax: Axes, x: Sequence[float], columns: Sequence[np.ndarray], label: str, index: int) -> None:
    """Something against a setting that was varied: the median of each column (R,) and the band of its middle 90 %."""
    values = np.stack(columns)
    with np.errstate(invalid="ignore"):
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=1, method="closest_observation")
    ax.fill_between(x, low, high, color=colour(index), alpha=0.2, linewidth=0)
    ax.plot(x, middle, "o-", markersize=4, color=colour(index), label=label)


def strip(
    ax: Axes, groups: Sequence[tuple[str, np.ndarray]], xlabel: str, indices: Sequence[int] | None = None
) -> None:
    """One row of dots a group, a dot a replicate, a bar at the mean."""
    for row, (_, values) in enumerate(groups):
        place = row if indices is None else indices[row]
        spread = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.5  # even, and the same every time
        ax.scatter(values, row + spread, s=9, color=colour(place), alpha=0.45, linewidths=0, rasterized=True)
        if len(values):
            ax.plot([values.mean()] * 2, [row - 0.38, row + 0.38], color="black", linewidth=2)
    ax.set_yticks(range(len(groups)), [label for label, _ in groups])
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(xlabel)


def losses_by_rate(runs: Sequence[VariantRuns]) -> Figure:
    """The training loss by epoch, a curve a learning rate, of the variants that are trained longest."""
    rates, lengths = _rates_and_lengths(runs)
    figure, (ax,) = canvas()
    for variant in runs:
        settings = variant.variant.settings
        if settings.epochs == max(lengths):
            label = f"lr = {plain(settings.lr)}"
            curve_with_band(ax, *variant.curve("train/loss"), label=label, index=rates.index(settings.lr))
    for epochs in lengths[:-1]:
        ax.axvline(epochs, color="black", linewidth=0.8, linestyle=":")
        ax.annotate(f" {epochs} epochs", (epochs, 0.97), xycoords=("data", "axes fraction"), va="top")
    ax.set(xlabel="epoch", ylabel="training loss of a minibatch", yscale="log", ylim=(1e-5, 1e4))
    ax.legend(loc="upper right")
    return figure


def errors_by_rate(runs: Sequence[VariantRuns]) -> Figure:
    """How far from the truth the replicates end, a row for each learning rate and number of epochs."""
    rates, _ = _rates_and_lengths(runs)
    figure, (ax,) = canvas(height=3.8)
    ax.set(xscale="log")
    settings = [variant.variant.settings for variant in runs]
    strip(
        ax,
        [
            (f"lr = {plain(s.lr)}, {s.epochs} epochs", variant["parameter_error"][variant.ok])
            for s, variant in zip(settings, runs, strict=True)
        ],
        "parameter error, ‖(w, b) − truth‖",
        [rates.index(s.lr) for s in settings],
    )
    for row, variant in enumerate(runs):
        if variant.diverged.any():
            diverged = f"{variant.diverged.sum()} of {len(variant.diverged)} replicates diverge"
            ax.annotate(diverged, (0.5, row), xycoords=("axes fraction", "data"), ha="center", va="center")
    return figure


def _rates_and_lengths(runs: Sequence[VariantRuns]) -> tuple[list[float], list[int]]:
    settings = [variant.variant.settings for variant in runs]
    return sorted({s.lr for s in settings}), sorted({s.epochs for s in settings})


def picture(ax: Axes, pixels: np.ndarray, title: str = "", diverging: bool = False) -> None:
    """A 28×28 image, dark on white; diverging: weights, blue below zero and red above."""
    most = float(np.abs(pixels).max()) or 1.0
    if diverging:
        ax.imshow(pixels, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    else:
        ax.imshow(pixels, cmap="gray_r", vmin=0, vmax=most, interpolation="nearest")
    ax.set_title(title, fontsize=10, fontweight="normal", loc="center")
    ax.set_axis_off()
