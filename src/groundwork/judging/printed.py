"""The numbers that the sources print, and where they lie among ours.

exact         the number does not depend on chance: ours agrees to the printed digits
consistent    inside the central 99 % of the replicates, by rank
explained     outside, but inside for another variant of ours, which is named
inconsistent  neither
–             not judged: params.yaml no longer has the variant, or a single replicate is left of it

If the source ran what we run, its number is one more draw, and each place among our R replicates is as likely as any
other. So no distribution is assumed: the number is outside if it lies beyond the k-th outermost of ours on either side,
k = (R + 1)/200 rounded down, but at least 1. By chance that happens in 2k of R + 1 cases, which is 1 % from 199
replicates on. Fewer cannot cut off so little: 3 replicates leave half of all right numbers outside.

A row that prints a whole curve is one value with one joint test: how far it lies from the median of all curves. A
number beyond 10⁶ has diverged: its order of magnitude is compared. A printed number is compared with the replicates
that end in a number too; a printed nan with the share of those that do not.
"""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from groundwork.runs import MissingVariant, Results, VariantRuns

OUTSIDE = 100  # one in a hundred right numbers lies outside
DIVERGED = 1e6
QUANTILES = np.linspace(0, 1, 41)


@dataclass(frozen=True)
class PrintedValue:
    """A row of the reference table, and what of ours it is to be compared with.

    `metric` is a column of runs.csv, or a history if the row prints a curve, from epoch `first_epoch` on. `exact` says
    that the number does not depend on chance.
    """

    item: str
    quantity: str
    setting: str
    variant: str
    metric: str
    explained_by: str | None = None
    first_epoch: int = 0
    exact: bool = False


@dataclass(frozen=True)
class Judgement:
    """Where a printed number lies among R of ours, and what a picture of that needs.

    `chance` is the probability that a right number gets called outside. `rank` counts those of ours below it, or, of
    curves, those nearer to the median curve. `picture` holds lists of numbers: quantiles, or a band by epoch.
    """

    inside: bool
    chance: float
    rank: int
    picture: dict[str, list[float]]


