"""What else helps against overfitting, besides weight decay?

The source's 200 weights learn from 20 rows: without a penalty they fit them to the last digit and predict new rows no
better than before. Each remedy is set against that baseline, replicate by replicate, on the validation rows and on 1000
test rows that nothing was chosen by: more data, early stopping, fewer inputs, dropout, bagging. Two controls tell what
a remedy works through: as many steps without it, and a start from zero, for what the data never touch stays as drawn.
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

TITLE = "Remedies for overfitting"
SOURCE = "d2l §3.7.6, exercise 5"
METRICS = {
    "test/loss": "loss of 1000 fresh test rows, ½·mean squared error",
    "val/loss": "loss of the validation rows",
    "fit/loss": "loss of all training rows",
    "mean/loss": "loss of the test rows, if all are predicted as the mean of the training rows",
    "epochs_used": "epochs trained, or after which training was stopped",
}
HEADLINE = "test/loss"

REMEDIES = ["more data", "early stopping", "fewer inputs", "dropout", "bagging", "weight decay"]
ON_20_ROWS = REMEDIES[1:]


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD and one remedy at a time, on the same rows, starts and orders."""
    from functools import cache

    import numpy as np
    import torch

    from groundwork.engine.batches import Rows
    from groundwork.engine.losses import squared
    from groundwork.engine.products import shared_product
    from groundwork.engine.training import fit
    from groundwork.models.linear import Dropout, make_model, optimizer_of, penalty_of, rows
    from groundwork.runs import Trained

    orders = cache(block.orders)
    whole = {"train": rows(block, "train"), "valid": rows(block, "valid")}
    whole["test"] = Rows(block.tensor("test/X"), block.tensor("test/y"))
    for variant in block.variants:
        settings = variant.settings
        inputs = settings.inputs or whole["test"].X.shape[1]
        train, valid, test = (Rows(part.X[..., :inputs].contiguous(), part.y) for part in whole.values())
        train = train.first(settings.rows or len(train))
        paths = []
        for member in range(settings.members):
            model = make_model(block, settings, inputs)
            learner = fit(
                Dropout(model, masks(block, settings, train)) if settings.dropout else model,
                settings,
                resampled(block, train, member) if settings.members > 1 else train,
                valid,
                orders(len(train), settings.epochs),
                {"path": lambda *_, model=model: torch.cat([model.w, model.b], dim=1).detach()},
                penalty_of(model, settings),
                optimizer_of(model, settings),
            )
            paths.append(torch.stack([parameters for _, parameters in learner.history["path"]]))
        path = torch.stack(paths).mean(0)  # (epochs, R, d + 1, 1): a mean of linear predictions is that of the weights
        steps = np.array([step for step, _ in learner.history["path"]])
        losses = {
            "fit/loss": [squared(block.product(train.X, p[:, :-1]) + p[:, -1:], train.y) for p in path],
            "val/loss": [squared(block.product(valid.X, p[:, :-1]) + p[:, -1:], valid.y) for p in path],
            "test/loss": [squared(shared_product(test.X, p[:, :-1], block.product) + p[:, -1:], test.y) for p in path],
        }
        history = {name: torch.stack(values).numpy() for name, values in losses.items()}
        epochs = np.arange(len(path))
        stop = np.full(len(block.replicates), settings.epochs)
        if settings.remedy == "early_stopping":
            stop = history["val/loss"].argmin(axis=0)
        replicates = np.arange(len(stop))
        yield Trained(
            metrics={name: values[stop, replicates] for name, values in history.items()}
            | {"mean/loss": squared(train.y.mean(1, keepdim=True), test.y).numpy(), "epochs_used": stop},
            history={name: (steps, epochs.astype(float), values) for name, values in history.items()},
            weights={"w": path.numpy()[stop, replicates, :-1, 0]},
        )


def masks(block: Block[LinearSettings], settings: LinearSettings, train: Rows) -> Tensor:
    """What each training row is multiplied by when its turn comes, (R, epochs·n, d): 0 or, for the mean, 1/(1 − p)."""
    from groundwork.streams import uniform

    draws = block.draw("dropout", (settings.epochs * len(train), train.X.shape[2]), uniform)
    return (draws >= settings.dropout).float() / (1 - settings.dropout)


