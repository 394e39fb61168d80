"""What does each step up, from pixel similarity to ResNet18, buy, and what does it cost?

Every model of 3s and 7s side by side, as its own study trained it, rebuilt from its weights and judged on the same
validation images: what it gets wrong and how sure it was, its parameters and multiply-adds, and the images that all of
them get wrong. A model gets an image wrong if most of its replicates do. Time is left out, for it varies: `make bench`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    import numpy as np
    from matplotlib.figure import Figure

    from groundwork.common.settings import RungSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "The ladder of 3s and 7s"
SOURCE = "fastbook ch. 4, “Going deeper”"
METRICS = {
    "accuracy": "accuracy, all validation images",
    "errors": "validation images told wrong",
    "shared_errors": "of these, images that every model gets wrong",
    "worst_certainty": "how likely it found the worst of its answers",
}
HEADLINE = "accuracy"
WORST = 8  # mistakes to show of each model
HARDEST = 24  # images to show that most models get wrong
DIGITS = ("7", "3")  # by label


def train(block: Block[RungSettings]) -> Iterator[Trained]:
    """Nothing is trained here: what the stage `evaluate` found is counted."""
    import numpy as np

    from groundwork.models.rung import hardest, missed, truth, wrong
    from groundwork.runs import Trained

    data, labels = block.data, block.data["labels"]
    rungs = [wrong(data[key], labels) for key in data if key.endswith("/predicted")]
    missed_by, hard = missed(rungs), hardest(rungs, HARDEST)
    R = len(block.replicates)
    for variant in block.variants:
        rung = f"{variant.settings.study}/{variant.settings.run}"
        mistaken = wrong(block.slice(f"{rung}/predicted").numpy(), labels)
        likely = truth(block.slice(f"{rung}/probability").numpy(), labels)
        worst = likely.argsort(axis=1, kind="stable")[:, :WORST]
        parameters, multiply_adds = data[f"{rung}/cost"]
        yield Trained(
            metrics={
                "accuracy": 1 - mistaken.mean(1),
                "errors": mistaken.sum(1),
                "shared_errors": (mistaken & (missed_by == len(rungs))).sum(1),
                "worst_certainty": 1 - likely.min(1),
                "parameters": np.repeat(parameters, R),
                "multiply_adds": np.repeat(multiply_adds, R),
            },
            history={},
            weights={
                "wrong": mistaken,
                "missed_by": np.tile(missed_by.astype(np.uint8), (R, 1)),
                "worst_images": data["images"][worst],
                "worst_labels": labels[worst],
                "worst_probabilities": np.take_along_axis(likely, worst, 1),
                "hardest_missed_by": np.tile(missed_by[hard], (R, 1)),
                "hardest_images": np.tile(data["images"][hard], (R, 1, 1, 1)),
                "hardest_labels": np.tile(labels[hard], (R, 1)),
                "hardest_index": np.tile(data["index"][hard], (R, 1)),
            },
        )


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Errors beside costs, the worst mistakes of each model, the images that most of them get wrong."""
    from groundwork.reporting.plots import ladder, mistakes, worst

    runs = list(results)
    rungs = ladder(
        [(r.variant.name, 1 - r["accuracy"], int(r["parameters"][0]), int(r["multiply_adds"][0])) for r in runs]
    )
    return {
        "ladder.svg": (
            rungs,
            "From the bottom of the ladder to its top: a dot a replicate, a bar at the mean. All three scales are "
            "logarithmic.",
        ),
        "worst.png": (
            mistakes([worst(r) for r in runs]),
            "The worst mistakes of each model's first replicate, and how likely it found its wrong answer. Pixel "
            "similarity's numbers are the softmax of two distances, which differ little.",
        ),
        "hardest.png": (
            mistakes(_hardest(results)),
            "The images that most models get wrong, with what they are and their place in MNIST's test set.",
        ),
    }


def _hardest(results: Results) -> list[tuple[str, np.ndarray, list[str]]]:
    """Rows of `mistakes`: the images that all models get wrong, then all but one, …"""
    weights = next(iter(results)).weights
    images, labels, index, by = (weights[f"hardest_{key}"][0] for key in ("images", "labels", "index", "missed_by"))
    rows = []
    for count in sorted({*by} - {0}, reverse=True):
        places = (by == count).nonzero()[0]
        for start in range(0, len(places), WORST):
            some = places[start : start + WORST]
            name = f"wrong for {count} of {len(results.variants)}" if start == 0 else ""
            rows.append((name, images[some], [f"{DIGITS[labels[i]]}, no. {index[i]}" for i in some]))
    return rows or [("none", images[:0], [])]


def _beyond(results: Results, upper: str, lower: str, metric: str = "accuracy") -> np.ndarray:
    """How far one model's metric lies above another's, a value a pair of replicates, as many as both have.

    A single replicate is exact, for it stands for a model without random numbers: it meets all of the other's.
    """
    a, b = results[upper][metric], results[lower][metric]
    return a - b if min(len(a), len(b)) == 1 else a[: len(b)] - b[: len(a)]


