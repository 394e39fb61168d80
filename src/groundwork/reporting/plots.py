"""The drawings that several studies share."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from groundwork.common.settings import plain
from groundwork.reporting.style import canvas, colour
from groundwork.reporting.words import fixed
from groundwork.runs import VariantRuns

MOST_POINTS = 150  # of a curve; more only make the file larger


def curve_with_band(ax: Axes, x: np.ndarray, values: np.ndarray, label: str, index: int, linestyle: str = "-") -> None:
    """The median over the replicates, values (S, R), and the band that holds the middle 90 % of them.

    Ranks, not means: a replicate that diverges cannot hide the others.
    """
    with np.errstate(invalid="ignore"):
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=1, method="closest_observation")
    seen = np.flatnonzero(np.isfinite(middle) & (middle < 1e30))
    seen = seen[:: max(1, math.ceil(len(seen) / MOST_POINTS))]
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


def mistakes(rows: Sequence[tuple[str, np.ndarray, Sequence[str]]]) -> Figure:
    """Images that models get wrong, a row a model: its name, its images (m, 28, 28), a caption each: `3 as 7, 0.99`."""
    columns = max(1, *(len(images) for _, images, _ in rows))
    figure, axes = canvas(columns, len(rows), width=1.4 + columns, height=1.25 * len(rows))
    for ax in axes:
        ax.set_axis_off()
    for row, (name, images, captions) in enumerate(rows):
        places = axes[row * columns : (row + 1) * columns]
        for ax, image, caption in zip(places, images, captions, strict=False):
            picture(ax, image)
            ax.set_title(caption, fontsize=9, fontweight="normal", loc="center")
        places[0].text(-0.1, 0.5, name, transform=places[0].transAxes, ha="right", va="center")
    return figure


def worst(runs: VariantRuns) -> tuple[str, np.ndarray, list[str]]:
    """A row of `mistakes`: what a variant's first replicate gets wrong most surely of the 3s and 7s."""
    images, labels, own = (runs.weights[f"worst_{key}"][0] for key in ("images", "labels", "probabilities"))
    digits = np.where(labels == 1, 3, 7)[own < 0.5]
    captions = [
        f"{digit} as {10 - digit}, " + (fixed(1 - p, 2) if p > 0.005 else ">0.99")
        for digit, p in zip(digits, own[own < 0.5], strict=True)
    ]
    return runs.variant.name, images[own < 0.5], captions


def ladder(rungs: Sequence[tuple[str, np.ndarray, int, int]]) -> Figure:
    """What each model gets wrong beside what it costs: name, error rates (R,), parameters, multiply-adds an image."""
    figure, axes = canvas(columns=3, width=10, height=1.2 + 0.45 * len(rungs))
    strip(axes[0], [(name, errors) for name, errors, _, _ in rungs], "share of the images told wrong")
    for ax in axes:
        ax.set_xscale("log")
    shares = np.concatenate([errors for _, errors, _, _ in rungs])
    wide = shares.max() > 30 * shares[shares > 0].min(
        initial=shares.max() or 1
    )  # more than 1, 2, 5, 10, … has room for
    axes[0].xaxis.set_major_locator(LogLocator(subs=(1, 3) if wide else (1, 2, 5)))
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes[0].xaxis.set_minor_locator(NullLocator())
    parameters, multiply_adds = [rung[2] for rung in rungs], [rung[3] for rung in rungs]
    for ax, values, label in ((axes[1], parameters, "parameters"), (axes[2], multiply_adds, "multiply-adds an image")):
        for row, value in enumerate(values):
            ax.plot(value, row, "o", color=colour(row))
            ax.annotate(f"{value:,}", (value, row), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=9)
        ax.set(
            xlabel=label, xlim=(min(values) / 10, max(values) * 10), ylim=axes[0].get_ylim(), yticks=range(len(rungs))
        )
        ax.tick_params(labelleft=False)
        ax.grid(axis="x", visible=False)
    return figure
