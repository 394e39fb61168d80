"""What is a picture to a computer, and what is the ideal 3?

An image of MNIST is 28 × 28 whole numbers, from 0, the paper, to 255, the darkest ink. The book lays the numbers of a
3 out in a table, then stacks all 3s of the training set and takes the mean of each pixel: its ideal 3, and likewise
its ideal 7. Nothing is random here. Greys are counted from 0 to 1; distances are the root of the mean squared
difference of two images.
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

    from groundwork.common.settings import MeanImageSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "Pixels"
SOURCE = "fastbook ch. 4, “Pixels: the foundations of computer vision”"
METRICS = {
    "train": "training images",
    "valid": "validation images",
    "grey": "mean grey of the training images",
    "ink": "share of an image's pixels that are not blank, mean",
    "used": "share of the pixels that are not blank in some training image",
    "told_by_ink": "validation images on the right side of a threshold of grey, midway to the other digit's",
    "mid_images": "share of an image's pixels between a tenth and nine tenths of full ink, mean",
    "mid_mean": "the same share of the mean image",
    "spread": "distance of the training images from their mean, root mean square",
    "nearest": "distance of the nearest training image from the mean",
    "valid_distance": "distance of the mean validation image from the mean training image",
    "chance_distance": "the same if all images were drawn independently",
}
HEADLINE = "grey"
EXAMPLES = 4
COUNTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000)  # of images to take the mean of
SHOWN = (1, 10, 100, 1000)  # of these, as pictures


def train(block: Block[MeanImageSettings]) -> Iterator[Trained]:
    """The mean image of a digit, and what there is to count; "training" is one pass over the training images."""
    import numpy as np
    import torch

    from groundwork.models.digits import labelled, mean_images, rmse
    from groundwork.runs import Trained

    train, valid = labelled(block.data, "train"), labelled(block.data, "valid")
    means = mean_images(train.X, train.y)
    for variant in block.variants:
        label = label_of(variant.settings.digit, block.data["train/labels"])
        own, valid_own = train.y[:, 0] == label, valid.y[:, 0] == label
        X, V, mean = train.X[own], valid.X[valid_own], means[label]
        grey, threshold = X.mean(), (X.mean() + train.X[~own].mean()) / 2
        sd = rmse(X.mT, mean[:, None])
        variance = (sd**2).mean()
        metrics = {
            "train": len(X),
            "valid": len(V),
            "grey": grey,
            "ink": (X > 0).float().mean(),
            "used": (X > 0).any(0).float().mean(),
            "told_by_ink": ((V.mean(1) > threshold) == (grey > threshold)).float().mean(),
            "mid_images": _between(X),
            "mid_mean": _between(mean),
            "spread": np.sqrt(variance.item()),
            "nearest": rmse(X, mean).min(),
            "valid_distance": rmse(V.mean(0)[None], mean),
            "chance_distance": np.sqrt(variance.item() * (1 / len(X) + 1 / len(V))),
            "paper": X.amin(1).max() * 255,
            "faintest": X.amax(1).min() * 255,  # the darkest pixel of the image that has the palest
        }
        counts = [count for count in COUNTS if count < len(X)] + [len(X)]
        weights = {
            "mean": mean,
            "sd": sd,
            "examples": torch.from_numpy(block.data["train/images"])[own][:EXAMPLES],
            "counts": torch.tensor(counts),
            "means_of_first": torch.stack([X[:count].mean(0) for count in counts]),
        }
        yield Trained(
            metrics={name: np.array([float(value)]) for name, value in metrics.items()},
            history={},
            weights={name: value[None].numpy() for name, value in weights.items()},
        )


def label_of(digit: int, labels: np.ndarray) -> int:
    """The label that images of a digit have: where there are only 3s and 7s, 3 → 1 and 7 → 0; else the digit itself."""
    from groundwork.common.errors import UserError

    label = {3: 1, 7: 0}.get(digit) if labels.max() <= 1 else digit
    if label is None or not (labels == label).any():
        raise UserError(f"the dataset of the study pixels has no {digit}: change its `digit` in params.yaml")
    return label


def _between(greys: Tensor) -> Tensor:
    return ((greys > 0.1) & (greys < 0.9)).float().mean()


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The numbers of one 3, examples beside their mean, how a mean comes about, and where images differ."""
    import numpy as np

    from groundwork.reporting.plots import picture
    from groundwork.reporting.style import canvas, colour

    runs = list(results)
    digits = [run.variant.settings.digit for run in runs]
    table, (ax,) = canvas(width=9, height=8.8)
    pixels = runs[0].weights["examples"][0, 1]  # the second, as in the book
    ax.imshow(pixels, cmap="gray_r", vmin=0, vmax=255)
    for (row, column), value in np.ndenumerate(pixels):
        shade = "white" if value > 128 else "black" if value else "#bbbbbb"
        ax.text(column, row, str(value), color=shade, fontsize=8, ha="center", va="center")
    ax.set(xticks=range(0, 28, 3), yticks=range(0, 28, 3), xlabel="column", ylabel="row")
    ax.grid(visible=False)

    examples, axes = canvas(columns=EXAMPLES + 2, rows=len(runs), height=1.6 * len(runs))
    for row, run in enumerate(runs):
        some = [(image, "") for image in run.weights["examples"][0]]
        images = [*some, (run.weights["mean"][0], "mean"), (run.weights["sd"][0], "standard deviation")]
        for ax, (image, title) in zip(axes[row * (EXAMPLES + 2) :], images, strict=False):
            picture(ax, image.reshape(28, 28), title)

    averaging, axes = canvas(columns=len(SHOWN) + 1, rows=len(runs), height=1.9 * len(runs))
    for row, run in enumerate(runs):
        counts = run.weights["counts"][0]
        for ax, count in zip(axes[row * (len(SHOWN) + 1) :], (*SHOWN, counts[-1]), strict=False):
            place = min(np.searchsorted(counts, count), len(counts) - 1)
            picture(ax, run.weights["means_of_first"][0, place].reshape(28, 28), f"mean of {counts[place]}")

    spread, axes = canvas(columns=2, height=3.8)
    for index, (run, digit) in enumerate(zip(runs, digits, strict=True)):
        mean, sd, counts = (run.weights[name][0] for name in ("mean", "sd", "counts"))
        axes[0].plot(mean, sd, ".", markersize=3, color=colour(index), label=f"{digit}s", rasterized=True)
        fewer = counts[:-1]
        axes[1].plot(fewer, distances(run)[:-1], "o-", markersize=4, color=colour(index), label=f"{digit}s")
        independent = run["spread"][0] * np.sqrt(1 / fewer - 1 / counts[-1])
        axes[1].plot(fewer, independent, "--", linewidth=1, color=colour(index))
    grid = np.linspace(0, 1, 201)
    axes[0].plot(grid, np.sqrt(grid * (1 - grid)), "--", color="black", linewidth=1, label="all ink or all paper")
    axes[0].set(xlabel="mean grey of a pixel", ylabel="its standard deviation", ylim=(0, 0.6), title="784 pixels")
    axes[1].plot([], [], "--", color="black", linewidth=1, label="independent images")
    axes[1].set(xlabel="images n", ylabel="distance from the mean of all", xscale="log", yscale="log")
    axes[1].set(title="the mean of the first n")
    axes[0].legend(loc="lower center", markerscale=2)
    axes[1].legend(loc="lower left")
    return {
        "table.png": (table, f"The second training {digits[0]} as the numbers that it is, in cells of their own grey."),
        "examples.png": (
            examples,
            "The first training images of each digit; the mean of all of them; how much each pixel differs.",
        ),
        "averaging.png": (averaging, "How an ideal digit comes about: the mean of ever more training images."),
        "spread.svg": (
            spread,
            "Left: pixels differ most where the mean is mid-grey. Right: how near the mean of the first images comes.",
        ),
    }


