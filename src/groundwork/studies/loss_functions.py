"""What does another loss do to linear regression on clean data?

Squared loss (½·mean), absolute loss (sum), Huber loss (mean, δ = 1) and smooth L1 loss (sum, β = 1), each with the
learning rate that the sources have for it: 0.03 (d2l §3.4.6, exercise 6), 0.01 (exercise 8), 0.3 (d2l §3.5.6, exercise
2) and 1e-7 for ten epochs (exercise 8, where a row is corrupted). A sum over 32 rows is 32 times a mean, and far from
the truth the gradient of squared loss grows with the error while the others' does not; so the rates say little about
the losses. The fair variants make the first step of each as long as that of squared loss: 0.2 for a mean, 0.2/32 for a
sum.
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
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "Loss functions"
SOURCE = "d2l §3.4.6, exercise 8"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "first_step": "length of the first step, lr·‖gradient‖",
    "val/mse": "validation mean squared error",
    "formula_minus_smooth_l1": "d2l's formula with σ − smooth_l1_loss(beta=σ), largest of all rows and of σ = ½, 1, 2",
    "formula_minus_huber": "d2l's formula with σ − huber_loss(delta=σ), likewise",
    "huber_minus_multiple": "huber_loss(delta=σ) − σ·formula, likewise",
}
HEADLINE = "parameter_error"

SIGMAS = (0.5, 1.0, 2.0)  # where Huber's formulas are compared
INDEX = {"squared": 0, "absolute": 1, "huber": 2, "smooth_l1": 3}  # of a loss among the colours
NAMES = {"squared": "squared", "absolute": "absolute", "huber": "Huber", "smooth_l1": "smooth L1"}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with each loss; the first step and the formulas are measured on the untrained model."""
    import torch

    from groundwork.engine.losses import LOSSES, mse
    from groundwork.engine.training import fit, kept, length
    from groundwork.models.linear import final_parameters, make_model, rows

    train, valid = rows(block, "train"), rows(block, "valid")
    orders = block.orders(len(train), max(variant.settings.epochs for variant in block.variants))
    for variant in block.variants:
        settings = variant.settings
        model = make_model(block, settings, train.X.shape[-1])
        X, y = next(train.batches(settings.batch_size, orders[0] if settings.shuffle else None))
        gradients = torch.autograd.grad(LOSSES[settings.loss](model(X), y).sum(), model.parameters)
        step = settings.lr * length(torch.cat(gradients, dim=1).squeeze(-1))
        formulas = compare_formulas((model(train.X) - train.y).detach().squeeze(-1).double())
        learner = fit(model, settings, train, valid, orders, {"val/mse": mse})
        metrics = final_parameters(block, model.w, model.b) | {"first_step": step} | formulas
        yield kept(learner, metrics, {"w": model.w, "b": model.b})


def compare_formulas(errors: Tensor) -> dict[str, Tensor]:
    """How d2l's Huber formula with σ, ½e²/σ up to σ and |e| − σ/2 above, differs from the framework's, (R,).

    Largest difference over the errors (R, n) and σ = ½, 1, 2.
    """
    import torch
    from torch.nn.functional import huber_loss, smooth_l1_loss

    zero = torch.zeros_like(errors)
    differences: dict[str, list[Tensor]] = {"smooth_l1": [], "huber": [], "multiple": []}
    for sigma in SIGMAS:
        e = errors.abs()
        formula = torch.where(e > sigma, e - sigma / 2, e**2 / (2 * sigma))
        huber = huber_loss(errors, zero, delta=sigma, reduction="none")
        differences["smooth_l1"].append(formula - smooth_l1_loss(errors, zero, beta=sigma, reduction="none"))
        differences["huber"].append(formula - huber)
        differences["multiple"].append(huber - sigma * formula)
    largest = {name: torch.stack(found).abs().amax((0, 2)) for name, found in differences.items()}
    return {
        "formula_minus_smooth_l1": largest["smooth_l1"],
        "formula_minus_huber": largest["huber"],
        "huber_minus_multiple": largest["multiple"],
    }


