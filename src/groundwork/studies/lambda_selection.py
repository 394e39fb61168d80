"""If λ is chosen on validation data, is it really the optimal one?

The exercise asks for the best λ on the validation set, and then whether it is. Here each replicate trains the same
model for every λ of a list and chooses one in several ways: on its training rows, on five of them held out, by k-fold
cross-validation, on its 100 validation rows. The λ chosen is then used on all 20 training rows; its regret is what it
costs over the best λ on 1000 fresh test rows. Beside it stands the exact expected error, ‖w − w*‖² + (b − b*)² +
noise², for the truth is known. Last, 100 more rows are trained on, not spent on choosing.
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

    from groundwork.common.settings import LinearSettings
    from groundwork.engine.batches import Rows
    from groundwork.engine.learner import Learner
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "Choosing λ"
SOURCE = "d2l §3.7.6, exercise 2"
METRICS = {
    "regret": "regret: test error of the λ chosen − least test error of any λ",
    "test_mse": "test error: mean squared error of 1000 fresh rows",
    "chosen_lambd": "λ chosen",
    "expected_mse": "exact expected error of the λ chosen",
}
HEADLINE = "regret"

LABELS = {  # the variants, in the order of their colours
    "hold-out": "5 rows held out",
    "4-fold": "4-fold",
    "20-fold": "20-fold, leaving one out",
    "validation rows": "100 validation rows",
    "test rows": "1000 test rows: the best",
    "lambd=3": "λ = 3",
    "lambd=0": "λ = 0, as training rows",
    "120 rows": "120 training rows",
}
CHOOSERS = list(LABELS)[:5]
LAMBDAS = (0, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)  # to choose from


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """All λ at once, a column of the weights each; the folds of cross-validation one after another."""
    import numpy as np
    import torch

    from groundwork.engine.batches import Rows
    from groundwork.models.linear import rows
    from groundwork.runs import Trained

    train, valid = rows(block, "train"), rows(block, "valid")
    parts = {"validation_rows": valid, "test_rows": Rows(block.tensor("test/X"), block.tensor("test/y"))}
    R = len(block.replicates)
    for variant in block.variants:
        settings = variant.settings
        lambdas = np.array([*LAMBDAS, *{settings.lambd} - {*LAMBDAS}])
        parts["training_rows"] = train.first(settings.rows or len(train))
        learner = descend(block, settings, lambdas, parts["training_rows"], valid)
        if settings.selection in parts:
            scores = errors(learner, parts[settings.selection])
        elif settings.selection == "given":
            scores = np.where(lambdas == settings.lambd, errors(learner, parts["training_rows"]), np.inf)
        else:
            folds = settings.folds or 2
            used = range(folds if settings.selection == "k_fold" else 1)
            outs = [torch.arange(len(parts["training_rows"])) % folds == fold for fold in used]
            scores = np.mean([held_out(block, settings, lambdas, parts["training_rows"], out) for out in outs], axis=0)
        chosen = np.arange(R), np.where(np.isfinite(scores), scores, np.inf).argmin(axis=1)
        test, expected = errors(learner, parts["test_rows"]), expected_errors(learner, block)
        steps = np.array([step for step, _ in learner.history["mse"]])
        curve = np.stack([values.numpy()[chosen] for _, values in learner.history["mse"]])
        yield Trained(
            metrics={
                "regret": test[chosen] - test.min(axis=1),
                "test_mse": test[chosen],
                "chosen_lambd": lambdas[chosen[1]],
                "score": scores[chosen],
                "expected_mse": expected[chosen],
            },
            history={
                name: (steps, np.arange(len(steps)), curve * half) for name, half in (("val/loss", 0.5), ("mse", 1))
            },
            weights={"lambdas": np.tile(lambdas, (R, 1)), "test_mse": test, "expected_mse": expected},
        )


def descend(
    block: Block[LinearSettings], settings: LinearSettings, lambdas: np.ndarray, train: Rows, valid: Rows
) -> Learner:
    """The learner that has trained a model for each λ, (L,): w (R, d, L), b (R, 1, L), a column each, from one start.

    The loss is the sum over the columns, so each gets exactly its own gradient.
    """
    import torch

    from groundwork.engine.learner import Learner
    from groundwork.engine.losses import squared
    from groundwork.engine.optimizers import make_optimizer
    from groundwork.models.linear import LinearRegression, start

    L, decay = len(lambdas), torch.from_numpy(lambdas).float()
    w, b = (values.expand(-1, -1, L) for values in start(block, settings, train.X.shape[-1]))
    model = LinearRegression(w, block.product, b)
    learner = Learner(
        model,
        lambda y_hat, y: L * squared(y_hat, y),
        make_optimizer(settings.optimizer, model.parameters, settings.lr),
        {"mse": lambda y_hat, y: ((y_hat - y) ** 2).mean(1)},
        lambda: (decay * (model.w**2).sum(1) / 2).sum(1),
    )
    orders = block.orders(len(train), settings.epochs) if settings.shuffle else [None] * settings.epochs
    learner.fit(train, valid, settings.batch_size, orders)
    return learner


def errors(learner: Learner, rows: Rows) -> np.ndarray:
    """The mean squared error of every λ, (R, L)."""
    return ((learner.predict(rows) - rows.y) ** 2).mean(1).numpy()


def expected_errors(learner: Learner, block: Block[LinearSettings]) -> np.ndarray:
    """The mean squared error that every λ, (R, L), has on endless data: inputs are N(0, 1), so no rows are needed."""
    import torch

    truth = torch.tensor([*block.made.weights, block.made.b], dtype=torch.float64)[:, None]
    found = torch.cat([p.detach().double() for p in learner.model.parameters], dim=1)
    return (((found - truth) ** 2).sum(1) + block.made.noise**2).numpy()


def held_out(
    block: Block[LinearSettings], settings: LinearSettings, lambdas: np.ndarray, train: Rows, out: Tensor
) -> np.ndarray:
    """The error of every λ, (R, L), on the training rows left `out`, (n,) bool, learnt from the others."""
    from groundwork.engine.batches import Rows

    rest, held = (Rows(train.X[:, part], train.y[:, part]) for part in (~out, out))
    return errors(descend(block, settings, lambdas, rest, held), held)


def flattery(results: Results, name: str) -> np.ndarray:
    """How much the validation error of the λ chosen is below its exact expected error, (R,)."""
    return results[name]["expected_mse"] - results[name].curve("mse")[1][-1]


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Validation error by epoch, which λ is chosen and what it costs, and what the rows are worth."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band, strip, sweep
    from groundwork.reporting.style import canvas, colour

    curves, (ax,) = canvas()
    for name in ("lambd=0", "lambd=3", "validation rows"):
        curve_with_band(ax, *results[name].curve("mse"), LABELS[name], list(LABELS).index(name))
    ax.set(xlabel="epoch", ylabel="mean squared error,\n100 validation rows", ylim=(0.01, 0.065))
    ax.legend(loc="upper right", ncols=3)

    oracle = results["test rows"]
    lambdas, test, expected = (oracle.weights[name] for name in ("lambdas", "test_mse", "expected_mse"))
    places = range(lambdas.shape[1])
    choice, (cost, ax) = canvas(rows=2, height=7.0)
    regret = (test - test.min(axis=1, keepdims=True)).T
    sweep(cost, places, list(regret), "on 1000 test rows", list(LABELS).index("test rows"))
    exact = np.median(expected - expected.min(axis=1, keepdims=True), axis=0)
    cost.plot(places, exact, ":", color="black", label="exact, expected")
    cost.set(ylabel="regret", ylim=(-0.0005, 0.006), title="What each λ costs over the best")
    cost.legend(loc="upper center")
    chosen = [(results[name]["chosen_lambd"][:, None] == lambdas[0]).sum(axis=0) for name in CHOOSERS]
    for row, (name, counts) in enumerate(zip(CHOOSERS, chosen, strict=True)):
        heights = 0.7 * counts / np.max(chosen)
        ax.bar(places, heights, bottom=-row, width=0.8, color=colour(list(LABELS).index(name)))
        for place in np.flatnonzero(counts):
            ax.annotate(str(counts[place]), (place, heights[place] - row), ha="center", va="bottom", fontsize=8)
    ax.set(title="How many replicates choose it", xlabel="λ", ylim=(0.9 - len(CHOOSERS), 0.9))
    ax.set_yticks([0.3 - row for row in range(len(CHOOSERS))], [LABELS[name] for name in CHOOSERS])
    ax.grid(axis="y", visible=False)
    for axis in (cost, ax):
        axis.set_xticks(places, [plain(value) for value in lambdas[0]])
        axis.set_xlim(-0.7, len(places) - 0.3)

    costs, (ax,) = canvas(height=3.4)
    names = ["lambd=3", *CHOOSERS[:-1]]
    strip(
        ax,
        [(LABELS[n], results[n]["regret"]) for n in names],
        "regret, mean squared error of 1000 test rows",
        [list(LABELS).index(n) for n in names],
    )
    ax.set(xlim=(-0.0003, 0.012))
    for row, name in enumerate(names):
        beyond = (results[name]["regret"] > 0.012).sum()
        if beyond:
            ax.annotate(f"+ {beyond} beyond →", (0.012, row + 0.15), ha="right", va="center")

    worth, (ax,) = canvas(height=3.4)
    names = ["lambd=0", "lambd=3", "4-fold", "validation rows", "test rows", "120 rows"]
    strip(
        ax,
        [(LABELS[name], results[name]["test_mse"]) for name in names],
        "mean squared error of 1000 test rows",
        [list(LABELS).index(name) for name in names],
    )
    return {
        "curves.svg": (curves, "The model with the λ chosen, by epoch: median and middle 90 % of the replicates."),
        "choice.svg": (
            choice,
            "Above: test error − least test error of any λ, median and middle 90 %. Below: the λ chosen, by what.",
        ),
        "regret.svg": (costs, "What the choice costs over the best λ: a dot a replicate, a bar at the mean."),
        "worth.svg": (
            worth,
            "The test error in the end. The last row trains on the validation rows too, and chooses λ by "
            "cross-validation.",
        ),
    }


def claims() -> list[Claim]:
    """What the exercise doubts, and which way of choosing is better."""
    from groundwork.judging.claims import Claim, above, always, within

    def regret(results: Results, variant: str):
        return results[variant]["regret"]

    return [
        Claim(
            "The λ with the least validation error is the optimal one (no regret on the test rows).",
            SOURCE,
            lambda r: always(regret(r, "validation rows") == 0),
        ),
        Claim(
            "It does not matter much: its regret is under 2 % of the test error (mean).",
            "ours",
            lambda r: within(regret(r, "validation rows") / r["validation rows"]["test_mse"], 0.02),
        ),
        Claim(
            "Choosing flatters: the validation error that chose is further below the expected one than that of λ = 3.",
            "ours",
            lambda r: above(flattery(r, "validation rows") - flattery(r, "lambd=3")),
        ),
        Claim(
            "The training rows choose λ = 0.",
            "ours",
            lambda r: always(r["training rows"]["chosen_lambd"] == 0),
        ),
        Claim(
            "Of the same 20 rows, 4-fold cross-validation makes more than five held out (regret saved).",
            "ours",
            lambda r: above(regret(r, "hold-out") - regret(r, "4-fold")),
        ),
        Claim(
            "More folds choose better: leaving one out has less regret than 4-fold (regret saved).",
            "ours",
            lambda r: above(regret(r, "4-fold") - regret(r, "20-fold")),
        ),
        Claim(
            "100 validation rows choose better than 4-fold on the 20 training rows (regret saved).",
            "ours",
            lambda r: above(regret(r, "4-fold") - regret(r, "validation rows")),
        ),
        Claim(
            "The source's λ = 3 costs more than what the validation rows choose (difference of regrets).",
            "ours",
            lambda r: above(regret(r, "lambd=3") - regret(r, "validation rows")),
        ),
        Claim(
            "100 rows are worth more for training than for choosing: the test error falls to under three quarters.",
            "ours",
            lambda r: always(r["120 rows"]["test_mse"] < 0.75 * r["validation rows"]["test_mse"]),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source leaves the exercise unanswered."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, number, percent

    def regret(name: str) -> str:
        return percent((results[name]["regret"] / results["test rows"]["test_mse"]).mean())

    def below_four(name: str) -> int:
        return (results[name]["chosen_lambd"] < 4).sum()

    blind = (results["4-fold"]["chosen_lambd"] == max(LAMBDAS)).sum()

    valid, more = results["validation rows"], results["120 rows"]
    low, middle, high = np.quantile(valid["chosen_lambd"], [0.05, 0.5, 0.95], method="closest_observation")
    saved = results["4-fold"]["test_mse"] - valid["test_mse"]
    return f"""
    No. The {results.data.valid} validation rows find the λ that is best on the test rows in
    {(valid["regret"] == 0).sum()} of {len(valid.ok)} replicates. Their median choice is {plain(middle)}, the middle 90
    % go from {plain(low)} to {plain(high)}: it is the λ that suits these rows. The error by which it is chosen
    flatters, for it is the least of many: it is {number(flattery(results, "validation rows").mean(), 2)} below what is
    to be expected, where that of λ = 3, which was not chosen by it, is only
    {number(flattery(results, "lambd=3").mean(), 2)} below by chance.

    Does it matter? Little, as the valley is flat: the regret is {regret("validation rows")} of the least test error.
    λ = 3 costs {regret("lambd=3")}; λ = 0, which is what the training rows choose, {regret("lambd=0")}. With nothing
    but the 20 rows, cross-validation is the way: {regret("4-fold")} for 4-fold, {regret("hold-out")} for one held-out
    fold of five rows. More folds are no better here, {regret("20-fold")} for leaving one out: it chooses a λ below 4,
    where the error is steep, in {below_four("20-fold")} replicates, 4-fold in {below_four("4-fold")}. 4-fold trains on
    fewer rows, so for fewer steps, and takes a larger λ to forget the start; that errs on the flat side. In {blind}
    replicates it takes {max(LAMBDAS)}, the largest on the list, which all but ignores the inputs.

    The best use of {results.data.valid} more rows is another one. As validation rows they lower the test error by
    {number(saved.mean(), 1)} against 4-fold, to {fixed(valid["test_mse"].mean(), 4)}. Trained on, for the same
    {valid.variant.settings.epochs} epochs and with λ chosen by 4-fold, they lower it to
    {fixed(more["test_mse"].mean(), 4)}.
    """
