"""Ohm's law against scipy's line."""

import numpy as np
import pytest
from scipy.stats import linregress

from groundwork.common import paths
from groundwork.common.tensors import load_tensors
from groundwork.studies.ohm import left_over


def test_least_squares(results):
    data = load_tensors(paths.dataset("generated/ohm"))
    for runs in results("ohm"):
        for replicate, (current, voltage) in enumerate(zip(data["train/X"], data["train/y"], strict=True)):
            x, y = current[:, 0].astype(float), voltage[:, 0].astype(float)
            line = linregress(x, y)
            assert runs["exact_w_error"][replicate] == pytest.approx(5.1 - line.slope, abs=1e-8)
            assert runs["exact_b_error"][replicate] == pytest.approx(-line.intercept, abs=1e-8)
            assert runs["origin_w_error"][replicate] == pytest.approx(5.1 - x @ y / (x @ x), abs=1e-8)
            np.testing.assert_allclose(runs.weights["exact"][replicate], [line.slope, line.intercept], atol=1e-8)


def test_errors_have_the_sign_of_the_source(results):
    for runs in results("ohm"):
        np.testing.assert_allclose(runs["w_error"], 5.1 - runs["w1"], atol=1e-6)
        np.testing.assert_allclose(runs["b_error"], -runs["b"], atol=1e-6)


def test_whole_batches_end_at_least_squares(train):
    (runs,) = train("ohm", grid={"lr": [0.5], "epochs": [40], "batch_size": [1000]})
    np.testing.assert_allclose(runs["w_error"], runs["exact_w_error"], atol=2e-6)
    np.testing.assert_allclose(runs["b_error"], runs["exact_b_error"], atol=2e-6)


def test_what_three_epochs_leave(results):
    assert left_over(results("ohm")) == pytest.approx(5.1 * 0.97**96)
