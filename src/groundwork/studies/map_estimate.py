"""What has a prior P(w) to do with a penalty?

Bayes: P(w | data) ∝ P(data | w)·P(w), so −log P(w | data) = −log P(data | w) − log P(w): loss plus penalty. With noise
of variance σ² and n rows, n/σ² times the loss ½·mean squared error is the first part. A Gaussian prior of variance τ²
gives the penalty ½‖w‖²/τ², which is λ·½‖w‖² with λ = σ²/(nτ²); a Laplace prior of the same variance gives λ·Σ|w| with
λ = √2σ²/(nτ). (For a sum over rows instead of a mean there is no n.) Here 50 true weights are drawn from each prior, or
are all 0.001, the size of the priors' τ; y is made anew from the same 100 rows, and λ is varied about the theory's.
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
    from groundwork.judging.claims import Claim, Evidence
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained, VariantRuns

TITLE = "MAP estimate"
SOURCE = "d2l §3.7.6, exercise 6"
METRICS = {
    "weight_error": "squared error of the weights, as a multiple of their variance; 1 for no weights at all",
    "map_gap": "distance from the posterior's mode by its closed form, as a share of the truth's length",
    "val/loss": "validation loss, ½·mean squared error",
}
HEADLINE = "weight_error"

PRIORS = {"gaussian": "Gaussian prior", "laplace": "Laplace prior", "dense": "no prior: all alike"}
PENALTIES = {"l2": "ℓ2", "l1": "ℓ1"}
SOURCE_ROWS, SOURCE_LAMBD = 20, 3  # of d2l §3.7.4


def train(block: Block[LinearSettings]) -> Iterator[Trained]:
    """Gradient descent on loss plus penalty, all rows at once, and the posterior's mode by its closed form."""
    from dataclasses import replace
    from functools import cache

    import numpy as np
    import torch

    from groundwork.engine.batches import Rows
    from groundwork.engine.training import fit, kept
    from groundwork.models.linear import make_model, optimizer_of, penalty_of, rows, true_weights, with_truth

    parts, orders = [rows(block, part) for part in ("train", "valid")], cache(block.orders)

    @cache
    def centred(n: int, inputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X (R, n, d) with the means taken out, as an intercept does it, XᵀX/n, and the eigenvalues of that."""
        X = parts[0].X[:, :n, :inputs].double().numpy()
        X = X - X.mean(axis=1, keepdims=True)
        return X, X.mT @ X / n, np.linalg.eigvalsh(X.mT @ X / n)

    for variant in block.variants:
        settings = variant.settings
        inputs, n = settings.inputs or parts[0].X.shape[2], settings.rows or len(parts[0])
        w = true_weights(block, settings)
        told = (with_truth(block, part, w) for part in parts)
        train, valid = (Rows(part.X[..., :inputs].contiguous(), part.y) for part in told)
        train, truth, variance = train.first(n), w[:, :inputs], inputs * settings.scale**2
        model = make_model(block, settings, inputs)

        def weight_error(*_, model=model, truth=truth, variance=variance):
            return ((model.w.detach() - truth) ** 2).sum((1, 2)) / variance

        learner = fit(
            model,
            settings,
            train,
            valid,
            orders(n, settings.epochs) if settings.shuffle else torch.empty(0),
            {"weight_error": weight_error},
            penalty_of(model, settings),
            optimizer_of(model, settings),
        )
        X, gram, spectrum = centred(n, inputs)
        pull, found = X.mT @ train.y.double().numpy() / n, model.w.detach().double().numpy()
        off = ((found - posterior_mode(gram, pull, settings, np.sign(found))) ** 2).sum(axis=(1, 2))
        excess = (np.abs(pull - gram @ found) - settings.lambd).clip(min=0)  # of the slopes over λ: none holds a 0
        metrics = {
            "map_gap": torch.from_numpy(np.sqrt(off / (truth.double().numpy() ** 2).sum(axis=(1, 2)))),
            "map_violation": torch.from_numpy(np.where(found == 0, excess, 0).max(axis=(1, 2))),
        }
        weights = {"w": model.w, "truth": truth, "spectrum": torch.from_numpy(spectrum).float()}
        learner.history.pop("train/loss")  # of every step: more than all the rest
        run = kept(learner, metrics, weights)
        seen = [epoch for epoch in range(settings.epochs + 1) if epoch < 20 or epoch % 10 == 0]
        columns = run.history.items()
        yield replace(run, history={name: (s[seen], e[seen], values[seen]) for name, (s, e, values) in columns})


def posterior_mode(gram: np.ndarray, pull: np.ndarray, settings: LinearSettings, signs: np.ndarray) -> np.ndarray:
    """The w (R, d, 1) with the least loss plus penalty, of XᵀX/n (R, d, d) and Xᵀy/n (R, d, 1).

    Ridge: (XᵀX/n + λ)⁻¹Xᵀy/n. For ℓ1, given the signs of the mode's weights, those that are not 0 obey XᵀX/n·w =
    Xᵀy/n − λ·sign w.
    """
    import numpy as np

    eye = np.eye(gram.shape[1])
    if settings.penalty == "l2":
        return np.linalg.solve(gram + settings.lambd * eye, pull)
    active = signs != 0
    return np.linalg.solve(np.where(active & active.mT, gram, eye), np.where(active, pull - settings.lambd * signs, 0))


def of_prior(results: Results, settings: LinearSettings) -> float:
    """The λ that the variances of noise and prior give: σ²/(nτ²) for ℓ2, √2σ²/(nτ) for ℓ1."""
    from math import sqrt

    noise = results.data.noise**2 / settings.rows
    return noise / settings.scale**2 if settings.penalty == "l2" else sqrt(2) * noise / settings.scale


def expected_error(results: Results, runs: VariantRuns, lambd: float) -> np.ndarray:
    """What theory expects of ridge regression's weight_error, (R,): each eigenvalue s of XᵀX/n has a bias and a noise.

    Σ (λ²τ² + s·σ²/n)/(s + λ)², as a multiple of dτ². Only the prior's variance enters, not its shape.
    """
    settings, s = runs.variant.settings, runs.weights["spectrum"].astype(float)
    noise = results.data.noise**2 / settings.rows
    return ((lambd**2 * settings.scale**2 + s * noise) / (s + lambd) ** 2).mean(axis=1) / settings.scale**2


def named(results: Results, penalty: str, truth: str) -> dict[float, VariantRuns]:
    """The runs of a penalty on a truth, by λ."""
    found = {
        runs.variant.settings.lambd: runs
        for name, runs in results.variants.items()
        if name.startswith(f"{penalty} ") and name.endswith(f" truth={truth}")
    }
    if len(found) < 2:
        from groundwork.runs import MissingVariant

        raise MissingVariant(f"params.yaml has too few variants of {penalty} on the {truth} truth")
    return found


def matched(results: Results, penalty: str, truth: str) -> VariantRuns:
    """The runs whose λ is nearest to that of the prior."""
    return min(
        named(results, penalty, truth).values(),
        key=lambda runs: abs(runs.variant.settings.lambd / of_prior(results, runs.variant.settings) - 1),
    )


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """Loss and error of the weights by step, the priors and their penalties, the error against λ."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band
    from groundwork.reporting.style import GREY, canvas, colour

    steps, axes = canvas(columns=2, height=4.6)
    for index, (lambd, runs) in enumerate(named(results, "l2", "gaussian").items()):
        for ax, metric in zip(axes, ("val/loss", "weight_error"), strict=True):
            curve_with_band(ax, *runs.curve(metric), label=f"λ = {plain(lambd)}", index=index + 2)
    axes[0].set(xlabel="step", ylabel="validation loss, ½·mean squared error", xscale="symlog", yscale="log")
    axes[1].set(xlabel="step", ylabel="squared error of the weights, in dτ²", xscale="symlog", ylim=(0, None))
    for ax in axes:
        ax.set_xlim(left=0)
    steps.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=10)

    priors, (density, penalty) = canvas(columns=2, height=4.0)
    x = np.linspace(-4, 4, 401)
    minus_log = {
        "gaussian": x**2 / 2 + np.log(2 * np.pi) / 2,
        "laplace": np.sqrt(2) * np.abs(x) + np.log(2) / 2,
    }
    for index, (truth, values) in enumerate(minus_log.items()):
        runs = matched(results, "l2", truth)
        drawn = runs.weights["truth"].ravel() / runs.variant.settings.scale
        density.hist(drawn, np.linspace(-4, 4, 65).tolist(), density=True, color=colour(index), alpha=0.3)
        density.plot(x, np.exp(-values), color=colour(index), label=PRIORS[truth])
        penalty.plot(x, values, color=colour(index))
    density.set(xlabel="true weight, in τ", ylabel="P(w)", ylim=(0, 0.8))
    penalty.set(xlabel="weight, in τ", ylabel="−log P(w)", ylim=(0, 6))
    density.legend(loc="upper left")

    error, axes = canvas(columns=3, height=4.4)
    ratios = np.geomspace(1 / 20, 20, 81)
    for ax, (truth, title) in zip(axes, PRIORS.items(), strict=True):
        ridge = matched(results, "l2", truth)
        theory = of_prior(results, ridge.variant.settings)
        expected = [expected_error(results, ridge, ratio * theory).mean() for ratio in ratios]
        ax.plot(ratios, expected, color=colour(0), linewidth=1.2, label="ℓ2, expected")
        for index, (penalised, style) in enumerate({"l2": "o", "l1": "o-"}.items()):
            tried = named(results, penalised, truth)
            theory = of_prior(results, matched(results, penalised, truth).variant.settings)
            means = [runs["weight_error"].mean() for runs in tried.values()]
            label = f"{PENALTIES[penalised]}, mean of the replicates"
            ax.plot([lambd / theory for lambd in tried], means, style, color=colour(index), label=label)
        ax.axvline(1, color=GREY, linestyle=":")
        ax.axhline(1, color=GREY, linewidth=0.8)
        ax.set(xscale="log", xlabel="λ / λ of the prior", title=title, ylim=(0, 1.7))
    axes[0].set(ylabel="squared error of the weights, in dτ²")
    error.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
    return {
        "steps.svg": (
            steps,
            "ℓ2 and weights from a Gaussian prior: median and middle 90 % by step. The hump on the right is the "
            "intercept's doing: until b has grown to what it should be the weights try to stand in for it.",
        ),
        "priors.svg": (priors, "The priors, with the weights drawn from them, and the penalties that they are."),
        "error.svg": (
            error,
            "Squared error of the weights against λ; 1 is as good as no weights. Line: what theory expects of ℓ2.",
        ),
    }


