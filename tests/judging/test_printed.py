"""Where a printed number lies among ours: each verdict on results whose truth is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from groundwork.common.params import read_params
from groundwork.judging.printed import PrintedValue, central, judge, reference
from groundwork.runs import Results, VariantRuns
from groundwork.studies import load_study, study_names

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml")
VARIANT = PARAMS.studies["pixel_similarity"].expand()[0]


def runs_of(name: str, final: np.ndarray, curve: np.ndarray | None = None) -> VariantRuns:
    """Made-up runs of one variant: final values (R,) of the metric "x", and a curve (S, R) of it."""
    replicates = len(final)
    steps = 0 if curve is None else len(curve)
    return VariantRuns(
        variant=VARIANT.model_copy(update={"name": name}),
        table=pd.DataFrame({"variant": name, "replicate": range(replicates), "x": final, "status": "ok"}),
        history=pd.DataFrame(
            {
                "metric": "x",
                "epoch": np.repeat(np.arange(steps), replicates),
                "value": [] if curve is None else curve.ravel(),
            }
        ),
        weights={},
    )


def judged(printed: PrintedValue, *variants: VariantRuns) -> dict[str, object]:
    results = Results("study", {runs.variant.name: runs for runs in variants}, settings=[], metrics=["x"], data=None)
    return judge(printed, results, reference())


def verdict(printed: PrintedValue, *variants: VariantRuns) -> object:
    return judged(printed, *variants)["verdict"]


ACCURACY = PrintedValue("pixel-similarity", "accuracy_3s", "L1", "ours", "x")  # 0.9168
MILLIONS = PrintedValue("6-learning-rate", "w1", "lr=3 epochs=3", "ours", "x")  # -3.2974e+29
BATCH = PrintedValue("7-last-batch", "last_batch_size", "n=1000 batch_size=32 each of 3 epochs", "ours", "x")  # 8
WEIGHT = PrintedValue("6-learning-rate", "w1", "lr=0.3 epochs=3", "ours", "x", explained_by="other")  # 2.0009
CURVE = PrintedValue("linear-learner", "accuracy_by_epoch", "Learner.fit epochs 1..10 lr=1", "ours", "x", first_epoch=1)
CURVE_VALUES = np.array(
    [0.495584, 0.866045, 0.831207, 0.911187, 0.932777, 0.946516, 0.955348, 0.962218, 0.965162, 0.967615]
)

# --- without random numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "ours", "expected"),
    [
        (ACCURACY, 0.9168, "exact"),
        (ACCURACY, 0.91684999, "exact"),
        (ACCURACY, 0.91675001, "exact"),
        (ACCURACY, 0.91686, "inconsistent"),
        (ACCURACY, 0.91674, "inconsistent"),
        (MILLIONS, -3.29744e29, "exact"),
        (MILLIONS, -3.29746e29, "inconsistent"),
        (MILLIONS, 3.2974e29, "inconsistent"),
        (BATCH, 8.0, "exact"),
        (BATCH, 8.49, "exact"),
        (BATCH, 8.51, "inconsistent"),
    ],
)
def test_exact_means_to_the_printed_digits(printed, ours, expected):
    assert verdict(printed, runs_of("ours", np.array([ours]))) == expected


def test_the_row_of_the_report():
    row = judged(ACCURACY, runs_of("ours", np.array([0.91683])))
    expected = {"source": "fastbook-04", "item": "pixel-similarity", "quantity": "accuracy_3s", "setting": "L1"}
    expected |= {"printed": "0.9168", "study": "study", "variant": "ours", "replicates": 1, "verdict": "exact"}
    assert row == expected | {"mean": 0.91683, "sd": 0.0, "low": 0.91683, "high": 0.91683}


# --- one number, many replicates -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [100, 200, 1000, 1001])
def test_the_central_region_leaves_half_a_percent_on_each_side(n):
    values = np.random.default_rng(n).permutation(n).astype(float)
    low, high = central(values)
    assert low in values
    assert high in values
    assert (values < low).mean() == pytest.approx(0.005, abs=1.5 / n)
    assert (values > high).mean() == pytest.approx(0.005, abs=1.5 / n)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, "consistent"), (1.5, "consistent"), (-1.5, "consistent"), (4, "inconsistent"), (-4, "inconsistent")],
)
def test_consistent_means_within_the_replicates(offset, expected):
    ours = 2.0009 + 0.01 * (offset + np.random.default_rng(0).standard_normal(200))
    row = judged(WEIGHT, runs_of("ours", ours), runs_of("other", ours))
    assert row["verdict"] == expected
    assert row["variant"] == "ours"
    assert (row["mean"], row["sd"]) == (pytest.approx(ours.mean()), pytest.approx(ours.std(ddof=1)))


def test_a_rounded_number_may_lie_half_a_digit_outside():
    ours = np.linspace(1.0, 2.00086, 100)
    assert verdict(WEIGHT, runs_of("ours", ours), runs_of("other", ours)) == "consistent"


def test_consistent_as_often_as_it_says():
    """A further draw from our own distribution lies inside the central 99 % of 200 in about 98.5 of 100 cases."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        own, *ours = 0.01 * rng.standard_normal(201)
        found.append(verdict(WEIGHT, *(runs_of(name, 2.0009 - own + np.array(ours)) for name in ("ours", "other"))))
    assert np.mean([one == "consistent" for one in found]) == pytest.approx(0.985, abs=0.02)


