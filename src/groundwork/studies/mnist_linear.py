"""What can a linear model of 784 pixels learn, and what does the order of the images do to it?

The book trains 784 weights and a bias with its own loss and optimiser, first from N(0, 1), then from nn.Linear's start
with a handwritten optimiser and with the framework's. Its loader does not shuffle: each epoch shows all the 3s first,
then all the 7s. Here each of the three is trained for many starts, unshuffled as printed, and shuffled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    from matplotlib.figure import Figure

    from groundwork.common.settings import LinearDigitsSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "A linear model of digits"
SOURCE = "fastbook ch. 4, “Putting it all together”, “Creating an optimizer”"
METRICS = {
    "accuracy": "accuracy, all validation images",
    "batch_accuracy": "mean of the batch accuracies, as the book prints it",
    "val/loss": "validation loss, mnist_loss",
}
HEADLINE = "accuracy"
STUCK = 0.9  # an accuracy that every start that trains at all has left far behind
WORST = 8  # mistakes to keep of each replicate


def train(block: Block[LinearDigitsSettings]) -> Iterator[Trained]:
    """All replicates see the same images in the same order, one shuffle an epoch for the block."""
    from groundwork.engine.training import fit, kept
    from groundwork.models.digits import (
        PIXELS,
        LinearDigits,
        accuracy,
        batch_accuracy,
        init_params,
        labelled,
        worst_mistakes,
    )
    from groundwork.streams import normal, uniform

    train, valid = labelled(block.data, "train"), labelled(block.data, "valid")
    draws = {
        "normal": block.draw("normal", (PIXELS + 1, 1), normal),
        "uniform": block.draw("uniform", (PIXELS + 1, 1), uniform),
    }
    variants = block.variants
    orders = block.common_orders(len(train), max(variant.settings.epochs for variant in variants))
    for variant in variants:
        start = variant.settings.start
        model = LinearDigits(*init_params(start, draws[start]), block.product)
        metrics = {"accuracy": accuracy, "batch_accuracy": batch_accuracy}
        learner = fit(model, variant.settings, train, valid, orders, metrics)
        weights = {"weights": model.weights, "bias": model.bias}
        yield kept(learner, {}, weights | worst_mistakes(learner.predict(valid), block.data, WORST))


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Accuracy by epoch, the final accuracies, the weights as images, the worst mistakes."""
    from groundwork.reporting.plots import curve_with_band, mistakes, picture, strip, worst
    from groundwork.reporting.style import canvas

    distinct = [runs for runs in results if runs.variant.settings.optimizer == "sgd"] or list(results)
    curves, axes = canvas(columns=2, height=3.8)
    for ax, shuffled in zip(axes, (False, True), strict=True):
        for index, runs in enumerate(distinct):
            if runs.variant.settings.shuffle == shuffled:
                curve_with_band(ax, *runs.curve("accuracy"), label=runs.variant.name, index=index)
        ax.set(
            xlabel="epoch",
            ylabel="validation accuracy",
            ylim=(0.2, 1),
            title="shuffled" if shuffled else "not shuffled, as printed",
        )
        ax.legend(loc="lower right")

    final, (ax,) = canvas(height=3.0)
    groups = [(runs.variant.name, runs["accuracy"][runs["accuracy"] > STUCK]) for runs in distinct]
    strip(ax, groups, "validation accuracy after the last epoch, without the starts that are stuck")

    weights, axes = canvas(columns=len(distinct), height=2.5)
    for ax, runs in zip(axes, distinct, strict=True):
        picture(ax, runs.weights["weights"][0].reshape(28, 28), runs.variant.name, diverging=True)
    return {
        "accuracy.svg": (curves, "Accuracy by epoch: median and middle 90 % of the replicates."),
        "final.svg": (final, "Where the replicates end: a dot each, a bar at the mean."),
        "weights.png": (weights, "The weights of the first replicate as images: red speaks for a 3, blue for a 7."),
        "worst.png": (
            mistakes([worst(runs) for runs in distinct]),
            "The worst mistakes of the first replicate: what it is, what it is called, and how surely.",
        ),
    }


