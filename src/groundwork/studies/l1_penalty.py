"""What does an ℓ1 penalty do to the weights that an ℓ2 penalty does not?

With Σ|w| in place of ½‖w‖² the update becomes w ← w − η(∂L + λ·sign w): every weight is pulled towards zero by the same
ηλ, however small it is, where ℓ2 takes the same share ηλ of each. Taken literally that step jumps over zero; the
proximal step stops there: first w − η∂L, then everything within ηλ of zero becomes zero (soft-thresholding). The three
are compared on 60 rows of 200 inputs, with two truths: 5 weights of 1 among zeros, and 200 weights of 0.01.
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

TITLE = "ℓ1 penalty"
SOURCE = "d2l §3.7.6, exercise 3"
METRICS = {
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "zeros": "share of the weights that are exactly 0",
    "near_zeros": "share of the weights within 0.001 of 0",
    "support": "share of the weights that matter among as many largest",
    "spread": "effective number of weights, (Σw²)²/Σw⁴",
    "val/loss": "validation loss, ½·mean squared error",
}
HEADLINE = "parameter_error"

TRUTHS = {"sparse": "sparse truth: 5 weights of 1", "dense": "dense truth: 200 weights of 0.01"}
SHARES = [share / 500 for share in range(501)]
PENALTIES = {"l2": "ℓ2", "l1": "ℓ1, λ·sign w", "proximal_l1": "ℓ1, proximal"}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD and each penalty, on the dataset's own y and on that of the dense truth."""
    from functools import cache

    import torch

    from groundwork.engine.training import fit, kept, length
    from groundwork.models.linear import make_model, optimizer_of, penalty_of, rows, true_weights, with_truth

    orders = cache(block.orders)
    for variant in block.variants:
        settings = variant.settings
        truth = true_weights(block, settings)
        train, valid = (with_truth(block, rows(block, part), truth) for part in ("train", "valid"))
        train = train.first(settings.rows or len(train))
        model = make_model(block, settings, truth.shape[1])
        learner = fit(
            model,
            settings,
            train,
            valid,
            orders(len(train), settings.epochs),
            penalty=penalty_of(model, settings),
            optimizer=optimizer_of(model, settings),
        )
        w, b = model.w.detach()[..., 0], model.b.detach()[..., 0]
        matter = truth[..., 0] != 0
        largest = w.abs().argsort(dim=1, descending=True, stable=True)
        count = int(matter[0].sum())
        metrics = {
            "parameter_error": length(torch.cat([w - truth[..., 0], b - block.made.b], dim=1)),
            "zeros": (w == 0).float().mean(1),
            "near_zeros": (w.abs() < 0.001).float().mean(1),
            "support": matter.gather(1, largest[:, :count]).float().mean(1),
            "spread": (w**2).sum(1) ** 2 / (w**4).sum(1).clamp(min=1e-30),  # all zero: none
        }
        learner.history.pop("train/loss")  # of every step: several times as much as all the rest
        yield kept(learner, metrics, {"w": w})


def tried(results: Results, truth: str, penalty: str) -> list[VariantRuns]:
    """The runs of a penalty with λ > 0, at least one."""
    from groundwork.runs import MissingVariant

    named = [runs for name, runs in results.variants.items() if name.startswith(f"{truth} penalty={penalty} ")]
    found = [runs for runs in named if runs.variant.settings.lambd > 0]
    if not found:
        raise MissingVariant(f"params.yaml has no {penalty} with lambd > 0 for the {truth} truth")
    return found


def best(results: Results, truth: str, penalty: str) -> VariantRuns:
    """The runs of a penalty at the λ that has the lowest mean validation loss."""
    return min(tried(results, truth, penalty), key=lambda runs: runs["val/loss"].mean())


def others(results: Results, runs: VariantRuns) -> np.ndarray:
    """|w| of the weights whose truth is 0 in the dataset, all replicates together."""
    import numpy as np

    return np.abs(runs.weights["w"][:, results.data.nonzero :]).ravel()


