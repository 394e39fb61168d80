"""What changes when the losses of a minibatch are summed instead of averaged?

The source trains with the sum of the squared errors at lr = 0.03, then at lr = 0.03/32, for minibatches of 32. Here
both stand beside the mean at lr = 0.03, with the short last minibatch (1000 = 31·32 + 8) kept and left out, for three
epochs and for twenty, and the sum is trained with the rates around the one that is too large.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    import numpy as np
    from matplotlib.figure import Figure

    from groundwork.common.settings import LinearSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "Sum or mean of a minibatch"
SOURCE = "d2l §3.5.6, exercise 1"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "lr_limit": "the largest stable lr on all rows at once, 2/λ_max",
    "val/loss": "validation loss: mean or sum of the squared errors",
}
HEADLINE = "parameter_error"


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD, one variant after another on the same draws."""
    from dataclasses import replace

    from groundwork.models.linear import rows, stable_lr, train_linear

    train = rows(block, "train")
    for variant, trained in zip(block.variants, train_linear(block), strict=True):
        yield replace(trained, metrics=trained.metrics | {"lr_limit": stable_lr(train, variant.settings)})


def mean_squared_error(runs: VariantRuns, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """The minibatch losses as means: epochs (S,) and values (S, R)."""
    import numpy as np

    settings = runs.variant.settings
    epochs, values = runs.curve("train/loss")
    if settings.loss == "mse":
        return epochs, values
    last = np.isclose(epochs, epochs.round())  # of an epoch
    short = results.data.train % settings.batch_size or settings.batch_size
    return epochs, values / np.where(last, short, settings.batch_size)[:, None]


def predicted_ratio(results: Results) -> float:
    """How much further from the truth the sum over 32 ends than the mean, because its last step is a short one.

    A step leaves the share 1 − 2·lr of the error, on average; a sum over k of B rows leaves 1 − 2·lr·k/B.
    """
    mean = results["mean"].variant.settings
    short = results.data.train % mean.batch_size / mean.batch_size
    return ((1 - 2 * mean.lr * short) / (1 - 2 * mean.lr)) ** mean.epochs


def ratio(results: Results, ending: str) -> np.ndarray:
    """The parameter error of the sum over 32 by that of the mean, (R,)."""
    return results[f"sum over 32{ending}"]["parameter_error"] / results[f"mean{ending}"]["parameter_error"]


def worse(runs: VariantRuns) -> np.ndarray:
    """Which replicates end with a larger validation loss than they started with, (R,)."""
    values = runs.curve("val/loss")[1]
    return ~(values[-1] <= values[0])


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch in one unit, the edge of stability, and what the short minibatch does."""
    import math

    import numpy as np

    from groundwork.reporting.plots import curve_with_band, strip, sweep
    from groundwork.reporting.style import GREY, canvas

    labels = {"mean": "mean, lr = 0.03", "sum": "sum, lr = 0.03", "sum over 32": "sum, lr = 0.03/32"}
    loss, (ax,) = canvas()
    for index, (name, label) in enumerate(labels.items()):
        style = "--" if name == "sum over 32" else "-"
        curve_with_band(ax, *mean_squared_error(results[name], results), label, index, style)
    ax.set(xlabel="epoch", ylabel="mean squared error of a minibatch", yscale="log", ylim=(1e-5, 1e8))
    ax.legend(loc="upper right")

    edge, (ax,) = canvas()
    sums = [runs for runs in results if runs.variant.settings.loss == "mse_sum" and runs.variant.settings.lr > 0.001]
    sums.sort(key=lambda runs: runs.variant.settings.lr)
    sweep(ax, [r.variant.settings.lr for r in sums], [r["parameter_error"] for r in sums], "after three epochs", 1)
    ax.axhline(math.hypot(*results.data.weights, results.data.b), color="black", linewidth=1, linestyle="--")
    ax.annotate("at the start", (0.01, 12))
    ax.axvspan(*np.quantile(sums[0]["lr_limit"], [0.05, 0.95]), color=GREY, alpha=0.25, linewidth=0)
    ax.annotate("$2/\\lambda_{\\max}$ ", (np.quantile(sums[0]["lr_limit"], 0.05), 1e7), ha="right")
    ax.set(xlabel="learning rate of the sum", ylabel="parameter error", yscale="log", ylim=(1e-4, 1e9))

    short, (ax,) = canvas(height=2.4)
    groups = {"3 epochs": "", "3 epochs, full minibatches only": " drop_last", "20 epochs": " epochs=20"}
    ax.axvline(1, color=GREY, linewidth=1)
    strip(
        ax,
        [(label, ratio(results, ending)) for label, ending in groups.items()],
        "parameter error: sum, lr = 0.03/32, by mean, lr = 0.03",
        [2, 2, 2],
    )
    ax.plot(predicted_ratio(results), 0, "D", color="black", markerfacecolor="white", markersize=6)
    return {
        "loss.svg": (loss, "Minibatch losses as mean squared errors: median and middle 90 % of the replicates."),
        "edge.svg": (
            edge,
            "The sum with larger and larger rates: median and middle 90 % of the replicates. Grey: 2/λ_max of the "
            "replicates' rows.",
        ),
        "short.svg": (short, "What the short minibatch does: a dot a replicate, a bar at the mean; ◇ predicted."),
    }


def claims() -> list[Claim]:
    """What the exercise concludes, and what is behind it."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, sometimes, within

    def difference(results: Results, ending: str):
        sums, means = results[f"sum over 32{ending}"], results[f"mean{ending}"]
        return np.max([np.abs(sums[name] - means[name]) for name in ("w1", "w2", "b")], axis=0)

    return [
        Claim(
            "The sum with lr/32 is the mean with lr: the same parameters to 1e-5.",
            SOURCE,
            lambda r: always(difference(r, "") < 1e-5),
        ),
        Claim(
            "It is the short minibatch that keeps them apart: without it they agree to 1e-6.",
            "ours",
            lambda r: always(difference(r, " drop_last") < 1e-6),
        ),
        Claim(
            "With a step of 8/32 there the sum ends ((1 − 0.015)/(1 − 0.06))³ times as far from the truth as the mean "
            "(ratio minus this, within ±0.02).",
            "ours",
            lambda r: within(ratio(r, "") - predicted_ratio(r), 0.02),
        ),
        Claim(
            "After twenty epochs the same short step makes the sum the nearer one (difference of errors).",
            "ours",
            lambda r: above(r["mean epochs=20"]["parameter_error"] - r["sum over 32 epochs=20"]["parameter_error"]),
        ),
        Claim(
            "The sum with lr = 0.03 trains: every replicate ends with a smaller loss than it started with.",
            SOURCE,
            lambda r: always(~worse(r["sum"])),
        ),
        Claim(
            "lr = 0.03 is the largest stable rate of the sum, 2/λ_max (mean difference within ±0.001).",
            "ours",
            lambda r: within(r["sum"]["lr_limit"] - 0.03, 0.001),
        ),
        Claim(
            "The edge is sharp: every replicate ends within 0.1 of the truth with lr = 0.025, and diverges with 0.035.",
            "ours",
            lambda r: always((r["sum lr=0.025"]["parameter_error"] < 0.1) & r["sum lr=0.035"].diverged),
        ),
        Claim(
            "Even with lr = 0.03 some replicate ends nearer to the truth than the mean does.",
            "ours",
            lambda r: sometimes(r["sum"]["parameter_error"] < r["mean"]["parameter_error"]),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The parameters that the source prints for the two sums."""
    from groundwork.judging.printed import PrintedValue

    settings = {"sum": "loss=mse(sum) lr=0.03 epochs=3", "sum over 32": "loss=mse(sum) lr=0.03/32 epochs=3"}
    return [
        PrintedValue("1-aggregation", quantity, setting, variant, quantity)
        for variant, setting in settings.items()
        for quantity in ("w1", "w2", "b")
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.judging.claims import CONFIDENCE, always
    from groundwork.reporting.words import fixed, mean_sd, number, percent

    mean, total, scaled = results["mean"], results["sum"], results["sum over 32"]
    blown = always(worse(total))
    late, late_mean = results["sum over 32 epochs=20"], results["mean epochs=20"]
    settings, over = mean.variant.settings, results["sum lr=0.035"]
    short = results.data.train % settings.batch_size
    median, median_mean = (number(np.median(runs["parameter_error"]), 2) for runs in (total, mean))
    return f"""
    The step grows with the minibatch, so for the same step lr must be divided by its {settings.batch_size} rows. Left
    at {plain(total.variant.settings.lr)} it stands on the edge of what is stable: on all rows at once the limit is
    2/λ_max = {mean_sd(total["lr_limit"], 4)}, and minibatches scatter about it. {blown.holds} of {blown.replicates}
    replicates end worse than they started ({percent(blown.ci_low, 0)} to {percent(blown.ci_high, 0)} of all, with
    {percent(CONFIDENCE, 0)} confidence); the others end anywhere, with a median error of {median} where the mean has
    {median_mean}. What the source prints is a draw that survived. A little further, with lr =
    {plain(over.variant.settings.lr)}, {over.diverged.sum()} of {len(over.diverged)} diverge.

    The sum with lr/32 is the mean, but for the last minibatch of an epoch, which has {short} rows. There the mean takes
    a full step, in which a row counts {plain(settings.batch_size / short)} times as much as elsewhere; the sum treats
    all rows alike and takes {short}/{settings.batch_size} of a step. After three epochs that leaves it
    {fixed(ratio(results, "").mean(), 2)} times as far from the truth (predicted: {fixed(predicted_ratio(results), 2)}).
    After twenty, when both only jump about the truth, it is the sum that ends nearer, at
    {number(late["parameter_error"].mean(), 2)} against {number(late_mean["parameter_error"].mean(), 2)}, for its last
    step is less noisy. Without the short minibatch the two agree to the last bit in
    {(ratio(results, " drop_last") == 1).sum()} of {len(scaled["b"])} replicates.
    """
