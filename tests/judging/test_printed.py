"""Where a printed number lies among ours: each verdict on results whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from groundwork.common.params import read_params
from groundwork.common.studies import load_study, study_names
from groundwork.judging.printed import PrintedValue, central, judge, locate, reference
from groundwork.runs import Results, VariantRuns

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
    printed = replace(printed, exact=True)
    assert verdict(printed, runs_of("ours", np.array([ours]))) == expected
    assert verdict(printed, runs_of("ours", np.array([ours] * 3))) == expected
    assert verdict(printed, runs_of("ours", np.array([ours, ours, ours + 1e30]))) == "inconsistent"


def test_one_draw_of_a_number_that_depends_on_chance_is_not_judged():
    assert verdict(ACCURACY, runs_of("ours", np.array([0.9168]))) == "–"


def test_the_row_of_the_report():
    row = judged(replace(ACCURACY, exact=True), runs_of("ours", np.array([0.91683])))
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
    assert (values < low).sum() == (values > high).sum()
    assert (values < low).mean() == pytest.approx(0.005, abs=1.1 / n)


@pytest.mark.parametrize(("n", "cut"), [(1, 0), (3, 0), (20, 0), (200, 0), (398, 0), (399, 1), (1000, 4), (1999, 9)])
def test_the_central_region_holds_a_further_draw_in_99_of_100_cases(n, cut):
    """Between the k-th smallest and the k-th largest of n lies a further draw with probability 1 − 2k/(n + 1)."""
    assert central(np.arange(float(n))) == (cut, n - 1 - cut)
    if n >= 199:
        assert 2 * (cut + 1) / (n + 1) <= 0.01 < 2 * (cut + 2) / (n + 1)


@pytest.mark.parametrize("n", [3, 20, 200, 500])
def test_a_right_number_lies_outside_as_often_as_it_says(n):
    """Of n + 1 draws each is the printed one in turn; the share that lies outside is what `chance` says."""
    drawn = np.random.default_rng(n).standard_normal(n + 1)
    found = [locate([f"{drawn[own]:.12f}"], np.delete(drawn, own)[None]) for own in range(n + 1)]
    assert np.mean([not one.inside for one in found]) == pytest.approx(found[0].chance)
    assert found[0].chance <= 0.01 or n < 199
    assert [one.rank for one in found] == list(np.argsort(np.argsort(drawn)))


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


def test_an_ordinary_number_is_not_compared_by_magnitude():
    """That some of ours diverge does not make 2.0009 agree with 1."""
    assert verdict(WEIGHT, runs_of("ours", np.r_[np.full(199, 1.0), 1e7])) == "consistent"  # between 1 and 1e7
    assert verdict(WEIGHT, runs_of("ours", -np.r_[np.full(199, 1.0), 1e7])) == "inconsistent"


def test_a_number_is_compared_with_those_that_end_in_one():
    ours = 2.0009 + 0.01 * np.random.default_rng(0).standard_normal(200)
    ours[:50] = np.nan
    row = judged(WEIGHT, runs_of("ours", ours))
    assert row["verdict"] == "consistent"
    assert row["chance"] == pytest.approx(2 / 151)
    assert np.isnan(row["mean"])
    assert verdict(WEIGHT, runs_of("ours", np.full(200, np.nan))) == "inconsistent"


@pytest.mark.parametrize(("lost", "expected"), [(200, "consistent"), (3, "consistent"), (2, "inconsistent")])
def test_a_printed_nan_is_compared_with_the_share_of_those_that_do_not(lost, expected):
    setting = "loss=squared lr=0.01 epochs=10 X[5]*=10000/y[5] y[5]=10000"
    nan = PrintedValue("8-loss-outlier", "w1", setting, "ours", "x")
    ours = np.r_[np.full(lost, np.nan), np.linspace(0, 1, 200 - lost)]
    assert verdict(nan, runs_of("ours", ours)) == expected


def test_what_the_picture_needs():
    ours = np.random.default_rng(0).standard_normal(200)
    picture = judged(WEIGHT, runs_of("ours", ours))["picture"]
    assert picture["printed"] == [2.0009]
    np.testing.assert_allclose(picture["ours"], np.percentile(ours, np.arange(0, 101, 2.5)), rtol=1e-6)
    few = judged(WEIGHT, runs_of("ours", ours[:3]))["picture"]
    np.testing.assert_allclose(few["ours"], sorted(ours[:3]), rtol=1e-6)
    explained = judged(WEIGHT, runs_of("ours", ours / 100), runs_of("other", ours / 100 + 2))
    np.testing.assert_allclose(explained["explanation"]["ours"][::40], [min(ours) / 100 + 2, max(ours) / 100 + 2], 1e-6)


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
    exact, curve = CURVE_VALUES[:, None], replace(CURVE, exact=True)
    assert verdict(curve, with_epoch_zero(exact + 4e-7)) == "exact"
    assert verdict(curve, with_epoch_zero(exact + 6e-7 * np.eye(10)[:, 4:5])) == "inconsistent"


@pytest.mark.parametrize(("replicates", "chance"), [(3, 1 / 4), (20, 1 / 21), (200, 2 / 201)])
def test_a_right_curve_lies_outside_as_often_as_it_says(replicates, chance):
    """All curves are alike, so each of them is the printed one in turn: outside by rank, with ties nowhere."""
    drawn = CURVE_VALUES[:, None] + curves(np.random.default_rng(1), replicates + 1)
    found = []
    for own in range(replicates + 1):
        texts = [f"{value:.12f}" for value in drawn[:, own]]
        found.append(locate(texts, np.delete(drawn, own, axis=1)))
    assert np.mean([not one.inside for one in found]) == pytest.approx(chance)
    assert found[0].chance == pytest.approx(chance)
    assert sorted(one.rank for one in found) == list(range(replicates + 1))


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


def test_every_row_is_judged_by_one_study():
    named = [
        (value.item, value.quantity, value.setting) for study in study_names() for value in load_study(study).printed()
    ]
    assert sorted(named) == sorted(map(tuple, reference()[["item", "quantity", "setting"]].to_numpy()))
