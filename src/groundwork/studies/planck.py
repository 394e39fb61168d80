"""Can gradient descent read a star's temperature off its spectrum?

The source fits T to Planck's law B(λ, T) at 300–1999 nm, with a true temperature of 5020 K, and prints 5054.9624 K. Its
noise is one random factor from [0, 0.05) for the whole spectrum. Here the noise is drawn in four ways, the body has
five temperatures, and the same fit is done in units that need no learning rate of 1e-21.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # each function imports what it needs: training must not load the drawing, reports must not load torch
    from matplotlib.figure import Figure

    from groundwork.common.settings import PlanckSettings
    from groundwork.engine.training import Block
    from groundwork.judging.claims import Claim
    from groundwork.judging.printed import PrintedValue
    from groundwork.runs import Results, Trained

TITLE = "Planck's law"
SOURCE = "d2l §3.4.6, exercise 3"
METRICS = {"T": "temperature found, K", "T_error": "its error, K"}
HEADLINE = "T_error"

NOISE = {  # the four ways to draw it, as variants of the printed set-up
    "as printed": "one factor, [0, 0.05)",
    "common centred": "one factor, ±0.025",
    "independent": "each point, [0, 0.05)",
    "independent centred": "each point, ±0.025",
}


def train(block: Block[PlanckSettings]) -> Iterator[Trained]:
    """One temperature a replicate, fitted by minibatch SGD to its own noisy spectrum."""
    from groundwork.common.settings import plain
    from groundwork.engine.batches import Rows
    from groundwork.engine.training import fit, kept
    from groundwork.models.planck import BlackBody, units

    R = len(block.replicates)
    X = {part: block.tensor(f"{part}/X").expand(R, -1, 1) for part in ("train", "valid")}
    orders = block.orders(X["train"].shape[1], max(variant.settings.epochs for variant in block.variants))
    for variant in block.variants:
        settings = variant.settings
        y = {part: block.slice(f"{part}/T={plain(settings.T_true)}/{settings.noise}") for part in X}
        unit_T, unit_B = units(settings.units, y["train"])
        train, valid = (Rows(X[part], y[part] / unit_B) for part in X)
        model = BlackBody(settings.T_start, R, unit_T, unit_B)
        learner = fit(model, settings, train, valid, orders, {"T": model.temperature})
        spectrum = {"y": y["train"][:1].clone(), "y_hat": (learner.predict(train) * unit_B)[:1]}
        metrics = {"T": model.kelvin, "T_error": model.kelvin - settings.T_true}
        yield kept(learner, metrics, {"T": model.kelvin, **spectrum})


def figures(results: Results) -> dict[str, tuple[Figure, str]]:
    """The spectra, the way of T, and the errors by noise and by temperature."""
    import numpy as np

    from groundwork.common.settings import plain
    from groundwork.reporting.plots import curve_with_band, strip
    from groundwork.reporting.style import GREY, canvas, colour

    first = results.data.wavelengths[0]
    temperatures = results.data.temperatures
    hot = [runs for runs in results if runs.variant.settings.units == "normalised"]
    spectra, (ax,) = canvas()
    for runs in hot:
        T, index = plain(runs.variant.settings.T_true), temperatures.index(runs.variant.settings.T_true)
        y, y_hat = runs.weights["y"][0, :, 0] / 1e13, runs.weights["y_hat"][0, :, 0] / 1e13
        wavelengths = np.arange(first, first + len(y))
        ax.plot(wavelengths, y, ".", markersize=2, color=colour(index), alpha=0.35, rasterized=True)
        ax.plot(wavelengths, y_hat, color=colour(index), label=f"{T} K: found {runs['T'][0]:.0f} K")
    ax.set(xlabel="wavelength, nm", ylabel="spectral radiance, 10¹³ W m⁻³ sr⁻¹")
    ax.legend()

    way, (ax,) = canvas()
    printed = [
        results[name] for name in ("T=3000", "T=4000", "T=5000", "as printed", "T=6000") if name in results.variants
    ]
    for runs in printed:
        T = runs.variant.settings.T_true
        curve_with_band(ax, *runs.curve("T"), label=f"true T = {plain(T)} K", index=temperatures.index(T))
        ax.axhline(T, color=GREY, linewidth=0.8, linestyle=":")
    ax.set(xlabel="epoch", ylabel="temperature, K")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    noise, (ax,) = canvas(height=3.2)
    groups = [(label, results[name]["T_error"]) for name, label in NOISE.items() if name in results.variants]
    ax.axvline(0, color=GREY, linewidth=1)
    strip(ax, groups, "temperature found − true temperature, K")

    errors, (ax,) = canvas(height=3.2)
    ax.axvline(0, color=GREY, linewidth=1)
    groups = [(f"{plain(runs.variant.settings.T_true)} K", runs["T_error"]) for runs in hot]
    order = [temperatures.index(runs.variant.settings.T_true) for runs in hot]
    strip(ax, groups, "temperature found − true temperature, K", order)
    return {
        "spectra.svg": (
            spectra,
            "One replicate's noisy spectra (dots) and the fits of the normalised formulation (lines).",
        ),
        "temperature.svg": (
            way,
            "The printed formulation on its way from 3000 K: median and middle 90 %. Dotted: the truth.",
        ),
        "noise.svg": (
            noise,
            "The printed set-up with its noise drawn in four ways: a dot a replicate, a bar at the mean.",
        ),
        "normalised.svg": (
            errors,
            "Independent noise with mean one, normalised formulation: no bias at any temperature.",
        ),
    }


def claims() -> list[Claim]:
    """The source's implied conclusion, and what is behind its number."""
    import numpy as np

    from groundwork.judging.claims import Claim, above, always, within

    def error(results: Results, variant: str):
        return results[variant]["T_error"]

    def scatter(results: Results, variant: str):
        return np.abs(error(results, variant) - error(results, variant).mean())

    return [
        Claim(
            "The printed set-up finds the temperature without bias (mean error within ±5 K).",
            SOURCE,
            lambda r: within(error(r, "as printed"), 5),
        ),
        Claim(
            "The printed noise reads as a hotter body (mean error in K).",
            "ours",
            lambda r: above(error(r, "as printed")),
        ),
        Claim(
            "It is the mean of the noise that biases: drawn from [0, 0.05) for each point anew it does so too (K).",
            "ours",
            lambda r: above(error(r, "independent")),
        ),
        Claim(
            "Independent noise with mean one gives no bias (mean error at 5020 K within ±1 K, normalised formulation).",
            "ours",
            lambda r: within(error(r, "normalised T=5020"), 1),
        ),
        Claim(
            "One common factor scatters the result more than independent noise of the same size (mean deviation, K).",
            "ours",
            lambda r: above(scatter(r, "common centred") - scatter(r, "independent centred")),
        ),
        Claim(
            "lr = 1e-21 is a matter of units: in 1000 K and 10¹³ W m⁻³ sr⁻¹ lr = 0.1 finds the same T to 0.01 K.",
            "ours",
            lambda r: always(np.abs(r["as printed"]["T"] - r["scaled as printed"]["T"]) < 0.01),
        ),
        Claim(
            "For a body of 4000 K the printed learning rate is too small: five epochs end more than 100 K short.",
            "ours",
            lambda r: always(error(r, "T=4000") < -100),
        ),
        Claim(
            "The normalised formulation finds every temperature to 1 % in five epochs with one learning rate.",
            "ours",
            lambda r: always(
                np.all(
                    [np.abs(error(r, f"normalised T={T}")) < 0.01 * T for T in (3000, 4000, 5000, 5020, 6000)], axis=0
                )
            ),
        ),
    ]


