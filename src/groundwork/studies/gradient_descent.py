"""What does the learning rate do to gradient descent?

The book asks autograd for the gradient of x² at 3 and of Σx² at (3, 4, 10), and draws steps against the gradient that
are too small, too large, and so large that they bounce. Here the descent is done, once from where the book stands and
otherwise from random points. On x² every step multiplies x by 1 − 2·lr, so it is known beforehand what each rate does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from groundwork.common.settings import DescentSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "Gradient descent on a parabola"
SOURCE = "fastbook ch. 4, “Calculating gradients”, “Stepping with a learning rate”"
METRICS = {
    "factor": "what the first step makes of the distance from the minimum, as a factor",
    "distance": "distance from the minimum after the last step",
    "sign_changes": "steps that change the sign of the first coordinate",
    "val/loss": "value of the function after the last step",
}
HEADLINE = "factor"
DRAWN = {  # the variants whose paths are drawn, and what can be said of them
    "too small": "too small",
    "good": "good",
    "bouncing": "so large that it bounces",
    "diverging": "too large: it diverges",
}


def train(block: Block[DescentSettings]) -> Iterator[Trained]:
    """The derivatives at the book's point, then descent from every replicate's own; x² has the first coordinate."""
    import torch

    from groundwork.engine.training import length
    from groundwork.models.descent import check_functions, descend, sum_of_squares
    from groundwork.runs import Trained

    check_functions(block, ("square", "sum_of_squares"))
    starts, R = block.slice("start"), len(block.replicates)
    for variant in block.variants:
        settings = variant.settings
        coordinates = 1 if settings.function == "square" else starts.shape[1]
        point = torch.tensor(block.made.points)[:coordinates].expand(R, -1)
        there = descend(sum_of_squares, point, settings.lr, steps=0)
        found = descend(sum_of_squares, starts[:, :coordinates], settings.lr, settings.steps)
        distances = torch.stack([length(x) for x in found.x])
        metrics = {
            "factor": distances[1] / distances[0],
            "distance": distances[-1],
            "sign_changes": (found.x[1:, :, 0] * found.x[:-1, :, 0] < 0).sum(0),
            "val/loss": found.values[-1],
            "value_at_point": there.values[0],
            "derivative_at_point": there.gradients[0, :, 0],
        }
        numbers = torch.arange(1, coordinates + 1).numpy()
        yield Trained(
            metrics={name: value.numpy() for name, value in metrics.items()},
            history={
                "val/loss": (found.steps, found.steps, found.values.numpy()),
                "distance": (found.steps, found.steps, distances.numpy()),
                "gradient_at_point": (numbers, numbers, there.gradients[0].mT.numpy()),  # by coordinate, not by step
            },
            weights={"x": found.x.transpose(0, 1).numpy(), "gradient": found.gradients.transpose(0, 1).numpy()},
        )


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The paths on the parabola, the distance by step, the gradients against the exact ones."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band
    from groundwork.reporting.style import canvas, colour

    squares = [runs for runs in results if runs.variant.settings.function == "square"]
    index = {runs.variant.name: place for place, runs in enumerate(squares)}
    paths, axes = canvas(columns=2, rows=2, height=6.4)
    for ax, (name, title) in zip(axes, DRAWN.items(), strict=True):
        draw_path(ax, results[name], colour(index[name]), title)

    distance, (left, right) = canvas(columns=2, width=9, height=4.4)
    for runs in squares:
        steps, values = runs.curve("distance")
        label = f"{runs.variant.name}, lr = {plain(runs.variant.settings.lr)}"
        curve_with_band(left, steps[:11], values[:11] / values[0], label, index[runs.variant.name])
        rate, factor = np.full(len(values[0]), runs.variant.settings.lr), runs["factor"]
        right.plot(rate, factor, "o", color=colour(index[runs.variant.name]), label=label, rasterized=True)
    rates = np.linspace(0, 1.05 * max(runs.variant.settings.lr for runs in squares), 400)
    right.plot(rates, np.abs(1 - 2 * rates), color="black", linewidth=1, zorder=1, label="|1 − 2·lr|")
    right.axhline(1, color="black", linewidth=0.8, linestyle=":")
    left.set(xlabel="step", ylabel="distance from the minimum, of the start's", yscale="log", ylim=(1e-3, 1e3))
    right.legend(loc="upper left", fontsize=9)
    right.set(xlabel="learning rate", ylabel="factor of a step")

    gradient, (ax,) = canvas(width=6, height=4.4)
    some = results["sum good"]
    starts, found = (some.weights[name][:, 0].ravel() for name in ("x", "gradient"))
    ends = np.array([starts.min(), starts.max()])
    ax.plot(ends, 2 * ends, color=colour(0), alpha=0.3, linewidth=5, label="2x")
    ax.plot(starts, found, ".", color=colour(0), markersize=3, rasterized=True, label="autograd, at the starts")
    points, there = np.array(results.data.points), some.curve("gradient_at_point")[1][:, 0]
    ax.plot(points, there, "D", color=colour(1), label="autograd, where the book stands")
    for place, (x, slope) in enumerate(zip(points, there, strict=True)):
        offset, side = ((9, -9), "left") if place % 2 else ((-9, 1), "right")  # or neighbours overlap
        text = f"({plain(x)}, {plain(slope)})"
        ax.annotate(text, (x, slope), xytext=offset, textcoords="offset points", ha=side)
    ax.set(xlabel="a coordinate, x", ylabel="derivative by it")
    ax.legend(loc="upper left")
    return {
        "paths.svg": (paths, "From where the book stands, step by step (dots), with four learning rates."),
        "distance.svg": (
            distance,
            "Left: the distance from the minimum by step, all replicates. Right: what one step makes of it, a dot a "
            "replicate; above the dotted line it grows. At zero, lr = ½ has left the logarithm.",
        ),
        "gradient.svg": (
            gradient,
            "Autograd's derivatives of Σx² and the exact ones, at the starts of all replicates.",
        ),
    }


def draw_path(ax: Axes, runs: VariantRuns, colour: str, title: str) -> None:
    """The first replicate's way on the parabola."""
    import numpy as np

    from groundwork.common.settings import plain

    x = runs.weights["x"][0, :, 0]
    side = 1.1 * max(np.abs(x).max(), 1.0)
    grid = np.linspace(-side, side, 200)
    ax.plot(grid, grid**2, color="#bbbbbb", zorder=1)
    ax.plot(x, x**2, "o-", color=colour, markersize=5, linewidth=1.2)
    ax.annotate("start", (x[0], x[0] ** 2), xytext=(8, -10), textcoords="offset points")
    ax.set(xlabel="x", ylabel="x²", ylim=(-0.05 * side**2, side**2))
    ax.set_title(f"lr = {plain(runs.variant.settings.lr)}: {title}", fontsize=11)


