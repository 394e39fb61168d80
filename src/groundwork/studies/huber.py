"""What does Huber's loss change, and what are the gradients when the training has ended?

The source replaces the squared error by HuberLoss (δ = 1), trains with lr = 0.3 instead of 0.03, and prints the last
gradients. Here Huber's loss is trained with both rates, beside the mean squared error with 0.03 and with 0.15, which
takes the same step as Huber's loss with 0.3 where all errors are below 1.
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

TITLE = "Huber's loss"
SOURCE = "d2l §3.5.6, exercises 2 and 3"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "grad_w1": "∂loss/∂w₁ of the last minibatch",
    "grad_w2": "∂loss/∂w₂ of the last minibatch",
    "grad_b": "∂loss/∂b of the last minibatch",
    "gradient": "length of the gradient of the last minibatch",
    "gradient_all": "length of the gradient of all training rows, at the end",
    "val/loss": "validation loss, each variant's own",
}
HEADLINE = "parameter_error"

GRADIENTS = {"grad_w1": "∂loss/∂w₁", "grad_w2": "∂loss/∂w₂", "grad_b": "∂loss/∂b"}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD; the gradients of the last step are still there when it has finished."""
    import torch

    from groundwork.engine.losses import LOSSES
    from groundwork.engine.training import fit, kept, length
    from groundwork.models.linear import final_parameters, make_model, rows

    train, valid = rows(block, "train"), rows(block, "valid")
    orders = block.orders(len(train), max(variant.settings.epochs for variant in block.variants))
    for variant in block.variants:
        settings = variant.settings
        model = make_model(block, settings, train.X.shape[-1])
        learner = fit(model, settings, train, valid, orders)
        last = torch.cat([p.grad.flatten(1) for p in model.parameters if p.grad is not None], dim=1)
        loss = LOSSES[settings.loss](model(train.X), train.y).sum()
        of_all = torch.cat([part.flatten(1) for part in torch.autograd.grad(loss, model.parameters)], dim=1)
        gradients = dict(zip(GRADIENTS, last.unbind(1), strict=True))
        gradients |= {"gradient": length(last), "gradient_all": length(of_all)}
        yield kept(learner, final_parameters(block, model.w, model.b) | gradients, {"w": model.w, "b": model.b})


def noise_of_gradient(results: Results, runs: VariantRuns) -> float:
    """The standard deviation of the last gradient at the truth: a row's noise by the root of the minibatch's rows."""
    rows = results.data.train % runs.variant.settings.batch_size or runs.variant.settings.batch_size
    return results.data.noise / rows**0.5


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch, where the replicates end, and the last gradients beside the noise and the printed ones."""
    from groundwork.common.settings import plain
    from groundwork.judging.printed import reference
    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import GREY, canvas

    kinds = {"huber": "Huber's loss", "mse": "mean squared error"}
    drawn = [kind for kind in kinds if any(runs.variant.settings.loss == kind for runs in results)]
    loss, axes = canvas(columns=len(drawn), height=3.8)
    for ax, kind in zip(axes, drawn, strict=True):
        for index, runs in enumerate(results):
            settings = runs.variant.settings
            if settings.loss == kind:
                curve_with_band(ax, *runs.curve("train/loss"), f"lr = {plain(settings.lr)}", index)
        ax.set(xlabel="epoch", ylabel="training loss of a minibatch", yscale="log", ylim=(1e-5, 1e3), title=kinds[kind])
        ax.legend(loc="upper right")

    error, (ax,) = canvas(height=2.8)
    ax.set(xscale="log")
    strip(ax, [(name, runs["parameter_error"]) for name, runs in results.variants.items()], METRICS["parameter_error"])

    gradients, (ax,) = canvas(height=2.6)
    runs = results["huber lr=0.3"]
    sd = noise_of_gradient(results, runs)
    ax.axvspan(-2 * sd, 2 * sd, color=GREY, alpha=0.2, linewidth=0)
    strip(ax, [(label, runs[name]) for name, label in GRADIENTS.items()], "gradient of the last minibatch", [0, 0, 0])
    rows = reference()
    for row, name in enumerate(GRADIENTS):
        (printed,) = rows[(rows["item"] == "3-gradients") & (rows["quantity"] == name)]["value"]
        ax.plot(float(printed), row, "D", color="black", markerfacecolor="white", markersize=6)
    return {
        "loss.svg": (loss, "Training loss: median and middle 90 % of the replicates."),
        "error.svg": (error, "How far from the truth each replicate ends: a dot a replicate, a bar at the mean."),
        "gradients.svg": (
            gradients,
            "The last gradients of Huber's loss with lr = 0.3: a dot a replicate, a bar at the mean; ◇ as the source "
            "prints them. Grey: ± 2 standard deviations of what the noise of the rows predicts.",
        ),
    }


def claims() -> list[Claim]:
    """What the exercises show, and what follows from the form of the loss."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def difference(results: Results):
        ours, theirs = results["huber lr=0.3"], results["mse lr=0.15"]
        return np.max([np.abs(ours[name] - theirs[name]) for name in ("w1", "w2", "b")], axis=0)

    def surplus(results: Results):
        runs = results["huber lr=0.3"]
        squares = np.mean([runs[name] ** 2 for name in GRADIENTS], axis=0)
        return squares / noise_of_gradient(results, runs) ** 2 - 1

    return [
        Claim(
            "Three epochs of Huber's loss with lr = 0.3 come within 0.01 of the true parameters in every replicate.",
            SOURCE,
            lambda r: always(r["huber lr=0.3"]["parameter_error"] < 0.01),
        ),
        Claim(
            "With lr = 0.03 they do not: they end more than 2 away, a hundred times as far as the mean squared error.",
            "ours",
            lambda r: always(
                (r["huber lr=0.03"]["parameter_error"] > 2)
                & (r["huber lr=0.03"]["parameter_error"] > 100 * r["mse lr=0.03"]["parameter_error"])
            ),
        ),
        Claim(
            "Huber's loss with lr = 0.3 ends where the mean squared error with lr = 0.15 does, to rounding (1e-6).",
            "ours",
            lambda r: always(difference(r) < 1e-6),
        ),
        Claim(
            "Its gradients there are half as large (to 0.1 %), for Huber's loss has the ½ that MSELoss has not.",
            "ours",
            lambda r: always(np.abs(r["mse lr=0.15"]["gradient"] / r["huber lr=0.3"]["gradient"] - 2) < 2e-3),
        ),
        Claim(
            "The training has ended, so the gradient is gone: its length is below 0.001 in every replicate.",
            "ours",
            lambda r: always(r["huber lr=0.3"]["gradient"] < 0.001),
        ),
        Claim(
            "What is left is the noise of the last eight rows: the mean square of a gradient is σ²/8 "
            "(their ratio − 1, within ±0.4).",
            "ours",
            lambda r: within(surplus(r), 0.4),
        ),
        Claim(
            "The gradient of all rows, at the end, is shorter than that of the last minibatch (difference of lengths).",
            "ours",
            lambda r: above(r["huber lr=0.3"]["gradient"] - r["huber lr=0.3"]["gradient_all"]),
        ),
    ]


