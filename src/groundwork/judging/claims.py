"""Claims: sentences that could be false, tested over the replicates.

A claim holds a pure function of a study's results. It weighs the evidence with one of the tests below, each of which
gives an effect with its 95 % interval and a verdict: holds, fails, or undecided where the replicates cannot tell.

Many claims are tested, and at 95 % each some would get a verdict by chance. `above` and `within`, which infer a mean
from a sample, therefore ask more for a verdict than for the interval that they show: at most a chance of 0.05 / 1000
(Bonferroni, for up to 1000 claims), so with 95 % confidence no verdict of the whole project is chance. The bound needs
no other study, so each is judged alone and adding a claim moves no other. `always` and `sometimes` are counts: they say
what was so in the replicates that there are, infer nothing, and need no correction; their interval is beside the count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaincinv, stdtrit  # scipy.stats has it all, and takes a third of a report's time to import

from groundwork.runs import MissingVariant, Results

CONFIDENCE = 0.95  # of the intervals that are shown
MOST_CLAIMS = 1000
VERDICT_CONFIDENCE = 1 - (1 - CONFIDENCE) / MOST_CLAIMS  # of the verdicts on a mean


@dataclass(frozen=True)
class Evidence:
    """What the replicates say: in how many of them it holds, the effect with its interval, the verdict."""

    holds: int
    replicates: int
    effect: float
    ci_low: float
    ci_high: float
    verdict: str
    kind: Literal["mean", "count"] = "mean"  # what the effect is: a mean, or the share of replicates in which it holds


@dataclass(frozen=True)
class Claim:
    """A sentence, who says so (a source with its section, or "ours"), and its test."""

    text: str
    source: str
    test: Callable[[Results], Evidence]

    def judge(self, results: Results) -> Evidence:
        """The evidence; a variant that params.yaml no longer has leaves the claim undecided."""
        try:
            return self.test(results)
        except MissingVariant:
            return Evidence(0, 0, np.nan, np.nan, np.nan, "undecided")


def always(condition: np.ndarray) -> Evidence:
    """It is so in every replicate, (R,) bool. Effect: the share of replicates, with Clopper and Pearson's interval.

    A single replicate stands for a study without random numbers, whose result is exact: its interval is a point.
    """
    holds, replicates = int(condition.sum()), len(condition)
    share = holds / replicates
    low = high = share
    if replicates > 1:
        tail = (1 - CONFIDENCE) / 2
        low = float(betaincinv(holds, replicates - holds + 1, tail)) if holds else 0.0
        high = float(betaincinv(holds + 1, replicates - holds, 1 - tail)) if holds < replicates else 1.0
    return Evidence(holds, replicates, share, low, high, "holds" if holds == replicates else "fails", "count")


def sometimes(condition: np.ndarray) -> Evidence:
    """It is so in at least one replicate; else as `always`. That it never happens cannot be shown: undecided."""
    found = always(condition)
    verdict = "holds" if found.holds else "undecided"
    return Evidence(found.holds, found.replicates, found.effect, found.ci_low, found.ci_high, verdict, "count")


def above(values: np.ndarray, threshold: float = 0.0) -> Evidence:
    """The mean over the replicates lies above a threshold. Effect: the mean, with Student's interval.

    For a comparison of two variants pass the paired differences.
    """
    _, low, high = mean_interval(values, VERDICT_CONFIDENCE)
    verdict = "holds" if low > threshold else "fails" if high < threshold else "undecided"
    return Evidence(int((values > threshold).sum()), len(values), *mean_interval(values), verdict)


def within(values: np.ndarray, tolerance: float) -> Evidence:
    """The mean over the replicates lies within ± tolerance of zero. Effect: the mean, with Student's interval."""
    _, low, high = mean_interval(values, VERDICT_CONFIDENCE)
    inside, outside = -tolerance < low and high < tolerance, low > tolerance or high < -tolerance
    verdict = "holds" if inside else "fails" if outside else "undecided"
    return Evidence(int((np.abs(values) < tolerance).sum()), len(values), *mean_interval(values), verdict)


def mean_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Mean and Student's interval; where all values agree the interval is a point."""
    mean = float(values.mean())
    if np.ptp(values) == 0:
        return mean, mean, mean
    R = len(values)
    half = float(values.std(ddof=1) / np.sqrt(R) * stdtrit(R - 1, (1 + confidence) / 2))
    return mean, mean - half, mean + half
