"""Which losses survive one corrupted row?

The exercise suggests to perturb some labels, such as y₅ = 10000. Here the sixth training row of 1000 is corrupted in
two ways: (label) its label alone; (leverage) as the source does it, which also scales its inputs by 10000/y₅, so that
they are thousands of times longer than any other row's. Every loss trains on clean and on corrupted data with the
learning rate and the epochs that the sources have for it, and smooth L1 loss, which hardly moves at 1e-7, with a fair
rate too. Beside where it ends stands the exact minimiser of the same loss on the same rows: it tells what the loss does
from what the steps do. Validation rows are clean.
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
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "Outliers"
SOURCE = "d2l §3.4.6, exercise 8"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "minimiser_error": "the same of the exact minimiser of the loss on the training rows",
    "val/mse": "validation mean squared error",
}
HEADLINE = "parameter_error"

ROW, LABEL = 5, 10_000.0  # which row is corrupted, and its new label
KNEE = {"squared": float("inf"), "absolute": 1e-3, "huber": 1.0, "smooth_l1": 1.0}  # where a loss stops being quadratic
NAMES = {"squared": "squared", "absolute": "absolute", "huber": "Huber", "smooth_l1": "smooth L1"}
TITLES = {"none": "clean", "label": "y₅ = 10000", "leverage": "as printed: X₅ scaled too"}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression on corrupted rows; the minimiser of each loss on each of them is found once."""
    import torch

    from groundwork.engine.losses import mse
    from groundwork.engine.training import fit, kept
    from groundwork.models.linear import final_parameters, make_model, rows

    clean, valid = rows(block, "train"), rows(block, "valid")
    orders = block.orders(len(clean), max(variant.settings.epochs for variant in block.variants))
    minimisers: dict[tuple[float, str], torch.Tensor] = {}
    for variant in block.variants:
        settings = variant.settings
        train = corrupted(clean, settings.corruption)
        problem = KNEE[settings.loss], settings.corruption
        if problem not in minimisers:
            found = torch.from_numpy(minimiser(train.X.double().numpy(), train.y.double().numpy(), problem[0]))
            minimisers[problem] = final_parameters(block, found[:, :-1], found[:, -1:])["parameter_error"]
        model = make_model(block, settings, train.X.shape[-1])
        learner = fit(model, settings, train, valid, orders, {"val/mse": mse})
        metrics = final_parameters(block, model.w, model.b) | {"minimiser_error": minimisers[problem]}
        yield kept(learner, metrics, {"w": model.w, "b": model.b, "row": train.X[:, ROW]})


def corrupted(rows: Rows, corruption: str) -> Rows:
    """The rows (R, n, …) with one of them corrupted: not at all, its label, or as the source does it its inputs too."""
    from groundwork.engine.batches import Rows

    X, y = rows.X.clone(), rows.y.clone()
    if corruption == "leverage":
        X[:, ROW] *= LABEL / y[:, ROW]
    if corruption != "none":
        y[:, ROW] = LABEL
    return Rows(X, y)


def minimiser(X: np.ndarray, y: np.ndarray, knee: float) -> np.ndarray:
    """(w, b), (R, d + 1, 1), of the least Huber loss with δ = knee on X (R, n, d), y (R, n, 1).

    An infinite knee means squared loss, one far below the noise absolute loss. By reweighted least squares.
    """
    import numpy as np

    design = np.concatenate([X, np.ones_like(y)], axis=2)
    weights, best = np.ones_like(y), np.zeros((len(X), design.shape[2], 1))
    for _ in range(100):
        weighted = (design * weights).transpose(0, 2, 1)
        before, best = best, np.linalg.solve(weighted @ design, weighted @ y)
        if np.abs(best - before).max() < 1e-6:
            break
        weights = np.minimum(1, knee / np.maximum(np.abs(design @ best - y), 1e-300))
    return best


def label_of(runs: VariantRuns) -> str:
    """A loss and its rate: `absolute, lr = 0.01`."""
    from groundwork.common.settings import plain

    loss = runs.variant.settings.loss
    return f"{NAMES[loss]}, lr = {plain(runs.variant.settings.lr)}"


def row_length(runs: VariantRuns) -> np.ndarray:
    """‖X₅‖, the length of the corrupted row's inputs in each replicate, (R,)."""
    import numpy as np

    return np.sqrt((runs.weights["row"] ** 2).sum(1))


