"""Why are the rows shuffled, and can an order of the same rows break the training?

The exercise asks for a malicious dataset. Here it is nothing but an order: the same rows, the same batches in every
epoch, sorted by the direction of their inputs, from −π to π. The inputs of a batch then all point the same way, its
loss is about three times as steep along that direction as the whole data's is, and the next batch has turned too
little to undo what a step has done. Beside it: shuffled each epoch, in the order in which the rows lie, and sorted by
target; each with the source's lr = 0.03, with 0.3, and with 1, where shuffled descent is fastest.
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

TITLE = "Shuffling"
SOURCE = "d2l §3.4.6, exercise 9"
METRICS = {
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "predicted_error": "the same as the batches' matrices predict it, without noise and rounding",
    "growth": "spectral radius of the first epoch: by how much it multiplies an error in the worst direction",
    "steepness": "largest eigenvalue of a batch's matrix X̃ᵀX̃/B, mean over the batches",
    "val/loss": "validation loss, ½·mean squared error",
}
HEADLINE = "parameter_error"

RATES = tuple(k / 20 for k in range(1, 37))  # learning rates for which the growth of an epoch is computed
LABELS = {"shuffled": "shuffled", "fixed": "as they lie", "sorted": "sorted by target", "adversarial": "by direction"}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression on rows in some order; the same batches as matrices say what has to come out."""
    import numpy as np
    import torch

    from groundwork.engine.training import fit, kept, length
    from groundwork.models.linear import final_parameters, make_model, rows

    train, valid = rows(block, "train"), rows(block, "valid")
    truth = np.array([*block.made.weights, block.made.b])[:, None]
    shuffles = block.orders(len(train), max(variant.settings.epochs for variant in block.variants))
    for variant in block.variants:
        settings = variant.settings
        laid = arranged(train, settings.order or "shuffled")
        orders = list(shuffles[: settings.epochs]) if settings.shuffle else [None] * settings.epochs
        epochs = [matrices(laid, settings.batch_size, order) for order in orders]
        model = make_model(block, settings, train.X.shape[-1])
        error = torch.cat([model.w, model.b], dim=1).detach().double().numpy() - truth
        for matrix in (matrix for epoch in epochs for matrix in epoch):
            error = error - settings.lr * matrix @ error
        radii = growth(epochs[0], np.array([settings.lr, *RATES]))
        learner = fit(model, settings, laid, valid, shuffles)
        metrics = final_parameters(block, model.w, model.b) | {
            "predicted_error": length(torch.from_numpy(error[..., 0])),
            "growth": torch.from_numpy(radii[0]),
            "steepness": torch.from_numpy(np.linalg.eigvalsh(epochs[0])[..., -1].mean(0)),
        }
        inputs = next(laid.batches(len(laid), orders[0]))[0][:1].clone()
        weights = {"w": model.w, "b": model.b, "growth": torch.from_numpy(radii[1:].T.copy()), "inputs": inputs}
        yield kept(learner, metrics, weights)


def arranged(rows: Rows, order: str) -> Rows:
    """The rows of each replicate, X (R, n, 2) and y (R, n, 1), laid out for training that does not shuffle."""
    from groundwork.engine.batches import Rows

    if order == "sorted":
        key = rows.y[..., 0]
    elif order == "adversarial":  # as the angle sorts, but by divisions only, whose bits are the same on every machine
        x1, x2 = rows.X.double().unbind(-1)
        key = x2.sign() * (1 - x1 / (x1.abs() + x2.abs()))
    else:
        return rows
    X, y = next(rows.batches(len(rows), key.argsort(dim=1, stable=True)))
    return Rows(X, y)


def matrices(rows: Rows, batch_size: int, order: Tensor | None) -> np.ndarray:
    """H = X̃ᵀX̃/B of each minibatch of an epoch, with rows x̃ = (x, 1): (K, R, d + 1, d + 1), float64.

    A step on the batch turns the error e of (w, b) into (1 − lr·H)·e, plus what the noise of y adds.
    """
    import numpy as np

    found = []
    for X, y in rows.batches(batch_size, order):
        design = np.concatenate([X.double().numpy(), np.ones(y.shape)], axis=2)
        found.append(design.transpose(0, 2, 1) @ design / design.shape[1])
    return np.stack(found)


