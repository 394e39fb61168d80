"""How far does a network of eighteen layers come in a single epoch?

The book ends its chapter with ResNet18, trained for one epoch under the one-cycle schedule. Here it is torchvision's
plain ResNet18, trained from several starts on the images and with the judge of the smaller models. It expects images
of three colours, so each grey value serves all three channels. The optimiser is SGD whose momentum falls while the
learning rate rises, where fastai's default is Adam under the same schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    from matplotlib.figure import Figure

    from groundwork.common.settings import ResNetSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "ResNet18"
SOURCE = "fastbook ch. 4, “Going deeper”"
METRICS = {
    "accuracy": "accuracy, all validation images",
    "errors": "validation images told wrong",
    "val/loss": "validation loss, cross-entropy",
}
HEADLINE = "accuracy"
PRINTED = 0.997056
PRINTED_NET = 0.982826  # the net with one hidden layer
VARIANT = "one epoch"
CLASSES = 2
PIXELS = 28 * 28
WORST = 8  # mistakes to keep of each replicate


def train(block: Block[ResNetSettings]) -> Iterator[Trained]:
    """A start and, in a block of its own, an order of the images for each replicate."""
    import torch

    from groundwork.engine.optimizers import OneCycle
    from groundwork.engine.training import fit, kept
    from groundwork.models.digits import ResNets, accuracy, cost, labelled, predicted, resnet_start, worst_mistakes

    train, valid = labelled(block.data, "train"), labelled(block.data, "valid")
    variants = block.variants
    orders = block.common_orders(len(train), max(variant.settings.epochs for variant in variants))
    for variant in variants:
        settings = variant.settings
        model = ResNets([resnet_start(rng, CLASSES) for rng in block.streams("start")])
        steps = settings.epochs * -(-len(train) // settings.batch_size)
        optimizer = OneCycle(model.parameters, settings.lr, steps)
        learner = fit(model, settings, train, valid, orders, {"accuracy": accuracy}, optimizer=optimizer)
        logits = learner.predict(valid)
        metrics = {
            "errors": (predicted(logits) != valid.y[:, 0]).sum(1),
            "parameters": torch.tensor([cost(model)[0]] * len(logits)),
            "training_images": torch.tensor([len(train)] * len(logits)),
        }
        run = kept(learner, metrics, model.weights | worst_mistakes(logits, block.data, WORST))
        at, epochs, losses = run.history["train/loss"]
        for name, values in _schedule(settings.lr, steps).items():
            run.history[f"train/{name}"] = (at, epochs, values[:, None].expand(losses.shape).numpy())
        yield run


def _schedule(lr_max: float, steps: int) -> dict:
    """The learning rate and the momentum of each step, (steps,) each, by letting the one cycle pass over nothing."""
    import torch

    from groundwork.engine.optimizers import OneCycle

    cycle = OneCycle([torch.zeros(1, requires_grad=True)], lr_max, steps)
    passed = []
    for _ in range(steps):
        group = cycle.optimizer.param_groups[0]
        passed.append((group["lr"], group["momentum"]))
        cycle.step()
    return dict(zip(("lr", "momentum"), torch.tensor(passed).T, strict=True))


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The loss beside the schedule, the accuracies, the first filters, the worst mistakes."""
    import numpy as np

    from groundwork.reporting.plots import mistakes, picture, strip, worst
    from groundwork.reporting.style import canvas, colour

    some = next(iter(results))
    training, axes = canvas(columns=2, width=10)
    steps, losses = some.curve("train/loss")
    steps = steps * len(losses) / steps[-1]
    window = max(1, len(steps) // 12)
    for replicate, values in enumerate(losses.T):
        axes[0].plot(steps, values, color=colour(replicate), linewidth=0.8, alpha=0.25)
        means = np.convolve(values, np.full(window, 1 / window), mode="valid")
        axes[0].plot(steps[window - 1 :], means, color=colour(replicate), label=f"replicate {replicate}")
    axes[0].set(xlabel="step", ylabel="training loss of a minibatch", yscale="log")
    axes[0].legend(loc="upper right")
    other = axes[1].twinx()
    for ax, name, dashes in ((axes[1], "lr", "-"), (other, "momentum", "--")):
        ax.plot(steps, some.curve(f"train/{name}")[1][:, 0], color="black", linestyle=dashes, label=name)
        ax.set_ylabel({"lr": "learning rate, solid", "momentum": "momentum, dashed"}[name])
    other.grid(visible=False)
    other.spines["right"].set_visible(True)
    axes[1].set(xlabel="step")

    final, (ax,) = canvas(height=1.6 + 0.4 * len(results.variants))
    strip(ax, [(runs.variant.name, runs["accuracy"]) for runs in results], "validation accuracy")
    for value, label, side in (
        (PRINTED_NET, " one hidden layer, as printed", "left"),
        (PRINTED, "as printed ", "right"),
    ):
        ax.axvline(value, color="black", linewidth=0.8, linestyle=":")
        ax.annotate(label, (value, 1), xycoords=("data", "axes fraction"), ha=side, va="top")

    filters, axes = canvas(columns=16, rows=4, height=2.2)
    for ax, weights in zip(axes, some.weights["conv1.weight"][0], strict=True):
        picture(ax, weights.sum(0), diverging=True)
    return {
        "training.svg": (
            training,
            f"The loss of every minibatch, pale, and its mean over the last {window} of them; beside it the cycle that "
            "their steps follow.",
        ),
        "accuracy.svg": (final, "Where the replicates end: a dot each, a bar at the mean."),
        "filters.png": (
            filters,
            "The filters of the first layer, first replicate: red counts ink, blue counts against it. "
            "The three channels see the same grey value, so their weights are added up.",
        ),
        "worst.png": (
            mistakes([worst(runs) for runs in results]),
            "The worst mistakes of the first replicate: what it is, what it is called, and how surely.",
        ),
    }


def claims() -> list[Claim]:
    """What the book prints, and what one epoch of a large network is worth."""
    from groundwork.judging.claims import Claim, always

    def loss(results: Results, first: float, end: float):
        """The mean loss of the steps between two shares of the way, (R,)."""
        values = results[VARIANT].curve("train/loss")[1]
        return values[round(first * len(values)) : round(end * len(values))].mean(0)

    return [
        Claim(
            f"One epoch beats the {PRINTED_NET} that the book prints for forty epochs of one hidden layer.",
            SOURCE,
            lambda r: always(r[VARIANT]["accuracy"] > PRINTED_NET),
        ),
        Claim(
            f"Every replicate ends within ±0.002 of the printed {PRINTED}.",
            SOURCE,
            lambda r: always(abs(r[VARIANT]["accuracy"] - PRINTED) < 0.002),
        ),
        Claim(
            "Every replicate tells fewer than 20 of the validation images wrong.",
            "ours",
            lambda r: always(r[VARIANT]["errors"] < 20),
        ),
        Claim(
            "It is torchvision's ResNet18 with two outputs: 11,177,538 parameters.",
            "ours",
            lambda r: always(r[VARIANT]["parameters"] == 11_177_538),
        ),
        Claim(
            "It has more parameters than its training images have pixels, and tells over 99 % of new images right.",
            "ours",
            lambda r: always(
                (r[VARIANT]["parameters"] > PIXELS * r[VARIANT]["training_images"]) & (r[VARIANT]["accuracy"] > 0.99)
            ),
        ),
        Claim(
            "Most is learned by the peak of the learning rate: the mean loss of the steps after it is less than a "
            "quarter of the mean of those before.",
            "ours",
            lambda r: always(loss(r, 0.3, 1) < loss(r, 0, 0.3) / 4),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The row that the book's Learner prints after its one epoch."""
    from groundwork.judging.printed import PrintedValue

    setting = "one-cycle 1 epoch lr_max=0.1 batch_size=64"
    return [
        PrintedValue("resnet18", "accuracy", setting, VARIANT, "accuracy"),
        PrintedValue("resnet18", "valid_loss", setting, VARIANT, "val/loss"),
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import fixed, percent

    runs = results[VARIANT]
    errors, parameters = runs["errors"].astype(int), int(runs["parameters"][0])
    share = parameters / (PIXELS * runs["training_images"][0])
    gain = 100 * (runs["accuracy"].mean() - PRINTED_NET)
    return f"""
    To {percent(runs["accuracy"].mean(), 2)} of the validation images, the mean over {len(errors)} starts, each with its
    own order of the images; the book has {percent(PRINTED, 2)}. Images told wrong: {", ".join(map(str, errors))}. That
    is {fixed(abs(gain), 2)} percentage points {"above" if gain > 0 else "below"} what the book prints for forty epochs
    of one hidden layer. The network has {parameters:,} parameters, {fixed(share, 2)} for each pixel of its training
    images.
    """