def claims() -> list[Claim]:
    """Prior is penalty; whose λ is best, and for whom."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def error(results: Results, penalty: str, truth: str) -> np.ndarray:
        return matched(results, penalty, truth)["weight_error"]

    def best_of_tried(results: Results, penalty: str, truth: str) -> Evidence:
        """The difference to the strongest rival among the other λ."""
        chosen = matched(results, penalty, truth)
        rivals = [runs["weight_error"] for runs in named(results, penalty, truth).values() if runs is not chosen]
        return above(min(rivals, key=np.mean) - chosen["weight_error"])

    def is_mode(results: Results, penalty: str, truth: str) -> np.ndarray:
        runs = matched(results, penalty, truth)
        return (runs["map_gap"] < 1e-3) & (runs["map_violation"] < 1e-3 * runs.variant.settings.lambd)

    return [
        Claim(
            "A Gaussian prior is ℓ2: with λ = σ²/(nτ²) descent ends at the posterior's mode, ridge's closed form.",
            SOURCE,
            lambda r: always(is_mode(r, "l2", "gaussian")),
        ),
        Claim(
            "A Laplace prior is ℓ1: with λ = √2σ²/(nτ) the proximal step ends at the posterior's mode.",
            SOURCE,
            lambda r: always(is_mode(r, "l1", "laplace")),
        ),
        Claim(
            "For weights from a Gaussian prior λ = σ²/(nτ²) is the best λ for ℓ2 (error of the next best − its own).",
            "ours",
            lambda r: best_of_tried(r, "l2", "gaussian"),
        ),
        Claim(
            "For weights from a Laplace prior λ = √2σ²/(nτ) is the best λ for ℓ1 (error of the next best − its own).",
            "ours",
            lambda r: best_of_tried(r, "l1", "laplace"),
        ),
        Claim(
            "For weights from a Laplace prior its own penalty ℓ1 comes closer than ℓ2 (difference of squared errors).",
            "ours",
            lambda r: above(error(r, "l2", "laplace") - error(r, "l1", "laplace")),
        ),
        Claim(
            "ℓ2 only knows the weights' size: all alike, they are found as well as if drawn (difference within ±0.05).",
            "ours",
            lambda r: within(error(r, "l2", "dense") - error(r, "l2", "gaussian"), 0.05),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The source leaves the exercise open."""
    return []


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from math import sqrt

    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, number

    ridge, lasso = matched(results, "l2", "gaussian"), matched(results, "l1", "laplace")
    l2, l1 = (
        {truth: matched(results, penalty, truth)["weight_error"].mean() for truth in PRIORS} for penalty in PENALTIES
    )
    settings, noise = ridge.variant.settings, results.data.noise
    tried = named(results, "l2", "gaussian")
    weakest, strongest = min(tried), max(tried)
    own = noise**2 / (SOURCE_ROWS * results.data.value**2)
    believed = noise / sqrt(SOURCE_ROWS * SOURCE_LAMBD)
    return f"""
    The penalty is the prior's −log P(w), in units of the loss. A Gaussian prior of variance τ² is ℓ2 with λ = σ²/(nτ²),
    a Laplace prior of the same variance is ℓ1 with λ = √2σ²/(nτ); here that is {number(of_prior(results, settings), 3)}
    and {number(of_prior(results, lasso.variant.settings), 3)}. (For a loss summed over the rows there is no n.) Descent
    then ends where the posterior is largest: within {number(ridge["map_gap"].max(), 1)} of ridge's closed form in every
    replicate, and for ℓ1 within {number(lasso["map_gap"].max(), 1)} of what the signs of its weights ask for.

    For weights drawn from the Gaussian prior the λ of the variances is also the best: a squared error of
    {fixed(l2["gaussian"], 2)} of that of no weights, against {fixed(tried[weakest]["weight_error"].mean(), 2)} with λ =
    {plain(weakest)} and {fixed(tried[strongest]["weight_error"].mean(), 2)} with λ = {plain(strongest)}, as theory
    expects. The prior need not be true for that: ℓ2 only asks for the weights' size, and has {fixed(l2["laplace"], 2)}
    when they come from the Laplace prior and {fixed(l2["dense"], 2)} when they are all alike. Nor is a true prior the
    best penalty: for weights from the Laplace prior ℓ1 with its own λ has {fixed(l1["laplace"], 2)}, more than ℓ2 (and
    {fixed(l1["dense"], 2)} when all are alike). The mode of a posterior is its most probable point, but it is the mean
    that has the least squared error. For a Gaussian they are one; for Laplace the mode sets weights to zero that are
    not.

    Read backwards, a λ is a belief about the weights. For the source's {SOURCE_ROWS} rows, noise of {plain(noise)} and
    weights of {plain(results.data.value)} the formula gives λ = {plain(own)}; its λ = {SOURCE_LAMBD} believes in
    weights of {number(believed, 2)}.
    """
