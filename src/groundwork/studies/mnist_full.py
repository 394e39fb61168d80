"""How far do the steps of the chapter carry with all ten digits?

The book's further research: the same ladder on the whole of MNIST, 60,000 images to learn from and 10,000 to judge by.
Pixel similarity stays as it is. The other models get ten outputs, cross entropy and shuffled images, and a learning
rate that suits them; the linear model is also trained with the book's own loss, as ten sigmoids that each ask: is it
this digit?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    import numpy as np
    from matplotlib.figure import Figure
    from torch import Tensor

    from groundwork.common.settings import LinearDigitsSettings, NetSettings, PixelSimilaritySettings, ResNetSettings
    from groundwork.engine.batches import Rows
    from groundwork.engine.learner import Model
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "All ten digits"
SOURCE = "fastbook ch. 4, “Further research”"
METRICS = {
    "accuracy": "accuracy, all 10,000 validation images",
    "errors": "validation images told wrong",
}
HEADLINE = "accuracy"
DIGITS = 10
WORST = 8  # mistakes to show of each model
PRINTED = {  # what the book's models make of 3 and 7
    "pixel similarity L1": 0.9511,
    "linear": 0.9785,
    "net": 0.9828,
    "ResNet18": 0.9971,
}
SELDOM = 10  # answers among 10,000: a digit that is named less often is as good as never named


# --- training --------------------------------------------------------------------------------------------------------


def train(
    block: Block[PixelSimilaritySettings | LinearDigitsSettings | NetSettings | ResNetSettings],
) -> Iterator[Trained]:
    """All replicates see the same images in the same order, one shuffle an epoch for the block."""
    from groundwork.common.settings import PixelSimilaritySettings
    from groundwork.models.digits import PixelSimilarity, labelled, mean_images
    from groundwork.runs import Trained

    train, valid = labelled(block.data, "train"), labelled(block.data, "valid")
    for variant in block.variants:
        settings = variant.settings
        model: Model
        if isinstance(settings, PixelSimilaritySettings):
            means = mean_images(train.X, train.y)[None]
            model = PixelSimilarity(means, settings.distance)
            run = Trained(metrics={}, history={}, weights={"means": means.numpy()})
        else:
            model, run = _descended(block, settings, train, valid)
        yield _judged(run, model, valid, block.data["valid/images"])


def _descended(
    block: Block, settings: LinearDigitsSettings | NetSettings | ResNetSettings, train: Rows, valid: Rows
) -> tuple[Model, Trained]:
    """A model trained: cross entropy takes the digit itself, the book's losses one yes or no for each of the ten."""
    from groundwork.common.settings import ResNetSettings
    from groundwork.engine.optimizers import OneCycle
    from groundwork.engine.training import fit, kept
    from groundwork.models.digits import ResNets, accuracy, restore

    start = _start(block, settings)
    model = restore(settings, start, block.product)
    optimizer = None
    if isinstance(settings, ResNetSettings):
        steps = settings.epochs * -(-len(train) // settings.batch_size)
        optimizer = OneCycle(model.parameters, settings.lr, steps)
    digits = valid.y
    if settings.loss != "cross_entropy":
        train, valid = _one_against_rest(train), _one_against_rest(valid)
    metrics = {"accuracy": lambda logits, _: accuracy(logits, digits)}
    orders = block.common_orders(len(train), settings.epochs)
    learner = fit(model, settings, train, valid, orders, metrics, optimizer=optimizer)
    weights = model.weights if isinstance(model, ResNets) else dict(zip(start, model.parameters, strict=True))
    return model, kept(learner, {}, weights)


def _start(block: Block, settings: LinearDigitsSettings | NetSettings | ResNetSettings) -> dict[str, Tensor]:
    """Where a model starts, (R, …) each, in the order of its parameters."""
    import torch

    from groundwork.common.settings import LinearDigitsSettings, NetSettings
    from groundwork.models.digits import PIXELS, init_params, resnet_start
    from groundwork.streams import normal, uniform

    def layer(start: str, name: str, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
        draws = normal if start == "normal" else uniform
        return init_params(start, block.draw(f"{start} {name}", (inputs + 1, outputs), draws))

    match settings:
        case LinearDigitsSettings(start=start):
            weights, bias = layer(start, "layer", PIXELS, DIGITS)
            return {"weights": weights, "bias": bias}
        case NetSettings(start=start, hidden=hidden):
            w1, b1 = layer(start, "layer1", PIXELS, hidden)
            w2, b2 = layer(start, "layer2", hidden, DIGITS)
            return {"w1": w1, "b1": b1, "w2": w2, "b2": b2}
    states = [resnet_start(rng, DIGITS) for rng in block.streams("resnet")]
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def _one_against_rest(rows: Rows) -> Rows:
    """The same images with labels (n, 10): 1 where it is this digit, 0 where it is another."""
    from torch.nn.functional import one_hot

    return replace(rows, y=one_hot(rows.y[:, 0].long(), DIGITS).float())


def _judged(run: Trained, model: Model, valid: Rows, images: np.ndarray) -> Trained:
    """The run with its metrics, what each image is told as, that counted by digit, and the worst mistakes.

    predicted (R, n); confusion (R, 10, 10), a row a digit, a column an answer; worst_images (R, m, 28, 28), and of each
    (R, m) worst_labels, worst_predicted and worst_probabilities, the answer's: where the logit of the answer lies
    furthest above that of the label.
    """
    import torch

    from groundwork.models.digits import accuracy, cost, predicted, probability

    with torch.no_grad():
        logits = model(valid.X)
    labels, told = valid.y.long().T.expand(len(logits), -1), predicted(logits)
    confusion = torch.stack([row.bincount(minlength=DIGITS**2) for row in labels * DIGITS + told])
    rows = (_at(logits, labels) - _at(logits, told)).argsort(dim=1, stable=True)[:, :WORST]
    R = len(logits)
    parameters, multiply_adds = cost(model)
    metrics = {
        "accuracy": accuracy(logits, valid.y),
        "errors": (told != labels).sum(1),
        "parameters": torch.full((R,), parameters),
        "multiply_adds": torch.full((R,), multiply_adds),
    }
    tensors = {
        "predicted": told.byte(),
        "confusion": confusion.view(R, DIGITS, DIGITS).int(),
        "worst_images": torch.from_numpy(images)[rows],
        "worst_labels": labels.gather(1, rows).byte(),
        "worst_predicted": told.gather(1, rows).byte(),
        "worst_probabilities": _at(probability(logits), told).gather(1, rows),
    }
    return replace(
        run,
        metrics=run.metrics | {name: value.numpy() for name, value in metrics.items()},
        weights=run.weights | {name: value.numpy() for name, value in tensors.items()},
    )


def _at(values: Tensor, answers: Tensor) -> Tensor:
    """Of values (R, n, 10), those of the answers (R, n): (R, n)."""
    return values.gather(-1, answers[..., None])[..., 0]


# --- reporting -------------------------------------------------------------------------------------------------------


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Errors by epoch, the ladder, the confusions, the worst mistakes, the weights."""
    import numpy as np
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    from groundwork.reporting.plots import curve_with_band, ladder, mistakes
    from groundwork.reporting.style import canvas, colour

    curves, (ax,) = canvas(width=9)
    for index, runs in enumerate(results):
        epochs, values = runs.curve("accuracy")
        if len(epochs):
            curve_with_band(ax, epochs, 1 - values, label=runs.variant.name, index=index)
            ax.plot(epochs[-1], 1 - np.median(values[-1]), "o", color=colour(index))
        else:
            ax.axhline(1 - runs["accuracy"].mean(), color=colour(index), linestyle="--", label=runs.variant.name)
    ax.set(xlabel="epoch", ylabel="validation images told wrong", yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    rungs = [
        (runs.variant.name, 1 - runs["accuracy"], int(runs["parameters"][0]), int(runs["multiply_adds"][0]))
        for runs in results
    ]
    drawn = {
        "errors.svg": (
            curves,
            "Errors by epoch: median and middle 90 % of the replicates, a dot where training ends; dashed: nothing is "
            "trained.",
        ),
        "ladder.svg": (ladder(rungs), "What each model gets wrong, and what it costs."),
        "confusion.png": (
            _confusions(results),
            "What is taken for what: how many images of each digit get each answer (mean over the replicates; none "
            "where it rounds to 0), coloured by their share of the digit's images.",
        ),
        "worst.png": (
            mistakes([(runs.variant.name, *_worst(runs)) for runs in results]),
            "The worst mistakes of each first replicate: what it is, what it is taken for, and with which probability "
            "if the model gives one.",
        ),
    }
    weights = _weights(results)
    if weights:
        caption = "Mean images, and the weights of the first replicate: red speaks for the digit, blue against it."
        drawn["weights.png"] = (weights, caption)
    return drawn


def _confusions(results: Results) -> Figure:
    """A confusion matrix a model; the colours of the errors are logarithmic, and the diagonal has none."""
    import numpy as np
    from matplotlib.colors import LogNorm

    from groundwork.reporting.style import GREY, canvas

    rows = -(-len(results.variants) // 2)
    figure, axes = canvas(columns=2, rows=rows, width=9, height=4.4 * rows)
    for ax in axes[len(results.variants) :]:
        ax.set_axis_off()
    for ax, runs in zip(axes, results, strict=False):
        counts = runs.weights["confusion"].mean(0)
        share = counts / counts.sum(1, keepdims=True)
        off = np.where(np.eye(DIGITS, dtype=bool) | (counts == 0), np.nan, share)
        image = ax.imshow(off, cmap="YlOrRd", norm=LogNorm(0.001, 1))
        for digit, answer in np.ndindex(DIGITS, DIGITS):
            if counts[digit, answer] >= 0.5:
                right = digit == answer
                colour = GREY if right else "white" if share[digit, answer] > 0.1 else "black"
                text = f"{counts[digit, answer]:.0f}"
                ax.text(answer, digit, text, ha="center", va="center", fontsize=8, color=colour)
        ax.set(title=runs.variant.name, xlabel="told as", ylabel="digit", xticks=range(DIGITS), yticks=range(DIGITS))
        ax.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, shrink=0.4, aspect=30, label="share of the digit's images")
    bar.ax.set_yticks([0.001, 0.01, 0.1, 1], ["0.1 %", "1 %", "10 %", "100 %"])
    return figure


def _worst(runs: VariantRuns) -> tuple[np.ndarray, list[str]]:
    """The worst mistakes of the first replicate, and what to write above each."""
    from groundwork.reporting.words import fixed

    images, labels, told, p = (
        runs.weights[f"worst_{key}"][0] for key in ("images", "labels", "predicted", "probabilities")
    )
    wrong = labels != told
    sure = getattr(runs.variant.settings, "loss", None) == "cross_entropy"  # distances and ten sigmoids are no softmax
    captions = [
        f"{label} as {answer}" + (f", {fixed(chance, 2)}" if sure else "")
        for label, answer, chance in zip(labels[wrong], told[wrong], p[wrong], strict=True)
    ]
    return images[wrong], captions


def _weights(results: Results) -> Figure | None:
    """The mean images and the weights of the linear models, a column a digit; None where no model has any."""
    from groundwork.reporting.plots import picture
    from groundwork.reporting.style import canvas

    means = [("mean image", runs.weights["means"][0], False) for runs in results if "means" in runs.weights][:1]
    linear = [(runs.variant.name, runs.weights["weights"][0].T, True) for runs in results if "weights" in runs.weights]
    rows = means + linear
    if not rows:
        return None
    figure, axes = canvas(columns=DIGITS, rows=len(rows), width=10, height=1.1 * len(rows))
    for row, (name, images, diverging) in enumerate(rows):
        places = axes[row * DIGITS : (row + 1) * DIGITS]
        for digit, (ax, image) in enumerate(zip(places, images, strict=True)):
            picture(ax, image.reshape(28, 28), str(digit), diverging)
        places[0].text(-0.1, 0.5, name, transform=places[0].transAxes, ha="right", va="center")
    return figure


def _confused(runs: VariantRuns) -> np.ndarray:
    """How often each pair of digits is taken for one another, either way, (R, 10, 10): above the diagonal, else 0."""
    import numpy as np

    confusion = runs.weights["confusion"]
    return np.triu(confusion + confusion.swapaxes(1, 2), 1)


def claims() -> list[Claim]:
    """The book says nothing about ten digits, so all of them are ours; what it prints for 3 and 7 is in PRINTED."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def accuracy(results: Results, variant: str):
        return results[variant]["accuracy"]

    def fall(results: Results, variant: str):
        return PRINTED[variant] - accuracy(results, variant)

    def called_1(results: Results):
        runs = results["pixel similarity L1"]
        return (runs.weights["confusion"][:, :, 1].sum(1) - runs.weights["confusion"][:, 1, 1]) / runs["errors"]

    def most_confused(results: Results, variant: str):
        pairs = _confused(results[variant])
        return pairs.reshape(len(pairs), -1).argmax(1)

    return [
        Claim(
            "RMSE tells over ten points more right than L1.",
            "ours",
            lambda r: above(accuracy(r, "pixel similarity RMSE") - accuracy(r, "pixel similarity L1").mean(), 0.1),
        ),
        Claim(
            "Of what L1 gets wrong it calls more than half a 1.",
            "ours",
            lambda r: always(called_1(r) > 0.5),
        ),
        Claim(
            f"Pixel similarity by L1 falls by over 25 points from the {PRINTED['pixel similarity L1']} that the book "
            "prints for 3 and 7.",
            "ours",
            lambda r: above(fall(r, "pixel similarity L1"), 0.25),
        ),
        Claim(
            "The linear model and the net fall as well, by less than six points, in every replicate.",
            "ours",
            lambda r: always(
                np.all([(fall(r, name) > 0) & (fall(r, name) < 0.06) for name in ("linear", "net")], axis=0)
            ),
        ),
        Claim(
            "ResNet18 falls by less than one point (its one replicate).",
            "ours",
            lambda r: always((fall(r, "ResNet18") > 0) & (fall(r, "ResNet18") < 0.01)),
        ),
        Claim(
            "ResNet18 tells over 99 % right (its one replicate).",
            "ours",
            lambda r: always(accuracy(r, "ResNet18") > 0.99),
        ),
        Claim(
            "The linear model tells 92 to 93 % right (mean).",
            "ours",
            lambda r: within(accuracy(r, "linear") - 0.925, 0.005),
        ),
        Claim(
            "Training is worth over five points: the linear model against nearest mean by RMSE.",
            "ours",
            lambda r: above(accuracy(r, "linear") - accuracy(r, "pixel similarity RMSE").mean(), 0.05),
        ),
        Claim(
            "The net makes fewer than half of the linear model's errors, in every replicate.",
            "ours",
            lambda r: always(r["net"]["errors"] < r["linear"]["errors"] / 2),
        ),
        Claim(
            "ResNet18, its one replicate, makes fewer than a third of the net's errors (mean).",
            "ours",
            lambda r: above(r["net"]["errors"] / 3 - r["ResNet18"]["errors"].mean()),
        ),
        Claim(
            "The linear model confuses no two digits as often as 4 and 9, in every replicate.",
            "ours",
            lambda r: always(most_confused(r, "linear") == 10 * 4 + 9),
        ),
        Claim(
            "With the book's own loss, ten sigmoids tell fewer than half of the images right.",
            "ours",
            lambda r: always(accuracy(r, "linear mnist_loss") < 0.5),
        ),
        Claim(
            f"They as good as never name some digit: fewer than {SELDOM} times in all.",
            "ours",
            lambda r: always(r["linear mnist_loss"].weights["confusion"].sum(1).min(1) < SELDOM),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The book leaves the ten digits to its reader: it prints nothing."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.reporting.words import mean_sd, percent

    l1, rmse, sigmoids = results["pixel similarity L1"], results["pixel similarity RMSE"], results["linear mnist_loss"]
    linear, net, resnet = results["linear"], results["net"], results["ResNet18"]
    share = {runs.variant.name: percent(runs["accuracy"].mean()) for runs in results}
    book = {name: percent(value) for name, value in PRINTED.items()}
    errors = {runs.variant.name: f"{runs['errors'].mean():,.0f}" for runs in results}
    confusion = l1.weights["confusion"][0]
    palest = l1.weights["means"][0].mean(1).argmin()
    named = sigmoids.weights["confusion"].sum(1).mean(0)
    seldom = " and ".join(str(digit) for digit in np.flatnonzero(named < SELDOM)) or "none"

    def pair(runs: VariantRuns) -> str:
        counts = _confused(runs).mean(0)
        one, other = np.unravel_index(counts.argmax(), counts.shape)
        return f"{one} and {other} ({counts.max():.0f} times)"

    def times(metric: str) -> str:
        return f"{resnet[metric][0] / net[metric][0]:,.0f} times"

    return f"""
    Pixel similarity tells {share["pixel similarity L1"]} of the ten digits right by L1 and
    {share["pixel similarity RMSE"]} by RMSE, the linear model {share["linear"]}, the net {share["net"]}
    ({mean_sd(net["accuracy"], 4)}), ResNet18 {share["ResNet18"]}. For 3 and 7 the book prints
    {book["pixel similarity L1"]} (L1), {book["linear"]}, {book["net"]} and {book["ResNet18"]}. ResNet18 gets
    {errors["ResNet18"]} of the {confusion.sum():,} images wrong where the net gets {errors["net"]} wrong, for
    {times("parameters")} its parameters and {times("multiply_adds")} its multiply-adds. The two digits that are
    confused most often are {pair(linear)} by the linear model, {pair(net)} by the net and {pair(resnet)} by ResNet18.

    L1 calls {confusion[:, 1].sum():,} images a 1, of which there are {confusion[1].sum():,}. The mean {palest} has the
    least ink, and L1 charges for all the grey of a mean image that an image leaves white; RMSE squares it, and so
    forgives what is faint. Nearest by RMSE is in fact a linear model, for ‖x − m‖² = ‖x‖² − 2m·x + ‖m‖². Descent finds
    other weights for it, and they tell {percent(linear["accuracy"].mean() - rmse["accuracy"].mean())} more right.

    The book's own loss is another matter. As ten sigmoids that each ask “is it this digit?” the same linear model tells
    {share["linear mnist_loss"]} right. Nine times in ten the right answer is no, and the mean distance from the label
    is content with whatever is right more often. Digits named fewer than {SELDOM} times in all: {seldom}. In cross
    entropy the ten compete, so that one of them must be named.
    """
