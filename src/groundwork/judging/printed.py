"""The numbers that the sources print, and where they lie among ours.

exact         no randomness: agrees to the printed digits
consistent    inside the central 99 % of the replicates, by rank
explained     outside, but inside for another variant of ours, which is named
inconsistent  neither
A row that prints a whole curve is one value with one joint test: how far the curve lies from the median curve.
"""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from groundwork.runs import MissingVariant, Results, VariantRuns

CENTRAL = 0.99


@dataclass(frozen=True)
class PrintedValue:
    """A row of the reference table, and what of ours it is to be compared with.

    `metric` is a column of runs.csv, or a history if the row prints a curve, from epoch `first_epoch` on.
    """

    item: str
    quantity: str
    setting: str
    variant: str
    metric: str
    explained_by: str | None = None
    first_epoch: int = 0


def reference() -> pd.DataFrame:
    """Every number that the sources print: source, item, quantity, setting, value (text, curves joined by `;`)."""
    with files("groundwork.judging").joinpath("reference/notebook_values.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def judge(printed: PrintedValue, results: Results, rows: pd.DataFrame) -> dict[str, object]:
    """One row of reports/printed_values.csv, from the `reference()` rows."""
    row = rows[
        (rows["item"] == printed.item) & (rows["quantity"] == printed.quantity) & (rows["setting"] == printed.setting)
    ].iloc[0]
    found: dict[str, object] = {column: row[column] for column in ("source", "item", "quantity", "setting")}
    found |= {"printed": row["value"], "study": results.study, "variant": printed.variant}
    texts = str(row["value"]).split(";")
    try:
        ours = _ours(results[printed.variant], printed, len(texts))
        verdict = _verdict(texts, ours)
        if verdict == "inconsistent" and printed.explained_by in results.variants:
            other = _ours(results[printed.explained_by], printed, len(texts))
            if _verdict(texts, other) == "consistent":
                verdict, found["variant"] = "explained", printed.explained_by
    except MissingVariant:
        return {**found, "mean": np.nan, "sd": np.nan, "low": np.nan, "high": np.nan, "replicates": 0, "verdict": "–"}
    last = ours[-1]
    low, high = central(last)
    return {
        **found,
        "mean": last.mean(),
        "sd": last.std(ddof=1) if len(last) > 1 else 0.0,
        "low": low,
        "high": high,
        "replicates": len(last),
        "verdict": verdict,
    }


def central(values: np.ndarray) -> tuple[float, float]:
    """The central 99 % of values (R,), by rank."""
    low, high = np.quantile(values, [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2], method="closest_observation")
    return float(low), float(high)


def _ours(runs: VariantRuns, printed: PrintedValue, points: int) -> np.ndarray:
    """Our values as points × replicates, (P, R)."""
    if points == 1:
        return runs[printed.metric][None]
    epochs, values = runs.curve(printed.metric)
    values = values[np.searchsorted(epochs, printed.first_epoch) :][:points]
    if len(values) < points:
        raise MissingVariant(f"{runs.variant.name} has fewer epochs than the source prints")
    return values


def _verdict(texts: list[str], ours: np.ndarray) -> str:
    printed = np.array([float(text) for text in texts])
    half_digit = np.array([_half_digit(text) for text in texts])
    if (ours == ours[:, :1]).all():  # one replicate, or a number that does not depend on chance
        return "exact" if (np.abs(ours[:, 0] - printed) <= half_digit).all() else "inconsistent"
    if len(printed) > 1:
        return "consistent" if _joint_distance(printed, ours, half_digit) else "inconsistent"
    if np.isnan(printed).any():  # the source left the numbers: so do more of ours than the central 99 % leave out
        return "consistent" if (~np.isfinite(ours)).mean() > 1 - CENTRAL else "inconsistent"
    if np.abs(ours).max() > 1e6 and np.isfinite(printed).all():  # diverged: compare the order of magnitude
        printed, ours, half_digit = np.log10(np.abs(printed)), np.log10(np.abs(ours)), np.array([0.5])
    low, high = central(ours[0])
    return "consistent" if low - half_digit[0] <= printed[0] <= high + half_digit[0] else "inconsistent"


def _joint_distance(printed: np.ndarray, ours: np.ndarray, half_digit: np.ndarray) -> bool:
    """Is the printed curve no further from our median curve than 99 % of our own are? In units of our spread."""
    centre = np.median(ours, axis=1)
    spread = np.maximum(np.abs(ours - centre[:, None]).mean(axis=1), half_digit)
    distances = (np.abs(ours - centre[:, None]) / spread[:, None]).mean(axis=0)
    distance = (np.maximum(np.abs(printed - centre) - half_digit, 0) / spread).mean()
    return bool(distance <= np.quantile(distances, CENTRAL))


def _half_digit(text: str) -> float:
    """Half a unit of the last printed digit: 0.9168 -> 0.00005."""
    digits, _, exponent = text.lower().partition("e")
    decimals = len(digits.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - decimals) * (1 + 1e-9)