def pull_of_the_others(results: Results) -> float:
    """n·√(2/π): how hard all rows together pull w back to the truth, for a row pulls with |x·u| and x ~ N(0, 1)."""
    import math

    return results.data.train * math.sqrt(2 / math.pi)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The validation error by epoch, where the replicates end, and which rows cannot be outvoted."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import GREY, canvas, colour

    indices = {loss: index for index, loss in enumerate(NAMES)}
    panels = {
        title: [runs for runs in results if runs.variant.settings.corruption == corruption]
        for corruption, title in TITLES.items()
    }
    panels = {title: group for title, group in panels.items() if group}

    curves, axes = canvas(columns=len(panels), width=11, height=3.8)
    for ax, (title, group) in zip(axes, panels.items(), strict=True):
        for runs in group:
            epochs, mse = runs.curve("val/mse")
            style = "--" if runs.variant.name.startswith("fair") else "-"
            curve_with_band(ax, epochs, np.sqrt(mse), label_of(runs), indices[runs.variant.settings.loss], style)
        ax.set(xlabel="epoch", yscale="log", ylim=(5e-3, 1e5), title=title)
    axes[0].set_ylabel("validation error, √(mean squared)")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))

    error, axes = canvas(columns=len(panels), width=11, height=3.4)
    for ax, (title, group) in zip(axes, panels.items(), strict=True):
        ax.set(xscale="log", xlim=(1e-4, 1e4), title=title)
        ends = [runs["parameter_error"][runs["parameter_error"] < 1e4] for runs in group]
        named = [(label_of(runs) if ax is axes[0] else "", end) for runs, end in zip(group, ends, strict=True)]
        strip(ax, named, "parameter error", [indices[runs.variant.settings.loss] for runs in group])
        ax.set_xticks([1e-3, 1e-1, 1e1, 1e3])
        for row, (runs, end) in enumerate(zip(group, ends, strict=True)):
            ax.plot(np.median(runs["minimiser_error"]), row + 0.32, "^", color="black", markersize=6)
            if not len(end):
                diverged = f"{runs.diverged.sum()} of {len(runs.diverged)} diverge"
                ax.annotate(diverged, (5e3, row - 0.1), ha="right", va="center")

    pull, (ax,) = canvas()
    for runs in results:
        if runs.variant.name == "absolute corruption=leverage":
            lr, length = runs.variant.settings.lr, row_length(runs)
            way = np.array([length.min(), length.max()])
            ax.plot(way, lr * way, color=GREY, linewidth=1.2, label="one step on the row, lr·‖X₅‖")
            ax.scatter(length, runs["parameter_error"], s=14, color=colour(indices["absolute"]), label=label_of(runs))
            ax.scatter(length, runs["minimiser_error"], s=12, marker="^", color="black", label="exact minimiser")
            ax.legend(loc="lower right")
    others = pull_of_the_others(results)
    ax.axvline(others, color="black", linewidth=0.8, linestyle=":")
    ax.annotate("all other rows \ntogether, n·√(2/π) ", (others, 200), va="bottom", ha="right")
    ax.set(xscale="log", yscale="log", xlabel="pull of the corrupted row, ‖X₅‖", ylabel="parameter error")
    ax.set_xlim(left=100)
    return {
        "loss.svg": (
            curves,
            "Error on clean validation rows by epoch: median and middle 90 % of the replicates. On the row as printed "
            "squared loss leaves the picture.",
        ),
        "error.svg": (
            error,
            "How far from the truth each replicate ends: a dot a replicate, a bar at the mean, ▲ at the median of the "
            "exact minimiser of the same loss.",
        ),
        "pull.svg": (
            pull,
            "Absolute loss on the row as printed, a dot a replicate: a row that pulls harder than all others together "
            "moves the minimiser; where training ends, a step on the row decides.",
        ),
    }


def claims() -> list[Claim]:
    """What the exercise wants to show, what the source concluded from its own corruption, and what decides."""
    from groundwork.judging.claims import Claim, above, always, within

    def error(results: Results, variant: str, corruption: str):
        return results[f"{variant} corruption={corruption}"]["parameter_error"]

    def minimiser_error(results: Results, corruption: str):
        return results[f"absolute corruption={corruption}"]["minimiser_error"]

    def outvotes(results: Results):
        return row_length(results["absolute corruption=leverage"]) > pull_of_the_others(results)

    return [
        Claim(
            "Absolute loss is robust to y₅ = 10000: it ends within 0.5 of the truth.",
            SOURCE,
            lambda r: always(error(r, "absolute", "label") < 0.5),
        ),
        Claim(
            "Absolute loss is robust to the row as printed, X₅ scaled too: it ends within 0.5 of the truth.",
            SOURCE,
            lambda r: always(error(r, "absolute", "leverage") < 0.5),
        ),
        Claim(
            "Squared loss is not robust to y₅ = 10000: it ends more than 1 off.",
            SOURCE,
            lambda r: always(error(r, "squared", "label") > 1),
        ),
        Claim(
            "Squared loss diverges on the row as printed.",
            SOURCE,
            lambda r: always(r["squared corruption=leverage"].diverged),
        ),
        Claim(
            "The row as printed moves the minimiser of absolute loss and y₅ = 10000 does not (difference above 1).",
            "ours",
            lambda r: above(minimiser_error(r, "leverage") - minimiser_error(r, "label"), 1),
        ),
        Claim(
            "It does so where ‖X₅‖ exceeds n·√(2/π), the pull of all other rows, and only there (share above 0.9).",
            "ours",
            lambda r: above(1.0 * ((minimiser_error(r, "leverage") > 1) == outvotes(r)), 0.9),
        ),
        Claim(
            "Huber loss is robust to y₅ = 10000 as well, and ends nearer than absolute loss (difference of errors).",
            "ours",
            lambda r: above(error(r, "absolute", "label") - error(r, "huber", "label")),
        ),
        Claim(
            "Smooth L1 at 1e-7 only seems to survive the row as printed: it ends as far off as on clean data (±0.01).",
            "ours",
            lambda r: within(error(r, "smooth_l1", "leverage") - error(r, "smooth_l1", "none"), 0.01),
        ),
        Claim(
            "At a rate that learns, smooth L1 is thrown off too: over three quarters end more than 1 off (share).",
            "ours",
            lambda r: above(1.0 * (error(r, "fair smooth_l1", "leverage") > 1), 0.75),
        ),
    ]