def printed() -> list[PrintedValue]:
    """The one temperature that the source prints."""
    from groundwork.judging.printed import PrintedValue

    setting = "true T=5020 start T=3000 lr=1e-21 epochs=5 one noise factor for all points in [0; 0.05)"
    return [PrintedValue("3-planck", "T", setting, "as printed", "T")]


def answer(results: Results) -> str:
    """In words, with the numbers of this run."""
    from groundwork.common.settings import plain
    from groundwork.reporting.words import fixed, mean_sd

    printed, centred = results["as printed"], results["common centred"]
    independent, converged = results["independent"], results["normalised T=5020"]
    settings = printed.variant.settings
    return f"""
    Yes, but the printed set-up reads every body too hot: for a true {plain(settings.T_true)} K it finds
    {mean_sd(printed["T"], 0)} K. Noise from [0, {plain(results.data.amplitude)}) makes the spectrum brighter by
    {fixed(50 * results.data.amplitude, 1)} % on average, and brighter is hotter. Drawing it for each point anew does
    not help (error {mean_sd(independent["T_error"], 1)} K): it is the mean that biases. That the factor is common to
    all points makes the error of a single spectrum large, for it does not average out (sd
    {fixed(centred["T_error"].std(ddof=1), 1)} K even when centred). Independent noise with mean one has no bias:
    {mean_sd(converged["T_error"], 1)} K. The learning rate of {plain(settings.lr)} is only a matter of units; with each
    spectrum divided by its peak and T counted in thousands of kelvins, lr = {plain(converged.variant.settings.lr)} fits
    all temperatures, while in SI units the printed rate leaves a body of 4000 K
    {fixed(-results["T=4000"]["T_error"].mean(), 0)} K short after {settings.epochs} epochs.
    """