def row_error(runs: VariantRuns, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Training losses in one unit, the error of a row that costs as much as the mean row of a batch: epochs, (S, R).

    `n`: the rows of an epoch.
    """
    import numpy as np

    epochs, values = runs.curve("train/loss")
    settings = runs.variant.settings
    if settings.loss in ("absolute", "smooth_l1"):  # sums
        starts = np.arange(0, n, settings.batch_size)
        rows = np.tile(np.minimum(n - starts, settings.batch_size), settings.epochs)
        values = values / rows[:, None]
    if settings.loss == "absolute":
        return epochs, values
    quadratic = np.sqrt(2 * values)
    return epochs, quadratic if settings.loss == "squared" else np.where(values < 0.5, quadratic, values + 0.5)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The losses by step in one unit, where the replicates end, what a row costs and pulls, and d2l's formula."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import GREY, canvas, colour

    panels = {
        "the sources' learning rates": [runs for runs in results if not runs.variant.name.startswith("fair")],
        "first steps equally long": [runs for runs in results if runs.variant.name.startswith(("fair", "squared"))],
    }
    loss, axes = canvas(columns=2, width=9, height=4)
    for ax, (title, group) in zip(axes, panels.items(), strict=True):
        for runs in group:
            settings = runs.variant.settings
            label = f"{NAMES[settings.loss]}, lr = {plain(settings.lr)}"
            curve_with_band(ax, *row_error(runs, results.data.train), label, INDEX[settings.loss])
            ax.legend(loc="upper right", fontsize=9.5)
        ax.set(xlabel="epoch", ylabel="error of the mean row of a batch", yscale="log", title=title)
        ax.set(xlim=(0, 3), ylim=(2e-3, 300))

    error, (ax,) = canvas(height=3.8)
    ax.set(xscale="log")
    labels = [(runs, runs.variant.settings) for runs in results]
    strip(
        ax,
        [(f"{NAMES[s.loss]}, lr = {plain(s.lr)}", runs["parameter_error"][runs.ok]) for runs, s in labels],
        "parameter error, ‖(w, b) − truth‖",
        [INDEX[s.loss] for _, s in labels],
    )

    e = np.linspace(-3, 3, 601)
    huber = np.where(abs(e) < 1, e**2 / 2, abs(e) - 0.5)
    costs = {"squared": e**2 / 2, "absolute": abs(e), "huber": huber}
    pulls = {"squared": e, "absolute": np.where(e == 0, np.nan, np.sign(e)), "huber": e.clip(-1, 1)}
    shapes, axes = canvas(columns=3, width=11, height=3.8)
    for ax, curves, title in zip(
        axes[:2], (costs, pulls), ("cost of a row", "pull of a row, d cost / d error"), strict=True
    ):
        for name, curve in curves.items():
            label = "Huber and smooth L1" if name == "huber" else NAMES[name]
            ax.plot(e, curve, color=colour(INDEX[name]), label=label)
        ax.set_title(title)
    sigma = 2
    formula = np.where(abs(e) > sigma, abs(e) - sigma / 2, e**2 / (2 * sigma))
    axes[2].plot(e, formula, color=GREY, linewidth=5, alpha=0.5, label="d2l's formula, σ = 2")
    axes[2].plot(e, formula, color=colour(INDEX["smooth_l1"]), linestyle="--", label="smooth_l1_loss, β = 2")
    axes[2].plot(e, sigma * formula, color=colour(INDEX["huber"]), label="huber_loss, δ = 2")
    axes[2].set_title("cost of a row")
    for ax in axes:
        ax.set_xlabel("error of the row, y_hat − y")
    for ax in (axes[0], axes[2]):
        ax.set_ylim(-0.2, 6.5)
        ax.legend(loc="upper center")
    return {
        "loss.svg": (
            loss,
            "Training in one unit, the error of a row that costs what the mean row of a batch costs: median and middle "
            "90 % of the replicates.",
        ),
        "error.svg": (error, "How far from the truth each replicate ends: a dot a replicate, a bar at the mean."),
        "shapes.svg": (
            shapes,
            "Left and middle: what a row costs, and how hard it pulls; squared loss knows no limit. Right: d2l's Huber "
            "formula is smooth L1 loss, and Huber loss is σ times as large.",
        ),
    }


def claims() -> list[Claim]:
    """What the exercise asks of regular data, what the rates hide, and what d2l's Huber formula is."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def error(results: Results, variant: str):
        return results[variant]["parameter_error"]

    def first_step(results: Results, variant: str):
        return results[variant]["first_step"] / results["squared"]["first_step"] - 1

    fair = ("fair absolute", "fair huber", "fair smooth_l1")
    return [
        Claim(
            "On clean data absolute loss finds the parameters too: within 0.5 of the truth after three epochs.",
            SOURCE,
            lambda r: always(error(r, "absolute") < 0.5),
        ),
        Claim(
            "The fair rates are fair: the first steps are as long as squared loss's (mean ratio within ±10 %).",
            "ours",
            lambda r: within(np.mean([first_step(r, variant) for variant in fair], axis=0), 0.1),
        ),
        Claim(
            "With equal first steps absolute loss ends nearer than squared loss, and Huber loss nearer than both.",
            "ours",
            lambda r: always(
                (error(r, "fair huber") < error(r, "fair absolute")) & (error(r, "fair absolute") < error(r, "squared"))
            ),
        ),
        Claim(
            "Absolute loss comes no nearer than its step: its error is proportional to lr (0.01 − 1.6 × 0.00625).",
            "ours",
            lambda r: within(error(r, "absolute") - 1.6 * error(r, "fair absolute"), 0.02),
        ),
        Claim(
            "At the source's one rate for it, 1e-7, smooth L1 loss takes less than 1 % off the validation error.",
            "ours",
            lambda r: always(r["smooth_l1"].curve("val/mse")[1][-1] > 0.99 * r["smooth_l1"].curve("val/mse")[1][0]),
        ),
        Claim(
            "Summed at lr/32 instead of averaged, Huber loss ends nearer: 8 rows that are left over weigh as 8 rows.",
            "ours",
            lambda r: above(error(r, "fair huber") - error(r, "fair smooth_l1")),
        ),
        Claim(
            "d2l's Huber formula with σ is the framework's huber_loss(delta=σ), for σ = ½, 1 and 2 (to 1e-6).",
            "d2l §3.5.6, exercise 2",
            lambda r: always(r["squared"]["formula_minus_huber"] < 1e-6),
        ),
        Claim(
            "It is smooth_l1_loss(beta=σ), and huber_loss(delta=σ) is σ times as large (to 1e-6).",
            "ours",
            lambda r: always(
                (r["squared"]["formula_minus_smooth_l1"] < 1e-6) & (r["squared"]["huber_minus_multiple"] < 1e-6)
            ),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The three parameters that the source prints for absolute loss on regular data."""
    from groundwork.judging.printed import PrintedValue

    setting = "loss=absolute(sum) lr=0.01 epochs=3"
    return [PrintedValue("8-loss", quantity, setting, "absolute", quantity) for quantity in ("w1", "w2", "b")]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, mean_sd, number, percent

    def error(variant: str) -> str:
        return number(results[variant]["parameter_error"].mean(), 2)

    squared, absolute, frozen = results["squared"], results["absolute"], results["smooth_l1"]
    rows, short = squared.variant.settings.batch_size, results.data.train % squared.variant.settings.batch_size
    lengths = [runs["first_step"].mean() for runs in results if runs.variant.name.startswith(("fair", "squared"))]
    ratio = absolute["parameter_error"].mean() / results["fair absolute"]["parameter_error"].mean()
    rates = absolute.variant.settings.lr / results["fair absolute"].variant.settings.lr
    moved = 1 - frozen.curve("val/mse")[1][-1] / frozen.curve("val/mse")[1][0]
    return f"""
    On clean data they all lead to the truth, and differ in how they come near it. The step of squared loss shrinks with
    the error, by one and the same factor all the way: error {error("squared")} after
    {squared.variant.settings.epochs} epochs of lr = {plain(squared.variant.settings.lr)}. Absolute loss walks at
    constant speed, arrives early, and then has no smaller step to make: it ends {error("absolute")} off at lr =
    {plain(absolute.variant.settings.lr)} (w₁ = {mean_sd(absolute["w1"], 2)}), and {fixed(ratio, 2)} times further than
    at a rate {plain(rates)} times smaller. Huber loss and smooth L1 have both merits, the bounded pull far out, which
    allows a large rate, and the shrinking step at the end.

    The sources' rates hide this, for a sum over {rows} rows pulls {rows} times as hard as a mean, and squared loss
    pulls with the whole error. With rates that make the first steps equally long ({number(min(lengths), 3)} to
    {number(max(lengths), 3)}) the errors are {error("squared")} (squared), {error("fair absolute")} (absolute),
    {error("fair huber")} (Huber) and {error("fair smooth_l1")} (smooth L1). The last two differ only in the last batch
    of an epoch, whose {short} rows weigh as much as {rows} in a mean. At the only rate that the source has for smooth
    L1, {plain(frozen.variant.settings.lr)}, {frozen.variant.settings.epochs} epochs lower the validation error by
    {percent(moved.mean(), 2)}.

    The formula that d2l calls Huber's, ½e²/σ up to σ and |e| − σ/2 above, is the framework's smooth L1 loss with β = σ
    (largest difference {number(squared["formula_minus_smooth_l1"].max(), 2)} over all rows and σ =
    {", ".join(map(plain, SIGMAS))}), not its Huber loss with δ = σ (difference up to
    {number(squared["formula_minus_huber"].max(), 3)}), which is σ times as large. For σ = 1, the default of both, all
    three agree; for another σ, Huber loss takes σ times the step at the same learning rate.
    """