def shortfall(results: Results, runs: VariantRuns) -> np.ndarray:
    """How far the weights that matter lie below soft-thresholding's 1 − λ, mean of each replicate, (R,)."""
    expected = results.data.value - runs.variant.settings.lambd
    return expected - runs.weights["w"][:, : results.data.nonzero].mean(axis=1)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch, error against λ, one step of each penalty and where it leaves the weights that do not matter."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band, sweep
    from groundwork.reporting.style import GREY, canvas, colour

    loss, axes = canvas(columns=2, height=5.0)
    for ax, (truth, title) in zip(axes, TRUTHS.items(), strict=True):
        for index, (penalty, label) in enumerate(PENALTIES.items()):
            runs = best(results, truth, penalty)
            label = f"{label}: λ = {plain(runs.variant.settings.lambd)}"
            curve_with_band(ax, *runs.curve("val/loss"), label, index, "--" if penalty == "proximal_l1" else "-")
        none = results[f"{truth} penalty=l2 lambd=0"]
        curve_with_band(ax, *none.curve("val/loss"), label="λ = 0", index=7, linestyle=":")
        ax.set(xlabel="epoch", title=title)
        ax.set_ylim(bottom=0)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axes[0].set(ylabel="validation loss")

    error, axes = canvas(columns=2, height=4.0)
    for ax, (truth, title) in zip(axes, TRUTHS.items(), strict=True):
        for index, (penalty, label) in enumerate(PENALTIES.items()):
            columns = {runs.variant.settings.lambd: runs["parameter_error"] for runs in tried(results, truth, penalty)}
            sweep(ax, list(columns), list(columns.values()), label, index)
        none = results[f"{truth} penalty=l2 lambd=0"]["parameter_error"].mean()
        ax.axhline(none, color=GREY, linestyle=":", label="λ = 0")
        ax.set(xlabel="λ", title=title, xscale="log")
        ax.set_ylim(bottom=0)
    axes[0].set(ylabel="parameter error, ‖(w, b) − truth‖")
    axes[1].legend(loc="upper left")

    steps, (before, after) = canvas(columns=2, height=4.0)
    w, pull = np.linspace(-2, 2, 401), 0.5
    signs = np.where(w == 0, np.nan, np.sign(w))
    moved = [(1 - pull) * w, w - pull * signs, np.sign(w) * np.maximum(np.abs(w) - pull, 0)]
    before.plot(w, w, color=GREY, linestyle=":", linewidth=1)
    for index, (penalty, label) in enumerate(PENALTIES.items()):
        before.plot(w, moved[index], color=colour(index), label=label, linestyle="--" if index == 2 else "-")
        ends = np.sort(others(results, best(results, "sparse", penalty)))
        after.plot(np.quantile(ends, SHARES, method="closest_observation"), SHARES, color=colour(index))
    before.set(xlabel="weight before the step", ylabel="weight after it", title=f"the penalty alone, ηλ = {pull}")
    before.legend(loc="upper left")
    settings = best(results, "sparse", "proximal_l1").variant.settings
    after.axvline(settings.lr * settings.lambd, color=GREY, linestyle=":")
    after.annotate(" ηλ", (settings.lr * settings.lambd, 0.02), xycoords=("data", "axes fraction"))
    after.set_xscale("symlog", linthresh=1e-4)
    after.set(xlabel="|w| of an input that does not matter", ylabel="share of them below", title="after training")
    after.set(xlim=(-1e-5, 1), ylim=(0, 1))
    return {
        "loss.svg": (loss, "Validation loss by epoch: median and middle 90 %. Each penalty at its own best λ."),
        "error.svg": (error, "Parameter error against λ: median and middle 90 %."),
        "steps.svg": (
            steps,
            "Left: what one step of each penalty does to a weight that the data do not pull at. Right: where the "
            "weights whose truth is zero end (sparse truth, each penalty at its best λ, all replicates).",
        ),
    }