def printed() -> list[PrintedValue]:
    """Three parameters and three gradients."""
    from groundwork.judging.printed import PrintedValue

    setting, last = "loss=huber(mean; delta=1) lr=0.3 epochs=3", "last minibatch of the run above"
    parameters = [PrintedValue("2-huber", name, setting, "huber lr=0.3", name) for name in ("w1", "w2", "b")]
    return parameters + [PrintedValue("3-gradients", name, last, "huber lr=0.3", name) for name in GRADIENTS]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.words import mean_sd, number

    huber, slow, squared = results["huber lr=0.3"], results["huber lr=0.03"], results["mse lr=0.03"]
    same = results["mse lr=0.15"]
    equal = np.all([huber[name] == same[name] for name in ("w1", "w2", "b")], axis=0)
    sds = ", ".join(number(huber[name].std(ddof=1), 2) for name in GRADIENTS)
    last = results.data.train % huber.variant.settings.batch_size
    return f"""
    Huber's loss is ½e² for errors below 1 and |e| − ½ above: a row's gradient stops growing there. Far from the truth
    the parameters therefore move at a constant speed, not faster the further they have to go. With lr =
    {plain(slow.variant.settings.lr)} three epochs leave them {mean_sd(slow["parameter_error"], 2)} away, where the mean
    squared error leaves {mean_sd(squared["parameter_error"], 3)}; that is why the source needs lr =
    {plain(huber.variant.settings.lr)}, and then it finds the truth: w₁ = {mean_sd(huber["w1"], 4)}, w₂ =
    {mean_sd(huber["w2"], 4)}, b = {mean_sd(huber["b"], 4)}. Near the truth it is half the squared error, so lr =
    {plain(same.variant.settings.lr)} with MSELoss, which has no ½, ends at the same parameters, equal to the last bit
    in {equal.sum()} of {len(equal)} replicates. On data without outliers it changes nothing but the way there.

    The gradients are in `net.weight.grad` and `net.bias.grad`: they are cleared before a step, not after it, so those
    of the last minibatch are still there. They are not zero, and need not be: that minibatch has {last} rows, whose
    noise alone gives each gradient a standard deviation of {number(noise_of_gradient(results, huber), 2)} (found:
    {sds}). Over all rows the gradient is {number(huber["gradient_all"].mean(), 2)} long, that of the last minibatch
    {number(huber["gradient"].mean(), 2)}.
    """
