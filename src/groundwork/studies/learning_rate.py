"""What does the learning rate do to linear regression?

The source trains for three epochs with lr = 0.003, 0.03, 0.3 and 3 and prints the parameters that come out. Here each
rate is trained for many replicates, with data, start and batches of their own, for three epochs and for twenty.
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

TITLE = "Learning rate"
SOURCE = "d2l §3.4.6, exercise 6"
METRICS = {
    "w1": "w₁",
    "w2": "w₂",
    "b": "b",
    "parameter_error": "parameter error, ‖(w, b) − truth‖",
    "val/loss": "validation loss, ½·mean squared error",
}
HEADLINE = "parameter_error"


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression with minibatch SGD, one variant after another on the same draws."""
    from groundwork.models.linear import train_linear

    return train_linear(block)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by step, and how far the parameters end from the truth."""
    from groundwork.reporting.plots import errors_by_rate, losses_by_rate

    loss, error = losses_by_rate(list(results)), errors_by_rate(list(results))
    return {
        "loss.svg": (
            loss,
            "Training loss: median and middle 90 % of the replicates. A curve ends where it leaves the numbers.",
        ),
        "error.svg": (error, "How far from the truth each replicate ends: a dot a replicate, a bar at the mean."),
    }


def claims() -> list[Claim]:
    """What the exercise suggests, and what follows from it."""
    from groundwork.judging.claims import Claim, above, always, sometimes

    def error(results: Results, lr: str, epochs: int):
        return results[f"lr={lr} epochs={epochs}"]["parameter_error"]

    return [
        Claim(
            "lr = 3 diverges in every replicate, within three epochs.",
            SOURCE,
            lambda r: always(r["lr=3 epochs=3"].diverged),
        ),
        Claim(
            "Three epochs of lr = 0.3 come within 0.01 of the true parameters in every replicate.",
            SOURCE,
            lambda r: always(error(r, "0.3", 3) < 0.01),
        ),
        Claim(
            "In three epochs lr = 0.003 stays further from the truth than lr = 0.03, and that further than lr = 0.3.",
            SOURCE,
            lambda r: always((error(r, "0.003", 3) > error(r, "0.03", 3)) & (error(r, "0.03", 3) > error(r, "0.3", 3))),
        ),
        Claim(
            "Patience replaces the step: in twenty epochs lr = 0.03 comes closer than lr = 0.3 (difference of errors).",
            "ours",
            lambda r: above(error(r, "0.3", 20) - error(r, "0.03", 20)),
        ),
        Claim(
            "With lr = 0.3, twenty epochs come closer to the truth than three (difference of errors).",
            "ours",
            lambda r: above(error(r, "0.3", 3) - error(r, "0.3", 20)),
        ),
        Claim(
            "Twenty epochs of lr = 0.003 are still not enough for an error of 0.1 in some replicate.",
            "ours",
            lambda r: sometimes(error(r, "0.003", 20) > 0.1),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The twelve parameters that the source prints after three epochs."""
    from groundwork.judging.printed import PrintedValue

    return [
        PrintedValue("6-learning-rate", quantity, f"lr={lr} epochs=3", f"lr={lr} epochs=3", quantity)
        for lr in ("0.003", "0.03", "0.3", "3")
        for quantity in ("w1", "w2", "b")
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import mean_sd, number

    short, patient = results["lr=0.3 epochs=3"], results["lr=0.03 epochs=20"]
    slow, fast = results["lr=0.003 epochs=3"], results["lr=3 epochs=3"]
    truth = ", ".join(number(value) for value in [*results.data.w, results.data.b])
    return f"""
    Too small a rate is slow, too large a one diverges, and between the two it sets the price of a step. After three
    epochs lr = 0.003 has only come to w₁ = {mean_sd(slow["w1"], 3)}, while lr = 0.3 has found the truth ({truth}): w₁ =
    {mean_sd(short["w1"], 4)}, w₂ = {mean_sd(short["w2"], 4)}, b = {mean_sd(short["b"], 4)}. lr = 3 diverges in
    {fast.diverged.sum()} of {len(fast.diverged)} replicates. A small rate with patience ends closest: lr = 0.03 is at
    an error of {number(patient["parameter_error"].mean(), 2)} after twenty epochs, where lr = 0.3 keeps jumping about
    the truth at {number(results["lr=0.3 epochs=20"]["parameter_error"].mean(), 2)}, no nearer than after three.
    """