def growth(epoch: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Spectral radius of an epoch's map Π(1 − lr·H), for the matrices H (K, R, d, d) and each rate: (rates, R)."""
    import numpy as np

    product = np.broadcast_to(np.eye(epoch.shape[-1]), (len(rates), *epoch.shape[1:]))
    for matrix in epoch:
        product = product - rates[:, None, None, None] * (matrix @ product)
    return np.abs(np.linalg.eigvals(product)).max(axis=-1)


def steepest() -> float:
    """λ of a batch whose inputs x ~ N(0, 1) all point in one direction u: of E x̃x̃ᵀ for x̃ = (r·u, 1).

    The length r has E r² = 2 and E r = √(π/2), so along (u, 0) and (0, 1) it is [[2, √(π/2)], [√(π/2), 1]].
    """
    import math

    return 3 / 2 + math.sqrt(1 / 4 + math.pi / 2)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The loss by step, what the orders look like, and the growth of an epoch against the learning rate."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band
    from groundwork.reporting.style import GREY, canvas
    from groundwork.reporting.words import fixed

    orders = list(LABELS)
    rates = sorted({runs.variant.settings.lr for runs in results})
    loss, axes = canvas(columns=len(rates), width=11, height=4)
    for ax, lr in zip(axes, rates, strict=True):
        for runs in results:
            order = runs.variant.settings.order or "shuffled"
            if runs.variant.settings.lr == lr:
                style = "--" if order == "fixed" else "-"
                curve_with_band(ax, *runs.curve("train/loss"), LABELS[order], orders.index(order), style)
        ax.set(xlabel="epoch", yscale="log", ylim=(1e-5, 1e8), title=f"lr = {plain(lr)}")
    axes[0].set_ylabel("training loss of a minibatch")
    axes[0].legend(loc="upper right")

    one = {runs.variant.settings.order or "shuffled": runs for runs in results}  # the order is the same at every rate
    picture, axes = canvas(columns=len(one), width=11, height=3.2)
    for ax, (order, runs) in zip(axes, one.items(), strict=True):
        x1, x2 = runs.weights["inputs"][0].T
        batch = 1 + np.arange(len(x1)) // runs.variant.settings.batch_size
        dots = ax.scatter(x1, x2, c=batch, s=7, cmap="viridis", linewidths=0, rasterized=True)
        ax.set(xlabel="x₁", xlim=(-4, 4), ylim=(-4, 4), aspect="equal", title=LABELS[order])
    axes[0].set_ylabel("x₂")
    picture.colorbar(dots, ax=axes, label="batch of the epoch", shrink=0.9)

    growth, (ax,) = canvas()
    for order, runs in one.items():
        style = "--" if order == "fixed" else "-"
        curve_with_band(ax, np.array(RATES), runs.weights["growth"].T, LABELS[order], orders.index(order), style)
    ax.axhline(1, color="black", linewidth=1)
    ax.plot(2 / steepest(), 1, "o", color="black", markersize=6)
    ax.annotate("2/λ ", (2 / steepest(), 2), ha="right", va="bottom")
    for lr in rates:
        ax.axvline(lr, color=GREY, linewidth=0.8, linestyle=":")
    ax.set(xlabel="learning rate", ylabel="growth of an error in an epoch", yscale="log", ylim=(1e-8, 1e12))
    ax.legend(loc="upper left")
    return {
        "loss.svg": (
            loss,
            "Training loss by step, each of its own minibatch: median and middle 90 % of the replicates.",
        ),
        "orders.svg": (picture, "The inputs of one replicate, coloured by the batch that they come in."),
        "growth.svg": (
            growth,
            "By how much an epoch multiplies an error in the worst direction, computed from the batches: above 1 it "
            "diverges. Median and middle 90 % of the replicates. Dotted: the rates that are trained. Dot: the edge for "
            f"batches of one direction, whose λ is {fixed(steepest(), 2)} by theory.",
        ),
    }


def claims() -> list[Claim]:
    """What the exercise supposes, the proof that an order breaks the training, and where orders do no harm."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, sometimes, within

    def error(results: Results, variant: str):
        return results[variant]["parameter_error"]

    return [
        Claim(
            "There is an order that breaks the algorithm: by direction, lr = 1 diverges in every replicate.",
            SOURCE,
            lambda r: always(r["adversarial lr=1"].diverged),
        ),
        Claim(
            "Shuffling the same rows mends it: at lr = 1 every replicate ends within 0.02 of the truth.",
            SOURCE,
            lambda r: always(error(r, "shuffled lr=1") < 0.02),
        ),
        Claim(
            "It is the order alone: the matrices of the batches predict where it ends, 10¹⁹ and more, to 5 %.",
            "ours",
            lambda r: always(
                (r["adversarial lr=1"]["predicted_error"] > 1e19)
                & (np.abs(error(r, "adversarial lr=1") / r["adversarial lr=1"]["predicted_error"] - 1) < 0.05)
            ),
        ),
        Claim(
            "Batches of one direction are as steep as theory says, 3/2 + √(1/4 + π/2) = 2.85 (mean within ±0.03).",
            "ours",
            lambda r: within(r["adversarial lr=1"]["steepness"] - steepest(), 0.03),
        ),
        Claim(
            "Sorting by target does harm at the source's lr = 0.03 (paired difference of errors to shuffled).",
            SOURCE,
            lambda r: above(error(r, "sorted lr=0.03") - error(r, "shuffled lr=0.03")),
        ),
        Claim(
            "At lr = 0.3 it does: sorted by target ends more than a hundred times further off than shuffled.",
            "ours",
            lambda r: always(error(r, "sorted lr=0.3") > 100 * error(r, "shuffled lr=0.3")),
        ),
        Claim(
            "At lr = 1 sorting by target makes some replicates diverge.",
            "ours",
            lambda r: sometimes(r["sorted lr=1"].diverged),
        ),
        Claim(
            "Rows that lie in no particular order need no shuffling (difference of errors at lr = 0.03 within ±0.01).",
            "ours",
            lambda r: within(error(r, "fixed lr=0.03") - error(r, "shuffled lr=0.03"), 0.01),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source answers this exercise without a number."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, number

    def error(variant: str) -> str:
        return number(results[variant]["parameter_error"].mean(), 2)

    bad, good, by_target = results["adversarial lr=1"], results["shuffled lr=1"], results["sorted lr=1"]
    middle = results["sorted lr=0.3"].variant.settings
    small = results["sorted lr=0.03"].variant.settings
    R = len(bad.diverged)
    return f"""
    Yes: the rows by the direction of their inputs, the same every epoch. At lr = {plain(bad.variant.settings.lr)} this
    diverges in {bad.diverged.sum()} of {R} replicates, and shuffled the same rows bring all within
    {number(good["parameter_error"].max(), 2)} of the truth. The proof needs no training. A step on a batch multiplies
    the error of (w, b) by 1 − lr·H, with H = X̃ᵀX̃/B. A shuffled batch looks like the whole data, its H has a largest
    eigenvalue of {fixed(good["steepness"].mean(), 2)}; one whose inputs point the same way has
    {fixed(bad["steepness"].mean(), 2)} (theory: {fixed(steepest(), 2)}), and lr = {plain(bad.variant.settings.lr)} is
    far above 2/{fixed(steepest(), 2)} = {fixed(2 / steepest(), 2)}. Each step overshoots along the common direction,
    and the next batch has turned by only {fixed(360 * bad.variant.settings.batch_size / results.data.train, 0)}°.
    The product over an epoch multiplies the error at least by {number(bad["growth"].min(), 1)} in every
    replicate, and these products predict where the training ends, between {number(bad["predicted_error"].min(), 1)} and
    {number(bad["predicted_error"].max(), 1)}, to a few percent.

    Sorting by target is malicious enough: at lr = {plain(middle.lr)} it ends {error("sorted lr=0.3")} off after
    {middle.epochs} epochs, shuffled {error("shuffled lr=0.3")}, and at lr = 1 {by_target.diverged.sum()} of {R}
    replicates diverge. But a small rate makes every order harmless, for ∏(1 − lr·H) = 1 − lr·ΣH + …, and but for the
    short last batch the sum of the H is the same in any order: at the source's lr = {plain(small.lr)} the error is
    {error("shuffled lr=0.03")} shuffled, {error("fixed lr=0.03")} as the rows lie, {error("adversarial lr=0.03")} by
    direction, and sorted by target, at {error("sorted lr=0.03")}, even ends nearest. Rows that lie in no particular
    order need no shuffling: {error("fixed lr=1")} as they lie and {error("shuffled lr=1")} shuffled at lr = 1.
    """
