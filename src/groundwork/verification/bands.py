"""Where bytes are not promised: how far each number may be from the committed one.

Held against HEAD are the headline numbers, means over the replicates of each variant, how many replicates diverge, and
the verdicts of the claims. `BANDS` is the one place where the bands stand; docs/reproducibility.md shows it, and a test
compares the two.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import pandas as pd

from groundwork.common import paths
from groundwork.verification.committed import git


@dataclass(frozen=True)
class Band:
    """How far a number may be off: by `relative` of the committed one or by `absolute`, whichever is more."""

    relative: float
    absolute: float
    measured: str  # the largest deviation found with other kernels, see docs/reproducibility.md

    def holds(self, committed: float | None, here: float | None) -> bool:
        """Whether `here` is near enough; None, the mean of no replicate, is near None alone."""
        if committed is None or here is None:
            return committed is here
        return abs(here - committed) <= max(self.relative * abs(committed), self.absolute)


BANDS = {
    "T_error": Band(0, 0.001, "0.000007 K"),
    "accuracy": Band(0, 0.01, "0.003"),  # of a ResNet18; else 0
    "diverged": Band(0, 2, "0 replicates"),
    "factor": Band(1e-5, 0, "7e-9 of it"),
    "grey": Band(1e-5, 0, "0"),
    "growth": Band(1e-5, 0, "4e-8 of it"),
    "l2_penalty": Band(1e-5, 0, "6e-8 of it"),
    "mse": Band(1e-5, 0, "9e-8 of it"),
    "parameter_error": Band(0.01, 0, "0.0013 of it"),  # of an ℓ1 penalty, whose kinks a last bit decides; else 0.00001
    "regret": Band(1e-3, 0, "6e-7 of it"),  # of a choice among a few λ, which a last bit may turn
    "test/loss": Band(1e-5, 0, "1e-8 of it"),
    "val/loss": Band(1e-4, 0, "8e-9 of it"),
    "w_error": Band(1e-3, 0, "0.00003 of it"),
    "weight_error": Band(1e-5, 0, "3e-7 of it"),
}


class Bands:
    """The numbers of HEAD, to hold those of its rerun in `clone` against."""

    def __init__(self, clone: Path) -> None:
        self.clone = clone

    def leaving(self, study: str) -> str:
        """The first number of a study that leaves its band, or claim with another verdict; nothing if there is none."""
        here = json.loads((self.clone / paths.summary(study)).read_text(encoding="utf-8"))
        for variant, values in here["headline"].items():
            for metric, value in values.items():
                was = self._metrics[study].get(variant, {}).get(metric)
                if not BANDS[metric].holds(was, value):
                    return f"{variant}: {metric}: committed {was}, here {value}"
        before = self._claims[self._claims["study"] == study].set_index("claim")["verdict"]
        for claim in here["claims"]:
            if (was := before.get(claim["claim"])) != claim["verdict"]:
                return f"{claim['claim']} committed: {was}, here: {claim['verdict']}"
        return ""

    @cached_property
    def _metrics(self) -> dict[str, dict]:
        return json.loads(git(self.clone, "show", f"HEAD:{(paths.REPORTS / 'metrics.json').as_posix()}"))

    @cached_property
    def _claims(self) -> pd.DataFrame:
        return pd.read_csv(BytesIO(git(self.clone, "show", f"HEAD:{(paths.REPORTS / 'claims.csv').as_posix()}")))
