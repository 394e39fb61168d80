"""Why does the loss reshape y?

The model's y_hat has the shape (n, 1). If y comes as (n,), the subtraction broadcasts: it pairs every prediction with
every label, and the loss is the mean over n × n differences. Here both shapes are trained on the same batches, and the
flat one with other batch sizes too. The validation loss is always the right one.
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

TITLE = "The shape of the loss"
SOURCE = "d2l §3.4.6, exercise 5"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "loss_seen": "loss that training sees, mean of the last epoch",
    "loss_at_truth": "the same loss at the true parameters",
    "val/loss": "validation loss, ½·mean squared error, shapes put right",
}
HEADLINE = "parameter_error"
SHOWN = 100  # training rows on which the loss at the truth is taken


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD, whose loss gets y as a column or flat."""
    import torch

    from groundwork.engine.learner import Learner
    from groundwork.engine.losses import LOSSES, Loss
    from groundwork.engine.optimizers import make_optimizer
    from groundwork.engine.training import kept
    from groundwork.models.linear import LinearRegression, final_parameters, make_model, rows

    def flattened(loss: Loss) -> Loss:
        """y (R, n, 1) as (R, 1, n), which broadcasts with y_hat (R, n, 1) as (n,) does with (n, 1): to (R, n, n)."""
        return lambda y_hat, y: loss(y_hat, y.mT)

    train, valid = rows(block, "train"), rows(block, "valid")
    R, few = len(block.replicates), train.first(SHOWN)
    w, b = torch.tensor(block.made.weights).expand(R, -1)[..., None], torch.full((R, 1, 1), block.made.b)
    truth = LinearRegression(w, block.product, b)(few.X).detach()
    orders = block.orders(len(train), max(variant.settings.epochs for variant in block.variants))
    for variant in block.variants:
        settings = variant.settings
        right = LOSSES[settings.loss]
        loss = flattened(right) if settings.y_shape == "flat" else right
        model = make_model(block, settings, train.X.shape[-1])
        optimizer = make_optimizer(settings.optimizer, model.parameters, settings.lr)
        learner = Learner(model, loss, optimizer, {"val/loss": right})
        chosen = orders[: settings.epochs] if settings.shuffle else [None] * settings.epochs
        learner.fit(train, valid, settings.batch_size, chosen)
        last_epoch = learner.history["train/loss"][-(learner.steps // settings.epochs) :]
        metrics = {
            "loss_seen": torch.stack([seen for _, seen in last_epoch]).mean(0),
            "loss_at_truth": loss(truth, few.y),
            "mean_y": train.y.mean((1, 2)),
        }
        drawn = {"y": valid.y[:1], "y_hat": learner.predict(valid)[:1]}  # of one replicate
        yield kept(learner, final_parameters(block, model.w, model.b) | metrics, {"w": model.w, "b": model.b} | drawn)


def share(runs: VariantRuns, w: list[float]) -> np.ndarray:
    """How much of the true w is found, in its direction: (R,)."""
    import numpy as np

    return np.stack([runs["w1"], runs["w2"]], axis=1) @ w / np.dot(w, w)


def expected_share(runs: VariantRuns, n: int) -> float:
    """The same in theory. A row's target is the mean label of its minibatch of B out of n rows.

    That mean holds 1/B of the row's own label and, as nothing is drawn twice, a little less of the others'.
    """
    batch_size = runs.variant.settings.batch_size
    sizes = [min(batch_size, n - first) for first in range(0, n, batch_size)]
    return sum((n - B) / (B * (n - 1)) for B in sizes) / len(sizes)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by step, what is subtracted, predictions against labels, and what is left of w by batch size."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band, sweep
    from groundwork.reporting.style import GREY, canvas, colour

    column, flat = results["column"], results["flat"]
    w, n = results.data.w, results.data.train
    labels = "y column, (n, 1)", "y flat, (n,)"
    loss, (ax,) = canvas()
    for index, runs in enumerate((column, flat)):
        curve_with_band(ax, *runs.curve("train/loss"), labels[index], index)
    ax.axhline(np.dot(w, w) / 2, color="black", linewidth=1, linestyle="--", label="½·variance of y")
    ax.set(xlabel="epoch", ylabel="loss that training sees", yscale="log", xlim=(0, 20), xticks=range(0, 21, 4))
    ax.legend(loc="center right")

    pairs, axes = canvas(columns=2, height=3.8)
    rows = np.argsort(column.weights["y"][0, :12, 0])
    y, y_hat = column.weights["y"][0, rows], column.weights["y_hat"][0, rows]
    differences = y_hat - y.T
    most = float(np.abs(differences).max())
    meant = np.where(np.eye(len(rows)) == 1, differences, np.nan)
    for ax, values, title in zip(axes, (meant, differences), ("meant: 12 differences", "broadcast: 144"), strict=True):
        shown = ax.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most)
        ax.set(title=title, xlabel="label of row", ylabel="prediction for row", facecolor="#dddddd")
        ax.set(xticks=range(0, 12, 3), xticklabels=range(1, 13, 3), yticks=range(0, 12, 3), yticklabels=range(1, 13, 3))
        ax.grid(visible=False)
    pairs.colorbar(shown, ax=axes, label="y_hat − y", shrink=0.8)

    predictions, (ax,) = canvas(width=6, height=4.6)
    for index, runs in enumerate((column, flat)):
        points = runs.weights["y"][0], runs.weights["y_hat"][0]
        ax.plot(*points, ".", markersize=3, color=colour(index), alpha=0.5, label=labels[index], rasterized=True)
    ax.set(xlabel="label y, validation", ylabel="prediction y_hat")
    ax.legend(loc="upper left", markerscale=3)

    left, (ax,) = canvas(height=3.6)
    flats = sorted(
        (runs for runs in results if runs.variant.settings.y_shape == "flat"),
        key=lambda r: r.variant.settings.batch_size,
    )
    sizes = [runs.variant.settings.batch_size for runs in flats]
    sweep(ax, sizes, [share(runs, w) for runs in flats], "found", 1)
    ax.plot(sizes, [expected_share(runs, n) for runs in flats], "x", color="black", label="expected", zorder=3)
    ax.plot(sizes, 1 / np.array(sizes), "--", color=GREY, linewidth=1, label="1/B")
    ax.set(xlabel="batch size B", ylabel="part of the true w", xscale="log", yscale="log")
    for axis, ticks in ((ax.xaxis, sizes), (ax.yaxis, (1, 0.5, 0.2, 0.1, 0.05, 0.02))):
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    ax.legend(loc="upper right")
    return {
        "loss.svg": (loss, "The loss that training sees: median and middle 90 % of the replicates."),
        "pairs.svg": (
            pairs,
            "What is subtracted from what, for 12 rows sorted by label, at the parameters that a column finds.",
        ),
        "predictions.svg": (predictions, "One replicate's predictions for its validation rows."),
        "batch_size.svg": (left, "What a flat y leaves of w: median and middle 90 % of the replicates, and theory."),
    }


def claims() -> list[Claim]:
    """What the exercise suggests, and what broadcasting really does."""
    import numpy as np

    from groundwork.judging.claims import Claim, always, within

    def error(results: Results, variant: str):
        return results[variant]["parameter_error"]

    def beyond_theory(results: Results, variant: str):
        runs = results[variant]
        return share(runs, results.data.w) - expected_share(runs, results.data.train)

    def silent(results: Results):
        losses = results["flat"].curve("val/loss")[1]
        return results["flat"].ok & np.isfinite(losses).all(axis=0) & (losses[-1] < losses[0])

    return [
        Claim(
            "The reshape is needed: with a flat y the parameter error ends above 3 in every replicate.",
            SOURCE,
            lambda r: always(error(r, "flat") > 3),
        ),
        Claim(
            "With a column all is well: a parameter error below 0.01 on the same rows and batches.",
            SOURCE,
            lambda r: always(error(r, "column") < 0.01),
        ),
        Claim(
            "Nothing gives the mistake away: no error, no NaN, and the loss falls, the validation loss too.",
            "ours",
            lambda r: always(silent(r)),
        ),
        Claim(
            "The broadcast loss prefers the wrong answer: the true parameters have a higher loss than those it finds.",
            "ours",
            lambda r: always(r["flat"]["loss_at_truth"] > r["flat"]["loss_seen"]),
        ),
        Claim(
            "Of the true weights 1/B is found, as theory says (mean difference of the fractions within ±0.005).",
            "ours",
            lambda r: within(beyond_theory(r, "flat"), 0.005),
        ),
        Claim(
            "The bias comes out as the mean of y, which for these data is the true b (mean difference within ±0.02).",
            "ours",
            lambda r: within(r["flat"]["b"] - r["flat"]["mean_y"], 0.02),
        ),
        Claim(
            "With a batch size of 1 the mistake is harmless: a parameter error below 0.01.",
            "ours",
            lambda r: always(error(r, "flat batch=1") < 0.01),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source prints none."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import fixed, mean_sd

    column, flat = results["column"], results["flat"]
    first = flat.curve("train/loss")[1][0]
    B = flat.variant.settings.batch_size
    fraction, theory = share(flat, results.data.w), expected_share(flat, results.data.train)
    return f"""
    Because without it everything is wrong and nothing says so. (n, 1) − (n,) is no error but an n × n table, every
    prediction against every label; only its diagonal is meant. Training runs to its end, {flat.diverged.sum()} of
    {len(flat.diverged)} replicates diverge, the loss falls from {mean_sd(first, 0)} to
    {mean_sd(flat["loss_seen"], 1)}, and the weights found are w₁ = {mean_sd(flat["w1"], 2)} and w₂ =
    {mean_sd(flat["w2"], 2)}. From the same batches a column finds {mean_sd(column["w1"], 4)} and
    {mean_sd(column["w2"], 4)}.

    With every label as its target, a row is best answered by their mean: the broadcast loss is never below half the
    variance of the labels, and at the true parameters it is {mean_sd(flat["loss_at_truth"], 0)}, twice what training
    ends with. So b becomes the mean label, {mean_sd(flat["b"], 2)}, and of w there remains what a row's own label adds
    to the mean of its minibatch, 1/B: with B = {B} the fraction {mean_sd(fraction, 3)} (theory, with the short last
    batch: {fixed(theory, 3)}), with B = 2 {mean_sd(share(results["flat batch=2"], results.data.w), 2)}. With B = 1
    there is only the diagonal, and the mistake does no harm: parameter error
    {mean_sd(results["flat batch=1"]["parameter_error"], 4)}.
    """
