"""What happens at the end of an epoch whose rows do not divide into whole batches?

1000 rows make 31 batches of 32 and a last one of 8. The source keeps the short batch; a loader can also drop it. Both
are trained on the same batches for three epochs: with the source's lr = 0.03, where the steps run out before the
truth is reached, and with lr = 0.3, where they suffice and only the noise of the steps is left.
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
    from groundwork.runs import Results, Trained

TITLE = "The last batch"
SOURCE = "d2l §3.4.6, exercise 7"
METRICS = {
    "last_batch_size": "rows in the last batch of an epoch",
    "steps": "steps in all epochs",
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "val/loss": "validation loss, ½·mean squared error",
}
HEADLINE = "parameter_error"


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression, and the sizes of the batches that an epoch was cut into."""
    from dataclasses import replace

    import numpy as np

    from groundwork.models.linear import rows, train_linear

    train, R = rows(block, "train"), len(block.replicates)
    for variant, run in zip(block.variants, train_linear(block), strict=True):
        settings = variant.settings
        seen = train.first(settings.rows or len(train)).batches(settings.batch_size, drop_last=settings.drop_last)
        sizes = [X.shape[1] for X, _ in seen]
        steps = len(run.history["train/loss"][0])
        counts = {"last_batch_size": np.full(R, sizes[-1]), "steps": np.full(R, steps)}
        yield replace(run, metrics=counts | run.metrics, weights=run.weights | {"batch_sizes": np.tile(sizes, (R, 1))})


def price_of_a_short_step(settings: LinearSettings, short: int, inputs: int) -> float:
    """How many times larger a step on a short batch makes the mean squared error of parameters that are at rest.

    With rows x̃ = (x, 1), x ~ N(0, 1), the batch matrix H = X̃ᵀX̃/B has E H = 1 and, over the directions, E H² = 1 + c/B
    with c = d(d + 3)/(d + 1). A step on B rows turns the mean squared error V into V·(1 − 2η + η²(1 + c/B)) + η²σ²(d +
    1)/B; at rest V turns into itself.
    """
    lr, c = settings.lr, inputs * (inputs + 3) / (inputs + 1)

    def shrink(rows: int) -> float:
        return 1 - 2 * lr + lr**2 * (1 + c / rows)

    def noise(rows: int) -> float:
        return lr**2 * (inputs + 1) / rows

    at_rest = noise(settings.batch_size) / (1 - shrink(settings.batch_size))
    return (shrink(short) * at_rest + noise(short)) / at_rest


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The loss by step, the batches of every epoch, and where the replicates end."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import GREY, canvas, colour

    rates = sorted({runs.variant.settings.lr for runs in results})
    indices = {False: 0, True: 1}
    labels = {False: "short batch kept", True: "short batch dropped"}

    loss, axes = canvas(columns=len(rates), height=3.8, width=9)
    for ax, lr in zip(axes, rates, strict=True):
        for runs in results:
            settings = runs.variant.settings
            if settings.lr == lr:
                epochs, values = runs.curve("train/loss")
                curve_with_band(ax, epochs, values, labels[settings.drop_last], indices[settings.drop_last])
        ax.set(xlabel="epoch", ylabel="training loss of a minibatch", yscale="log", title=f"lr = {plain(lr)}")
        ax.legend(loc="upper right")

    slowest = [runs for runs in results if runs.variant.settings.lr == rates[0]]
    most = max(len(runs.weights["batch_sizes"][0]) * runs.variant.settings.epochs for runs in slowest)
    batches, axes = canvas(rows=len(slowest), height=3.6)
    for ax, runs in zip(axes, slowest, strict=True):
        settings, sizes = runs.variant.settings, runs.weights["batch_sizes"][0]
        rows = np.tile(sizes, settings.epochs)
        ax.bar(np.arange(1, len(rows) + 1), rows, width=0.8, color=colour(indices[settings.drop_last]))
        for epoch in range(1, settings.epochs + 1):
            ax.axvline(epoch * len(sizes) + 0.5, color=GREY, linewidth=0.8, linestyle=":")
        ax.set(ylabel="rows", title=labels[settings.drop_last], xlim=(0, most + 1), yticks=[8, 32])
    axes[-1].set_xlabel("step (dotted: the end of an epoch)")

    error, axes = canvas(columns=len(rates), height=2.6, width=9)
    for ax, lr in zip(axes, rates, strict=True):
        some = [runs for runs in results if runs.variant.settings.lr == lr]
        groups = [("dropped" if runs.variant.settings.drop_last else "kept", runs["parameter_error"]) for runs in some]
        strip(
            ax,
            groups,
            "parameter error, ‖(w, b) − truth‖",
            [indices[runs.variant.settings.drop_last] for runs in some],
        )
        ax.set_title(f"lr = {plain(lr)}")
    return {
        "loss.svg": (loss, "Training loss by step: median and middle 90 % of the replicates."),
        "batches.svg": (batches, "The rows of every batch, of all epochs."),
        "error.svg": (error, "How far from the truth each replicate ends: a dot a replicate, a bar at the mean."),
    }