def reference() -> pd.DataFrame:
    """Every number that the sources print: source, item, quantity, setting, value (text, curves joined by `;`)."""
    with files("groundwork.judging").joinpath("reference/notebook_values.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def judge(printed: PrintedValue, results: Results, rows: pd.DataFrame) -> dict[str, object]:
    """One row of reports/printed_values.csv, from the `reference()` rows, and what its page needs beyond them."""
    row = rows[
        (rows["item"] == printed.item) & (rows["quantity"] == printed.quantity) & (rows["setting"] == printed.setting)
    ].iloc[0]
    found: dict[str, object] = {column: row[column] for column in ("source", "item", "quantity", "setting")}
    found |= {"printed": row["value"], "study": results.study, "variant": printed.variant}
    texts = str(row["value"]).split(";")
    try:
        ours = _ours(results[printed.variant], printed, len(texts))
    except MissingVariant:
        return found | _spread(np.array([np.nan])) | {"replicates": 0, "verdict": "–"}
    found |= _spread(ours[-1]) | {"replicates": ours.shape[1]}  # of a curve they are those of its last point
    if printed.exact:
        return found | {"verdict": "exact" if _agree(texts, ours) else "inconsistent"}
    if ours.shape[1] == 1:
        return found | {"verdict": "–"}
    place = locate(texts, ours)
    found |= {"verdict": "consistent" if place.inside else "inconsistent"}
    found |= {"chance": place.chance, "rank": place.rank, "picture": place.picture}
    if not place.inside and printed.explained_by in results.variants:
        other = locate(texts, _ours(results[printed.explained_by], printed, len(texts)))
        if other.inside:
            found |= {"verdict": "explained", "variant": printed.explained_by, "explanation": other.picture}
    return found


def locate(texts: list[str], ours: np.ndarray) -> Judgement:
    """The place of a printed number, or of a curve of P numbers, among ours, (P, R)."""
    printed = np.array([float(text) for text in texts])
    half_digit = np.array([_half_digit(text) for text in texts])
    finite = np.isfinite(ours).all(axis=0)
    if np.isnan(printed).any():  # the source left the numbers
        return Judgement(bool((~finite).mean() > 1 / OUTSIDE), 1 / OUTSIDE, int(finite.sum()), {})
    if finite.mean() <= 1 / OUTSIDE:
        return Judgement(False, 1 / OUTSIDE, 0, {})
    ours = ours[:, finite]
    if len(printed) > 1:
        return _locate_curve(printed, ours, half_digit)
    if abs(printed[0]) > DIVERGED:  # half a decade is the half digit of an order of magnitude
        printed, ours = np.log10(np.abs(printed)), np.log10(np.maximum(np.abs(ours), 1e-300))
        half_digit = np.array([0.5])
    low, high = central(ours[0])
    return Judgement(
        inside=bool(low - half_digit[0] <= printed[0] <= high + half_digit[0]),
        chance=2 * _cut(ours.shape[1], 2) / (ours.shape[1] + 1),
        rank=int((ours[0] < printed[0]).sum()),
        picture={"printed": _short(printed), "ours": _short(_seen(ours[0]))},
    )


def central(values: np.ndarray) -> tuple[float, float]:
    """The central 99 % of values (R,), by rank: as many are cut off below as above, and of fewer than 399 none."""
    ordered, cut = np.sort(values), _cut(len(values), 2)
    return float(ordered[cut - 1]), float(ordered[-cut])


def _locate_curve(printed: np.ndarray, ours: np.ndarray, half_digit: np.ndarray) -> Judgement:
    """By the distance from the median of all R + 1 curves, in units of their spread, on average over the points.

    The printed curve is among those that median and spread are taken of: a right one is then like any of ours.
    """
    curves = np.column_stack([printed, ours])
    away = np.abs(curves - np.median(curves, axis=1, keepdims=True))
    spread = np.maximum(away.mean(axis=1), half_digit)
    away[:, 0] = np.maximum(away[:, 0] - half_digit, 0)
    distance, *distances = (away / spread[:, None]).mean(axis=0)
    cut = _cut(len(distances), 1)
    low, middle, high = np.quantile(ours, [0.05, 0.5, 0.95], axis=1)
    return Judgement(
        inside=bool(distance <= np.sort(distances)[-cut]),
        chance=cut / (len(distances) + 1),
        rank=int((np.array(distances) < distance).sum()),
        picture={"printed": _short(printed), "low": _short(low), "middle": _short(middle), "high": _short(high)},
    )


def _cut(replicates: int, sides: int) -> int:
    """Which of ours, counted from the outermost, a right number is beyond in one of a hundred cases."""
    return max(1, (replicates + 1) // (OUTSIDE * sides))


def _ours(runs: VariantRuns, printed: PrintedValue, points: int) -> np.ndarray:
    """Our values as points × replicates, (P, R)."""
    if points == 1:
        return runs[printed.metric][None]
    epochs, values = runs.curve(printed.metric)
    values = values[np.searchsorted(epochs, printed.first_epoch) :][:points]
    if len(values) < points:
        raise MissingVariant(f"{runs.variant.name} has fewer epochs than the source prints")
    return values


def _spread(values: np.ndarray) -> dict[str, object]:
    """Mean, sd and central 99 % of the replicates (R,), if all are finite."""
    if not np.isfinite(values).all():
        return {"mean": np.nan, "sd": np.nan, "low": np.nan, "high": np.nan}
    low, high = central(values)
    return {"mean": values.mean(), "sd": values.std(ddof=1) if len(values) > 1 else 0.0, "low": low, "high": high}


def _agree(texts: list[str], ours: np.ndarray) -> bool:
    """Do all replicates (P, R) agree with what is printed, to its digits?"""
    printed = np.array([[float(text)] for text in texts])
    return bool((np.abs(ours - printed) <= np.array([[_half_digit(text)] for text in texts])).all())


def _half_digit(text: str) -> float:
    """Half a unit of the last printed digit: 0.9168 -> 0.00005."""
    digits, _, exponent = text.lower().partition("e")
    decimals = len(digits.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - decimals) * (1 + 1e-9)


def _seen(values: np.ndarray) -> np.ndarray:
    """What a picture shows of our values (R,): quantiles, or all of a few."""
    return np.sort(values) if len(values) <= len(QUANTILES) else np.quantile(values, QUANTILES)


def _short(values: np.ndarray) -> list[float]:
    """Numbers with as many digits as a picture can show of values that lie close together."""
    return [float(f"{value:.7g}") for value in values]
