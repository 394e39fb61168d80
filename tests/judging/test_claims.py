"""The tests of the claims: intervals against scipy and closed forms, verdicts on data whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from groundwork.judging.claims import (
    MOST_CLAIMS,
    VERDICT_CONFIDENCE,
    Claim,
    Evidence,
    above,
    always,
    mean_interval,
    sometimes,
    within,
)
from groundwork.runs import Results

T, STRICT = stats.t.ppf(0.975, 2), stats.t.ppf(1 - 0.05 / 1000 / 2, 2)


def three(mean: float, half: float, t: float = STRICT) -> np.ndarray:
    """Three values whose Student's interval is mean ± half: their sd is d, its error d/√3. By default the verdict's."""
    d = half * np.sqrt(3) / t
    return np.array([mean - d, mean, mean + d])


def interval(evidence: Evidence) -> tuple[float, float, float]:
    return evidence.effect, evidence.ci_low, evidence.ci_high


# --- the mean of the replicates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 30, 200])
@pytest.mark.parametrize("test", [mean_interval, lambda v: interval(above(v, 0.1)), lambda v: interval(within(v, 0.1))])
def test_student_interval(test, n):
    values = np.random.default_rng(n).standard_normal(n)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(test(values), [values.mean(), *expected], rtol=1e-12)


def test_interval_of_known_width():
    np.testing.assert_allclose(mean_interval(three(5, 2, T)), [5, 3, 7])


@pytest.mark.parametrize("values", [[0.25], [0.25, 0.25, 0.25]])
def test_values_that_agree_are_a_point(values):
    assert mean_interval(np.array(values)) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("mean", "half", "verdict", "holds"),
    [
        (1.0, 0.9, "holds", 3),
        (1.0, 1.1, "undecided", 3),
        (1.0, 200.0, "undecided", 2),
        (-1.0, 0.9, "fails", 0),
        (-1.0, 1.1, "undecided", 0),
        (1.0, 0.0, "holds", 3),
        (-1.0, 0.0, "fails", 0),
        (0.0, 0.0, "undecided", 0),
    ],
)
@pytest.mark.parametrize("threshold", [0.0, 7.0])
def test_above(mean, half, verdict, holds, threshold):
    found = above(three(threshold + mean, half), threshold)
    assert (found.verdict, found.holds, found.replicates) == (verdict, holds, 3)


@pytest.mark.parametrize(
    ("mean", "half", "verdict"),
    [
        (0.0, 0.9, "holds"),
        (0.0, 1.1, "undecided"),
        (0.5, 0.4, "holds"),
        (0.5, 0.6, "undecided"),
        (2.0, 0.9, "fails"),
        (2.0, 1.1, "undecided"),
        (-2.0, 0.9, "fails"),
        (-2.0, 1.1, "undecided"),
        (0.0, 0.0, "holds"),
        (1.0, 0.0, "undecided"),
        (1.01, 0.0, "fails"),
    ],
)
def test_within(mean, half, verdict):
    assert within(three(mean, half), 1.0).verdict == verdict


def test_within_counts_the_replicates_inside():
    assert within(np.array([-3, -0.5, 0, 0.9, 2]), 1.0).holds == 3


@pytest.mark.parametrize("test", [above, lambda values: within(values, 1)])
def test_a_replicate_without_a_value_decides_nothing(test):
    assert test(np.array([5.0, np.nan, 5.0])).verdict == "undecided"


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    experiments = rng.normal(3, 2, (4000, 8))
    covered = [low <= 3 <= high for _, low, high in map(mean_interval, experiments)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)  # three standard errors


@pytest.mark.parametrize(("truth", "verdict", "share"), [(0, "undecided", 1), (1.5, "holds", 1), (-1.5, "fails", 1)])
def test_above_finds_the_truth(truth, verdict, share):
    rng = np.random.default_rng(1)
    verdicts = [above(values).verdict for values in rng.normal(truth, 1, (1000, 30))]
    assert np.mean([found == verdict for found in verdicts]) == pytest.approx(share, abs=0.01)


def test_the_interval_may_clear_what_the_verdict_does_not():
    found = above(three(1, 0.5, T))
    assert found.ci_low == pytest.approx(0.5)
    assert found.verdict == "undecided"
    assert within(three(0, 0.5, T), 0.6).verdict == "undecided"


@pytest.mark.parametrize("n", [3, 20, 200])
def test_a_thousand_tests_of_nothing_decide_nothing(n):
    """The truth lies on the threshold, so each verdict would be chance; the level by the p-values of an oracle."""
    values = np.random.default_rng(n).standard_normal((MOST_CLAIMS, n))
    verdicts = [above(row).verdict for row in values]
    assert set(verdicts) == {"undecided"}
    assert stats.ttest_1samp(values, 0, axis=1).pvalue.min() > 0.05 / MOST_CLAIMS


@pytest.mark.parametrize("shift", [0.2, 0.25, 0.28, 0.3, 0.35, 0.4])
def test_the_level_of_a_verdict(shift):
    values = shift + np.random.default_rng(7).standard_normal(200)
    p = stats.ttest_1samp(values, 0).pvalue
    assert (above(values).verdict == "holds") == (p < 0.05 / 1000)
    assert abs(VERDICT_CONFIDENCE - (1 - 0.05 / 1000)) < 1e-12


# --- every replicate, some replicate ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (199, 200), (200, 200), (1, 2)])
def test_clopper_pearson(k, n):
    """The exact interval in its closed form, by quantiles of the beta distribution."""
    low = stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    for test, expected in ((always, "holds" if k == n else "fails"), (sometimes, "holds" if k else "undecided")):
        found = test(np.arange(n) < k)
        np.testing.assert_allclose(interval(found), [k / n, low, high], rtol=1e-9)
        assert (found.holds, found.replicates, found.verdict) == (k, n, expected)


@pytest.mark.parametrize(("condition", "verdict"), [(True, "holds"), (False, "fails")])
def test_one_replicate_is_exact(condition, verdict):
    share = float(condition)
    assert always(np.array([condition])) == Evidence(int(condition), 1, share, share, share, verdict, "count")


@pytest.mark.parametrize("p", [0.05, 0.5, 0.98])
def test_the_binomial_interval_covers_the_truth_at_least_as_often_as_it_says(p):
    rng = np.random.default_rng(2)
    found = [always(condition) for condition in rng.random((1000, 40)) < p]
    assert np.mean([evidence.ci_low <= p <= evidence.ci_high for evidence in found]) >= 0.94


def test_a_comparison_with_nan_is_false():
    assert always(np.array([1.0, np.nan]) < 2).verdict == "fails"


# --- a claim ---------------------------------------------------------------------------------------------------------

EMPTY = Results(study="any", variants={}, settings=[], metrics=[], data=None)


def test_a_missing_variant_leaves_it_undecided():
    found = Claim("a is above b.", "ours", lambda r: above(r["a"]["x"] - r["b"]["x"])).judge(EMPTY)
    assert (found.holds, found.replicates, found.verdict) == (0, 0, "undecided")
    assert np.isnan(interval(found)).all()


def test_a_mistake_in_a_claim_is_not_hidden():
    with pytest.raises(KeyError):
        Claim("a", "ours", lambda r: {}["a"]).judge(EMPTY)
