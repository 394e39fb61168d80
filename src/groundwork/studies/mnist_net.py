"""What does one hidden layer add to a linear model of digits, and how wide must it be?

The book's simple net: 784 pixels, 30 units with ReLU, one output; a linear model, a bend, another linear model. It is
trained as printed, without shuffling, and shuffled; with the handwritten optimiser and with the framework's; and
with 1 to 100 hidden units, all of these shuffled, so that only the width differs. Beside it stands the linear model,
trained for as many epochs at the rate that the book gives it. The starts are nn.Linear's. The replicates of a block
share the order of the images, which is drawn for the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    from matplotlib.figure import Figure
    from torch import Tensor

    from groundwork.common.settings import LinearDigitsSettings, NetSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "A net with one hidden layer"
SOURCE = "fastbook ch. 4, “Adding a nonlinearity”"
METRICS = {
    "accuracy": "accuracy, all validation images",
    "batch_accuracy": "mean of the batch accuracies, as the book prints it",
    "val/loss": "validation loss, mnist_loss",
}
HEADLINE = "accuracy"
PRINTED = 0.982826  # after 40 epochs
PRINTED_LINEAR = 0.9785  # the linear model, after 20
WORST = 8  # mistakes to keep of each replicate


def train(block: Block[NetSettings | LinearDigitsSettings]) -> Iterator[Trained]:
    """All replicates see the same images in the same order, one shuffle an epoch for the block."""
    from functools import partial

    from groundwork.common.settings import NetSettings
    from groundwork.engine.learner import Model
    from groundwork.engine.training import fit, kept
    from groundwork.models.digits import PIXELS, LinearDigits, Net, accuracy, batch_accuracy, labelled, worst_mistakes

    train, valid = labelled(block.data, "train"), labelled(block.data, "valid")
    variants = block.variants
    orders = block.common_orders(len(train), max(variant.settings.epochs for variant in variants))
    for variant in variants:
        settings = variant.settings
        layer = partial(_layer, block, settings.start)
        if isinstance(settings, NetSettings):
            hidden = settings.hidden
            layers = layer(f"layer1 {hidden}", PIXELS, hidden), layer(f"layer2 {hidden}", hidden, 1)
            model: Model = Net(*layers, block.product)
        else:
            model = LinearDigits(*layer("linear", PIXELS, 1), block.product)
        names = ("w1", "b1", "w2", "b2") if settings.network == "net" else ("weights", "bias")
        weights = dict(zip(names, model.parameters, strict=True))
        metrics = {"accuracy": accuracy, "batch_accuracy": batch_accuracy}
        learner = fit(model, settings, train, valid, orders, metrics)
        yield kept(learner, {}, weights | worst_mistakes(learner.predict(valid), block.data, WORST))


def _layer(block: Block, start: str, purpose: str, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
    """Weights (R, inputs, outputs) and bias (R, 1, outputs) of a layer, each purpose with draws of its own."""
    from groundwork.models.digits import init_params
    from groundwork.streams import normal, uniform

    draws = {"normal": normal, "uniform": uniform}[start]
    return init_params(start, block.draw(purpose, (inputs + 1, outputs), draws))


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Mistakes by epoch, accuracy and loss against the width, the first layer as images, the worst mistakes."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band, mistakes, picture, sweep, worst
    from groundwork.reporting.style import canvas, colour
    from groundwork.reporting.words import fixed, percent

    nets, linear = _nets(results), [runs for runs in results if runs.variant.settings.network == "linear"]
    some = nets[0]
    orders = {False: "not shuffled", True: "shuffled"}
    curves, (ax,) = canvas()
    same = [runs for runs in nets if runs.variant.settings.hidden == some.variant.settings.hidden]
    for runs in [*same, *linear]:
        settings = runs.variant.settings
        kind, dashes = ("linear", "--") if settings.network == "linear" else (f"{settings.hidden} units", "-")
        epochs, accuracy = runs.curve("accuracy")
        label = f"{kind}, {orders[settings.shuffle]}"
        curve_with_band(ax, epochs, 1 - accuracy, label, index=settings.shuffle, linestyle=dashes)
    ax.set(xlabel="epoch", ylabel="validation images told wrong", yscale="log")
    shares = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
    ax.set_yticks(shares, [percent(share, 0) for share in shares])
    ax.minorticks_off()
    ax.legend(loc="upper right")

    widths, axes = canvas(columns=2, width=10)
    for ax, metric in zip(axes, ("accuracy", "val/loss"), strict=True):
        for shuffled, label in orders.items():
            chosen = {r.variant.settings.hidden: r[metric] for r in nets if r.variant.settings.shuffle == shuffled}
            if chosen:
                sweep(ax, sorted(chosen), [chosen[hidden] for hidden in sorted(chosen)], label, shuffled)
        for runs in linear:
            shuffled = runs.variant.settings.shuffle
            label = f"linear, {orders[shuffled]}"
            ax.axhline(np.median(runs[metric]), color=colour(shuffled), linestyle="--", linewidth=1.2, label=label)
        ticks = sorted({runs.variant.settings.hidden for runs in nets})
        ax.set(xlabel="hidden units", ylabel=METRICS[metric], xscale="log", xticks=ticks)
        ax.set_xticklabels([str(hidden) for hidden in ticks])
        ax.minorticks_off()
    axes[1].legend(loc="upper right")

    output = some.weights["w2"][0, :, 0]
    units = np.argsort(-output)[:40]
    rows = -(-len(units) // 10)
    first, axes = canvas(columns=10, rows=rows, height=1.15 * rows)
    for ax in axes:
        ax.set_axis_off()
    for ax, unit in zip(axes, units, strict=False):
        picture(ax, some.weights["w1"][0, :, unit].reshape(28, 28), fixed(output[unit], 2), diverging=True)

    by_width = sorted(nets, key=lambda runs: runs.variant.settings.hidden)
    shown = {runs.variant.name: runs for runs in (by_width[0], some, by_width[-1])}
    return {
        "accuracy.svg": (
            curves,
            "Mistakes by epoch; the book does not shuffle. Median and middle 90 % of the replicates.",
        ),
        "width.svg": (widths, "After the last epoch, against the width. Median and middle 90 % of the replicates."),
        "first_layer.png": (
            first,
            f"The first layer of “{some.variant.name}”, first replicate: red pixels excite a unit, blue ones inhibit "
            "it. The number is its weight in the output: above zero the unit speaks for a 3.",
        ),
        "worst.png": (
            mistakes([worst(runs) for runs in shown.values()]),
            "The worst mistakes of the first replicate: what it is, what it is called, and how surely.",
        ),
    }


def _nets(results: Results) -> list[VariantRuns]:
    """The nets that differ: both optimisers give the same."""
    from groundwork.runs import MissingVariant

    nets = [runs for runs in results if runs.variant.settings.network == "net"]
    if not nets:
        raise MissingVariant("params.yaml has no net")
    return [runs for runs in nets if runs.variant.settings.optimizer == "sgd"] or nets


def claims() -> list[Claim]:
    """What the book prints, and what order and width do."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def accuracy(results: Results, variant: str):
        return results[variant]["accuracy"]

    def after_one_epoch(results: Results, variant: str):
        return results[variant].curve("accuracy")[1][1]

    return [
        Claim(
            f"Unshuffled, forty epochs give the printed {PRINTED} (mean within ±0.001 of it).",
            SOURCE,
            lambda r: within(accuracy(r, "scratch") - PRINTED, 0.001),
        ),
        Claim(
            f"One hidden layer beats the {PRINTED_LINEAR} printed for the linear model, in every replicate.",
            SOURCE,
            lambda r: always(accuracy(r, "scratch") > PRINTED_LINEAR),
        ),
        Claim(
            "The handwritten optimiser is torch.optim.SGD: the same weights to the last bit.",
            SOURCE,
            lambda r: always(
                np.all(
                    [
                        (r["scratch"].weights[name] == r["torch.optim"].weights[name]).all((1, 2))
                        for name in ("w1", "b1", "w2", "b2")
                    ],
                    axis=0,
                )
            ),
        ),
        Claim(
            "One epoch of all 3s, then all 7s teaches no replicate more than guessing: all stay below 0.6.",
            "ours",
            lambda r: always(after_one_epoch(r, "scratch") < 0.6),
        ),
        Claim(
            "One shuffled epoch takes every replicate above 0.95.",
            "ours",
            lambda r: always(after_one_epoch(r, "scratch shuffled") > 0.95),
        ),
        Claim(
            "After forty epochs the order is worth less than 0.002 (mean of the paired differences).",
            "ours",
            lambda r: within(accuracy(r, "scratch shuffled") - accuracy(r, "scratch"), 0.002),
        ),
        Claim(
            "Unshuffled and trained as long, the net beats the linear model (paired difference).",
            "ours",
            lambda r: above(accuracy(r, "scratch") - accuracy(r, "linear")),
        ),
        Claim(
            "Shuffled it does not: the linear model ends ahead (paired difference).",
            "ours",
            lambda r: above(accuracy(r, "linear shuffled") - accuracy(r, "scratch shuffled")),
        ),
        Claim(
            "A single hidden unit, whose boundary is as straight as the linear model's, ends behind it (paired "
            "difference, both shuffled).",
            "ours",
            lambda r: above(accuracy(r, "linear shuffled") - accuracy(r, "hidden=1")),
        ),
        Claim(
            "Ten units have a lower validation loss than one (paired difference).",
            "ours",
            lambda r: above(r["hidden=1"]["val/loss"] - r["hidden=10"]["val/loss"]),
        ),
        Claim(
            "A hundred units are no better than thirty, by 0.002 or more (mean of the paired differences).",
            "ours",
            lambda r: within(accuracy(r, "hidden=100") - accuracy(r, "scratch shuffled"), 0.002),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The accuracy after 40 epochs, and the first six rows of the Learner's table."""
    from groundwork.judging.printed import PrintedValue

    net, first = "simple-net", "epochs 1..6"
    return [
        PrintedValue(net, "accuracy", "784-30-1 lr=0.1 epochs=40", "scratch", "accuracy"),
        PrintedValue(net, "accuracy_by_epoch", first, "scratch", "accuracy", first_epoch=1),
        PrintedValue(net, "valid_loss_by_epoch", first, "scratch", "val/loss", first_epoch=1),
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import fixed, mean_sd, percent

    def points(one, other) -> str:
        gain = 100 * (one["accuracy"].mean() - other["accuracy"].mean())
        return f"{fixed(abs(gain), 2)} percentage points {'above' if gain > 0 else 'below'}"

    net, shuffled, linear, linear_shuffled, narrow, wide = (
        results[name] for name in ("scratch", "scratch shuffled", "linear", "linear shuffled", "hidden=1", "hidden=100")
    )
    first, first_shuffled = (runs.curve("accuracy")[1][1].mean() for runs in (net, shuffled))
    lost, lost_wide = (fixed(runs["val/loss"].mean(), 4) for runs in (narrow, wide))
    spread, spread_wide = (fixed(runs["accuracy"].std(ddof=1), 4) for runs in (narrow, wide))
    return f"""
    As printed, {net.variant.settings.hidden} hidden units end at {mean_sd(net["accuracy"], 4)} after
    {net.variant.settings.epochs} unshuffled epochs; the book has {PRINTED}, and {PRINTED_LINEAR} for its linear model,
    which it trains for half as long. Trained for {linear.variant.settings.epochs} epochs too, the linear model ends at
    {mean_sd(linear["accuracy"], 4)}: the net is {points(net, linear)} it. Shuffled, it is
    {points(shuffled, linear_shuffled)} it, with {mean_sd(shuffled["accuracy"], 4)} against
    {mean_sd(linear_shuffled["accuracy"], 4)}.

    The order of the images decides how it begins: {percent(first)} after one epoch of all 3s and then all 7s,
    {percent(first_shuffled)} after one that is shuffled. From {narrow.variant.settings.hidden} to
    {wide.variant.settings.hidden} hidden units the accuracy goes from {mean_sd(narrow["accuracy"], 4)} to
    {mean_sd(wide["accuracy"], 4)}, the validation loss from {lost} to {lost_wide}, and the standard deviation of the
    accuracy over the replicates from {spread} to {spread_wide}.
    """