def resampled(block: Block[LinearSettings], train: Rows, member: int) -> Rows:
    """As many rows, drawn with replacement (bootstrap); that is all in which the members of an ensemble differ."""
    import torch

    from groundwork.engine.batches import Rows
    from groundwork.streams import uniform

    n = len(train)
    chosen = (n * block.draw(f"bootstrap {member}", (n,), uniform)).long().clamp(max=n - 1)
    replicates = torch.arange(len(chosen))[:, None]
    return Rows(train.X[replicates, chosen], train.y[replicates, chosen])


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch under each remedy, what each makes of the test loss, and where stopping early matters."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import GREY, canvas, colour

    names, baseline = list(results.variants), results["baseline"]
    epochs, untreated = baseline.curve("val/loss")
    loss, axes = canvas(columns=3, rows=2, height=6.0)
    for ax, (name, runs) in zip(axes, {name: results[name] for name in REMEDIES}.items(), strict=True):
        index = names.index(name)
        ax.plot(epochs, np.median(untreated, axis=1), color=GREY, label="validation rows, baseline")
        curve_with_band(ax, *runs.curve("val/loss"), label="validation rows", index=index)
        fitted = np.median(runs.curve("fit/loss")[1], axis=1)
        ax.plot(epochs, fitted, "--", color=colour(index), label="training rows")
        mean = runs["mean/loss"].mean()
        ax.axhline(mean, color="black", linestyle=":", linewidth=1, label="the mean of y instead")
        ax.set(title=name, ylim=(0, 0.027))
        ax.set_xticks(epochs[::5])
        ax.tick_params(labelleft=ax in axes[::3])
    for ax in axes[3:]:
        ax.set(xlabel="epoch")
    for ax in axes[::3]:
        ax.set(ylabel="½·mean squared error")
    loss.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=10)

    test, (ax,) = canvas(height=5.0)
    groups = [(name, results[name]["test/loss"] / baseline["test/loss"]) for name in names if name != "baseline"]
    mean = (baseline["mean/loss"] / baseline["test/loss"]).mean()
    ax.axvline(1, color=GREY, linewidth=1)
    ax.axvline(mean, color="black", linewidth=1, linestyle=":")
    strip(ax, groups, "test loss, as a multiple of the baseline's", [names.index(name) for name, _ in groups])
    ax.annotate(" the mean of y instead", (mean, 0.99), xycoords=("data", "axes fraction"), va="top", fontsize=10)

    stopping, (ax,) = canvas()
    for name, label in (("80 epochs", "200 inputs"), ("fewer inputs 80 epochs", "20 inputs")):
        curve_with_band(ax, *results[name].curve("test/loss"), label=label, index=names.index(name))
    stop = np.median(results["fewer inputs early stopping"]["epochs_used"])
    ax.axvline(stop, color=GREY, linestyle=":")
    where = ("data", "axes fraction")
    ax.annotate(f" 20 inputs are stopped (median: epoch {stop:.0f})", (stop, 0.03), xycoords=where)
    ax.set(xlabel="epoch", ylabel="test loss, ½·mean squared error", ylim=(0, None))
    ax.legend()
    return {
        "loss.svg": (
            loss,
            "Loss by epoch: median, and for the validation rows the middle 90 %. Dotted: the loss of predicting every "
            "test row as the mean of the training rows.",
        ),
        "test.svg": (
            test,
            "Test loss against the baseline of the same replicate: a dot a replicate, a bar at the mean.",
        ),
        "stopping.svg": (stopping, "Test loss over 80 epochs: median and middle 90 %."),
    }