def claims() -> list[Claim]:
    """What the book prints, and what it does not say about its loader."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, sometimes, within

    def accuracy(results: Results, variant: str):
        return results[variant]["accuracy"]

    def after_one_epoch(results: Results, variant: str):
        return results[variant].curve("batch_accuracy")[1][1]

    return [
        Claim(
            "From nn.Linear's start, unshuffled, twenty epochs give the printed 0.9785 (mean within ±0.001 of it).",
            SOURCE,
            lambda r: within(r["nn.Linear"]["batch_accuracy"] - 0.9785, 0.001),
        ),
        Claim(
            "Whatever nn.Linear draws, the end is the same: every replicate is within ±0.002 of the printed 0.9785.",
            "ours",
            lambda r: always(np.abs(r["nn.Linear"]["batch_accuracy"] - 0.9785) < 0.002),
        ),
        Claim(
            "The handwritten optimiser is torch.optim.SGD: the same weights to the last bit.",
            SOURCE,
            lambda r: always(
                np.all(
                    [
                        (r[f"nn.Linear{order}"].weights[name] == r[f"torch.optim{order}"].weights[name]).all((1, 2))
                        for order in ("", " shuffled")
                        for name in ("weights", "bias")
                    ],
                    axis=0,
                )
            ),
        ),
        Claim(
            "After one unshuffled epoch every replicate of nn.Linear's start calls every image a 3 (printed: 0.4932).",
            "ours",
            lambda r: always(np.round(after_one_epoch(r, "nn.Linear"), 4) == 0.4932),
        ),
        Claim(
            "Shuffling is worth accuracy, from nn.Linear's start (paired difference).",
            "ours",
            lambda r: above(accuracy(r, "nn.Linear shuffled") - accuracy(r, "nn.Linear")),
        ),
        Claim(
            "nn.Linear's start ends better than N(0, 1), unshuffled, in over 95 % of the replicates (share).",
            "ours",
            lambda r: above(1.0 * (accuracy(r, "nn.Linear") > accuracy(r, "scratch")), 0.95),
        ),
        Claim(
            f"From N(0, 1), unshuffled, some replicates are stuck below an accuracy of {STUCK}.",
            "ours",
            lambda r: sometimes(accuracy(r, "scratch") < STUCK),
        ),
        Claim(
            "Shuffling frees all of them.",
            "ours",
            lambda r: always(accuracy(r, "scratch shuffled") >= STUCK),
        ),
    ]


def printed() -> list[PrintedValue]:
    """Four curves; the book counts its untrained model as epoch 0, the Learner's table starts after epoch 1."""
    from groundwork.judging.printed import PrintedValue

    scratch = "init N(0;1) lr=1 batch_size=256 not shuffled epochs 0..21"
    linear = "nn.Linear default init; lr=1 batch_size=256 not shuffled epochs 0..20"
    learner = "Learner.fit epochs 1..10 lr=1"
    by_epoch = "accuracy_by_epoch"
    return [
        PrintedValue("linear-scratch", by_epoch, scratch, "scratch", "batch_accuracy"),
        PrintedValue("linear", by_epoch, linear, "nn.Linear", "batch_accuracy"),
        PrintedValue("linear-learner", by_epoch, learner, "torch.optim", "accuracy", first_epoch=1),
        PrintedValue("linear-learner", "valid_loss_by_epoch", learner, "torch.optim", "val/loss", first_epoch=1),
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import mean_sd, percent

    scratch, linear = results["scratch"], results["nn.Linear"]
    shuffled, scratch_shuffled = results["nn.Linear shuffled"], results["scratch shuffled"]
    epoch_one = linear.curve("accuracy")[1][1]
    stuck, stuck_shuffled = ((runs["accuracy"] < STUCK).sum() for runs in (scratch, scratch_shuffled))
    better = shuffled["accuracy"] - linear["accuracy"]
    return f"""
    One weight a pixel is enough for {percent(linear["accuracy"].mean(), 2)} of the validation images:
    {mean_sd(linear["batch_accuracy"], 4)} as the book averages it. The handwritten optimiser and the framework's give
    the same weights. The order matters: all 3s and then all 7s leave every replicate from nn.Linear's start at
    {percent(epoch_one.mean(), 1)} after the first epoch, the share of the 3s, for it calls every image a 3; shuffled,
    it stands at {percent(shuffled.curve("accuracy")[1][1].mean(), 1)} by then and ends {percent(better.mean(), 2)}
    better. Starting from N(0, 1) costs more: {percent(scratch["accuracy"].mean(), 2)} unshuffled, and {stuck} of
    {len(scratch["accuracy"])} replicates stay stuck below {percent(STUCK, 0)} ({stuck_shuffled} with shuffling), down
    to {percent(scratch["accuracy"].min(), 1)}, because their logits start so far out that the sigmoid passes no
    gradient.
    """
