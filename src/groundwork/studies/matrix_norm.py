"""What is to a matrix as ‖w‖² = wᵀw is to a vector?

The squared Frobenius norm: ‖A‖² = tr(AᵀA), for the j-th entry on the diagonal of AᵀA is the sum of the squares of
column j. It is checked on random matrices and then used: weight decay on the weight matrix of a regression with four
outputs, whose penalty ½λ‖W‖² has the gradient λW. The data are the source's 200 inputs and 20 rows; the four columns of
true weights are drawn from N(0, 0.01²), and each output has noise of its own.
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
    from groundwork.engine.batches import Rows
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "Matrix norm"
SOURCE = "d2l §3.7.6, exercise 4"
METRICS = {
    "norm_squared": "‖W‖², the sum of all squared weights",
    "trace_gap": "how far tr(WᵀW) is from it, as a share of it",
    "singular_gap": "how far the sum of the squared singular values is from it, as a share of it",
    "gradient_gap": "largest difference between autograd's gradient of ½λ‖W‖² and λW",
    "val/loss": "validation loss, ½·mean squared error over rows and outputs",
}
HEADLINE = "val/loss"

OUTPUTS = 4
SHAPES = [(1, 10), (3, 2), (2, 3), (5, 5), (40, 4)]  # of the random matrices


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with a weight matrix (R, d, outputs), or with one vector after another; norms on the way."""
    from functools import cache

    import numpy as np
    import torch

    from groundwork.engine.batches import Rows
    from groundwork.engine.training import fit, kept
    from groundwork.models.linear import LinearRegression, l2_penalty, optimizer_of, penalty_of, rows
    from groundwork.runs import Trained
    from groundwork.streams import normal

    inputs = len(block.made.weights)
    truth = block.made.value * block.draw("truth", (inputs, OUTPUTS), normal)

    def told(part: str) -> Rows:
        X = rows(block, part).X
        noise = block.made.noise * block.draw(f"{part} noise", (X.shape[1], OUTPUTS), normal)
        return Rows(X, block.product(X, truth) + block.made.b + noise)

    random = [block.draw(f"matrix {m}×{n}", (m, n), normal).double().numpy() for m, n in SHAPES]
    squares = {
        "sums": np.stack([sum_of_squares(A) for A in random], axis=1),
        "traces": np.stack([trace(A.mT @ A) for A in random], axis=1),
        "outer_traces": np.stack([trace(A @ A.mT) for A in random], axis=1),
    }
    train, valid = told("train"), told("valid")
    draws, orders = block.draw("start", (inputs, OUTPUTS), normal), cache(block.orders)
    for variant in block.variants:
        settings = variant.settings
        some = train.first(settings.rows or len(train))
        parts = []
        for first in range(0, OUTPUTS, settings.outputs):
            own = slice(first, first + settings.outputs)
            start = settings.sigma * draws[..., own]
            model = LinearRegression(start, block.product, torch.zeros(len(start), 1, start.shape[2]))
            learner = fit(
                model,
                settings,
                Rows(some.X, some.y[..., own].contiguous()),
                Rows(valid.X, valid.y[..., own]),
                orders(len(some), settings.epochs),
                penalty=penalty_of(model, settings),
                optimizer=optimizer_of(model, settings),
            )
            parts.append(kept(learner, {}, {"W": model.w}))
        W = np.concatenate([part.weights["W"] for part in parts], axis=2).astype(float)
        leaf = torch.from_numpy(W).requires_grad_()
        (gradient,) = torch.autograd.grad((settings.lambd * l2_penalty(leaf)).sum(), leaf)
        norm, singular = sum_of_squares(W), np.linalg.svd(W, compute_uv=False)
        history = {
            name: (steps, epochs, np.mean([part.history[name][2] for part in parts], axis=0))
            for name, (steps, epochs, _) in parts[0].history.items()
        }
        metrics = {
            "norm_squared": norm,
            "trace_gap": np.abs(trace(W.mT @ W) / norm - 1),
            "singular_gap": np.abs((singular**2).sum(1) / norm - 1),
            "gradient_gap": np.abs(gradient.numpy() - settings.lambd * W).max((1, 2)),
            "val/loss": history["val/loss"][2][-1],
        }
        yield Trained(metrics, history, {"W": W.astype(np.float32), "singular": singular, **squares})