def test_explained_names_the_variant_that_explains():
    rng = np.random.default_rng(0)
    ours, other = 1 + 0.01 * rng.standard_normal(200), 2 + 0.01 * rng.standard_normal(200)
    row = judged(WEIGHT, runs_of("ours", ours), runs_of("other", other))
    assert (row["verdict"], row["variant"]) == ("explained", "other")
    assert row["mean"] == pytest.approx(ours.mean())


def test_a_missing_variant_leaves_no_verdict():
    row = judged(ACCURACY, runs_of("another", np.array([0.9168])))
    assert (row["verdict"], row["replicates"]) == ("–", 0)
    assert np.isnan([row["mean"], row["sd"], row["low"], row["high"]]).all()


def test_a_missing_explanation_leaves_it_inconsistent():
    row = judged(WEIGHT, runs_of("ours", np.linspace(0, 1, 200)))
    assert (row["verdict"], row["replicates"]) == ("inconsistent", 200)


@pytest.mark.parametrize(("exponent", "expected"), [(29, "consistent"), (40, "inconsistent"), (10, "inconsistent")])
def test_diverged_numbers_agree_in_their_magnitude(exponent, expected):
    rng = np.random.default_rng(0)
    ours = 10 ** rng.normal(exponent, 1.5, 200) * rng.choice([-1, 1], 200)
    assert verdict(MILLIONS, runs_of("ours", ours)) == expected


# --- a curve ---------------------------------------------------------------------------------------------------------


def curves(rng: np.random.Generator, replicates: int) -> np.ndarray:
    """Wandering around zero, (10, R): as the accuracies of a training run do, neighbours move together."""
    return 0.003 * rng.standard_normal((10, replicates)).cumsum(axis=0) + 0.001 * rng.standard_normal((10, replicates))


def with_epoch_zero(values: np.ndarray) -> VariantRuns:
    return runs_of("ours", values[-1], np.vstack([np.full(values.shape[1], 99.0), values]))


def test_a_replicates_own_curve_is_accepted_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        drawn = curves(rng, 201)  # the printed curve is one more draw
        found.append(verdict(CURVE, with_epoch_zero(CURVE_VALUES[:, None] - drawn[:, :1] + drawn[:, 1:])))
    assert np.mean([one == "consistent" for one in found]) == pytest.approx(0.985, abs=0.02)


@pytest.mark.parametrize(
    "shift",
    [np.full(10, 0.05), np.full(10, -0.05), 0.3 * np.eye(10)[4], 0.02 * (-1.0) ** np.arange(10)],
    ids=["above", "below", "one epoch", "zigzag"],
)
def test_a_shifted_curve_is_rejected(shift):
    ours = CURVE_VALUES[:, None] + curves(np.random.default_rng(0), 200)
    assert verdict(CURVE, with_epoch_zero(ours)) == "consistent"
    assert verdict(CURVE, with_epoch_zero(ours + shift[:, None])) == "inconsistent"


def test_a_curve_counts_from_its_first_epoch():
    ours = CURVE_VALUES[:, None] + curves(np.random.default_rng(0), 200)
    assert verdict(CURVE, runs_of("ours", ours[-1], ours)) == "–"  # ten epochs, and the tenth is not there
    longer = np.vstack([ours[:1], ours, ours[-1:] + 9])  # what comes after the printed ones is not compared
    assert verdict(CURVE, runs_of("ours", ours[-1], longer)) == "consistent"


def test_a_curve_without_random_numbers_is_exact_or_not():
    exact = CURVE_VALUES[:, None]
    assert verdict(CURVE, with_epoch_zero(exact + 4e-7)) == "exact"
    assert verdict(CURVE, with_epoch_zero(exact + 6e-7 * np.eye(10)[:, 4:5])) == "inconsistent"


# --- the reference table ---------------------------------------------------------------------------------------------


def test_the_reference_table_has_numbers_only_and_each_once():
    rows = reference()
    assert list(rows) == ["source", "item", "quantity", "setting", "value"]
    assert not rows.duplicated(["source", "item", "quantity", "setting"]).any()
    for text in ";".join(rows["value"]).split(";"):
        float(text)


@pytest.mark.parametrize("study", study_names())
def test_what_a_study_names_is_there_exactly_once(study):
    rows = reference()
    variants = {variant.name for variant in PARAMS.studies[study].expand()}
    named = load_study(study).printed()
    assert len({(value.item, value.quantity, value.setting) for value in named}) == len(named)
    for value in named:
        same = rows["item"].eq(value.item) & rows["quantity"].eq(value.quantity) & rows["setting"].eq(value.setting)
        assert same.sum() == 1, value
        assert {value.variant, value.explained_by or value.variant} <= variants
