"""Is the concise program the one from scratch?

The source writes linear regression again with the framework's layer, loss and optimiser, and keeps lr = 0.03 and three
epochs. Here both programs see the same rows in the same batches: from scratch; concise from the start that was meant,
N(0, 0.01²); concise as printed, from the start that it got (the framework's own, for a lazy layer has no numbers yet
when the source writes to it); and from scratch once more, from that start and with twice the learning rate.
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

TITLE = "Concise linear regression"
SOURCE = "d2l §3.5"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "first_step": "length of a step on all training rows at the start, lr·‖gradient‖",
    "state": "numbers that the optimiser keeps from step to step",
    "momentum_state": "numbers that it would keep with momentum 0.9",
    "val/loss": "validation loss, each variant's own",
}
HEADLINE = "parameter_error"

TO_MSE = {"squared": 2, "mse": 1}  # times a loss: the mean squared error
PAIRS = {  # of variants, by what tells them apart
    "½ or not": ("scratch", "concise as meant"),
    "start meant, start got": ("concise as meant", "concise"),
    "½ made up for by 2·lr": ("scratch lr=0.06", "concise"),
}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression by either program; what the optimiser keeps is counted when it has finished."""
    import torch

    from groundwork.engine.losses import LOSSES
    from groundwork.engine.training import fit, kept, length
    from groundwork.models.linear import final_parameters, make_model, rows

    R = len(block.replicates)

    def state_of(optimizer: object) -> torch.Tensor:
        """How many numbers lie in the state_dict for each replicate, (R,); ours has none."""
        states = optimizer.state_dict()["state"] if isinstance(optimizer, torch.optim.Optimizer) else {}
        return torch.full((R,), sum(kept.numel() for state in states.values() for kept in state.values()) / R)

    train, valid = rows(block, "train"), rows(block, "valid")
    orders = block.orders(len(train), max(variant.settings.epochs for variant in block.variants))
    for variant in block.variants:
        settings = variant.settings
        model = make_model(block, settings, train.X.shape[-1])
        start = torch.autograd.grad(LOSSES[settings.loss](model(train.X), train.y).sum(), model.parameters)
        flat = torch.cat([part.flatten() for part in start])  # the weights of all replicates, then their biases
        gradient = torch.cat([flat[:-R].view(R, -1), flat[-R:].view(R, 1)], dim=1)
        learner = fit(model, settings, train, valid, orders)
        momentum = torch.optim.SGD(model.parameters, lr=0.0, momentum=0.9)
        momentum.step()  # on the last gradients, which are still there; moves nothing
        metrics = {
            "first_step": settings.lr * length(gradient),
            "state": state_of(learner.optimizer),
            "momentum_state": state_of(momentum),
        }
        yield kept(learner, final_parameters(block, model.w, model.b) | metrics, {"w": model.w, "b": model.b})


def predicted(runs: VariantRuns, results: Results, steps: np.ndarray | int) -> np.ndarray | float:
    """‖truth‖·(1 − η)^steps, for η the learning rate that ½·mean squared error would need.

    Inputs with variance one make X̃ᵀX̃/n the unit matrix on average, so each step leaves the share 1 − η of the error.
    """
    import math

    settings = runs.variant.settings
    return math.hypot(*results.data.weights, results.data.b) * (1 - 2 * settings.lr / TO_MSE[settings.loss]) ** steps


def difference(results: Results, pair: str) -> np.ndarray:
    """The largest difference between the parameters of two variants, (R,)."""
    import numpy as np

    first, second = (results[variant] for variant in PAIRS[pair])
    return np.max([np.abs(first[name] - second[name]) for name in ("w1", "w2", "b")], axis=0)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch in one unit, the errors beside their prediction, and how far the programs differ."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import canvas

    loss, (ax,) = canvas()
    for index, runs in enumerate(results):
        epochs, values = runs.curve("train/loss")
        mse = values * TO_MSE[runs.variant.settings.loss]
        if runs.variant.name == "scratch lr=0.06":
            ax.plot(epochs, np.median(mse, axis=1), "--", color="black", linewidth=1.2, label=runs.variant.name)
        elif runs.variant.name != "concise as meant":
            curve_with_band(ax, epochs, mse, runs.variant.name, index)
    ax.set(xlabel="epoch", ylabel="mean squared error of a minibatch", yscale="log")
    ax.legend()

    error, (ax,) = canvas(height=3.0)
    ax.set(xscale="log")
    strip(ax, [(runs.variant.name, runs["parameter_error"]) for runs in results], "parameter error, ‖(w, b) − truth‖")
    for row, runs in enumerate(results):
        end = predicted(runs, results, len(runs.curve("train/loss")[0]))
        ax.plot(end, row, "D", color="black", markerfacecolor="white", markersize=6)

    agreement, (ax,) = canvas(height=2.6)
    ax.set(xscale="log", xlim=(1e-8, 1))
    differences = [difference(results, pair) for pair in PAIRS]
    strip(
        ax,
        [(pair, found[found > 0]) for pair, found in zip(PAIRS, differences, strict=True)],
        "largest difference between the parameters of two variants",
    )
    for row, found in enumerate(differences):
        if (found == 0).any():
            ax.annotate(f"{(found == 0).sum()} of {len(found)} are equal to the last bit", (1e-5, row), va="center")
    return {
        "loss.svg": (
            loss,
            "Minibatch losses as mean squared errors: median and middle 90 % of the replicates. Concise as meant "
            "is left out: it lies on concise.",
        ),
        "error.svg": (
            error,
            "Where the replicates end: a dot each, a bar at the mean; ◇ (1 − η)^steps of the error at the start.",
        ),
        "agreement.svg": (agreement, "How far two variants with the same rows and batches end from each other."),
    }