def claims() -> list[Claim]:
    """What the book says of its models, and what they say side by side."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always

    def fall(results: Results) -> np.ndarray:
        """The power of the multiply-adds that the errors fall with, from the linear model to ResNet18: (R,)."""
        low, high = results["linear"], results["ResNet18"]
        fewer = low["errors"].mean() / high["errors"].clip(min=1)  # or a perfect model would fall without end
        return np.log(fewer) / np.log(high["multiply_adds"] / low["multiply_adds"][0])

    def common(results: Results) -> np.ndarray:
        """The share of the net's errors that most replicates of the linear model make too: (R,)."""
        wrong, linear = results["net"].weights["wrong"], results["linear"].weights["wrong"].mean(0) > 0.5
        return (wrong & linear).sum(1) / wrong.sum(1).clip(min=1)

    return [
        Claim(
            "Pixel similarity tells more images right by RMSE than by L1.",
            "ours",
            lambda r: above(_beyond(r, "pixel similarity RMSE", "pixel similarity L1")),
        ),
        Claim(
            "The linear model tells more images right than pixel similarity by RMSE.",
            SOURCE,
            lambda r: above(_beyond(r, "linear", "pixel similarity RMSE")),
        ),
        Claim(
            "The net tells more images right than the linear model, as printed (difference of one replicate each).",
            SOURCE,
            lambda r: above(_beyond(r, "net as printed", "linear as printed")),
        ),
        Claim(
            "The net tells more images right than the linear model, both shuffled (difference of one replicate each).",
            "ours",
            lambda r: above(_beyond(r, "net", "linear")),
        ),
        Claim(
            "Every replicate of ResNet18 tells more images right than the best of the net.",
            SOURCE,
            lambda r: always(r["ResNet18"]["accuracy"] > r["net"]["accuracy"].max()),
        ),
        Claim(
            "The linear model makes under half the errors of pixel similarity by L1, with half its multiply-adds.",
            "ours",
            lambda r: always(
                (2 * r["linear"]["errors"] < r["pixel similarity L1"]["errors"])
                & (2 * r["linear"]["multiply_adds"] <= r["pixel similarity L1"]["multiply_adds"])
            ),
        ),
        Claim(
            "ResNet18 makes under a tenth of the errors of pixel similarity by L1 (difference from a tenth).",
            "ours",
            lambda r: above(r["pixel similarity L1"]["errors"] / 10 - r["ResNet18"]["errors"]),
        ),
        Claim(
            "Cost grows faster than errors fall: from the linear model to ResNet18 they fall with less than the fourth "
            "root of the multiply-adds (¼ − the power).",
            "ours",
            lambda r: above(0.25 - fall(r)),
        ),
        Claim(
            "Over nine tenths of the net's errors are errors of the linear model too (share of the errors).",
            "ours",
            lambda r: above(common(r), 0.9),
        ),
        Claim(
            "Some images are wrong for all: every replicate of ResNet18 errs on one that every model gets wrong.",
            "ours",
            lambda r: always(r["ResNet18"]["shared_errors"] > 0),
        ),
        Claim(
            "Every replicate of the linear model and of the net finds a wrong answer over 99.9 % likely.",
            "ours",
            lambda r: always(np.concatenate([r[name]["worst_certainty"] for name in ("linear", "net")]) > 0.999),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The accuracies that the book prints are judged in the studies of the models."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.judging.claims import mean_interval
    from groundwork.reporting.words import fixed, percent

    def errors(name: str) -> str:
        return fixed(results[name]["errors"].mean(), 1).removesuffix(".0")

    def times(upper: str, lower: str, decimals: int = 0) -> str:
        ratio = results[upper]["multiply_adds"][0] / results[lower]["multiply_adds"][0]
        return f"{ratio:,.{decimals}f}"

    def step(upper: str, lower: str) -> str:
        _, low, high = mean_interval(_beyond(results, upper, lower))
        return "fewer errors" if low > 0 else "more errors" if high < 0 else "about as many errors"

    linear, net = (results[name].weights["wrong"].mean(0) > 0.5 for name in ("linear", "net"))
    resnet, missed_by = results["ResNet18"], results["ResNet18"].weights["missed_by"][0]
    surest = min(results[name]["worst_certainty"].min() for name in ("linear", "net"))
    all_wrong, some_wrong = (missed_by == len(results.variants)).sum(), (missed_by > 0).sum()
    return f"""
    Of {len(missed_by):,} images pixel similarity gets {errors("pixel similarity L1")} wrong by L1 and
    {errors("pixel similarity RMSE")} by RMSE, the linear model {errors("linear")}, the net {errors("net")}, ResNet18
    {errors("ResNet18")} (means over the replicates), which leaves it {percent(resnet["accuracy"].mean(), 2)} right.

    To learn the weights of the pixels instead of averaging images takes {times("linear", "pixel similarity RMSE", 1)}
    times the multiply-adds of pixel similarity, with {step("linear", "pixel similarity RMSE")}. The net takes
    {times("net", "linear")} times the multiply-adds of the linear model, with
    {step("net as printed", "linear as printed")} as the book trains both, and with {step("net", "linear")} once
    both are shuffled: {(linear & net).sum()} of the {net.sum()} images that it gets wrong are among the
    linear model's {linear.sum()}. ResNet18 takes {times("ResNet18", "net")} times the multiply-adds of the net, with
    {step("ResNet18", "net")}.

    {some_wrong} images are too hard for at least one of the models, {all_wrong} for all of them. At its worst mistake
    every replicate of the linear model and of the net is at least {percent(surest, 3)} sure, every one of ResNet18 at
    least {percent(resnet["worst_certainty"].min())}.
    """