def distances(runs: VariantRuns) -> np.ndarray:
    """How far the means of the first `counts` images lie from the mean of all: (counts,)."""
    import numpy as np

    means = runs.weights["means_of_first"][0].astype(float)
    return np.sqrt(((means - runs.weights["mean"][0]) ** 2).mean(1))


def claims() -> list[Claim]:
    """What the book says of its mean images, and what is behind it."""
    import numpy as np

    from groundwork.judging.claims import Claim, always

    mean_digit = "fastbook ch. 4, “First try: pixel similarity”"

    def both(results: Results, test):
        return always(np.array([all(test(results[f"digit={digit}"]) for digit in (3, 7))]))

    def two_values(runs: VariantRuns):
        mean = runs.weights["mean"][0].astype(float)
        return np.corrcoef(np.sqrt(mean * (1 - mean)), runs.weights["sd"][0])[0, 1]

    def first_ten(runs: VariantRuns):
        return distances(runs)[runs.weights["counts"][0] <= 10][-1]  # or of fewer, if there are no more

    return [
        Claim(
            "Paper is 0 and ink goes up to 254 or 255, in every training image.",
            "ours",
            lambda r: both(r, lambda runs: runs["paper"] == 0 and runs["faintest"] >= 254),
        ),
        Claim(
            "The mean image is wispy: at least twice as many of its pixels as of an image's are mid-grey (0.1 … 0.9).",
            mean_digit,
            lambda r: both(r, lambda runs: runs["mid_mean"] > 2 * runs["mid_images"]),
        ),
        Claim(
            "It is grey where the images disagree: a pixel's standard deviation follows √(m·(1 − m)) of its mean m, "
            "with a correlation above 0.99.",
            mean_digit,
            lambda r: both(r, lambda runs: two_values(runs) > 0.99),
        ),
        Claim(
            "No image is the ideal one: the mean of the first ten is nearer to the mean of all than any single image.",
            "ours",
            lambda r: both(r, lambda runs: first_ten(runs) < runs["nearest"]),
        ),
        Claim(
            "The images are not independent: the means of training and validation images lie over 1.5 times as far "
            "apart as chance would put them.",
            "ours",
            lambda r: both(r, lambda runs: runs["valid_distance"] > 1.5 * runs["chance_distance"]),
        ),
        Claim(
            "A 3 takes more ink than a 7, on average.",
            "ours",
            lambda r: always(r["digit=3"]["grey"] > r["digit=7"]["grey"]),
        ),
        Claim(
            "The amount of ink alone tells more than half of either digit, and less than three quarters.",
            "ours",
            lambda r: both(r, lambda runs: 0.5 < runs["told_by_ink"] < 0.75),
        ),
    ]


