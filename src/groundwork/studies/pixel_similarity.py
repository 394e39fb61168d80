"""How well does the nearest mean image tell a 3 from a 7?

The book's baseline: average all 3s and all 7s of the training set, and call a validation image by the nearer of the
two. Nothing is random here, so every number must agree with the book to its last digit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    from matplotlib.figure import Figure

    from groundwork.common.settings import PixelSimilaritySettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "Pixel similarity"
SOURCE = "fastbook ch. 4, “First try: pixel similarity”"
METRICS = {
    "accuracy": "accuracy, all validation images",
    "accuracy_3s": "accuracy, 3s",
    "accuracy_7s": "accuracy, 7s",
    "accuracy_mean": "mean of the two",
    "distance_to_mean3": "distance of the second training 3 from the mean 3",
    "distance_to_mean7": "distance of the second training 3 from the mean 7",
}
HEADLINE = "accuracy"
WORST = 6  # mistakes to show of each digit


def train(block: Block[PixelSimilaritySettings]) -> Iterator[Trained]:
    """Mean images and distances; "training" is one pass over the training images."""
    import torch

    from groundwork.models.digits import PixelSimilarity, labelled, mean_images, predicted
    from groundwork.runs import Trained

    train, valid = labelled(block.data, "train"), labelled(block.data, "valid")
    X, V, labels = train.X, valid.X, valid.y[:, 0]
    means = mean_images(X, train.y)
    for variant in block.variants:
        model = PixelSimilarity(means[None], variant.settings.distance)
        logits = model(V)
        margin = (logits[..., 1] - logits[..., 0])[0]  # above zero: nearer to the mean 3
        right = predicted(logits)[0] == labels
        accuracy_3s, accuracy_7s = (right[labels == label].float().mean() for label in (1, 0))
        metrics = {
            "accuracy": right.float().mean(),
            "accuracy_3s": accuracy_3s,
            "accuracy_7s": accuracy_7s,
            "accuracy_mean": (accuracy_3s + accuracy_7s) / 2,
            "right_3s": right[labels == 1].sum(),
            "right_7s": right[labels == 0].sum(),
            "distance_to_mean3": model.distance(X[1:2], means[1])[0],
            "distance_to_mean7": model.distance(X[1:2], means[0])[0],
        }
        wrong_way = torch.where(labels == 1, -margin, margin)
        worst = {
            f"worst_{digit}s": V[labels == label][
                wrong_way[labels == label].argsort(descending=True, stable=True)[:WORST]
            ]
            for digit, label in ((3, 1), (7, 0))
        }
        tensors = {"means": means, "second3": X[1], **worst}
        yield Trained(
            metrics={name: value.reshape(1).numpy() for name, value in metrics.items()},
            history={},
            weights={name: value[None].numpy() for name, value in tensors.items()},
        )


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The mean images, and the images that lie furthest on the wrong side."""
    from groundwork.reporting.plots import picture
    from groundwork.reporting.style import canvas

    some = next(iter(results)).weights
    means, axes = canvas(columns=3, height=2.9)
    seven, three = some["means"][0]
    shown = {"mean 3": three, "mean 7": seven, "second training 3": some["second3"]}
    for ax, (title, image) in zip(axes, shown.items(), strict=True):
        picture(ax, image.reshape(28, 28), title)

    names = list(results.variants)
    worst, axes = canvas(columns=WORST, rows=2 * len(names), height=1.5 * 2 * len(names))
    for ax in axes:
        ax.set_axis_off()
    for row, (runs, digit) in enumerate((runs, digit) for runs in results for digit in (3, 7)):
        images = runs.weights[f"worst_{digit}s"][0]
        for ax, image in zip(axes[row * WORST :], images, strict=False):
            picture(ax, image.reshape(28, 28))
        title = f"{runs.variant.settings.distance}: {digit}s called {10 - digit}"
        axes[row * WORST].set_title(title, fontsize=10, fontweight="normal")
    return {
        "means.png": (means, "The two mean images, and the image whose distances the book prints."),
        "worst.png": (worst, "The worst mistakes: the images furthest on the wrong side."),
    }


def claims() -> list[Claim]:
    """What the book prints and says."""
    import numpy as np

    from groundwork.judging.claims import Claim, always

    def metric(results: Results, distance: str, name: str):
        return results[f"distance={distance}"][name]

    return [
        Claim(
            "With L1, exactly 926 of the 1010 validation 3s and 1013 of the 1028 validation 7s are told right.",
            SOURCE,
            lambda r: always((metric(r, "L1", "right_3s") == 926) & (metric(r, "L1", "right_7s") == 1013)),
        ),
        Claim(
            "Both distances find the example 3 nearer to the mean 3 than to the mean 7.",
            SOURCE,
            lambda r: always(
                np.all(
                    [metric(r, d, "distance_to_mean3") < metric(r, d, "distance_to_mean7") for d in ("L1", "RMSE")],
                    axis=0,
                )
            ),
        ),
        Claim(
            "The baseline tells over 90 % of both digits right.",
            SOURCE,
            lambda r: always((metric(r, "L1", "accuracy_3s") > 0.9) & (metric(r, "L1", "accuracy_7s") > 0.9)),
        ),
        Claim(
            "RMSE tells more of the validation images right than L1.",
            "ours",
            lambda r: always(metric(r, "RMSE", "accuracy") > metric(r, "L1", "accuracy")),
        ),
        Claim(
            "3s are mistaken for 7s more often than 7s for 3s, with either distance.",
            "ours",
            lambda r: always(
                np.all([metric(r, d, "accuracy_3s") < metric(r, d, "accuracy_7s") for d in ("L1", "RMSE")], axis=0)
            ),
        ),
    ]


def printed() -> list[PrintedValue]:
    """Three accuracies and four distances, all exact."""
    from groundwork.judging.printed import PrintedValue

    example = "second 3 in file-name order (train/3/10000.png)"
    settings = {"accuracy_3s": "L1", "accuracy_7s": "L1", "accuracy_mean": "L1; mean of the two class accuracies"}
    distances = {"l1_distance": "L1", "rmse": "RMSE"}
    return [
        *(
            PrintedValue("pixel-similarity", name, setting, "distance=L1", name, exact=True)
            for name, setting in settings.items()
        ),
        *(
            PrintedValue(
                "pixel-similarity",
                f"{name}_to_mean{digit}",
                example,
                f"distance={d}",
                f"distance_to_mean{digit}",
                exact=True,
            )
            for digit in (3, 7)
            for name, d in distances.items()
        ),
    ]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.reporting.words import percent

    l1, rmse = results["distance=L1"], results["distance=RMSE"]
    return f"""
    Better than one would think: with L1 the nearer mean image is the right one for {l1["right_3s"][0]:.0f} of the 3s
    ({percent(l1["accuracy_3s"][0], 2)}) and {l1["right_7s"][0]:.0f} of the 7s ({percent(l1["accuracy_7s"][0], 2)}),
    together {percent(l1["accuracy"][0], 2)} of all validation images. RMSE, which weighs large differences more,
    reaches {percent(rmse["accuracy"][0], 2)}. This is the line that every model that learns has to beat.
    """