def claims() -> list[Claim]:
    """What each remedy is said to do, and what does it."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, within

    def gain(results: Results, remedy: str, instead: str = "baseline") -> np.ndarray:
        """By how much a remedy lowers the test loss, as a share of that without it."""
        return 1 - results[remedy]["test/loss"] / results[instead]["test/loss"]

    return [
        Claim(
            "More data help: 160 rows have a lower test loss than 20 (as a share of the baseline's).",
            SOURCE,
            lambda r: above(gain(r, "more data")),
        ),
        Claim(
            "It is the rows, not the steps that come with them: 80 epochs on 20 rows gain less than 1 %.",
            "ours",
            lambda r: within(gain(r, "80 epochs"), 0.01),
        ),
        Claim(
            "Early stopping lowers the test loss of the baseline.", "ours", lambda r: above(gain(r, "early stopping"))
        ),
        Claim(
            "Where the test loss does rise again, with 20 inputs for 20 rows, early stopping lowers it.",
            "ours",
            lambda r: above(gain(r, "fewer inputs early stopping", "fewer inputs 80 epochs")),
        ),
        Claim("Fewer inputs lower the test loss.", "ours", lambda r: above(gain(r, "fewer inputs"))),
        Claim("Dropout lowers the test loss.", "ours", lambda r: above(gain(r, "dropout"))),
        Claim(
            "Dropout of p = ½ is weight decay of λ = p/(1 − p) = 1: their test losses are within 5 % of each other.",
            "ours",
            lambda r: within(gain(r, "dropout", "weight decay lambd=1"), 0.05),
        ),
        Claim("Bagging lowers the test loss.", "ours", lambda r: above(gain(r, "bagging"))),
        Claim(
            "Weight decay does more than forget the start: λ = 3 has a lower test loss than a start from zero without.",
            "ours",
            lambda r: above(gain(r, "weight decay", "zero start")),
        ),
        Claim(
            "Some remedy on 20 rows beats predicting their mean (gain of the best, over the mean's test loss).",
            "ours",
            lambda r: above(
                1 - np.min([r[name]["test/loss"] for name in ON_20_ROWS], axis=0) / r["baseline"]["mean/loss"]
            ),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source leaves the exercise open."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import fixed, number, percent

    loss = {name: runs["test/loss"].mean() for name, runs in results.variants.items()}
    baseline, stopped = results["baseline"], results["early stopping"]
    gain = {name: 1 - (runs["test/loss"] / baseline["test/loss"]).mean() for name, runs in results.variants.items()}
    flattered = 1 - (stopped["val/loss"] / baseline["val/loss"]).mean()
    rows, all_rows = baseline.variant.settings.rows, results["more data"].variant.settings.rows
    zero = results["zero start"]["test/loss"]
    decayed, bagged = (
        1 - (results[f"{remedy} zero start"]["test/loss"] / zero).mean() for remedy in ("weight decay", "bagging")
    )
    return f"""
    More data, and here little else. The baseline fits its {rows} rows to {number(baseline["fit/loss"].mean(), 1)} and
    has a test loss of {fixed(loss["baseline"], 4)}, where predicting every row as the mean of those {rows} has
    {fixed(baseline["mean/loss"].mean(), 4)}. With {all_rows} rows it is {fixed(loss["more data"], 4)}
    ({percent(gain["more data"], 0)} less), and that is the rows' doing: as many steps on {rows} rows change nothing.

    Of what needs no more rows, fewer inputs take {percent(gain["fewer inputs"], 0)} off, dropout
    {percent(gain["dropout"], 0)}, weight decay {percent(gain["weight decay"], 0)}. Most of that is forgetting, not
    learning: with {results.data.inputs} weights and {rows} rows no gradient ever touches
    {percent(1 - rows / results.data.inputs, 0)} of the random start, which stays in the model as noise. A start from
    zero has none, and takes {percent(gain["zero start"], 0)} off by itself; on top of it weight decay gains
    {percent(decayed, 1)}. And the best of these remedies, in hindsight for each replicate, still does not beat the
    mean: {rows} rows say too little about {results.data.inputs} equal weights.

    Two remedies make things worse. Early stopping picks the epoch by {results.data.valid} validation rows and looks
    {percent(flattered, 1)} better on them, but is {percent(-gain["early stopping"], 1)} worse on fresh rows: the loss
    does not rise again here, so there is nothing to stop before. Where it does, with as many inputs as rows and 80
    epochs, stopping takes the test loss from {fixed(loss["fewer inputs 80 epochs"], 4)} to
    {fixed(loss["fewer inputs early stopping"], 4)}. Bagging costs {percent(-gain["bagging"], 1)} ({percent(-bagged, 1)}
    from a start of zero): each of its {results["bagging"].variant.settings.members} members sees fewer distinct rows,
    and rows are what is short. Dropout of p = ½ is weight decay with λ = p/(1 − p) = 1 only in the mean over its masks;
    their noise leaves it at {fixed(loss["dropout"], 4)} where λ = 1 has {fixed(loss["weight decay lambd=1"], 4)}.
    """
