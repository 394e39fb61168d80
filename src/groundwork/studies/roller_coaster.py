"""Has gradient descent fitted the roller coaster when its loss stops falling?

The book fits a quadratic to twenty noisy speeds by ten steps at a learning rate of 1e-5, at the end of which the loss
hardly changes. Least squares knows what could be reached. The loss is a bowl over the three parameters, whose
curvatures say beforehand what every rate does after every number of steps; here descent is done, the bowl is measured
beside it, and time is also counted in standard deviations from its mean. In double precision, because a long descent
along the flat side of the bowl loses itself in the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    import numpy as np
    from matplotlib.figure import Figure

    from groundwork.common.settings import DescentSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "The roller coaster"
SOURCE = "fastbook ch. 4, “An end-to-end SGD example”"
METRICS = {
    "val/loss": "mean squared error after the last step, on the twenty points themselves",
    "start_loss": "mean squared error of the random start",
    "lowest_loss": "the lowest there is, by least squares",
    "condition": "condition number of the Hessian, its largest eigenvalue over its smallest",
    "steps_needed": "steps until the loss is within 1 % of the lowest, foreseen from the eigenvalues",
    "fewest_steps": "the same at the best learning rate",
}
HEADLINE = "val/loss"
SIDES = ("flat", "middle", "steep")  # of the bowl: its axes by curvature
SEEN = 10  # steps that are all remembered, as the book shows them; then fewer and fewer
FORESEEN = 10**7  # steps that the closed form looks ahead


def train(block: Block[DescentSettings]) -> Iterator[Trained]:
    """Each replicate has its own noise and its own start, the same for all variants."""
    import numpy as np
    import torch

    from groundwork.engine.losses import mse
    from groundwork.models.descent import Bowl, check_functions, descend, quadratic, standardised
    from groundwork.runs import Trained
    from groundwork.streams import normal

    check_functions(block, ("quadratic", "scaled_quadratic"))
    seconds, speed = block.tensor("t").double(), block.slice("speed").double()
    start = block.draw("start", (3,), normal).double()
    for variant in block.variants:
        settings = variant.settings
        t = seconds if settings.function == "quadratic" else standardised(seconds)

        def loss(parameters: torch.Tensor, t: torch.Tensor = t) -> torch.Tensor:
            return mse(quadratic(t, parameters)[..., None], speed[..., None])

        found = descend(loss, start, settings.lr, settings.steps, some_steps(settings.steps))
        bowl = Bowl.of(t, speed)
        heights = bowl.heights(found.x)
        limit = 2 / bowl.curvatures[-1]
        ahead = np.array(some_steps(FORESEEN if settings.lr < limit else settings.steps))
        foreseen = bowl.predict(start, settings.lr, torch.from_numpy(ahead)[:, None])
        metrics = {
            "val/loss": found.values[-1],
            "start_loss": found.values[0],
            "lowest_loss": bowl.lowest,
            "condition": (bowl.curvatures[-1] / bowl.curvatures[0]).expand(len(start)),
            "lr_limit": limit.expand(len(start)),
            "steps_needed": bowl.steps_needed(start, settings.lr),
            "fewest_steps": bowl.fewest_steps(start),
        }
        history = {
            "val/loss": (found.steps, found.steps, found.values.numpy()),
            "foreseen_loss": (ahead, ahead, foreseen.numpy()),
            **{side: (found.steps, found.steps, heights[..., i].numpy()) for i, side in enumerate(SIDES)},
        }
        drawn = {"seconds": seconds[None], "t": t[None], "speed": speed[:1], "path": found.x[: SEEN + 1, 0][None]}
        yield Trained(
            metrics={name: value.numpy() for name, value in metrics.items()},
            history=history,
            weights={
                name: value.contiguous().numpy()
                for name, value in {"parameters": found.x[-1], "bottom": bowl.bottom, **drawn}.items()
            },
        )


def some_steps(last: int) -> list[int]:
    """0, 1, … 10, then about twenty a power of ten, and the last."""
    import numpy as np

    later = np.round(SEEN * 10 ** np.arange(0, np.log10(max(last, SEEN) / SEEN) + 0.05, 0.05)).astype(int)
    return sorted({*range(min(SEEN, last) + 1), *(int(step) for step in later if step < last), last})


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The loss by step, the first fits, and what is left along each axis of the bowl."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band
    from groundwork.reporting.style import GREY, canvas, colour

    printed, patient = results["as printed"], results["patient"]
    larger, scaled = results["larger steps"], results["standardised time"]
    loss, (left, right) = canvas(columns=2, width=10, height=4.4)
    curve_with_band(left, *printed.curve("val/loss"), f"as printed, lr = {plain(printed.variant.settings.lr)}", 0)
    for index, runs in enumerate((patient, larger, scaled)):
        label = f"{runs.variant.name}, lr = {plain(runs.variant.settings.lr)}"
        curve_with_band(right, *runs.curve("val/loss"), label, index)
        steps, values = runs.curve("foreseen_loss")
        later = steps >= runs.variant.settings.steps
        right.plot(steps[later], np.median(values[later], axis=1), ":", color=colour(index))
    for ax in (left, right):
        low, middle, high = np.quantile(printed["lowest_loss"], [0.05, 0.5, 0.95])
        ax.axhspan(low, high, color=GREY, alpha=0.2, linewidth=0)
        ax.axhline(middle, color=GREY, label="least squares")
        ax.set(xlabel="step", ylabel="mean squared error", yscale="log", ylim=(2, 3e5))
        ax.legend(loc="upper right", fontsize=9)
    left.set_title("ten steps: it seems to be there")
    right.set_xscale("symlog", linthresh=1)
    right.set(xlim=(0, FORESEEN), xticks=[0, 1, 10, 1e3, 1e5, 1e7])
    right.set_title("what was still to come")

    fits, axes = canvas(columns=5, width=12, height=3.0)
    seconds, speed, path = (printed.weights[name][0] for name in ("seconds", "speed", "path"))
    fine = np.linspace(seconds[0], seconds[-1], 100)
    for ax, step in zip(axes, (1, 2, 3, 4, SEEN), strict=True):
        ax.plot(fine, np.polyval(printed.weights["bottom"][0], fine), color=GREY, label="least squares")
        ax.plot(seconds, speed, ".", color="black", label="measured")
        if step < len(path):
            ax.plot(fine, np.polyval(path[step], fine), color=colour(0), label="gradient descent")
        ax.set(xlabel="time, s", ylim=(-100, 100))
        ax.set_title(f"step {step}", fontsize=11)
    axes[0].set_ylabel("speed")
    for ax in axes[1:]:
        ax.tick_params(labelleft=False)
    axes[-1].legend(loc="lower center", fontsize=9)

    sides, axes = canvas(columns=2, width=10, height=4.0)
    for ax, runs, title in zip(axes, (patient, scaled), ("time in seconds", "standardised time"), strict=True):
        for index, side in enumerate(SIDES):
            curve_with_band(ax, *runs.curve(side), f"{side} side", index + 3)
        ax.axhline(0.01 * np.median(runs["lowest_loss"]), color="black", linewidth=0.8, linestyle=":")
        ax.set(xlabel="step", ylabel="loss above the lowest", yscale="log", ylim=(1e-4, 1e6), title=title)
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(0, runs.variant.settings.steps)
    axes[0].legend(loc="upper center", ncols=3, fontsize=9)
    return {
        "loss.svg": (
            loss,
            "Median and middle 90 % of the replicates; dotted: foreseen from the eigenvalues. Grey: least squares.",
        ),
        "fits.svg": (fits, "The first replicate's fit after some of the ten steps."),
        "sides.svg": (
            sides,
            "What each axis of the bowl still adds to the loss, step by step: median and middle 90 %. Dotted: 1 % of "
            "the lowest loss.",
        ),
    }


def claims() -> list[Claim]:
    """What the book shows, and what its stopping hides."""
    import numpy as np

    from groundwork.judging.claims import Claim, always, within

    def losses(results: Results, variant: str) -> np.ndarray:
        return results[variant].curve("val/loss")[1]

    def off(results: Results) -> np.ndarray:
        """The largest relative distance of descent from the closed form, over variants and steps, (R,)."""
        found = []
        for runs in results:
            steps, values = runs.curve("val/loss")
            ahead, foreseen = runs.curve("foreseen_loss")
            _, here, there = np.intersect1d(steps, ahead, return_indices=True)
            with np.errstate(invalid="ignore"):
                distance = np.abs(values[here] / foreseen[there] - 1)
            found.append(np.where(np.isfinite(distance), distance, 0).max(0))  # both may have overflowed
        return np.max(found, axis=0)

    def left(results: Results, side: str) -> np.ndarray:
        """What ten steps leave of the height of a side of the bowl, as a share, (R,)."""
        heights = results["as printed"].curve(side)[1]
        return heights[-1] / heights[0]

    return [
        Claim(
            "The loss goes down in each of the ten steps.",
            SOURCE,
            lambda r: always(np.all(np.diff(losses(r, "as printed"), axis=0) < 0, axis=0)),
        ),
        Claim(
            "Then it looks converged: the last step lowers the loss by less than 0.1 %.",
            "ours",
            lambda r: always(losses(r, "as printed")[-1] > 0.999 * losses(r, "as printed")[-2]),
        ),
        Claim(
            "It is not: the loss is over ten times that of least squares, and so it is after ten thousand steps.",
            "ours",
            lambda r: always(r["patient"]["val/loss"] > 10 * r["as printed"]["lowest_loss"]),
        ),
        Claim(
            "Ten steps settle the steep side of the bowl alone: under 1 % of it is left, over 99 % of the flat side.",
            "ours",
            lambda r: always((left(r, "steep") < 0.01) & (left(r, "flat") > 0.99)),
        ),
        Claim(
            "Larger steps are limited by 2/λ_max = 3.54e-5: at 3e-5 no replicate diverges, at 4e-5 all do.",
            "ours",
            lambda r: always(~r["larger steps"].diverged & r["too large steps"].diverged),
        ),
        Claim(
            "Below that limit no learning rate comes within 1 % of least squares in 100,000 steps.",
            "ours",
            lambda r: always(r["as printed"]["fewest_steps"] > 1e5),
        ),
        Claim(
            "In standardised time 30 steps do, for the condition number is below 10 instead of above 200,000.",
            "ours",
            lambda r: always(
                (losses(r, "standardised time")[-1] < 1.01 * r["as printed"]["lowest_loss"])
                & (r["standardised time"]["steps_needed"] <= 30)
                & (r["standardised time"]["condition"] < 10)
                & (r["as printed"]["condition"] > 2e5)
            ),
        ),
        Claim(
            "Standardising changes the way, not the goal: the lowest loss is the same to 1e-6.",
            "ours",
            lambda r: always(np.abs(r["standardised time"]["lowest_loss"] / r["as printed"]["lowest_loss"] - 1) < 1e-6),
        ),
        Claim(
            "Three eigenvalues foretell every loss on the way of every replicate, to 1e-5.",
            "ours",
            lambda r: always(off(r) < 1e-5),
        ),
        Claim(
            "Least squares leaves (n − 3)/n of the noise's variance, 7.65 (mean within ±1).",
            "ours",
            lambda r: within(r["as printed"]["lowest_loss"] - 7.65, 1),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The loss of the random start, and after each of the ten steps."""
    from groundwork.judging.printed import PrintedValue

    return [
        PrintedValue("roller-coaster", "mse", "step 0 (random start)", "as printed", "start_loss"),
        PrintedValue("roller-coaster", "mse_by_step", "steps 1..10 lr=1e-5", "as printed", "val/loss", first_epoch=1),
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, mean_sd, number, percent

    printed, patient = results["as printed"], results["patient"]
    larger, scaled = results["larger steps"], results["standardised time"]
    losses = printed.curve("val/loss")[1]
    last_step = np.median(1 - losses[-1] / losses[-2])
    seems = "it seems to have arrived" if last_step < 0.001 else "it is still on its way"
    settings = printed.variant.settings
    times = printed["val/loss"] / printed["lowest_loss"]
    scaled_losses = scaled.curve("val/loss")[1]
    ten = scaled_losses[min(SEEN, len(scaled_losses) - 1)]
    return f"""
    {"No" if times.min() > 2 else "Not always"}. After {settings.steps} steps at lr = {plain(settings.lr)} the last step
    lowers the loss by {percent(last_step, 4)} (median), so {seems}, at {mean_sd(printed["val/loss"], 0)};
    but least squares reaches {mean_sd(printed["lowest_loss"], 1)}. The loss is a bowl over the three parameters,
    {printed["condition"][0]:,.0f} times as steep along one axis as along another, for t² goes up to
    {number(printed.weights["seconds"][0].max() ** 2)} while the constant stays at 1. The steep axis
    limits the learning rate to {number(printed["lr_limit"][0], 3)}, and at such rates almost nothing happens along the
    flat one: {patient.variant.settings.steps:,} steps at the printed rate end at {mean_sd(patient["val/loss"], 0)}, as
    many at {plain(larger.variant.settings.lr)} at {mean_sd(larger["val/loss"], 0)}. To come within 1 % of least
    squares it would take {printed["steps_needed"].mean().round(-3):,.0f} steps at the printed rate and
    {printed["fewest_steps"].mean().round(-3):,.0f} at the best one (means).

    The cure is not patience but scale. Counted in standard deviations from its mean, time makes a bowl with a condition
    number of {fixed(scaled["condition"][0], 1)}, which bears lr = {plain(scaled.variant.settings.lr)}: ten steps come
    to {mean_sd(ten, 1)}, and {fixed(scaled["steps_needed"].mean(), 0)} on average are within 1 % of the same lowest
    loss.
    """
