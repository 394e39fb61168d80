"""Numbers as they are written."""

import numpy as np
import pytest

from groundwork.reporting.words import fixed, mean_sd, number, percent, to_precision


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.97853, 4, "0.9785"),
        (0.97853, 2, "0.98"),
        (2, 4, "2"),
        (2.0, 4, "2"),
        (-3.4, 4, "−3.4"),
        (0, 4, "0"),
        (-0.0, 4, "0"),
        (1234567, 4, "1.235e+06"),
        (0.000012, 4, "1.2e−05"),
        (-1.2e-21, 2, "−1.2e−21"),
        (9.9996, 4, "10"),
        (999.96, 4, "1000"),
        (np.float32(0.1), 4, "0.1"),
        (np.nan, 4, "nan"),
        (np.inf, 4, "∞"),
        (-np.inf, 4, "−∞"),
        (1.7976931348623157e308, 4, "1.798e+308"),
    ],
)
def test_number(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize(("value", "decimals", "text"), [(21.94, 1, "21.9"), (-21.96, 1, "−22.0"), (0.5, 0, "0")])
def test_fixed(value, decimals, text):
    assert fixed(value, decimals) == text


@pytest.mark.parametrize(
    ("share", "decimals", "text"), [(0.978, 1, "97.8 %"), (1, 0, "100 %"), (0.98765, 2, "98.77 %"), (0, 1, "0.0 %")]
)
def test_percent(share, decimals, text):
    assert percent(share, decimals) == text


@pytest.mark.parametrize(
    ("value", "sd", "text"),
    [
        (2, 0.00033, "2.00000"),
        (1.99988, 0.00108, "1.9999"),
        (-3.4, 0.02, "−3.400"),
        (5041.94, 14.2, "5042"),
        (5041.94, 1420.0, "5042"),
        (0.5, 0.0, "0.5"),
        (0, 0.1, "0"),
        (3e29, 1e29, "3e+29"),
    ],
)
def test_to_precision(value, sd, text):
    assert to_precision(value, sd) == text


def test_mean_sd():
    values = np.array([-1.0, -2.0, -3.0])
    assert mean_sd(values, 2) == "−2.00 ± 1.00"
