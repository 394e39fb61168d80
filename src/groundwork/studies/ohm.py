"""How well does regression find a resistance from noisy voltages?

Ohm's law is V = I·R: a current, a resistance of 5.1 Ω, a voltage, and no intercept. The source draws 1000 currents,
adds noise of 1 V to the voltages, trains for three epochs, and prints how far it ends from the truth (true − found).
Here each replicate measures anew, and least squares on the same rows says how much of the error is the noise's.
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
    from groundwork.runs import Results, Trained

TITLE = "Ohm's law"
SOURCE = "d2l §3.4.6, exercise 2"
METRICS = {
    "w_error": "error of the resistance, true − found, Ω",
    "b_error": "error of the intercept, true − found, V",
    "exact_w_error": "error of the resistance by least squares, Ω",
    "exact_b_error": "error of the intercept by least squares, V",
    "origin_w_error": "error of the resistance by least squares without an intercept, Ω",
    "val/loss": "validation loss, ½·mean squared error, V²",
}
HEADLINE = "w_error"


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Minibatch SGD, and least squares on the same rows: with an intercept, and as a line through the origin."""
    from dataclasses import replace

    import numpy as np

    from groundwork.models.linear import rows, train_linear

    train = rows(block, "train")
    I, V = train.X.double().numpy(), train.y.double().numpy()  # noqa: E741 – a current
    (w,), b = block.made.weights, block.made.b

    def least_squares(A: np.ndarray) -> np.ndarray:
        """The closed form (AᵀA)⁻¹AᵀV, (R, k), for A (R, n, k)."""
        return np.linalg.solve(A.mT @ A, A.mT @ V)[..., 0]

    exact, origin = least_squares(np.concatenate([I, np.ones_like(I)], axis=-1)), least_squares(I)
    closed_form = {
        "exact_w_error": w - exact[:, 0],
        "exact_b_error": b - exact[:, 1],
        "origin_w_error": w - origin[:, 0],
    }
    measured = {"I": train.X[:1].numpy(), "V": train.y[:1].numpy()}  # of one replicate, to draw
    for trained in train_linear(block):
        found = {"w_error": w - trained.metrics["w1"], "b_error": b - trained.metrics["b"]}
        yield replace(
            trained,
            metrics=trained.metrics | found | closed_form,
            weights=trained.weights | measured | {"exact": exact},
        )


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by epoch, one replicate's measurement with its lines, and the errors of both parameters."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.judging.printed import reference
    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import GREY, canvas, colour

    short, long = results["epochs=3"], results["epochs=20"]
    n, (w,), noise = results.data.train, results.data.w, results.data.noise
    loss, (ax,) = canvas()
    curve_with_band(ax, *long.curve("train/loss"), label="minibatch, training", index=1)
    curve_with_band(ax, *long.curve("val/loss"), label="all validation rows", index=3)
    ax.axhline(noise**2 / 2, color="black", linewidth=1, linestyle="--", label="½·noise²: the noise itself")
    ax.axvline(3, color="black", linewidth=0.8, linestyle=":")
    ax.annotate(" 3 epochs", (3, 0.98), xycoords=("data", "axes fraction"), va="top")
    ax.set(xlabel="epoch", ylabel="loss, ½·mean squared error, V²", yscale="log", xlim=(0, 20), xticks=range(0, 21, 4))
    ax.legend(loc="upper right")

    line, (ax,) = canvas(height=4.6)
    current, voltage = long.weights["I"][0, :, 0], long.weights["V"][0, :, 0]
    ax.plot(current, voltage, ".", markersize=3, color=GREY, alpha=0.5, rasterized=True, label="measured")
    ends = np.array([current.min(), current.max()])
    for index, (label, slope, intercept) in enumerate(
        [
            ("3 epochs", short["w1"][0], short["b"][0]),
            ("20 epochs", long["w1"][0], long["b"][0]),
            ("least squares", *long.weights["exact"][0]),
        ]
    ):
        ax.plot(
            ends,
            slope * ends + intercept,
            "--" if index == 2 else "-",
            color=colour(index),
            label=f"{label}: {slope:.2f} Ω",
        )
    ax.set(xlabel="current, A", ylabel="voltage, V", title=f"true resistance: {plain(w)} Ω")
    ax.legend(loc="upper left")

    errors, axes = canvas(columns=2, width=9, height=3.4)
    printed = reference().query("item == '2-ohm'").set_index("quantity")["value"].astype(float)
    for ax, quantity, xlabel in zip(
        axes, ("w_error", "b_error"), ("resistance, true − found, Ω", "intercept, true − found, V"), strict=True
    ):
        ax.axvspan(-noise / n**0.5, noise / n**0.5, color=GREY, alpha=0.2, linewidth=0)
        ax.axvline(0, color=GREY, linewidth=1)
        groups = [("3 epochs", short[quantity]), ("20 epochs", long[quantity])]
        strip(ax, [*groups, ("least squares", long[f"exact_{quantity}"])], xlabel)
        ax.plot(printed[quantity], 0, "*", color="white", markeredgecolor="black", markersize=14)
    axes[1].set_yticklabels([])
    return {
        "loss.svg": (loss, "Loss while training: median and middle 90 % of the replicates."),
        "line.svg": (line, "One replicate: its measurements, and the lines that were found."),
        "errors.svg": (
            errors,
            "Errors of both parameters: a dot a replicate, a bar at the mean; star: the source's. "
            "Grey: ± noise/√n, what the noise allows.",
        ),
    }