def sum_of_squares(A: np.ndarray) -> np.ndarray:
    """Σᵢⱼ aᵢⱼ² entry by entry, (R,), of A (R, m, n)."""
    import numpy as np

    total = np.zeros(len(A))
    for i in range(A.shape[1]):
        for j in range(A.shape[2]):
            total += A[:, i, j] * A[:, i, j]
    return total


def trace(A: np.ndarray) -> np.ndarray:
    """Σᵢ aᵢᵢ, (R,), of A (R, n, n)."""
    return A.diagonal(axis1=1, axis2=2).sum(axis=1)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch, the two sides of the identity, and the singular values of the trained matrices."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band
    from groundwork.reporting.style import GREY, canvas, colour

    names = list(results.variants)
    same = {"framework": "--", "four vectors": ":"}  # lie on "penalty", so their bands would only darken it
    parts = {"train/loss": "minibatches of training rows", "val/loss": "validation rows"}
    loss, axes = canvas(columns=2, height=4.8)
    for ax, (metric, title) in zip(axes, parts.items(), strict=True):
        for index, (name, runs) in enumerate(results.variants.items()):
            epochs, values = runs.curve(metric)
            if name in same:
                ax.plot(epochs, np.median(values, axis=1), same[name], color=colour(index), label=name)
            else:
                curve_with_band(ax, epochs, values, name, index)
        ax.set(xlabel="epoch", title=title)
        ax.set_ylim(bottom=0)
    axes[0].set(ylabel="½·mean squared error")
    loss.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    some = next(iter(results)).weights
    identity, (ax,) = canvas(width=6.0, height=4.6)
    ends = [some["sums"].min() / 1.5, some["sums"].max() * 1.5]
    ax.plot(ends, ends, color=GREY, linewidth=1)
    for index, (m, n) in enumerate(SHAPES):
        x, y = some["sums"][:, index], some["traces"][:, index]
        ax.plot(x, y, ".", color=colour(index), label=f"{m} × {n}", alpha=0.5, rasterized=True)
    ax.set(xlabel="Σᵢⱼ aᵢⱼ², entry by entry", ylabel="tr(AᵀA)", xscale="log", yscale="log", xlim=ends, ylim=ends)
    ax.legend(title="rows × columns of A", markerscale=2)

    spectra, (ax,) = canvas(height=4.0)
    for place, name in enumerate(name for name in names if name not in same):
        values = results[name].weights["singular"]
        jitter = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.2
        x = np.arange(1, values.shape[1] + 1) + 0.25 * (place - 1) + jitter[:, None]
        dots = colour(names.index(name))
        ax.plot(x.ravel(), values.ravel(), ".", color=dots, markersize=3, alpha=0.4, label=name, rasterized=True)
    ax.set(xlabel="singular value of W, largest first", ylabel="its size after training", ylim=(0, None))
    ax.set_xticks(range(1, OUTPUTS + 1))
    ax.grid(axis="x", visible=False)
    spectra.legend(loc="outside lower center", ncols=3, markerscale=4)
    return {
        "loss.svg": (loss, "Loss by epoch: median and middle 90 %. The framework and four vectors lie on the penalty."),
        "identity.svg": (identity, "Both sides of ‖A‖² = tr(AᵀA): a dot for each random matrix."),
        "singular.svg": (
            spectra,
            "‖W‖² is also the sum of the squared singular values, and decay shrinks them all: a dot a replicate.",
        ),
    }


