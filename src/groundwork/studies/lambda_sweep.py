"""How much weight decay is best, and from where on does it make the step itself unstable?

The exercise asks for the training and validation error as functions of λ. Here λ goes from 0 to 2⁹, finer about the
best and about the edge, once from the source's start N(0, 0.01²) and once from zero, which has nothing to forget.
Beside the measurement stand ridge regression solved exactly, the share |1 − ηλ| of the start that every step leaves,
and the two edges that theory knows: ηλ = 2, and η(λ + μ) = 2 for μ the largest curvature of the training loss.
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

TITLE = "A sweep of λ"
SOURCE = "d2l §3.7.6, exercise 1"
METRICS = {
    "mse": "mean squared error of the validation rows",
    "train/mse": "mean squared error of the training rows",
}
HEADLINE = "mse"

POWERS = [0, *(2**power for power in range(10))]
FAR = [f"{start} start lambd={lambd}" for start in ("usual", "zero") for lambd in (256, 512)]  # beyond ηλ = 2


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with an ℓ2 penalty; the weights are not kept, for there are many λ."""
    from dataclasses import replace

    import numpy as np

    from groundwork.models.linear import penalty_metrics, rows, train_linear

    train, valid = rows(block, "train"), rows(block, "valid")
    V, labels = valid.X.double().numpy(), valid.y.double().numpy()
    for variant, run in zip(block.variants, train_linear(block, penalty_metrics), strict=True):
        settings = variant.settings
        some = train.first(settings.rows or len(train))
        X, y = some.X.double().numpy(), some.y.double().numpy()
        w, b = ridge(X, y, settings.lambd)
        curvature = np.linalg.eigvalsh(X @ X.mT / X.shape[1])[:, -1]  # XᵀX/n has the same eigenvalues, and zeros
        metrics = {
            "ridge_mse": ((V @ w + b - labels) ** 2).mean((1, 2)),
            "edge": 2 / settings.lr - curvature,
        }
        history = {name: run.history[name] for name in ("val/loss", "mse", "train/mse", "l2_penalty", "l2_unseen")}
        yield replace(run, metrics=run.metrics | metrics, history=history, weights={})


def ridge(X: np.ndarray, y: np.ndarray, lambd: float) -> tuple[np.ndarray, np.ndarray]:
    """The w (R, d, 1) and b (R, 1, 1) with the least ½·mean squared error + λ·½‖w‖², of X (R, n, d) and y (R, n, 1).

    b is free; for λ = 0 the shortest w that fits best. With more inputs than rows the n × n system is the small one.
    """
    import numpy as np

    n = X.shape[1]
    mean_X, mean_y = X.mean(1, keepdims=True), y.mean(1, keepdims=True)
    centred = X - mean_X
    gram = centred @ centred.mT + n * lambd * np.eye(n)
    w = centred.mT @ (np.linalg.pinv(gram, rcond=1e-12, hermitian=True) @ (y - mean_y))
    return w, mean_y - mean_X @ w


def factor(runs: VariantRuns) -> np.ndarray:
    """What a step does to the part of the start that no training row reaches, measured over the first epoch: (R,)."""
    import numpy as np

    settings = runs.variant.settings
    start, after = runs.curve("l2_unseen")[1][:2]
    return (after / start) ** (0.5 / np.ceil(settings.rows / settings.batch_size))


