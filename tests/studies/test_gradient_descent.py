"""Descent on Σx² against x·(1 − 2·lr)ᵏ in numpy."""

import numpy as np
import pytest

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.tensors import load_tensors
from groundwork.judging.printed import judge, reference
from groundwork.studies.gradient_descent import claims, gradients, printed


def starts() -> np.ndarray:
    return load_tensors(paths.dataset("generated/descent"))["start"].astype(float)


def test_paths_have_a_closed_form(results):
    for runs in results("gradient_descent"):
        settings, x = runs.variant.settings, runs.weights["x"].astype(float)
        coordinates = {"square": 1, "sum_of_squares": 3}[settings.function]
        steps = min(settings.steps, 20)  # before one of them overflows
        expected = starts()[:, None, :coordinates] * (1 - 2 * settings.lr) ** np.arange(steps + 1)[:, None]
        np.testing.assert_allclose(x[:, : steps + 1], expected, rtol=1e-5)
        np.testing.assert_allclose(runs.curve("val/loss")[1][: steps + 1].T, (expected**2).sum(2), rtol=1e-4)
        distances = np.linalg.norm(expected, axis=2)
        np.testing.assert_allclose(runs.curve("distance")[1][: steps + 1].T, distances, rtol=1e-5)
        np.testing.assert_allclose(runs["factor"], abs(1 - 2 * settings.lr), rtol=1e-6)


def test_gradients_against_differences(results):
    """(f(x + h) − f(x − h))/2h is exact for a quadratic, but for the rounding of f."""
    for runs in results("gradient_descent"):
        if not runs.diverged.any():
            x, h = runs.weights["x"].astype(float), 1e-2
            differences = ((x + h) ** 2 - (x - h) ** 2) / (2 * h)
            np.testing.assert_allclose(runs.weights["gradient"], differences, rtol=1e-6, atol=1e-9)
    exact, found = gradients(results("gradient_descent"))
    assert len(exact) > 300
    assert (exact == found).all()


def test_sign_changes(results):
    for runs in results("gradient_descent"):
        if not runs.diverged.any():
            expected = runs.variant.settings.steps if runs.variant.settings.lr > 0.5 else 0
            assert (runs["sign_changes"] == expected).all()


def test_diverged_are_those_above_one(results):
    for runs in results("gradient_descent"):
        assert (runs.diverged == (runs.variant.settings.lr > 1)).all()


def test_an_overflow_is_recorded(results):
    runs = results("gradient_descent")["overflowing"]
    assert runs.diverged.all()
    assert not np.isfinite(runs["val/loss"]).any()
    values = runs.curve("val/loss")[1]
    assert values.shape == (101, 3)
    assert np.isfinite(values[:20]).all()


def test_what_the_book_prints_is_exact(results):
    rows = [judge(value, results("gradient_descent"), reference()) for value in printed()]
    assert [(row["printed"], row["verdict"]) for row in rows] == [("6", "exact"), ("125", "exact"), ("6;8;20", "exact")]


def test_every_claim_holds(results):
    verdicts = {claim.text: claim.judge(results("gradient_descent")).verdict for claim in claims()}
    assert set(verdicts.values()) == {"holds"}, verdicts


def test_claims_can_fail(train):
    """Rates that are not what the variants' names say."""
    variants = {
        "good": {"function": "square", "lr": 0.2},
        "sum good": {"function": "sum_of_squares", "lr": 0.2},
        "too small": {"function": "square", "lr": 0.4},
        "one step": {"function": "square", "lr": 0.49},
        "to and fro": {"function": "square", "lr": 0.99},
        "diverging": {"function": "square", "lr": 1.01},
    }
    results = train("gradient_descent", variants=variants)
    verdicts = [claim.judge(results).verdict for claim in claims()]
    assert verdicts == ["holds", "holds", "fails", "holds", "holds", "holds", "fails", "fails", "holds"]


def test_another_studys_function_is_refused(train):
    with pytest.raises(UserError, match="variant 'x' has function = quadratic: allowed: square, sum_of_squares"):
        train("gradient_descent", variants={"x": {"function": "quadratic", "lr": 0.1}})