def claims() -> list[Claim]:
    """The identity, its gradient, and what a weight matrix makes of lr and λ."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def largest_gap(results: Results, sides: str) -> np.ndarray:
        some = next(iter(results)).weights
        return np.abs(some[sides] / some["sums"] - 1).max(axis=1)

    def difference(results: Results, one: str, other: str) -> np.ndarray:
        return np.abs(results[one].weights["W"] - results[other].weights["W"]).max(axis=(1, 2))

    return [
        Claim(
            "‖A‖² = tr(AᵀA) for random matrices of five shapes, to 12 digits.",
            SOURCE,
            lambda r: always(largest_gap(r, "traces") < 1e-12),
        ),
        Claim(
            "The order does not matter, though the matrices differ in size: tr(AᵀA) = tr(AAᵀ), to 12 digits.",
            "ours",
            lambda r: always(largest_gap(r, "outer_traces") < 1e-12),
        ),
        Claim(
            "Autograd's gradient of ½λ‖W‖² is λW, and the penalty trains the same W as the framework's weight decay.",
            "ours",
            lambda r: always((r["penalty"]["gradient_gap"] < 1e-12) & (difference(r, "penalty", "framework") < 1e-6)),
        ),
        Claim(
            "Weight decay on a matrix is weight decay on its columns: four vectors trained apart get the same weights.",
            "ours",
            lambda r: always(difference(r, "penalty", "four vectors") < 1e-6),
        ),
        Claim(
            "The lr and λ of a vector suit a matrix unchanged: ‖W‖² ends within 5 % of the four vectors'.",
            "ours",
            lambda r: within(r["unchanged"]["norm_squared"] / r["four vectors"]["norm_squared"] - 1, 0.05),
        ),
        Claim(
            "Weight decay makes every singular value of W smaller than it is without.",
            "ours",
            lambda r: always(np.all(r["penalty"].weights["singular"] < r["no penalty"].weights["singular"], axis=1)),
        ),
        Claim(
            "Weight decay on the matrix lowers the validation loss (paired difference).",
            "ours",
            lambda r: above(r["no penalty"]["val/loss"] - r["penalty"]["val/loss"]),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source leaves the exercise open."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, mean_sd, number, percent

    none, penalty, framework = results["no penalty"], results["penalty"], results["framework"]
    vectors, unchanged = results["four vectors"], results["unchanged"]
    gap = np.abs(none.weights["traces"] / none.weights["sums"] - 1).max()
    apart = max(np.abs(penalty.weights["W"] - other.weights["W"]).max() for other in (framework, vectors))
    one, all_four = vectors.variant.settings, penalty.variant.settings
    share = unchanged["norm_squared"] / vectors["norm_squared"]
    last = {runs.variant.name: runs.curve("train/loss")[1][-1].mean() for runs in (vectors, unchanged)}
    return f"""
    The squared Frobenius norm: ‖A‖² = Σ aᵢⱼ² = tr(AᵀA). The j-th entry on the diagonal of AᵀA is the product of column
    j with itself, so the trace adds up all squared entries; it is also tr(AAᵀ), and the sum of the squared singular
    values. On {none.weights["sums"].size} random matrices of {len(SHAPES)} shapes the two sides agree to
    {number(gap, 1)} of their size. For a single column AᵀA is the number wᵀw: the vector's norm is the same formula.

    As a penalty it does to a matrix what ‖w‖² does to a vector. The gradient of ½λ‖W‖² is λW, each step multiplies W by
    1 − ηλ, and the singular values all come down; the validation loss of {OUTPUTS} outputs falls from
    {mean_sd(none["val/loss"], 4)} to {mean_sd(penalty["val/loss"], 4)}. The penalty written out, the framework's weight
    decay and {OUTPUTS} vectors trained apart end with the same weights (to {number(apart, 1)}), because the norm is a
    sum over columns that know nothing of their neighbours.

    One thing changes: the loss is now a mean over {OUTPUTS} outputs too, so the data pull 1/{OUTPUTS} as hard at each
    weight. What was lr = {plain(one.lr)} and λ = {plain(one.lambd)} for a vector is lr = {plain(all_four.lr)} and λ =
    {plain(all_four.lambd)} for the matrix. With the vector's numbers unchanged ‖W‖² ends at {percent(share.mean(), 0)}
    of that, and the last minibatches are fitted less closely: their loss is {fixed(last["unchanged"], 4)} instead of
    {fixed(last["four vectors"], 4)}.
    """