def printed() -> list[PrintedValue]:
    """How many images each folder holds."""
    from groundwork.judging.printed import PrintedValue

    return [
        PrintedValue("dataset", "count", f"{part}/{digit}", f"digit={digit}", part, exact=True)
        for part in ("train", "valid")
        for digit in (3, 7)
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import fixed, number, percent

    three, seven = results["digit=3"], results["digit=7"]

    def of(runs: VariantRuns, metric: str) -> float:
        return float(runs[metric][0])

    nearest = of(three, "nearest")
    enough = next(
        (count for count, far in zip(three.weights["counts"][0], distances(three), strict=True) if far < nearest)
    )
    apart = [of(runs, "valid_distance") / of(runs, "chance_distance") for runs in (three, seven)]
    return f"""
    {three.weights["mean"].size} numbers and nothing else: a 3 inks {percent(of(three, "ink"), 0)} of its pixels and a 7
    {percent(of(seven, "ink"), 0)}, the rest is 0. The ideal 3 is no picture that anyone drew. It is the mean of
    {of(three, "train"):.0f} training images, pixel by pixel, dark where they agree and grey where some have ink and
    others have not: {percent(of(three, "mid_mean"), 0)} of its pixels are mid-grey, of a drawn 3 only
    {percent(of(three, "mid_images"), 0)}. Images lie {fixed(of(three, "spread"), 3)} from it (root mean square), the
    nearest {fixed(nearest, 3)}; the mean of the first {enough} is nearer.

    So a mean does not need so many images, but it matters whose they are. The mean validation 3 and 7 lie
    {number(apart[0], 2)} and {number(apart[1], 2)} times as far from the training means as chance would put the means
    of independent images: one person's digits are alike, and MNIST's validation images are by other people than its
    training images. How much ink there is tells little: a threshold of grey puts
    {percent(of(three, "told_by_ink"), 0)} of the 3s and {percent(of(seven, "told_by_ink"), 0)} of the 7s on the right
    side. It takes where the ink is.
    """
