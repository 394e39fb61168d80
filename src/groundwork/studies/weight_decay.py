"""What does weight decay do to 200 weights that have only 20 rows to learn from?

The source trains from scratch with λ = 0 and λ = 3 and with the framework's weight decay of 3, and prints ½‖w‖² for
each. Here all three run for many replicates; then the start is set to zero, to tell what is learnt from what was drawn,
and the ½ that the framework's loss lacks is given and taken away. A gradient is a sum of training rows, so the part of
w at a right angle to all 20 of them, nine tenths of any start, can only decay: it is measured apart.
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

TITLE = "Weight decay"
SOURCE = "d2l §3.7"
METRICS = {
    "l2_penalty": "½‖w‖²",
    "l2_unseen": "its part at a right angle to the training rows",
    "train/mse": "mean squared error of the training rows",
    "mse": "mean squared error of the validation rows",
}
HEADLINE = "l2_penalty"

SHOWN = {  # the source's three programs, the last of them twice
    "scratch lambd=0": "scratch, λ = 0",
    "scratch lambd=3": "scratch, λ = 3",
    "concise as meant": "concise as meant",
    "concise": "concise as it runs",
}
REST = "lr=0.01 epochs=10 n=20 d=200 batch_size=5"
PRINTED = {  # item and setting of a variant's ½‖w‖² in the table of printed values
    "scratch lambd=0": ("scratch", f"lambda=0 {REST}"),
    "scratch lambd=3": ("scratch", f"lambda=3 {REST}"),
    "concise as meant": ("concise", f"wd=3 {REST}"),
}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with an ℓ2 penalty in the loss, or with the framework's weight decay, on the same draws."""
    from groundwork.models.linear import penalty_metrics, train_linear

    return train_linear(block, penalty_metrics)


def in_source(variant: str) -> str:
    """½‖w‖² of a variant as the source prints it."""
    from groundwork.judging.printed import reference

    item, setting = PRINTED[variant]
    return str(reference().set_index(["item", "setting"])["value"][item, setting])