def growth(runs: VariantRuns) -> np.ndarray:
    """The factor by which ‖w‖ grows a step over the second half of training: (R,)."""
    import numpy as np

    settings = runs.variant.settings
    values = runs.curve("l2_penalty")[1]
    steps = np.ceil(settings.rows / settings.batch_size) * (len(values) // 2)
    return (values[-1] / values[-1 - len(values) // 2]) ** (0.5 / steps)


def best(results: Results, start: str) -> VariantRuns:
    """The λ with the least mean validation error."""
    import numpy as np

    runs_of_start = [runs for runs in results if runs.variant.name.startswith(start)]
    return min(runs_of_start, key=lambda runs: np.where(runs.ok, runs["mse"], np.inf).mean())


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Errors by epoch for some λ, errors by λ, and the edge of stability."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band, sweep
    from groundwork.reporting.style import GREY, canvas, colour

    starts = {"usual start": "start N(0, 0.01²)", "zero start": "start at zero"}
    lambdas = sorted({runs.variant.settings.lambd for runs in results})
    by_start = {start: [results[f"{start} lambd={plain(lambd)}"] for lambd in lambdas] for start in starts}
    usual, zero = by_start.values()
    lr, edge = usual[0].variant.settings.lr, usual[0]["edge"].mean()
    parts = {"train/mse": "20 training rows", "mse": "100 validation rows"}

    curves, axes = canvas(columns=2, height=4.0)
    for ax, (metric, title) in zip(axes, parts.items(), strict=True):
        for index, lambd in enumerate((0, 1, 8, 64, 256)):
            curve_with_band(ax, *results[f"usual start lambd={lambd}"].curve(metric), f"λ = {lambd}", index)
        ax.set(xlabel="epoch", title=title)
    axes[0].set(ylabel="mean squared error", yscale="log", ylim=(3e-6, 10))
    axes[0].legend(loc="upper right")
    axes[1].set(ylim=(0.01, 0.06))

    errors, axes = canvas(columns=2, height=4.4)
    for ax, (metric, title) in zip(axes, parts.items(), strict=True):
        for index, (start, label) in enumerate(starts.items()):
            sweep(ax, lambdas, [runs[metric] for runs in by_start[start]], label, 6 + index)
        ax.set_xscale("symlog", linthresh=1, linscale=0.5, base=2)
        ax.set_xticks([0, 1, 4, 16, 64, 256], ["0", "1", "4", "16", "64", "256"])
        ax.axvline(edge, color="black", linewidth=0.8, linestyle=":")
        ax.set(xlabel="λ", title=title, xlim=(-0.1, 400))
    left = [np.median(a["mse"] + 2 * b["l2_unseen"]) for a, b in zip(zero, usual, strict=True)]
    axes[1].plot(lambdas, left, ":", color="black", label="zero + what is left of the start")
    axes[1].plot(lambdas, [np.median(runs["ridge_mse"]) for runs in zero], "--", color=colour(5), label="ridge, exact")
    axes[1].set(ylim=(0.01, 0.06))
    axes[0].set(ylabel="mean squared error", yscale="log", ylim=(3e-6, 10))
    axes[0].legend(*axes[1].get_legend_handles_labels(), loc="upper left")

    stability, axes = canvas(columns=2, height=4.0)
    x = np.linspace(0, 2.56 / lr, 257)
    axes[0].axhspan(1, 1.7, color=GREY, alpha=0.15, linewidth=0)
    axes[0].plot(x, np.abs(1 - lr * x), color="black", linewidth=1.2, label="|1 − ηλ|")
    axes[0].plot(lambdas, [np.median(factor(runs)) for runs in usual], "o", color=colour(6), label="measured")
    axes[0].annotate("unstable", (0.03, 1.05), xycoords=("axes fraction", "data"))
    axes[0].set(xlabel="λ", ylabel="factor a step", title="Right angle to the rows", xlim=(-5, 262), ylim=(0, 1.7))
    axes[0].legend(loc="upper center")
    for index, (start, label) in enumerate(starts.items()):
        sweep(axes[1], lambdas, [growth(runs) for runs in by_start[start]], label, 6 + index)
    for at, style, text, side in ((2 / lr, "-", " ηλ = 2", "left"), (edge, ":", "η(λ + μ) = 2 ", "right")):
        axes[1].axvline(at, color="black", linewidth=0.8, linestyle=style)
        axes[1].annotate(text, (at, 0.92), va="center", ha=side)
    axes[1].set(xlabel="λ", ylabel="growth of ‖w‖ a step", title="All of w, epochs 6 to 10", xlim=(55, 262))
    axes[1].set(ylim=(0.85, 1.8))
    axes[1].legend(loc="upper left")
    return {
        "curves.svg": (
            curves,
            "Errors by epoch from N(0, 0.01²): median and middle 90 % of the replicates.",
        ),
        "errors.svg": (
            errors,
            "Errors after ten epochs: median and middle 90 %. Upright: η(λ + μ) = 2, where the step becomes unstable.",
        ),
        "stability.svg": (
            stability,
            "Left: what a step leaves of the part of the start that no training row reaches. Right: ‖w‖ grows from "
            "before ηλ = 2 on, where η(λ + μ) = 2, for along the rows the training loss is curved too.",
        ),
    }


def claims() -> list[Claim]:
    """What the exercise asks, what the gain consists of, and where the edge is."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def of(results: Results, metric: str, lambdas: list[int], start: str = "usual start"):
        return np.stack([results[f"{start} lambd={lambd}"][metric] for lambd in lambdas])

    def off(results: Results, lambd: int):
        runs = results[f"usual start lambd={lambd}"]
        return np.abs(factor(runs) / abs(1 - runs.variant.settings.lr * lambd) - 1)

    def left_over(results: Results):
        stable = [lambd for lambd in POWERS if lambd <= 128]
        usual, zero = (of(results, "mse", stable, start) for start in ("usual start", "zero start"))
        return (usual - zero - 2 * of(results, "l2_unseen", stable)).mean(axis=0)

    return [
        Claim(
            "The training error grows with λ, at every power of two up to 128.",
            SOURCE,
            lambda r: always((np.diff(of(r, "train/mse", POWERS[:9]), axis=0) > 0).all(axis=0)),
        ),
        Claim(
            "Some decay helps and too much hurts: λ = 8 has a lower validation error than λ = 0 and than λ = 128.",
            SOURCE,
            lambda r: always((of(r, "mse", [0, 128]) > of(r, "mse", [8])).all(axis=0)),
        ),
        Claim(
            "The gain is the start forgotten: from zero, λ = 8 lowers the validation error by less than 5 % of it.",
            "ours",
            lambda r: within(1 - np.divide(*of(r, "mse", [8, 0], "zero start")), 0.05),
        ),
        Claim(
            "N(0, 0.01²) costs more than zero by ‖w‖² of the part that no row reaches (mean over λ ≤ 128, to ±0.0005).",
            "ours",
            lambda r: within(left_over(r), 0.0005),
        ),
        Claim(
            "Solved exactly, ridge regression wants no such λ: its validation error is lower at λ = 0 than at λ = 8.",
            "ours",
            lambda r: above(-np.subtract(*of(r, "ridge_mse", [0, 8], "zero start"))),
        ),
        Claim(
            "Every step leaves |1 − ηλ| of the part of the start that no row reaches (to 0.1 %, every power of two).",
            "ours",
            lambda r: always(np.max([off(r, lambd) for lambd in POWERS], axis=0) < 1e-3),
        ),
        Claim(
            "ηλ > 2 diverges: λ = 256 and λ = 512 in every replicate, from either start.",
            "ours",
            lambda r: always(np.all([r[name].diverged for name in FAR], axis=0)),
        ),
        Claim(
            "ηλ < 2 is enough: at λ = 192 the weights no longer grow (1 − growth a step, mean above 0).",
            "ours",
            lambda r: above(1 - growth(r["usual start lambd=192"])),
        ),
        Claim(
            "It takes η(λ + μ) < 2: below that edge, at λ = 176, they do not grow by more than 1 % a step.",
            "ours",
            lambda r: within(growth(r["usual start lambd=176"]) - 1, 0.01),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source leaves the exercise unanswered."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, mean_sd, number, percent

    none, none_zero = results["usual start lambd=0"], results["zero start lambd=0"]
    usual, zero, much = best(results, "usual"), best(results, "zero"), results["usual start lambd=128"]
    settings, data = none.variant.settings, results.data
    wanted = data.noise**2 / (settings.rows * data.value**2)
    edge = results["usual start lambd=192"]
    grows, pull = growth(edge), edge.variant.settings.lr * edge.variant.settings.lambd
    return f"""
    The training error grows with λ. The validation error falls, is flat, and grows again a little: from the usual start
    it is {fixed(none["mse"].mean(), 4)} at λ = 0, least at λ = {plain(usual.variant.settings.lambd)} with
    {fixed(usual["mse"].mean(), 4)}, and {fixed(much["mse"].mean(), 4)} at λ = 128. The valley is so flat that in
    {(much["mse"] < results["usual start lambd=8"]["mse"]).sum()} of {len(much.ok)} replicates the {data.valid}
    validation rows rank λ = 128 above λ = 8. Nearly all of the gain is the start forgotten: from zero weights λ = 0
    already gives {fixed(none_zero["mse"].mean(), 4)}, and the best λ, {plain(zero.variant.settings.lambd)}, gains
    {percent(1 - zero["mse"].mean() / none_zero["mse"].mean())} more. So the best λ is one that forgets within ten
    epochs; it tells of the start and the epochs, not of the data. Ridge regression, solved exactly, has its least error
    without decay ({fixed(none["ridge_mse"].mean(), 4)}), as theory has it: for these weights and this noise it wants λ
    = σ²/(n·w²) = {number(wanted, 2)}.

    A step multiplies what no training row reaches by 1 − ηλ, so ηλ > 2, λ > {plain(2 / settings.lr)}, is unstable: λ =
    256 diverges in {results["usual start lambd=256"].diverged.sum()} of {len(none.ok)} replicates. It is unstable
    before that: along the rows the loss has a curvature of its own, up to μ =
    {mean_sd(2 / settings.lr - none["edge"], 1)}, and for a step on all rows η(λ + μ) > 2 from λ =
    {mean_sd(none["edge"], 0)} on. The minibatches are close to that: at λ = 192, where ηλ = {plain(pull)}, ‖w‖ grows by
    {percent(grows.mean() - 1)} a step.
    """
