"""Does training still work when the weights start from zero, or from far away?

The exercise asks for zero weights, and for weights of variance 1000; the source's program set the standard deviation
to 1000 instead. Here each start is trained for three epochs as printed and for twenty, and the number of epochs that it
needs is set beside theory: on inputs of variance one, a step of lr leaves 1 − lr of the error.
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

TITLE = "Initialization"
SOURCE = "d2l §3.4.6, exercise 1"
METRICS = {
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "val/loss": "validation loss, ½·mean squared error",
}
HEADLINE = "parameter_error"
ENOUGH = 0.1  # a parameter error that counts as trained

STARTS = {  # the variants' names, for figures
    "zero": "zero",
    "sigma=0.01": "σ = 0.01",
    "variance=1000": "σ = √1000",
    "sigma=1000": "σ = 1000",
}


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD; the parameter error is written down after every epoch."""
    from groundwork.models.linear import final_parameters, train_linear

    def errors(model, _):
        return {"parameter_error": lambda *_: final_parameters(block, model.w, model.b)["parameter_error"]}

    return train_linear(block, errors)


def epochs_needed(runs: VariantRuns) -> np.ndarray:
    """Epochs until the parameter error falls below `ENOUGH`, (R,), read between epochs on the log scale; inf: never."""
    import numpy as np

    epochs, errors = runs.curve("parameter_error")
    errors = np.log(errors / ENOUGH)
    after = (errors < 0).argmax(axis=0)  # 0 where it never is, for no start is that near
    replicates = np.arange(errors.shape[1])
    above, below = errors[after - 1, replicates], errors[after, replicates]
    return np.where(after > 0, epochs[after - 1] + above / (above - below), np.inf)


