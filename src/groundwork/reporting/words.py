"""Numbers as they are written in tables and prose."""

import math

import numpy as np


def number(value: float, digits: int = 4) -> str:
    """A few significant digits: 0.9785, 1.2e−05, ∞; a real minus sign."""
    if np.isnan(value):
        return "nan"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if 10**digits <= abs(value) < 1e6:
        return fixed(value, 0)  # 110, not 1.1e+02
    return f"{value:.{digits}g}".replace("-", "−")


def to_precision(value: float, sd: float) -> str:
    """A number with as many decimals as its spread gives a meaning to: 2.00000 for an sd of 0.00033."""
    decimals = 1 - math.floor(math.log10(sd)) if 0 < sd < math.inf else -1
    if not 0 <= decimals <= 8 or abs(value) >= 1e6 or fixed(value, decimals).strip("−0.") == "":
        return number(value)
    return fixed(value, decimals)


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals: 21.9; zero has no sign."""
    return f"{value:z.{decimals}f}".replace("-", "−")


def percent(share: float, decimals: int = 1) -> str:
    """A share in percent: 97.8 %."""
    return f"{100 * share:.{decimals}f} %"


def extent(replicates: list[int]) -> str:
    """A study's size, variants × replicates, from the replicates of each variant: 4 × 200, or 5 × 1 to 200."""
    fewest, most = min(replicates), max(replicates)
    return f"{len(replicates)} × {most if fewest == most else f'{fewest} to {most}'}"


def mean_sd(values: np.ndarray, decimals: int) -> str:
    """Mean and standard deviation over the replicates: 0.9785 ± 0.0003."""
    return f"{fixed(values.mean(), decimals)} ± {fixed(values.std(ddof=1), decimals)}"