def forgotten(runs: VariantRuns) -> tuple[np.ndarray, np.ndarray]:
    """Epochs (S,), and what theory leaves of the unseen part of ½‖w‖² by then, (S, R): (1 − ηλ)^2 of it a step."""
    import numpy as np

    settings = runs.variant.settings
    epochs, values = runs.curve("l2_unseen")
    steps = epochs * np.ceil(settings.rows / settings.batch_size)
    return epochs, values[0] * (1 - settings.lr * settings.lambd) ** (2 * steps[:, None])


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Training and validation error by epoch, ½‖w‖² by epoch, and what it is made of."""
    from groundwork.reporting.plots import curve_with_band
    from groundwork.reporting.style import canvas, colour

    shown = {name: results[name] for name in SHOWN}
    loss, axes = canvas(columns=2, height=4.4)
    for ax, metric, title in zip(axes, ("train/mse", "mse"), ("20 training rows", "100 validation rows"), strict=True):
        for index, (name, runs) in enumerate(shown.items()):
            curve_with_band(ax, *runs.curve(metric), SHOWN[name], index, "--" if name == "concise as meant" else "-")
        ax.set(xlabel="epoch", title=title, yscale="log", ylim=(3e-6, 1))
    axes[0].set_ylabel("mean squared error")
    axes[1].legend(loc="lower left")

    norm, (ax,) = canvas()
    for index, (name, runs) in enumerate(shown.items()):
        curve_with_band(ax, *runs.curve("l2_penalty"), SHOWN[name], index)
        epochs, values = forgotten(runs)
        ax.plot(epochs, values.mean(axis=1), ":", color="black", linewidth=1.2)
    for index, value in enumerate(float(in_source(variant)) for variant in PRINTED):
        ax.plot(epochs[-1] + 0.35, value, "D", color=colour(index), markeredgecolor="black", markersize=7)
        ax.annotate(f"printed {value}", (epochs[-1] + 0.65, value), va="center")
    ax.set(xlabel="epoch", ylabel="½‖w‖²", yscale="log", xlim=(0, epochs[-1] + 3), ylim=(5e-4, 0.5))
    ax.set_xticks(epochs[::2])
    ax.legend(loc="upper right")

    parts, (ax,) = canvas(height=3.4)
    groups = {**SHOWN, "zero start lambd=0": "zero start, λ = 0", "zero start lambd=3": "zero start, λ = 3"}
    for row, name in enumerate(groups):
        unseen, whole = (results[name][metric].mean() for metric in ("l2_unseen", "l2_penalty"))
        ax.barh(row, unseen, color=colour(7), label="of the start: no training row reaches it" if row == 0 else None)
        ax.barh(row, whole - unseen, left=unseen, color=colour(4), label="in the training rows" if row == 0 else None)
        if forgotten(results[name])[1].any():
            theory = forgotten(results[name])[1][-1].mean()
            ax.plot([theory] * 2, [row - 0.4, row + 0.4], color="black", linewidth=2)
    ax.set(xlabel="½‖w‖² after ten epochs, mean over the replicates", ylim=(len(groups) - 0.5, -0.5))
    ax.set_yticks(range(len(groups)), list(groups.values()))
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right")
    return {
        "loss.svg": (loss, "Mean squared errors by epoch: median and middle 90 % of the replicates."),
        "norm.svg": (
            norm,
            "½‖w‖²: median and middle 90 %; diamonds: what the source prints, in the colour of what it was meant to "
            "be. Dotted: what (1 − ηλ) a step leaves of the start at a right angle to the training rows.",
        ),
        "parts.svg": (parts, "What ½‖w‖² is made of at the end. Black bar: the first part as (1 − ηλ)⁸⁰ predicts it."),
    }


def claims() -> list[Claim]:
    """What the source says of its curves and its numbers, and what the numbers are made of."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def apart(results: Results, first: str, second: str):
        return np.abs(results[first].weights["w"] - results[second].weights["w"]).max(axis=(1, 2))

    def off(results: Results, variant: str):
        theory = forgotten(results[variant])[1][-1]
        return np.abs(results[variant]["l2_unseen"] / theory - 1)

    def gained(results: Results, start: str):
        return results[f"{start} lambd=0"]["mse"] - results[f"{start} lambd=3"]["mse"]

    return [
        Claim(
            "Without decay the model overfits: its training error ends below a hundredth of its validation error.",
            SOURCE,
            lambda r: always(r["scratch lambd=0"]["train/mse"] < r["scratch lambd=0"]["mse"] / 100),
        ),
        Claim(
            "Without decay the validation error does not decrease (mean of last epoch − start, above 0).",
            SOURCE,
            lambda r: above(np.subtract(*r["scratch lambd=0"].curve("mse")[1][[-1, 0]])),
        ),
        Claim(
            "With λ = 3 the training error ends higher and the validation error lower.",
            SOURCE,
            lambda r: always(
                (r["scratch lambd=3"]["train/mse"] > r["scratch lambd=0"]["train/mse"]) & (gained(r, "scratch") > 0)
            ),
        ),
        Claim(
            "The concise program starts from N(0, 0.01²), as written, and ends at the printed 0.0136 (mean ± 0.001).",
            SOURCE,
            lambda r: within(r["concise as meant"]["l2_penalty"] - 0.0136, 0.001),
        ),
        Claim(
            "It ends there from nn.Linear's default start, which is what a lazy layer gets (mean within ±0.001).",
            "ours",
            lambda r: within(r["concise"]["l2_penalty"] - 0.0136, 0.001),
        ),
        Claim(
            "The concise program does what the one from scratch did: as it runs, its validation error ends within "
            "±0.002 of that of λ = 3.",
            SOURCE,
            lambda r: within(r["concise"]["mse"] - r["scratch lambd=3"]["mse"], 0.002),
        ),
        Claim(
            "The 0.0097 at λ = 0 is the start, not what was learnt: no training row reaches 80 % of it (mean share).",
            "ours",
            lambda r: above(r["scratch lambd=0"]["l2_unseen"] / r["scratch lambd=0"]["l2_penalty"], 0.8),
        ),
        Claim(
            "That part shrinks by (1 − ηλ)² a step and feels nothing else (to 0.1 %, from scratch and concise).",
            "ours",
            lambda r: always(np.max([off(r, name) for name in SHOWN], axis=0) < 1e-3),
        ),
        Claim(
            "Decay in the optimiser is the penalty in the loss, if the loss has its ½ (weights agree to 1e-6).",
            "ours",
            lambda r: always(apart(r, "concise with half", "scratch lambd=3") < 1e-6),
        ),
        Claim(
            "Without the ½ the framework's wd = 3 is λ = 1.5 with twice the lr (weights agree to 1e-6).",
            "ours",
            lambda r: always(apart(r, "concise as meant", "scratch without half") < 1e-6),
        ),
        Claim(
            "λ = 3 gains by forgetting the start: from zero it gains less than a tenth as much (mean ratio).",
            "ours",
            lambda r: within(gained(r, "zero start") / gained(r, "scratch"), 0.1),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The three ½‖w‖² that the source prints."""
    from groundwork.judging.printed import PrintedValue

    return [
        PrintedValue(item, "l2_penalty", setting, variant, "l2_penalty", explained_by="concise")
        for variant, (item, setting) in PRINTED.items()
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.judging.printed import central
    from groundwork.reporting.words import fixed, mean_sd, number, percent

    free, decayed = results["scratch lambd=0"], results["scratch lambd=3"]
    meant, concise = results["concise as meant"], results["concise"]
    zero, zero_decayed = results["zero start lambd=0"], results["zero start lambd=3"]
    d, sigma = results.data.inputs, free.variant.settings.sigma
    settings, same = concise.variant.settings, results["scratch without half"].variant.settings
    low, high = (number(value, 3) for value in central(meant["l2_penalty"]))
    truth = sum(value**2 for value in results.data.weights) / 2
    first, last = free.curve("mse")[1][[0, -1]].mean(axis=1)
    share = (free["l2_unseen"] / free["l2_penalty"]).mean()
    return f"""
    It makes the weights forget where they started. Without it {settings.rows} rows are fitted to a mean squared error
    of {number(free["train/mse"].mean(), 2)}, while the validation error goes from {fixed(first, 3)} to
    {fixed(last, 3)}: down after all, by {percent(1 - last / first, 0)}. λ = 3 costs training error
    ({number(decayed["train/mse"].mean(), 2)}) and ends at a validation error of {fixed(decayed["mse"].mean(), 3)}.

    But {percent(share, 0)} of the ½‖w‖² of {mean_sd(free["l2_penalty"], 4)} at λ = 0 is the random start: it lies at a
    right angle to all training rows, where no gradient reaches it. So the printed {in_source("scratch lambd=0")}
    measures σ = {number(sigma)} (½·{d}·σ² = {number(d * sigma**2 / 2, 2)}); that the true weights have ½‖w‖² =
    {number(truth, 2)} too is chance. From a start at zero λ = 0 ends at ½‖w‖² = {mean_sd(zero["l2_penalty"], 4)} and a
    validation error of {fixed(zero["mse"].mean(), 4)}, which λ = 3 changes to {fixed(zero_decayed["mse"].mean(), 4)}:
    next to nothing.

    The printed {in_source("concise as meant")} of the concise program cannot come from the start that it writes down.
    From N(0, {number(sigma)}²) it would be {mean_sd(meant["l2_penalty"], 4)} (central 99 %: {low} … {high}). It writes
    that start into a lazy layer, which has no numbers before its first batch and then draws its own, from U(±1/√{d}),
    whose ½‖w‖² is a sixth, and what {settings.epochs} epochs of decay leave of it is
    {mean_sd(concise["l2_penalty"], 4)}. Its validation error, {fixed(concise["mse"].mean(), 3)}, is not that of the
    program from scratch. And its loss lacks the ½: weight decay {plain(settings.lambd)} with lr = {plain(settings.lr)}
    is λ = {plain(same.lambd)} with lr = {plain(same.lr)}, weight for weight.
    """
