"""How does the error of the parameters fall with the number of rows?

The source trains on n = 5·2⁰, …, 5·2¹¹ rows for three epochs each, so more rows also mean more steps: 3 for n = 5, and
960 for n = 10240. Here that stands beside 960 steps whatever n is, and beside the closed form of least squares.
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

TITLE = "Amount of data"
SOURCE = "d2l §3.5.6, exercise 5"
METRICS = {
    "w_error": "error of w, ‖w − truth‖",
    "b_error": "error of b, |b − truth|",
    "least_squares_w_error": "error of w by least squares",
    "least_squares_b_error": "error of b by least squares",
    "val/loss": "validation loss, mean squared error",
}
HEADLINE = "w_error"

VALID = 200  # rows to validate on: with more, validating would cost more than training
POINTS = 60  # of each history that are kept, at even ratios: no curve on a logarithmic axis shows more


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Linear regression on the first n rows, and the closed form on the same rows; thinned histories."""
    from dataclasses import replace

    import numpy as np
    import torch

    from groundwork.engine.training import fit, kept, length
    from groundwork.models.linear import final_parameters, make_model, rows

    def errors(w: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of w (R, d, 1) and b (R, 1, 1): both (R,)."""
        truth = torch.tensor(block.made.weights)
        return length(w.squeeze(-1) - truth), (b.detach().flatten() - block.made.b).abs()

    def least_squares(X: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """w and b that fit the rows best, by the normal equations."""
        X = np.concatenate([X, np.ones((*X.shape[:-1], 1))], axis=-1).astype(float)
        found = torch.from_numpy(np.linalg.solve(X.mT @ X, X.mT @ y.astype(float)))
        return found[:, :-1], found[:, -1:]

    everything, valid = rows(block, "train"), rows(block, "valid").first(VALID)
    for variant in block.variants:
        settings = variant.settings
        some = everything.first(settings.rows or len(everything))
        one = len(some) <= settings.batch_size  # minibatch, whose order is nothing to draw for each epoch anew
        orders = block.orders(len(some), 1 if one else settings.epochs).expand(settings.epochs, -1, -1)
        model = make_model(block, settings, some.X.shape[-1])
        trained = kept(fit(model, settings, some, valid, orders), {}, {"w": model.w, "b": model.b})
        found = dict(zip(("w_error", "b_error"), errors(model.w, model.b), strict=True))
        exact = errors(*least_squares(some.X.numpy(), some.y.numpy()))
        found |= dict(zip(("least_squares_w_error", "least_squares_b_error"), exact, strict=True))
        history = {}
        for name, (steps, epochs, values) in trained.history.items():
            points = np.unique(np.geomspace(1, len(steps), POINTS).round().astype(int)) - 1
            history[name] = (steps[points], epochs[points], values[points])
        metrics = final_parameters(block, model.w, model.b) | found
        numbers = {name: value.detach().numpy() for name, value in metrics.items()}
        yield replace(trained, metrics=numbers | trained.metrics, history=history)


def by_rows(results: Results, kind: str) -> dict[int, VariantRuns]:
    """The variants with three epochs ("epochs") or 960 steps ("steps") by their number of rows."""
    from groundwork.runs import MissingVariant

    found = {name: runs for name, runs in results.variants.items() if name.startswith(f"{kind} n=")}
    if not found:
        raise MissingVariant(f"params.yaml has no variant '{kind} n=…' of {results.study}")
    return {runs.variant.settings.rows: runs for runs in found.values()}


def slope(results: Results, kind: str, metric: str, first: int, last: int) -> np.ndarray:
    """d log error / d log n from `first` to `last` rows, (R,): −½ where the error falls as 1/√n."""
    import numpy as np

    from groundwork.runs import MissingVariant

    found = {n: runs[metric] for n, runs in by_rows(results, kind).items() if first <= n <= last}
    if len(found) < 2:
        raise MissingVariant(f"params.yaml has no two variants '{kind} n=…' with {first} to {last} rows")
    return np.polyfit(np.log(list(found)), np.log(np.stack(list(found.values()))), 1)[0]


def memory(runs: VariantRuns) -> float:
    """How many rows a training that never ends remembers: B·(2 − η)/η, with η = 2·lr.

    A step leaves the share 1 − η of the error and adds η times the noise of a minibatch's mean, σ/√B. The variance
    settles where v = (1 − η)²v + η²σ²/B, at σ²/(B·(2 − η)/η): that of a mean of so many rows.
    """
    settings = runs.variant.settings
    return settings.batch_size * (2 - 2 * settings.lr) / (2 * settings.lr)


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss by step for some numbers of rows, and the errors against the number of rows."""
    import math

    import numpy as np
    from scipy import stats

    from groundwork.reporting.plots import curve_with_band, sweep
    from groundwork.reporting.style import GREY, canvas, colour

    printed, fixed = by_rows(results, "epochs"), by_rows(results, "steps")
    loss, (ax,) = canvas()
    for index, n in enumerate([*sorted(fixed)[:-1:3], max(fixed)]):
        steps_per_epoch = math.ceil(n / fixed[n].variant.settings.batch_size)
        epochs, values = fixed[n].curve("train/loss")
        curve_with_band(ax, epochs * steps_per_epoch, values, f"n = {n}", index)
        if n in printed:
            epochs, values = printed[n].curve("train/loss")
            end = epochs[-1] * steps_per_epoch, np.median(values[-1])
            ax.plot(*end, "o", color=colour(index), markeredgecolor="black", markersize=8, zorder=3)
    ax.axhline(results.data.noise**2, color=GREY, linewidth=1.2, linestyle="-.", label="σ²")
    ax.set(xlabel="step", ylabel="training loss of a minibatch", xscale="log", yscale="log", ylim=(1e-6, 1e3))
    ax.legend(loc="upper right")

    error, axes = canvas(columns=2, height=4.8)
    counts = np.array(sorted(fixed))
    one = fixed[max(fixed)]
    settings = one.variant.settings
    steps = printed[max(printed)].variant.settings.epochs * np.ceil(counts / settings.batch_size)
    for ax, (name, truth) in zip(axes, {"w": results.data.weights, "b": [results.data.b]}.items(), strict=True):
        sweep(ax, list(printed), [runs[f"{name}_error"] for runs in printed.values()], "three epochs, as printed", 0)
        sweep(ax, list(fixed), [runs[f"{name}_error"] for runs in fixed.values()], "960 steps", 1)
        exact = np.median([runs[f"least_squares_{name}_error"] for runs in fixed.values()], axis=1)
        ax.plot(list(fixed), exact, "s", color=colour(2), markersize=4, label="least squares, closed form")
        middle = stats.chi(len(truth)).median()  # of the length of so many standard normal numbers
        ax.plot(counts, middle * results.data.noise / counts**0.5, "--", color="black", linewidth=1.2, label="σ/√n")
        way = math.hypot(*truth) * (1 - 2 * settings.lr) ** steps
        ax.plot(
            counts[way > 1e-5], way[way > 1e-5], ":", color="black", label="(1 − 2·lr)^steps of the error at the start"
        )
        floor = middle * results.data.noise / memory(one) ** 0.5
        label = f"σ/√{memory(one):.0f}, as many rows as the steps remember"
        ax.axhline(floor, color=GREY, linewidth=1.2, linestyle="-.", label=label)
        ax.set(xlabel="training rows, n", ylabel=f"error of {name}", xscale="log", yscale="log", ylim=(1e-5, 1e1))
    error.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return {
        "loss.svg": (
            loss,
            "Training loss over 960 steps: median and middle 90 % of the replicates. Dots: where three epochs end.",
        ),
        "error.svg": (error, "Errors: median and middle 90 % of the replicates. Thin lines: what is predicted."),
    }


def claims() -> list[Claim]:
    """What the exercise lets one expect, and what the two ways to train come to."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def error(results: Results, variant: str):
        return results[variant]["w_error"]

    def surplus(results: Results):
        runs = results["steps n=10240"]
        predicted = (len(results.data.weights) + 1) * results.data.noise**2 / memory(runs)
        return runs["parameter_error"] ** 2 / predicted - 1

    return [
        Claim(
            "With three epochs as printed, 10240 rows end nearer to the true w than 5 rows do, in every replicate.",
            SOURCE,
            lambda r: always(error(r, "epochs n=10240") < error(r, "epochs n=5")),
        ),
        Claim(
            "With three epochs as printed, the error of w falls as 1/√n (slope of the logarithms + ½, within ±0.1).",
            "ours",
            lambda r: within(slope(r, "epochs", "w_error", 5, 10240) + 0.5, 0.1),
        ),
        Claim(
            "What they show is the number of steps: as many steps as 10240 rows get leave 640 rows ten times nearer.",
            "ours",
            lambda r: always(error(r, "steps n=640") < 0.1 * error(r, "epochs n=640")),
        ),
        Claim(
            "Least squares falls as 1/√n from 20 to 10240 rows (slope of the logarithms + ½, within ±0.05).",
            "ours",
            lambda r: within(slope(r, "steps", "least_squares_w_error", 20, 10240) + 0.5, 0.05),
        ),
        Claim(
            "960 steps fall as 1/√n, too, from 20 to 320 rows (slope of the logarithms + ½, within ±0.1).",
            "ours",
            lambda r: within(slope(r, "steps", "w_error", 20, 320) + 0.5, 0.1),
        ),
        Claim(
            "Then they stop: of the error at 1280 rows more than two thirds is left at 10240, where 1/√n leaves a "
            "third (what is left − 2/3 of it).",
            "ours",
            lambda r: above(error(r, "steps n=10240") - 2 / 3 * error(r, "steps n=1280")),
        ),
        Claim(
            "With 10240 rows the steps remember B·(2 − η)/η of them, η = 2·lr: the mean square of a parameter's error "
            "is σ² by this number (ratio − 1, within ±0.3).",
            "ours",
            lambda r: within(surplus(r), 0.3),
        ),
        Claim(
            "960 steps are enough for five rows: in every replicate the error of w is that of least squares to 0.01.",
            "ours",
            lambda r: always(np.abs(error(r, "steps n=5") - r["steps n=5"]["least_squares_w_error"]) < 0.01),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source draws its errors and prints none."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.reporting.words import fixed, number

    def error(variant: str) -> str:
        return number(np.median(results[variant]["w_error"]), 2)

    def steps(runs: VariantRuns) -> int:
        settings = runs.variant.settings
        return settings.epochs * -(-settings.rows // settings.batch_size)

    def exponent(kind: str, metric: str, last: int) -> str:
        return fixed(slope(results, kind, metric, 20, last).mean(), 2)

    def shrinks(first: int, last: int) -> str:
        before, after = (np.median(results[f"steps n={n}"]["least_squares_w_error"]) for n in (first, last))
        return fixed(before / after, 1)

    few, many = results["steps n=5"], results["steps n=10240"]
    exact, rows = number(np.median(many["least_squares_w_error"]), 2), memory(many)
    shortest, longest = (steps(results[f"epochs n={n}"]) for n in (5, 10240))
    stuck = (np.abs(few["w_error"] - few["least_squares_w_error"]) > 0.01).sum()
    return f"""
    As 1/√n, if the training gets to its end. The source's set-up does not show that: three epochs are {shortest} steps
    for 5 rows and {longest} for 10240, and its error is that of a training that was stopped. Up to 20 rows, all with
    {shortest} steps, it stays at {error("epochs n=20")} (median error of w); then it falls as (1 − 2·lr)^steps does,
    far more steeply than 1/√n, to {error("epochs n=640")} with 640 rows and {error("epochs n=2560")} with 2560, and no
    further with more.

    With {longest} steps for every n, 640 rows come to {error("steps n=640")}. From 20 to 320 rows the error falls as n
    to the power of {exponent("steps", "w_error", 320)}; least squares on the same rows goes on to 10240, with a power
    of {exponent("steps", "least_squares_w_error", 10240)}, down to {exact}. Descent stops gaining at about
    {fixed(rows, 0)} rows, however it is fed: every step forgets a share of what the steps before it found, and what is
    left is worth the last {fixed(rows, 0)} rows ({error("steps n=1280")} with 1280 rows, {error("steps n=10240")} with
    10240). A smaller rate remembers more. Five rows are a case of their own: they lie so unevenly that in {stuck} of
    {len(few["w_error"])} replicates even {longest} steps end more than 0.01 off.

    Rows are doubled, not added, because a row is worth the less the more there are: from 20 to 40 the error of least
    squares shrinks {shrinks(20, 40)} times, for 20 rows, and from 5120 to 10240 {shrinks(5120, 10240)} times, for 5120.
    """