def epochs_predicted(runs: VariantRuns, rows: int) -> np.ndarray:
    """The same from the error at the start alone, if every step leaves 1 − lr of it: (R,)."""
    import numpy as np

    settings = runs.variant.settings
    start = runs.curve("parameter_error")[1][0]
    return np.log(start / ENOUGH) / -np.log(1 - settings.lr) / np.ceil(rows / settings.batch_size)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by step, parameter error by epoch beside theory, and the epochs that each start needs."""
    import numpy as np

    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import canvas, colour

    long = {index: results[f"{name} epochs=20"] for index, name in enumerate(STARTS)}
    labels = list(STARTS.values())
    loss, (ax,) = canvas()
    for index, runs in long.items():
        curve_with_band(ax, *runs.curve("train/loss"), labels[index], index, "--" if index == 1 else "-")
    ax.axvline(3, color="black", linewidth=0.8, linestyle=":")
    ax.annotate(" 3 epochs", (3, 0.98), xycoords=("data", "axes fraction"), va="top")
    ax.set(xlabel="epoch", ylabel="training loss of a minibatch", yscale="log", xlim=(0, 20), xticks=range(0, 21, 4))
    ax.legend(loc="upper right")

    error, (ax,) = canvas()
    for index, runs in long.items():
        epochs, values = runs.curve("parameter_error")
        curve_with_band(ax, epochs, values, labels[index], index, "--" if index == 1 else "-")
        steps = epochs * np.ceil(results.data.train / runs.variant.settings.batch_size)
        theory = np.median(values[0]) * (1 - runs.variant.settings.lr) ** steps
        ax.plot(
            epochs,
            theory,
            ":",
            color="black",
            linewidth=1.2,
            label=None if index < len(long) - 1 else "1 − lr of it a step",
        )
    ax.axhline(ENOUGH, color="black", linewidth=0.8)
    ax.annotate(f"{ENOUGH}", (0.3, ENOUGH), xycoords=("data", "data"), va="bottom")
    ax.set(xlabel="epoch", ylabel="parameter error, ‖(w, b) − truth‖", yscale="log", xlim=(0, 20), ylim=(1e-4, 1e4))
    ax.set(xticks=range(0, 21, 4))
    ax.legend(loc="upper right")

    needed, (ax,) = canvas(height=3.0)
    strip(
        ax,
        [(labels[index], epochs_needed(runs)) for index, runs in long.items()],
        f"epochs until the parameter error is below {ENOUGH}",
    )
    for index, runs in long.items():
        predicted = epochs_predicted(runs, results.data.train).mean()
        ax.plot(predicted, index + 0.45, "^", color=colour(index), markersize=7)
    ax.axvline(3, color="black", linewidth=0.8, linestyle=":")
    ax.annotate(" 3 epochs", (3, 0.04), xycoords=("data", "axes fraction"))
    ax.set_ylim(len(STARTS) - 0.35, -0.6)
    return {
        "loss.svg": (
            loss,
            "Training loss, log scale: median and middle 90 % of the replicates. Zero and the usual start are one "
            "curve.",
        ),
        "error.svg": (
            error,
            "Parameter error: median and middle 90 %. Dotted: every step leaves 1 − lr of it. "
            "Line: what counts as trained.",
        ),
        "epochs.svg": (
            needed,
            f"Epochs until the parameter error is below {ENOUGH}: a dot a replicate, a bar at the mean. "
            "Triangles: predicted from the start.",
        ),
    }


def claims() -> list[Claim]:
    """What the exercise asks, and what theory says about it."""
    import numpy as np

    from groundwork.judging.claims import Claim, always, within

    def error(results: Results, variant: str):
        return results[variant]["parameter_error"]

    def apart(results: Results, epochs: int):
        zero, usual = (results[f"{start} epochs={epochs}"] for start in ("zero", "sigma=0.01"))
        return np.max([np.abs(zero[name] - usual[name]) for name in ("w1", "w2", "b")], axis=0)

    def late(results: Results, start: str):
        runs = results[f"{start} epochs=20"]
        return epochs_needed(runs) - epochs_predicted(runs, results.data.train)

    return [
        Claim(
            "From zero weights training still works: twenty epochs come within 0.01 of the truth in every replicate.",
            SOURCE,
            lambda r: always(error(r, "zero epochs=20") < 0.01),
        ),
        Claim(
            "Zero and σ = 0.01 are the same start: after three epochs no parameter differs by more than 0.01.",
            "ours",
            lambda r: always(apart(r, 3) < 0.01),
        ),
        Claim(
            "At variance 1000 three epochs are not enough (parameter error above 0.1 in every replicate).",
            SOURCE,
            lambda r: always(error(r, "variance=1000 epochs=3") > ENOUGH),
        ),
        Claim(
            "At σ = 1000, as the source set it, they leave a parameter error of more than 1 in every replicate.",
            SOURCE,
            lambda r: always(error(r, "sigma=1000 epochs=3") > 1),
        ),
        Claim(
            "Three epochs are not enough for the usual start either: σ = 0.01 is left with an error of more than 0.1.",
            "ours",
            lambda r: always(error(r, "sigma=0.01 epochs=3") > ENOUGH),
        ),
        Claim(
            f"Twelve epochs are enough for σ = 1000 in every replicate (parameter error below {ENOUGH}).",
            "ours",
            lambda r: always(epochs_needed(r["sigma=1000 epochs=20"]) <= 12),
        ),
        Claim(
            "The epochs that σ = 1000 needs are those that a factor of 1 − lr a step predicts (mean within ±0.5).",
            "ours",
            lambda r: within(late(r, "sigma=1000"), 0.5),
        ),
        Claim(
            "Given time the start is forgotten: after twenty epochs σ = 1000 is as near as σ = 0.01 (within ±0.0001).",
            "ours",
            lambda r: within(error(r, "sigma=1000 epochs=20") - error(r, "sigma=0.01 epochs=20"), 1e-4),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source prints curves only."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.reporting.words import fixed, mean_sd, number

    short = {name: results[f"{name} epochs=3"]["parameter_error"] for name in STARTS}
    long = {name: results[f"{name} epochs=20"] for name in STARTS}
    needed = {name: epochs_needed(runs) for name, runs in long.items()}
    settings = long["sigma=1000"].variant.settings
    left = (1 - settings.lr) ** np.ceil(results.data.train / settings.batch_size)
    return f"""
    Yes. A linear model has no hidden units that a random start must tell apart, and its loss has one valley: from zero
    it goes the way of σ = 0.01 and ends at the same parameter error, {mean_sd(long["zero"]["parameter_error"], 5)}
    after twenty epochs, as does every other start. What a far start costs is time. At variance 1000 (σ = √1000) three
    epochs leave an error of {mean_sd(short["variance=1000"], 1)}, at the source's σ = 1000 one of
    {mean_sd(short["sigma=1000"], 0)}, and even the usual start is only at {mean_sd(short["sigma=0.01"], 2)} by then.

    How many epochs are enough follows from the step: on inputs of variance one lr = {number(settings.lr)} leaves
    1 − lr of the error, an epoch {fixed(left, 2)}, so ten times the distance costs
    {fixed(-np.log(10) / np.log(left), 1)} epochs more. To come below {ENOUGH}, σ = 0.01 needs
    {mean_sd(needed["sigma=0.01"], 1)} epochs, σ = √1000 {mean_sd(needed["variance=1000"], 1)} and σ = 1000
    {mean_sd(needed["sigma=1000"], 1)} (predicted:
    {mean_sd(epochs_predicted(long["sigma=1000"], results.data.train), 1)}); {np.ceil(needed["sigma=1000"].max()):.0f}
    are enough for all its replicates.
    """