def claims() -> list[Claim]:
    """What the book says of ℓ1 and ℓ2, and what comes of it."""
    from groundwork.judging.claims import Claim, above, always, within

    def error(results: Results, truth: str, penalty: str):
        return best(results, truth, penalty)["parameter_error"]

    book = "d2l §3.7.1"
    return [
        Claim(
            "ℓ1 clears the other weights to zero: with the step λ·sign w over half of all weights end at exactly 0.",
            book,
            lambda r: always(best(r, "sparse", "l1")["zeros"] > 0.5),
        ),
        Claim(
            "The proximal step clears them: over half of all weights end at exactly 0.",
            "ours",
            lambda r: always(best(r, "sparse", "proximal_l1")["zeros"] > 0.5),
        ),
        Claim(
            "ℓ1 concentrates the weights on few inputs, ℓ2 spreads them (difference of effective numbers of weights).",
            book,
            lambda r: above(best(r, "sparse", "l2")["spread"] - best(r, "sparse", "proximal_l1")["spread"]),
        ),
        Claim(
            "Where five inputs matter, ℓ1 finds all five in every replicate: they get the largest weights.",
            "ours",
            lambda r: always(best(r, "sparse", "proximal_l1")["support"] == 1),
        ),
        Claim(
            "Where five inputs matter, ℓ1 comes closer to the truth than ℓ2 (difference of errors).",
            "ours",
            lambda r: above(error(r, "sparse", "l2") - error(r, "sparse", "proximal_l1")),
        ),
        Claim(
            "Where all inputs matter alike, ℓ2 comes closer to the truth than ℓ1 (difference of errors).",
            "ours",
            lambda r: above(error(r, "dense", "proximal_l1") - error(r, "dense", "l2")),
        ),
        Claim(
            "Stopping at zero is worth something: the proximal step ends closer to the sparse truth than λ·sign w.",
            "ours",
            lambda r: above(error(r, "sparse", "l1") - error(r, "sparse", "proximal_l1")),
        ),
        Claim(
            "ℓ1 has its price: the five weights come out as 1 − λ, as soft-thresholding says (mean within ±0.05).",
            "ours",
            lambda r: within(shortfall(r, best(r, "sparse", "proximal_l1")), 0.05),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source leaves the exercise open."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, number, percent

    l2, l1, proximal = (best(results, "sparse", penalty) for penalty in PENALTIES)
    dense_l2, dense_l1, dense_proximal = (best(results, "dense", penalty) for penalty in PENALTIES)
    none, dense_none = (results[f"{truth} penalty=l2 lambd=0"] for truth in TRUTHS)
    lambd, count = proximal.variant.settings.lambd, results.data.nonzero
    pull = proximal.variant.settings.lr * lambd
    all_zero = dense_none.variant.settings.scale * results.data.inputs**0.5
    return f"""
    The update becomes w ← w − η(∂L + λ·sign w): each weight loses the same ηλ a step, where ℓ2 takes a share ηλ of it,
    so ℓ1 can bring a weight down to nothing and ℓ2 cannot. But taken literally it makes none of them zero
    ({percent(l1["zeros"].mean())} end at exactly 0): a weight nearer to zero than ηλ jumps to the other side and back,
    and most of those that do not matter end within ηλ = {plain(pull)} of zero. The proximal step, w − η∂L and then
    sign(w)·max(|w| − ηλ, 0), stops there: {percent(proximal["zeros"].mean())} are exactly 0 (not all that could be, for
    the gradient of a single minibatch wakes some again), and its error is a little smaller,
    {fixed(proximal["parameter_error"].mean(), 2)} against {fixed(l1["parameter_error"].mean(), 2)}.

    Which penalty is right depends on the truth. Where {count} of {results.data.inputs} inputs matter, ℓ1 with λ =
    {plain(lambd)} finds all of them from {proximal.variant.settings.rows} rows in {(proximal["support"] == 1).sum()} of
    {len(proximal["support"])} replicates; ℓ2 spreads them over {number(l2["spread"].mean(), 2)} weights and stays at
    {fixed(l2["parameter_error"].mean(), 2)}, no better than no penalty ({fixed(none["parameter_error"].mean(), 2)}).
    What ℓ1 pays is a bias: its five weights average {fixed(proximal.weights["w"][:, :count].mean(), 3)} instead of
    {plain(results.data.value)}; soft-thresholding says 1 − λ = {plain(results.data.value - lambd)} for inputs without
    correlation. Where all inputs matter alike, nothing is to be cleared: from
    {fixed(dense_none["parameter_error"].mean(), 3)} without penalty ℓ2 gets to
    {fixed(dense_l2["parameter_error"].mean(), 3)}, but ℓ1 only to {fixed(dense_l1["parameter_error"].mean(), 3)}
    ({fixed(dense_proximal["parameter_error"].mean(), 3)} proximal), hardly less than the {fixed(all_zero, 3)} of having
    no weights at all.
    """