def claims() -> list[Claim]:
    """What the exercise asks, and what the short batch and the dropped rows cost."""
    from groundwork.judging.claims import Claim, above, always, within

    def error(results: Results, variant: str):
        return results[variant]["parameter_error"]

    def epochs(results: Results, variant: str):
        return results[variant].variant.settings.epochs

    return [
        Claim(
            "At the end of every epoch the 8 rows that are left over make a batch of their own: 32 batches an epoch.",
            SOURCE,
            lambda r: always(
                (r["keep lr=0.03"]["last_batch_size"] == 8)
                & (r["keep lr=0.03"]["steps"] == 32 * epochs(r, "keep lr=0.03"))
            ),
        ),
        Claim(
            "Dropped, they leave 31 whole batches an epoch.",
            "ours",
            lambda r: always(
                (r["drop lr=0.03"]["last_batch_size"] == 32)
                & (r["drop lr=0.03"]["steps"] == 31 * epochs(r, "drop lr=0.03"))
            ),
        ),
        Claim(
            "At lr = 0.03, where steps are short, dropping ends further from the truth (paired difference of errors).",
            "ours",
            lambda r: above(error(r, "drop lr=0.03") - error(r, "keep lr=0.03")),
        ),
        Claim(
            "It costs what its steps are worth: three steps fewer leave the error (1 − 0.03)⁻³ times as large (±0.01).",
            "ours",
            lambda r: within(error(r, "drop lr=0.03") / error(r, "keep lr=0.03") - (1 - 0.03) ** -3, 0.01),
        ),
        Claim(
            "At lr = 0.3, where the steps suffice, dropping ends nearer to the truth (paired difference of errors).",
            "ours",
            lambda r: above(error(r, "keep lr=0.3") - error(r, "drop lr=0.3")),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The size that the source prints at the end of each epoch."""
    from groundwork.judging.printed import PrintedValue

    setting = "n=1000 batch_size=32 each of 3 epochs"
    return [PrintedValue("7-last-batch", "last_batch_size", setting, "keep lr=0.03", "last_batch_size", exact=True)]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, mean_sd, number

    keep, drop = results["keep lr=0.03"], results["drop lr=0.03"]
    fast_keep, fast_drop = results["keep lr=0.3"], results["drop lr=0.3"]
    settings, fast = keep.variant.settings, fast_keep.variant.settings
    short, missing = int(keep["last_batch_size"][0]), int(keep["steps"][0] - drop["steps"][0])
    ratio = drop["parameter_error"] / keep["parameter_error"]
    noise = (fast_keep["parameter_error"] ** 2).mean() / (fast_drop["parameter_error"] ** 2).mean()
    return f"""
    The rows that are left over come as a short batch: {short} rows, the last of
    {len(keep.weights["batch_sizes"][0])} in each of {settings.epochs} epochs. Nothing breaks, for the loss is a mean
    over however many rows there are; but each of these {short} rows weighs {plain(settings.batch_size / short)} times
    as much as any other, and the step that they make is noisier.

    What dropping them does depends on what is short. At lr = {plain(settings.lr)} it is steps: {missing} fewer leave
    the error {fixed(ratio.mean(), 3)} times as large ({mean_sd(drop["parameter_error"], 2)} for
    {mean_sd(keep["parameter_error"], 2)}), which is what (1 − lr)^−{missing} =
    {fixed((1 - settings.lr) ** -missing, 3)} says of {missing} steps of any kind. At lr = {plain(fast.lr)} the steps
    suffice, and every epoch that ends with the noisy step ends further off:
    {number(fast_keep["parameter_error"].mean(), 2)} kept, {number(fast_drop["parameter_error"].mean(), 2)} dropped. The
    mean squared error is {fixed(noise, 1)} times as large; a model at rest, disturbed by one step on {short} rows,
    should have {fixed(price_of_a_short_step(fast, short, len(results.data.weights)), 1)}.
    """
