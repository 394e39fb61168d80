"""Why not train on what we want, the accuracy?

Accuracy is what people judge by, and what nothing can be trained with: a small change of the weights changes no
prediction from a 3 to a 7, so its gradient is zero. The book measures instead how far predictions are from the labels,
which needs them between 0 and 1, and so the sigmoid. One linear model is trained here with the book's loss, with the
same loss without the sigmoid, and with the error rate, from the same starts and on the same batches; and a line is
drawn through the space of all weights, along which accuracy and loss are measured step by step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    import numpy as np
    from matplotlib.figure import Figure
    from torch import Tensor

    from groundwork.common.settings import LinearDigitsSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "A loss for digits"
SOURCE = "fastbook ch. 4, “The MNIST loss function”, “Sigmoid”"
METRICS = {
    "accuracy": "accuracy, all validation images",
    "val/loss": "validation loss, the one that is trained with",
    "gradient": "length of the loss's gradient at the start, over all training images",
    "change": "distance of the weights from their start",
    "outside": "share of the validation predictions outside 0 … 1",
    "highest": "highest validation prediction, after the sigmoid if the loss has one",
    "alike": "cosine of the weights and the difference of the two mean images",
    "first_change": "part of a step of lr = 1 along mnist_loss's gradient until a validation prediction changes sides",
    "first_change_one": "change of one weight until one does",
}
HEADLINE = "accuracy"
LABELS = [1, 0, 1]  # of the book's example
PREDICTIONS = {"example": [0.9, 0.4, 0.2], "better_example": [0.9, 0.4, 0.8]}
NUDGE = 1e-6  # a millionth of a step of lr = 1


def train(block: Block[LinearDigitsSettings]) -> Iterator[Trained]:
    """The linear model with each loss, and two lines from its start: along the gradient, and along one weight."""
    import torch

    from groundwork.engine.losses import LOSSES, Loss, mnist_loss
    from groundwork.engine.training import fit, kept, length
    from groundwork.models.digits import PIXELS, LinearDigits, accuracy, init_params, labelled, mean_images
    from groundwork.streams import normal, uniform

    train, valid = labelled(block.data, "train"), labelled(block.data, "valid")
    R, y = len(block.replicates), valid.y
    draws = {
        "normal": block.draw("normal", (PIXELS + 1, 1), normal),
        "uniform": block.draw("uniform", (PIXELS + 1, 1), uniform),
    }
    variants = block.variants
    orders = block.common_orders(len(train), max(variant.settings.epochs for variant in variants))
    seven, three = mean_images(train.X, train.y)
    inked = int(train.X.mean(0).argmax())  # the weight to change alone: of the pixel that has most ink

    def gradient(loss: Loss, model: LinearDigits) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss(model(train.X), train.y).sum(), model.parameters)

    for variant in variants:
        settings = variant.settings
        loss = LOSSES[settings.loss]
        start = init_params(settings.start, draws[settings.start])
        model = LinearDigits(*start, block.product)
        own_gradient, (down_weights, down_bias) = gradient(loss, model), (-g for g in gradient(mnist_loss, model))
        logits = model(valid.X).detach().double()
        along = LinearDigits(down_weights, down_bias, block.product)(valid.X).detach().double()
        alone = valid.X[:, inked : inked + 1].double().expand(R, -1, -1)
        nudged = logits + NUDGE * along

        learner = fit(model, settings, train, valid, orders, {"accuracy": accuracy})
        outputs = learner.predict(valid)
        predictions = outputs.sigmoid() if settings.loss == "mnist_loss" else outputs
        direction = (three - seven).expand(R, -1)
        columns = model.weights.detach()[..., 0]
        metrics = {
            "gradient": length(torch.cat(own_gradient, 1)[..., 0]),
            "change": length(torch.cat([model.weights - start[0], model.bias - start[1]], 1)[..., 0]),
            "outside": ((predictions < 0) | (predictions > 1)).float().mean((1, 2)),
            "highest": predictions.amax((1, 2)),
            "alike": (columns * direction).sum(1) / (length(columns) * length(direction)),
            "first_change": first_change(logits, along),
            "first_change_one": torch.minimum(first_change(logits, alone), first_change(logits, -alone)),
            "nudged_predictions": ((nudged > 0) != (logits > 0)).sum((1, 2)),
            "nudged_loss": mnist_loss(nudged, y) - mnist_loss(logits, y),
            **{name: loss(*_example(values)).expand(R) for name, values in PREDICTIONS.items()},
        }
        t = torch.linspace(0, 1, 501, dtype=torch.float64)
        drawn = {  # of the first replicate
            "whole_step": line(logits[0], along[0], y, t),
            "thousandth": line(logits[0], along[0], y, t / 1000),
            "one_weight": line(logits[0], alone[0], y, (t - 0.5) / 500),
            "loss_of_a_3": torch.stack([12 * t - 6, loss((12 * t - 6).view(-1, 1, 1), torch.ones(1, 1))]),
            "predictions": predictions[0, :, 0],
            "labels": y[:, 0],
        }
        weights = {"weights": model.weights, "bias": model.bias}
        yield kept(learner, metrics, weights | {name: values[None] for name, values in drawn.items()})


def _example(predictions: list[float]) -> tuple[Tensor, Tensor]:
    import torch

    return torch.tensor(predictions).view(1, -1, 1), torch.tensor(LABELS)[:, None]


def first_change(logits: Tensor, slope: Tensor) -> Tensor:
    """The least t > 0 where one of logits + t·slope, (R, n, 1), crosses zero and its image changes sides: (R,)."""
    crossing = -logits / slope
    return crossing.where(crossing > 0, float("inf")).amin((1, 2))


def line(logits: Tensor, slope: Tensor, y: Tensor, t: Tensor) -> Tensor:
    """t, accuracy and mnist_loss of logits + t·slope, (n, 1), for each of t (T,): (3, T)."""
    import torch

    from groundwork.engine.losses import mnist_loss
    from groundwork.models.digits import accuracy

    shifted = logits + t[:, None, None] * slope
    return torch.stack([t, accuracy(shifted, y), mnist_loss(shifted, y)])


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Accuracy and loss along a line, the functions, training with each loss, what comes out of it."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band, picture
    from groundwork.reporting.style import canvas, colour

    runs = list(results)
    names = [run.variant.name.removeprefix("loss=") for run in runs]
    lines = {
        "whole_step": ("all weights, one step", "part of a step of lr = 1"),
        "thousandth": ("its first thousandth", "part of a step of lr = 1"),
        "one_weight": ("one weight", "change of the weight"),
    }
    stairs, axes = canvas(columns=3, rows=2, width=10, height=5)
    for upper, lower, (key, (title, xlabel)) in zip(axes[:3], axes[3:], lines.items(), strict=True):
        t, accuracy, loss = runs[0].weights[key][0]
        upper.plot(t, accuracy, color=colour(2), drawstyle="steps-mid")
        upper.set(title=title)
        lower.plot(t, loss, color=colour(0))
        lower.set(xlabel=xlabel)
        for ax in (upper, lower):
            ax.ticklabel_format(useOffset=False)
            ax.locator_params(axis="x", nbins=4)
    axes[0].set(ylabel="accuracy")
    axes[3].set(ylabel="mnist_loss")

    functions, axes = canvas(columns=3, width=10, height=3.4)
    x = np.linspace(-6, 6, 241)
    axes[0].plot(x, 1 / (1 + np.exp(-x)), color="black")
    axes[0].set(title="sigmoid", xlabel="x")
    axes[1].plot(x, x.clip(min=0), color="black")
    axes[1].set(title="ReLU", xlabel="x")
    for index, (run, name) in enumerate(zip(runs, names, strict=True)):
        axes[2].plot(*run.weights["loss_of_a_3"][0], color=colour(index), label=name)
    axes[2].set(title="the loss of a 3", xlabel="what the model says", ylim=(-2.2, 3.2))
    for ax in axes:
        ax.set_xticks(range(-6, 7, 3))
    functions.legend(loc="outside lower center", ncols=len(runs))

    curves, axes = canvas(columns=2, width=10, height=3.8)
    for ax, metric, ylabel in zip(
        axes, ("accuracy", "val/loss"), ("validation accuracy", "validation loss, its own"), strict=True
    ):
        for index, (run, name) in enumerate(zip(runs, names, strict=True)):
            curve_with_band(ax, *run.curve(metric), label=name, index=index)
        ax.set(xlabel="epoch", ylabel=ylabel)
    axes[1].legend(loc="lower left")

    predictions, axes = canvas(columns=len(runs), width=10, height=3.4)
    for ax, run, name in zip(axes, runs, names, strict=True):
        values, labels = run.weights["predictions"][0], run.weights["labels"][0]
        bins = np.linspace(values.min(), values.max(), 41).tolist()
        for label, digit, index in ((1, 3, 3), (0, 7, 5)):
            ax.hist(values[labels == label], bins, color=colour(index), alpha=0.6, label=f"{digit}s")
        ax.set(title=name, xlabel="prediction", yscale="log")
        ax.locator_params(axis="x", nbins=5)
    axes[0].set(ylabel="validation images")
    predictions.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)

    weights, axes = canvas(columns=len(runs), height=2.7)
    for ax, run, name in zip(axes, runs, names, strict=True):
        picture(ax, run.weights["weights"][0].reshape(28, 28), name, diverging=True)
    return {
        "stairs.svg": (
            stairs,
            "From the first replicate's start, on all validation images. Accuracy is a staircase, flat between its "
            "steps, and stays where it is for every change that is small enough; mnist_loss is smooth.",
        ),
        "functions.svg": (functions, "What squeezes, what bends, and what one 3 costs, whatever the model says of it."),
        "curves.svg": (curves, "Training with each loss: median and middle 90 % of the replicates."),
        "predictions.svg": (predictions, "What the first replicate says of the validation images after training."),
        "weights.png": (weights, "Its weights after training: red speaks for a 3, blue for a 7."),
    }


def claims() -> list[Claim]:
    """What the book says of the three, and how far the middle one gets."""
    from groundwork.judging.claims import Claim, above, always, within

    def ours(results: Results) -> VariantRuns:
        return results["loss=mnist_loss"]

    def without(results: Results) -> VariantRuns:
        return results["loss=mnist_loss_without_sigmoid"]

    def error_rate(results: Results) -> VariantRuns:
        return results["loss=error_rate"]

    def falls(runs: VariantRuns) -> np.ndarray:
        """How much the validation loss falls in each epoch, (epochs, R)."""
        values = runs.curve("val/loss")[1]
        return values[:-1] - values[1:]

    return [
        Claim(
            "Trained with the error rate, every replicate ends with exactly the weights that it began with.",
            SOURCE,
            lambda r: always((error_rate(r)["gradient"] == 0) & (error_rate(r)["change"] == 0)),
        ),
        Claim(
            "A small change of all weights, a millionth of a step of lr = 1, changes no validation prediction, but "
            "lowers mnist_loss.",
            SOURCE,
            lambda r: always((ours(r)["nudged_predictions"] == 0) & (ours(r)["nudged_loss"] < 0)),
        ),
        Claim(
            "A better prediction of the same three images is a lower loss.",
            SOURCE,
            lambda r: always(without(r)["better_example"] < without(r)["example"]),
        ),
        Claim(
            "Without the sigmoid over nine tenths of the validation predictions leave 0 … 1, and the loss falls below "
            "0, where it should end.",
            SOURCE,
            lambda r: always((without(r)["outside"] > 0.9) & (without(r)["val/loss"] < 0)),
        ),
        Claim(
            "It would fall for ever: as much in the last epoch as in the first (mean ratio within 1 % of one).",
            "ours",
            lambda r: within(falls(without(r))[-1] / falls(without(r))[0] - 1, 0.01),
        ),
        Claim(
            "All that it learns is the difference of the two mean images (cosine above 0.99).",
            "ours",
            lambda r: always(without(r)["alike"] > 0.99),
        ),
        Claim(
            "That is worth an accuracy of over 0.9 all the same.",
            "ours",
            lambda r: above(without(r)["accuracy"], 0.9),
        ),
        Claim(
            "The sigmoid is worth accuracy (paired difference).",
            "ours",
            lambda r: above(ours(r)["accuracy"] - without(r)["accuracy"]),
        ),
    ]


def printed() -> list[PrintedValue]:
    """Two losses of three predictions, which the book computes before it has the sigmoid."""
    from groundwork.judging.printed import PrintedValue

    trgts = ";".join(map(str, LABELS))
    return [
        PrintedValue(
            "mnist-loss",
            "loss",
            f"prds={';'.join(map(str, predictions))} trgts={trgts}",
            "loss=mnist_loss_without_sigmoid",
            name,
            exact=True,
        )
        for name, predictions in PREDICTIONS.items()
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.reporting.words import fixed, mean_sd, number, percent

    ours, without, stuck = (
        results[f"loss={name}"] for name in ("mnist_loss", "mnist_loss_without_sigmoid", "error_rate")
    )
    still = int((stuck["change"] == 0).sum())
    epochs = stuck.variant.settings.epochs
    loss = without.curve("val/loss")[1].mean(1)
    accuracy = without.curve("accuracy")[1].mean(1)
    return f"""
    Because accuracy does not say which way to go. From the start, the first of the validation predictions changes
    sides after {number(np.median(ours["first_change"]), 2)} of a step of lr = 1 (median), or when the weight of the
    most inked pixel alone changes by {number(np.median(ours["first_change_one"]), 2)}: nearer than that accuracy is
    flat, its gradient zero. Trained with the error rate, {still} of {len(stuck["change"])} replicates still have, after
    {epochs} epochs, the weights that they began with, and an accuracy of {mean_sd(stuck["accuracy"], 2)}. mnist_loss
    feels the smallest change; its gradient there has the length {fixed(ours["gradient"].mean(), 2)}, and training ends
    at {mean_sd(ours["accuracy"], 4)}.

    Without the sigmoid it is a loss with no floor: {percent(without["outside"].mean(), 0)} of the predictions leave
    0 … 1, up to {without["highest"].max():,.0f}, and the loss falls from {fixed(loss[0], 2)} to {fixed(loss[-1], 0)},
    by {fixed(loss[-2] - loss[-1], 0)} in the last epoch. An image that is told right long since earns as much as one
    that is told wrong, so every step adds the same: the 3s of the batch, less its 7s. The weights become the difference
    of the mean images (cosine {fixed(without["alike"].mean(), 4)}), and accuracy stands at
    {percent(accuracy[1], 2)} after one epoch and {percent(accuracy[-1], 2)} after {epochs}. The sigmoid flattens the
    loss where an image is told right surely, and leaves the steps to those that are not:
    {percent((ours["accuracy"] - without["accuracy"]).mean(), 2)} more of the images are told right.
    """