def printed() -> list[PrintedValue]:
    """Where the source ends on its corrupted row with three losses; with squared loss it prints nan."""
    from groundwork.judging.printed import PrintedValue

    settings = {
        "absolute": "loss=absolute(sum) lr=0.01 epochs=3",
        "smooth_l1": "loss=smooth_l1(sum; beta=1) lr=1e-7 epochs=10",
        "squared": "loss=squared lr=0.01 epochs=10",
    }
    quantities = {"absolute": ("w1", "w2", "b"), "smooth_l1": ("w1", "w2", "b"), "squared": ("w1",)}
    row = "X[5]*=10000/y[5] y[5]=10000"
    return [
        PrintedValue("8-loss-outlier", quantity, f"{setting} {row}", f"{loss} corruption=leverage", quantity)
        for loss, setting in settings.items()
        for quantity in quantities[loss]
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, number

    def middle(variant: str, metric: str = "parameter_error", digits: int = 2) -> str:
        return number(np.median(results[variant][metric]), digits)

    squared, absolute = results["squared corruption=leverage"], results["absolute corruption=leverage"]
    end, lengths, others = absolute["parameter_error"], row_length(absolute), pull_of_the_others(results)
    lr, R = absolute.variant.settings.lr, len(end)
    frozen, fair = results["smooth_l1 corruption=leverage"], results["fair smooth_l1 corruption=leverage"]
    return f"""
    It depends on what is corrupted. A wrong label alone, y₅ = {plain(LABEL)}, drags squared loss to a median error of
    {middle("squared corruption=label")}, for a row pulls with its error. Absolute, Huber and smooth L1 loss limit the
    pull of a label and hardly notice: {middle("absolute corruption=label")} with absolute loss
    ({middle("absolute corruption=none")} on clean data), {middle("huber corruption=label")} with Huber loss
    ({middle("huber corruption=none")}). Huber loss is also the cheap way to combine the best of both: bounded far out,
    shrinking near the truth.

    The source's own row is another matter, and there its conclusion that absolute loss is robust fails:
    {(end < 0.5).sum()} of {R} replicates end within 0.5 of the truth, the median error is
    {middle(absolute.variant.name)}, the largest {fixed(end.max(), 0)}. Scaling X₅ by {plain(LABEL)}/y₅ makes the row a
    point of high leverage, and the gradient of every loss of y_hat − y has X₅ as a factor: a bound in y is no bound in
    X. One step on the row moves the parameters by lr·‖X₅‖ = {fixed(lr * np.median(lengths), 0)} in the median, and all
    other rows together walk back {fixed(lr * others, 0)} an epoch. Smaller steps do not help, for both scale with lr:
    the exact minimiser of absolute loss, too, is {middle(absolute.variant.name, "minimiser_error")} off in the median.
    The row is outvoted only while ‖X₅‖ < n·√(2/π) = {fixed(others, 0)}; {(lengths > others).sum()} of {R} are longer.

    Squared loss diverges in {squared.diverged.sum()} of {R} replicates; in {(~np.isfinite(squared["w1"])).sum()} it has
    left float32 after {squared.variant.settings.epochs} epochs, which is the printed nan. Smooth L1 at lr =
    {plain(frozen.variant.settings.lr)} only seems to survive, because it does not move: it ends
    {middle(frozen.variant.name, digits=3)} off, on clean data {middle("smooth_l1 corruption=none", digits=3)}. At lr =
    {plain(fair.variant.settings.lr)}, where it learns, the row throws it {middle(fair.variant.name)} off.
    """