def gradients(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """2x and autograd's derivative for every coordinate, step and replicate, as long as float32 can hold it."""
    import numpy as np

    exact = np.concatenate([2 * runs.weights["x"].ravel().astype(float) for runs in results])
    found = np.concatenate([runs.weights["gradient"].ravel() for runs in results])
    finite = np.isfinite(found)
    return exact[finite], found[finite]


def claims() -> list[Claim]:
    """What the book says of learning rates, and what can be said exactly where the function is x²."""
    import numpy as np

    from groundwork.judging.claims import Claim, always

    def at(results: Results, low: float, high: float) -> list[VariantRuns]:
        """The variants whose learning rate lies between two, the ends not included."""
        from groundwork.runs import MissingVariant

        chosen = [runs for runs in results if low < runs.variant.settings.lr < high]
        if not chosen:
            raise MissingVariant(f"params.yaml has no learning rate between {low} and {high}")
        return chosen

    def steps_of(runs: VariantRuns) -> np.ndarray:
        """What each step makes of the distance, (S, R)."""
        distances = runs.curve("distance")[1]
        return distances[1:] / distances[:-1]

    def every(found: list[np.ndarray]) -> np.ndarray:
        return np.all(found, axis=0)

    def exact(runs: VariantRuns) -> np.ndarray:
        x, gradient = runs.weights["x"], runs.weights["gradient"]
        return ((gradient == 2 * x.astype(float)) | ~np.isfinite(gradient)).all((1, 2))

    def closed_form(runs: VariantRuns) -> np.ndarray:
        """Is x after each step (1 − 2·lr)ᵏ times its start, to 1e-5, as long as float32 can hold it?"""
        x, lr = runs.weights["x"].astype(float), runs.variant.settings.lr
        expected = x[:, :1] * (1 - 2 * lr) ** np.arange(x.shape[1])[:, None]
        close = np.abs(x - expected) <= 1e-5 * np.abs(expected)
        return (close | ~(np.abs(expected) < 1e30)).all((1, 2))

    return [
        Claim(
            "The gradient of x² at 3 is 6; Σx² at (3, 4, 10) is 125, its gradient (6, 8, 20): exactly.",
            SOURCE,
            lambda r: always(
                every(
                    [
                        r["good"]["derivative_at_point"] == 6,
                        r["sum good"]["value_at_point"] == 125,
                        *(r["sum good"].curve("gradient_at_point")[1] == np.array([[6], [8], [20]])),
                    ]
                )
            ),
        ),
        Claim(
            "Autograd's derivative is 2x to the last bit at every point of every path.",
            "ours",
            lambda r: always(every([exact(runs) for runs in at(r, 0, np.inf)])),
        ),
        Claim(
            "With too small a rate it takes many steps: at lr = 0.02 ten leave more than half of the way.",
            SOURCE,
            lambda r: always(
                r["too small"].curve("distance")[1][:11][-1] > 0.5 * r["too small"].curve("distance")[1][0]
            ),
        ),
        Claim(
            "With too large a rate the loss gets worse: at lr > 1 the first ten steps all take it further away.",
            SOURCE,
            lambda r: always(every([np.all(steps_of(runs)[:10] > 1, axis=0) for runs in at(r, 1, np.inf)])),
        ),
        Claim(
            "It may bounce and yet arrive: for ½ < lr < 1 every step changes the sign, and every step comes nearer.",
            SOURCE,
            lambda r: always(
                every(
                    [
                        (runs["sign_changes"] == runs.variant.settings.steps) & (steps_of(runs) < 1).all(0)
                        for runs in at(r, 0.5, 1)
                    ]
                )
            ),
        ),
        Claim(
            "For lr < ½ every step comes nearer and none changes the sign.",
            "ours",
            lambda r: always(
                every([(runs["sign_changes"] == 0) & (steps_of(runs) < 1).all(0) for runs in at(r, 0, 0.5)])
            ),
        ),
        Claim(
            "lr = ½, one over the second derivative, is at the minimum after one step, exactly.",
            "ours",
            lambda r: always(r["one step"].curve("distance")[1][1] == 0),
        ),
        Claim(
            "lr = 1 goes to and fro for ever: every step changes the sign, none the distance.",
            "ours",
            lambda r: always(
                (r["to and fro"]["sign_changes"] == r["to and fro"].variant.settings.steps)
                & (steps_of(r["to and fro"]) == 1).all(0)
            ),
        ),
        Claim(
            "All of it follows from one line: after k steps each coordinate is (1 − 2·lr)ᵏ times its start, to 1e-5.",
            "ours",
            lambda r: always(every([closed_form(runs) for runs in at(r, 0, np.inf)])),
        ),
    ]


def printed() -> list[PrintedValue]:
    """A gradient, a value, and the gradient of three coordinates: all exact."""
    from groundwork.judging.printed import PrintedValue

    return [
        PrintedValue("gradient", "grad_x2_at_3", "", "good", "derivative_at_point", exact=True),
        PrintedValue("gradient", "sum_x2_at_3_4_10", "", "sum good", "value_at_point", exact=True),
        PrintedValue("gradient", "grad_sum_x2_at_3_4_10", "", "sum good", "gradient_at_point", exact=True),
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, percent

    def lr(name: str) -> str:
        return plain(results[name].variant.settings.lr)

    def left(name: str) -> str:
        distances = results[name].curve("distance")[1]
        return percent(np.median(distances[-1] / distances[0]), 1)

    exact, found = gradients(results)
    points = ", ".join(plain(x) for x in results.data.points)
    there = ", ".join(plain(x) for x in results["sum good"].curve("gradient_at_point")[1][:, 0])
    diverging, overflow = results["diverging"], results["overflowing"]
    growth = np.median(diverging["distance"]) / np.median(diverging.curve("distance")[1][0])
    last = np.isfinite(overflow.curve("distance")[1]).all(1).sum() - 1
    return f"""
    It decides everything. The gradient itself is no question: autograd's is 2x to the last bit at
    {(exact == found).sum():,} of {len(exact):,} points, and at ({points}) it is ({there}). A step multiplies every
    coordinate by 1 − 2·lr, wherever it starts and however many coordinates there are. At lr = {lr("too small")},
    {results["too small"].variant.settings.steps} steps leave {left("too small")} of the way, at lr = {lr("good")} only
    {left("good")}. At lr = {lr("one step")} the first step ends at the minimum, for it is one over the second
    derivative. Above that every step jumps over the minimum: at lr = {lr("bouncing")} it bounces from side to side and
    still arrives ({left("bouncing")} left), at lr = {lr("to and fro")} it comes back to where it was, and at lr =
    {lr("diverging")} it ends {fixed(growth, 1)} times as far away as it began, in {diverging.diverged.sum()} of
    {len(diverging.diverged)} replicates counted as diverged. At lr = {lr("overflowing")} the numbers last
    {last} steps before float32 overflows; such a run is recorded as diverged ({overflow.diverged.sum()} of
    {len(overflow.diverged)}) and the others go on. With x² all this is known beforehand; of a real loss nobody knows
    the second derivative, and the rate has to be found.
    """
