"""What does the learning rate do when the loss has no ½?

The source asks what the rate and the number of epochs do, and whether it keeps on improving. Here the four rates of the
study from scratch, lr = 0.003, 0.03, 0.3 and 3, are trained with the framework's mean squared error, for three epochs
and for twenty; and, for three epochs, rates up to the edge of what is stable, with the ½ and without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    from matplotlib.figure import Figure

    from groundwork.common.settings import LinearSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "Learning rate without the ½"
SOURCE = "d2l §3.5.6, exercise 4"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "lr_limit": "the largest stable lr on all rows at once, 2/λ_max",
    "val/loss": "validation loss, each variant's own",
}
HEADLINE = "parameter_error"

RATES = ("0.003", "0.03", "0.3")  # the source's that do not diverge
LOSSES = {"mse": "mean squared error", "squared": "½·mean squared error"}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD, one variant after another on the same draws."""
    from dataclasses import replace

    from groundwork.models.linear import rows, stable_lr, train_linear

    train = rows(block, "train")
    for variant, trained in zip(block.variants, train_linear(block), strict=True):
        yield replace(trained, metrics=trained.metrics | {"lr_limit": stable_lr(train, variant.settings)})


def of_three_epochs(results: Results, loss: str) -> list[VariantRuns]:
    """The variants of a loss that are trained for the shortest time, by their rate."""
    shortest = min(runs.variant.settings.epochs for runs in results)
    found = [
        runs for runs in results if runs.variant.settings.loss == loss and runs.variant.settings.epochs == shortest
    ]
    return sorted(found, key=lambda runs: runs.variant.settings.lr)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch, where the replicates end, and the error against the rate for both losses."""
    import numpy as np

    from groundwork.reporting.plots import errors_by_rate, losses_by_rate, sweep
    from groundwork.reporting.style import canvas, colour

    named = [runs for name, runs in results.variants.items() if "epochs=" in name] or list(results)
    loss, error = losses_by_rate(named), errors_by_rate(named)

    limit, (ax,) = canvas()
    for index, (kind, label) in enumerate(LOSSES.items(), start=4):
        short = of_three_epochs(results, kind)
        if short:
            sweep(ax, [r.variant.settings.lr for r in short], [r["parameter_error"] for r in short], label, index)
            ax.axvspan(*np.quantile(short[0]["lr_limit"], [0.05, 0.95]), color=colour(index), alpha=0.3, linewidth=0)
    ax.set(xlabel="learning rate", ylabel="parameter error after three epochs", xscale="log", yscale="log")
    ax.set(ylim=(3e-4, 1e5))
    ax.legend(loc="upper left")
    return {
        "loss.svg": (
            loss,
            "Training loss: median and middle 90 % of the replicates. A curve ends where it leaves the numbers.",
        ),
        "error.svg": (error, "How far from the truth each replicate ends: a dot a replicate, a bar at the mean."),
        "limit.svg": (
            limit,
            "The same with and without the ½: median and middle 90 % of the replicates. Upright bands: 2/λ_max of the "
            "replicates' rows, beyond which descent on all rows at once diverges.",
        ),
    }


def claims() -> list[Claim]:
    """The conclusions of the study from scratch, and what the missing ½ changes."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always

    def error(results: Results, variant: str):
        return results[variant]["parameter_error"]

    def difference(results: Results, first: str, second: str):
        pairs = [np.abs(results[first][name] - results[second][name]) for name in ("w1", "w2", "b")]
        return np.max(pairs, axis=0)

    return [
        Claim(
            "lr = 3 diverges in every replicate, within three epochs.",
            SOURCE,
            lambda r: always(r["lr=3 epochs=3"].diverged),
        ),
        Claim(
            "In three epochs lr = 0.003 stays further from the truth than lr = 0.03, and that further than lr = 0.3.",
            SOURCE,
            lambda r: always(
                (error(r, "lr=0.003 epochs=3") > error(r, "lr=0.03 epochs=3"))
                & (error(r, "lr=0.03 epochs=3") > error(r, "lr=0.3 epochs=3"))
            ),
        ),
        Claim(
            "It keeps on improving: with lr = 0.003, 0.03 and 0.3 twenty epochs end nearer to the truth than three.",
            SOURCE,
            lambda r: always(
                np.all([error(r, f"lr={lr} epochs=20") < error(r, f"lr={lr} epochs=3") for lr in RATES], axis=0)
            ),
        ),
        Claim(
            "Without the ½ every rate does what twice the rate does with it: 0.6 and 1.2 end equal to 1e-6.",
            "ours",
            lambda r: always(difference(r, "mse lr=0.6", "squared lr=1.2") < 1e-6),
        ),
        Claim(
            "So the limit is half as high: lr = 1.2 diverges in every replicate, and with the ½ in none.",
            "ours",
            lambda r: always(r["mse lr=1.2"].diverged & r["squared lr=1.2"].ok),
        ),
        Claim(
            "It is where 2/λ_max says: above 0.8, where every replicate still ends within 0.1 of the truth, and below "
            "1.2, where none does.",
            "ours",
            lambda r: always(
                (r["mse lr=1.2"]["lr_limit"] > 0.8)
                & (r["mse lr=1.2"]["lr_limit"] < 1.2)
                & (error(r, "mse lr=0.8") < 0.1)
                & ~(error(r, "mse lr=1.2") < 0.1)
            ),
        ),
        Claim(
            "What helps a small rate harms a large one: lr = 0.3 ends further from the truth without the ½ than with "
            "it (difference of errors).",
            "ours",
            lambda r: above(error(r, "lr=0.3 epochs=3") - error(r, "squared lr=0.3")),
        ),
        Claim(
            "Patience replaces the step: in twenty epochs lr = 0.03 comes closer than lr = 0.3 (difference of errors).",
            "ours",
            lambda r: above(error(r, "lr=0.3 epochs=20") - error(r, "lr=0.03 epochs=20")),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source prints nothing here."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import mean_sd, number

    def error(variant: str) -> str:
        return number(results[variant]["parameter_error"].mean(), 2)

    limit, half = results["lr=0.03 epochs=3"], results["squared lr=0.03"]
    edge, same = results["mse lr=1"], results["squared lr=2"]
    over = results["lr=3 epochs=3"]
    return f"""
    The same as with the ½, at half the rate. Without it each step is twice as long, so small rates arrive sooner: after
    three epochs lr = 0.03 is {error("lr=0.03 epochs=3")} from the truth, where with the ½ it is still
    {error("squared lr=0.03")} away. A rate that was large enough is now too large: lr = 0.3 jumps about the truth at
    {error("lr=0.3 epochs=3")} instead of {error("squared lr=0.3")}, and does not
    keep on improving ({error("lr=0.3 epochs=20")} after twenty epochs, while lr = 0.03 comes to
    {error("lr=0.03 epochs=20")}): what is left is the noise of the minibatches, and it grows with the rate.

    The edge of what is stable lies half as high, too. On all rows at once it is 2/λ_max, which is
    {mean_sd(limit["lr_limit"], 2)} for the mean squared error and {mean_sd(half["lr_limit"], 2)} with the ½, and
    minibatches find it there: lr = 1 diverges in {edge.diverged.sum()} of {len(edge.diverged)} replicates, and with the
    ½ lr = 2 does in {same.diverged.sum()}. lr = 3 lies beyond either limit and diverges in {over.diverged.sum()}.
    """