def claims() -> list[Claim]:
    """What the source's numbers suggest, and what statistics say."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def scaled(results: Results, *errors: str) -> np.ndarray:
        """Mean square of the errors, in units of noise²/n."""
        squares = [results["epochs=20"][error] ** 2 for error in errors]
        return np.mean(squares, axis=0) * results.data.train / results.data.noise**2

    return [
        Claim(
            "The printed set-up finds the resistance without bias (mean error within ±0.05 Ω).",
            SOURCE,
            lambda r: within(r["epochs=3"]["w_error"], 0.05),
        ),
        Claim(
            "What three epochs leave is the start's share, 5.1·(1 − lr)^96 Ω (mean difference within ±0.03 Ω).",
            "ours",
            lambda r: within(r["epochs=3"]["w_error"] - left_over(r), 0.03),
        ),
        Claim(
            "Twenty epochs find the resistance without bias (mean error within ±0.01 Ω).",
            "ours",
            lambda r: within(r["epochs=20"]["w_error"], 0.01),
        ),
        Claim(
            "The intercept that Ohm's law does not have is found to be zero (mean error within ±0.02 V).",
            "ours",
            lambda r: within(r["epochs=20"]["b_error"], 0.02),
        ),
        Claim(
            "Least squares errs as theory says: its mean square error is noise²/n (their ratio − 1 within ±0.3).",
            "ours",
            lambda r: within(scaled(r, "exact_w_error", "exact_b_error") - 1, 0.3),
        ),
        Claim(
            "Minibatches add noise of their own: SGD errs more than least squares (difference of those ratios).",
            "ours",
            lambda r: above(scaled(r, "w_error", "b_error") - scaled(r, "exact_w_error", "exact_b_error")),
        ),
        Claim(
            "It does not matter that the intercept is fitted too: without it R moves by less than 0.01 Ω.",
            "ours",
            lambda r: always(np.abs(r["epochs=20"]["exact_w_error"] - r["epochs=20"]["origin_w_error"]) < 0.01),
        ),
    ]


def left_over(results: Results) -> float:
    """The part of R that three epochs of lr have not yet reached, in Ω, on currents of variance one."""
    settings = results["epochs=3"].variant.settings
    steps = settings.epochs * -(-results.data.train // settings.batch_size)
    return results.data.w[0] * (1 - settings.lr) ** steps


def printed() -> list[PrintedValue]:
    """Both errors, with their signs."""
    from groundwork.judging.printed import PrintedValue

    setting = "w=5.1 b=0 noise=1 lr=0.03 epochs=3"
    return [PrintedValue("2-ohm", quantity, setting, "epochs=3", quantity) for quantity in ("w_error", "b_error")]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import fixed, mean_sd, number

    short, long = results["epochs=3"], results["epochs=20"]
    settings = short.variant.settings
    allowed = results.data.noise / results.data.train**0.5
    return f"""
    As well as the noise allows, but not in three epochs. The printed set-up ends {mean_sd(short["w_error"], 2)} Ω below
    the true {number(results.data.w[0])} Ω, which reads like measurement noise and is none: on currents of variance one
    {settings.epochs} epochs of lr = {number(settings.lr)} simply have {fixed(left_over(results), 2)} Ω still to go.
    After {long.variant.settings.epochs} epochs the error is {mean_sd(long["w_error"], 3)} Ω.

    What is left then is the noise. With {results.data.train} rows and {number(results.data.noise)} V it allows noise/√n
    = {fixed(allowed, 3)}: least squares on the same rows errs by {mean_sd(long["exact_w_error"], 3)} Ω, and SGD seems
    to add a little of its own, for its last minibatches pull to and fro. Ohm's law has no intercept, and none is found:
    {mean_sd(long["b_error"], 3)} V ({mean_sd(long["exact_b_error"], 3)} V by least squares). Fitting it all the same
    costs nothing, because the currents are centred on zero: a line through the origin errs by
    {mean_sd(long["origin_w_error"], 3)} Ω.
    """