def claims() -> list[Claim]:
    """That the programs are the same, and what has to be changed before they are."""
    import numpy as np

    from groundwork.judging.claims import Claim, always, within

    def error(results: Results, variant: str):
        return results[variant]["parameter_error"]

    def left(results: Results, variant: str):
        runs = results[variant]
        return error(results, variant) / predicted(runs, results, len(runs.curve("train/loss")[0]))

    return [
        Claim(
            "The concise program repeats the one from scratch: with the same lr and start both end within 0.01 of "
            "each other.",
            SOURCE,
            lambda r: always(difference(r, "½ or not") < 0.01),
        ),
        Claim(
            "MSELoss has no ½: at the same start its step is exactly twice as long (to 1e-5).",
            SOURCE,
            lambda r: always(np.abs(r["concise as meant"]["first_step"] / r["scratch"]["first_step"] - 2) < 1e-5),
        ),
        Claim(
            "With twice the lr the program from scratch ends where the concise one does, to rounding (1e-6).",
            "ours",
            lambda r: always(difference(r, "½ made up for by 2·lr") < 1e-6),
        ),
        Claim(
            "The concise program ends nearer to the truth, in less than a tenth of the distance.",
            "ours",
            lambda r: always(error(r, "concise") < 0.1 * error(r, "scratch")),
        ),
        Claim(
            "From scratch the error left is (1 − 0.03)^96 of the first (ratio of the two − 1, within ±0.1).",
            "ours",
            lambda r: within(left(r, "scratch") - 1, 0.1),
        ),
        Claim(
            "The start that was lost does not show in the result: the one that was meant ends within 0.01 of it.",
            "ours",
            lambda r: always(difference(r, "start meant, start got") < 0.01),
        ),
        Claim(
            "SGD keeps nothing from step to step; with momentum it would keep one number a parameter.",
            "ours",
            lambda r: always((r["concise"]["state"] == 0) & (r["concise"]["momentum_state"] == 3)),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The three parameters that the source prints."""
    from groundwork.judging.printed import PrintedValue

    setting = "loss=mse lr=0.03 epochs=3"
    return [PrintedValue("concise", quantity, setting, "concise", quantity) for quantity in ("w1", "w2", "b")]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, mean_sd, number

    scratch, meant, concise = results["scratch"], results["concise as meant"], results["concise"]
    doubled, lr = results["scratch lr=0.06"], plain(concise.variant.settings.lr)
    step = meant["first_step"] / scratch["first_step"]
    same, start = difference(results, "½ made up for by 2·lr"), difference(results, "start meant, start got")
    return f"""
    Yes, but for a factor of two in the loss. The framework does not hide the ½, it has none: MSELoss is the mean of
    (ŷ − y)², whose derivative is twice that of ½(ŷ − y)², so with the same lr every step is {fixed(step.mean(), 3)}
    times as long. After three epochs of lr = {lr} the program from scratch is still
    {mean_sd(scratch["parameter_error"], 3)} from the truth, the concise one {mean_sd(concise["parameter_error"], 3)}:
    w₁ = {mean_sd(concise["w1"], 4)}, w₂ = {mean_sd(concise["w2"], 4)}, b = {mean_sd(concise["b"], 4)}. With lr =
    {plain(doubled.variant.settings.lr)} from scratch the two differ by at most {number(same.max(), 2)}, and
    {(same == 0).sum()} of {len(same)} replicates agree to the last bit. (HuberLoss and SmoothL1Loss do have the ½.)

    The N(0, {plain(meant.variant.settings.sigma)}²) start of the printed program is written into a lazy layer that has
    no numbers yet, and is lost. Nobody could tell from what it prints: the start that was meant ends at most
    {number(start.max(), 2)} away.

    The optimiser's `state_dict()["state"]` holds {plain(concise["state"].mean())} numbers after training, for a step of
    SGD depends on nothing but the gradient. With momentum it would hold {plain(concise["momentum_state"].mean())}, one
    running sum of gradients for each parameter.
    """
