"""Can autograd differentiate twice, and what is the second derivative good for?

The exercise asks what stands in the way of a second derivative, and how to get round it. Here autograd differentiates
sin twice, then the loss of regression. The largest eigenvalue λ of that Hessian predicts how large a step may be, 2/λ,
and descent on all rows at once, in double precision, shows whether it is so. The replicates that do not diverge at a
high rate are those of small λ, and the tables below are about these.
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

    from groundwork.common.settings import LinearSettings
    from groundwork.engine.batches import Rows
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "Second derivatives"
SOURCE = "d2l §3.4.6, exercise 4"
METRICS = {
    "growth": "what the last step makes of the distance from least squares, as a factor",
    "lambda_max": "largest eigenvalue of the Hessian, λ_max",
    "lr_limit": "largest stable learning rate that it predicts, 2/λ_max",
    "val/loss": "validation loss, ½·mean squared error",
}
HEADLINE = "growth"
PRODUCTS = 100  # Hessian-vector products that look for λ_max
RATES = ("1.6", "1.7", "1.8", "1.9", "2")  # of the variants


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """The derivatives, which are the same for all variants, then descent on all rows at every learning rate."""
    import numpy as np
    import torch

    from groundwork.engine.batches import Rows
    from groundwork.engine.learner import Metric
    from groundwork.engine.training import fit, kept, length
    from groundwork.models.linear import LinearRegression, rows, start

    train, valid = (Rows(some.X.double(), some.y.double()) for some in (rows(block, "train"), rows(block, "valid")))
    w, b = (values.double() for values in start(block, block.variants[0].settings, train.X.shape[-1]))
    found, tensors = differentiate(train, w, b)
    step = np.linalg.solve(tensors["hessian"].numpy(), tensors["gradient"].numpy()[..., None])
    least_squares = (torch.cat([w, b], dim=1) - torch.from_numpy(step))[..., 0]  # Newton: a quadratic needs one step

    def distance_of(model: LinearRegression) -> Metric:
        return lambda *_: length(torch.cat([model.w, model.b], dim=1)[..., 0] - least_squares)

    orders = block.orders(len(train), max(variant.settings.epochs for variant in block.variants))
    for variant in block.variants:
        model = LinearRegression(w, block.product, b)
        learner = fit(model, variant.settings, train, valid, orders, {"distance": distance_of(model)})
        (_, before), (_, last) = learner.history["distance"][-2:]
        yield kept(learner, {"growth": last / before} | found, {"w": model.w, "b": model.b} | tensors)


def differentiate(train: Rows, w: Tensor, b: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What autograd finds of sin and of the loss at w (R, d, 1) and b (R, 1, 1): metrics (R,), and tensors.

    The replicates share nothing, so the derivative of a sum over them gives each its own.
    """
    import numpy as np
    import torch

    from groundwork.engine.losses import squared
    from groundwork.engine.training import length
    from groundwork.models.linear import LinearRegression

    model = LinearRegression(w, torch.matmul, b)  # not block.product: its backward is numpy's and leaves no graph

    def derivative(values: Tensor, create_graph: bool = False) -> Tensor:
        """∂values/∂(w, b), (R, d + 1), of values (R,)."""
        parts = torch.autograd.grad(values.sum(), model.parameters, create_graph=create_graph, retain_graph=True)
        return torch.cat(parts, dim=1)[..., 0]

    gradient = derivative(squared(model(train.X), train.y), create_graph=True)
    hessian = torch.stack([derivative(entry) for entry in gradient.unbind(1)], dim=1)  # row by row
    lambda_max = torch.from_numpy(np.linalg.eigvalsh(hessian.numpy())[:, -1])
    vector = torch.ones_like(gradient)
    for _ in range(PRODUCTS):  # power iteration without the Hessian: Hv is the derivative of gradient · v
        direction = vector / length(vector)[:, None]
        vector = derivative((gradient * direction).sum(1))

    x = torch.linspace(-2 * torch.pi, 2 * torch.pi, 201, dtype=torch.double, requires_grad=True)
    y = x.sin()
    (plain,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    found = {
        "lambda_max": lambda_max,
        "lambda_products": length(vector),
        "lr_limit": 2 / lambda_max,
        "slope_has_graph": torch.full_like(lambda_max, slope.requires_grad),
        "plain_slope_has_graph": torch.full_like(lambda_max, plain.requires_grad),
    }
    A = torch.cat([train.X, torch.ones_like(train.y)], dim=-1).numpy()  # b is the weight of a column of ones
    matrices = {"hessian": hessian, "closed_form": torch.from_numpy(A.mT @ A / len(train))}
    drawn = torch.stack([x, y, slope, curvature])[None]
    return found, {"gradient": gradient.detach(), **matrices, "sine": drawn}


def limits(results: Results) -> np.ndarray:
    """The measured largest stable learning rate, (R,): where the growth crosses 1, read between the variants."""
    import numpy as np

    rates = np.array([float(rate) for rate in RATES])
    growth = np.stack([results[f"lr={rate}"]["growth"] for rate in RATES])
    unstable = (growth > 1).argmax(axis=0)  # the first that is
    replicates = np.arange(growth.shape[1])
    below, above = growth[unstable - 1, replicates], growth[unstable, replicates]
    found = rates[unstable - 1] + (1 - below) / (above - below) * (rates[unstable] - rates[unstable - 1])
    return np.where(unstable > 0, found, np.nan)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by step, the measured against the predicted limit, sin with its derivatives."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band
    from groundwork.reporting.style import GREY, canvas, colour

    runs_of = {rate: results[f"lr={rate}"] for rate in RATES}
    predicted, measured = runs_of["1.9"]["lr_limit"], limits(results)
    loss, (left, right) = canvas(columns=2, width=9)
    for index, rate in ((0, "1.6"), (2, "1.8"), (4, "2")):
        curve_with_band(left, *runs_of[rate].curve("train/loss"), f"lr = {rate}", index)
    steps, values = runs_of["1.9"].curve("train/loss")
    for line, some, label in ((colour(3), predicted < 1.9, "above"), (GREY, predicted > 1.9, "below")):
        lines = right.plot(steps, values[:, some], color=line, linewidth=0.7, alpha=0.5, rasterized=True)
        right.plot([], color=line, label=f"{label} 2/λ: {len(lines)} replicates")
    for ax, title in ((left, "lr below, about and above the limit"), (right, "lr = 1.9, a line a replicate")):
        ax.set(xlabel="step, on all rows", ylabel="training loss", yscale="log", ylim=(1e-5, 1e20), title=title)
        ax.legend(loc="upper left")

    sine, (ax,) = canvas(height=3.6)
    x, *found = runs_of["2"].weights["sine"][0]
    exact = {"sin x": np.sin(x), "first derivative": np.cos(x), "second derivative": -np.sin(x)}
    for index, (label, values) in enumerate(exact.items()):
        ax.plot(x, values, color=colour(index), alpha=0.4, linewidth=4)
        ax.plot(x[::5], found[index][::5], "o", markersize=4, color=colour(index), label=label)
    ax.set(xlabel="x", ylim=(-1.15, 1.15), xticks=np.pi * np.arange(-2, 3), xticklabels=["−2π", "−π", "0", "π", "2π"])
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    limit, (ax,) = canvas(width=6, height=4.6)
    ends = np.array([predicted.min(), predicted.max()])
    ax.plot(ends, ends, color="black", linewidth=1, label="equal", zorder=1)
    ax.plot(predicted, measured, ".", color=colour(0), alpha=0.6, label="a replicate", rasterized=True)
    ax.set(xlabel="predicted by autograd's Hessian, 2/λ", ylabel="measured by descent", aspect="equal")
    ax.set_title("largest stable learning rate")
    ax.legend(loc="upper left")
    return {
        "loss.svg": (
            loss,
            "Descent on all rows. Left: median and middle 90 % of the replicates. Right: where a replicate's own "
            "limit lies decides.",
        ),
        "limit.svg": (limit, "The largest stable learning rate of each replicate, predicted and measured."),
        "sine.svg": (sine, "sin and its derivatives: autograd's (dots) on the exact ones (lines)."),
    }


def claims() -> list[Claim]:
    """What the exercise asks of autograd, and what the Hessian is good for."""
    import numpy as np

    from groundwork.judging.claims import Claim, always, within

    def some(results: Results):
        """Any variant: the derivatives are the same in all."""
        return next(iter(results))

    def off(results: Results) -> np.ndarray:
        x, _, slope, curvature = some(results).weights["sine"].transpose(1, 0, 2)
        return np.abs(np.stack([slope - np.cos(x), curvature + np.sin(x)])).max(axis=(0, 2))

    def hessian_off(results: Results) -> np.ndarray:
        weights = some(results).weights
        return np.abs(weights["hessian"] - weights["closed_form"]).max(axis=(1, 2))

    def as_predicted(results: Results) -> np.ndarray:
        """Every rate below 2/λ_max shrinks the distance, every rate more than 2 % above it makes it grow."""
        found = []
        for rate in RATES:
            growth, excess = results[f"lr={rate}"]["growth"], float(rate) / results[f"lr={rate}"]["lr_limit"]
            found.append(np.where(excess < 1, growth < 1, (growth > 1) | (excess < 1.02)))
        return np.all(found, axis=0)

    return [
        Claim(
            "With create_graph autograd differentiates twice: of sin it finds cos and −sin, to within 1e-12.",
            SOURCE,
            lambda r: always(off(r)[:1] < 1e-12),
        ),
        Claim(
            "Without it the first derivative has no graph, so there is nothing to differentiate again.",
            SOURCE,
            lambda r: always((some(r)["plain_slope_has_graph"] == 0) & (some(r)["slope_has_graph"] == 1)),
        ),
        Claim(
            "The Hessian of the squared loss is XᵀX/n with a column of ones for b, to within 1e-12.",
            "ours",
            lambda r: always(hessian_off(r) < 1e-12),
        ),
        Claim(
            "2/λ_max is the largest stable learning rate: each rate below converges, each that is 2 % above diverges.",
            "ours",
            lambda r: always(as_predicted(r)),
        ),
        Claim(
            "Read from descent alone, the limit is the predicted one (mean difference within ±0.005).",
            "ours",
            lambda r: within(limits(r) - r["lr=2"]["lr_limit"], 0.005),
        ),
        Claim(
            f"λ_max needs no Hessian: {PRODUCTS} Hessian-vector products find it (mean within ±1 %).",
            "ours",
            lambda r: within(some(r)["lambda_products"] / some(r)["lambda_max"] - 1, 0.01),
        ),
        Claim(
            "It explains exercise 6: lr = 0.3 lies below the limit of every replicate, lr = 3 above it.",
            "ours",
            lambda r: always((some(r)["lr_limit"] > 0.3) & (some(r)["lr_limit"] < 3)),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source prints none."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.reporting.words import fixed, mean_sd, number, percent

    runs = results["lr=1.9"]
    limit, measured = runs["lr_limit"], limits(results)
    unstable = runs["growth"] > 1
    foretold = (unstable == (runs.variant.settings.lr > limit)).sum()
    R, p, _ = runs.weights["hessian"].shape
    off = np.abs(runs["lambda_products"] / runs["lambda_max"] - 1)
    return f"""
    Yes: ask for the first derivative with create_graph, so that it has a graph of its own, and differentiate that. Of
    sin this gives −sin to the last digits, and of the regression loss the {p} × {p} matrix XᵀX/n. Three things stand in
    the way. Without create_graph the first derivative is a number that came from nowhere. Every operation on the way
    needs a derivative that can itself be differentiated; the fast matrix product of this project has none, and
    torch.matmul stands in for it. And a Hessian has as many entries as the square of the number of parameters: where
    that is too many, its product with a vector costs one more backward pass, and {PRODUCTS} of them find the largest
    eigenvalue to {percent(off.mean(), 2)} on average.

    What it is good for: the largest eigenvalue of the Hessian, {mean_sd(runs["lambda_max"], 3)}, says which learning
    rates are stable on all rows at once, those below 2/λ_max = {mean_sd(limit, 3)}. Descent agrees: at lr =
    {number(runs.variant.settings.lr)} it grows in {unstable.sum()} of {R} replicates, and the Hessian foretells which
    in {foretold} of them; read from the growth alone the limit is {mean_sd(measured, 3)}, at most
    {percent(np.abs(measured / limit - 1).max(), 1)} off. For exercise 6 that explains which of its learning rates train
    and which diverge: the limit lies between {fixed(limit.min(), 2)} and {fixed(limit.max(), 2)}.
    """
