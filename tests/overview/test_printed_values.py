"""The page of the printed numbers, from made-up judgements; how many lie outside by chance, by scipy."""

import re

import numpy as np
import pytest
from scipy import stats

from groundwork.judging.printed import reference
from groundwork.overview.printed_values import (
    QUANTITIES,
    SOURCES,
    at_least,
    chance_table,
    place,
    printed_values_page,
    surprise,
)

OURS = np.linspace(0.9, 1.1, 41).tolist()


def row(verdict: str = "consistent", **changes: object) -> dict:
    found = {"source": "d2l-3.4.6", "item": "6", "quantity": "w1", "setting": "lr=0.3 X[5]*=2", "printed": "1.05"}
    found |= {"study": "rates", "variant": "lr=0.3", "verdict": verdict, "replicates": 200}
    found |= {"mean": 1.0, "sd": 0.05, "low": 0.9, "high": 1.1, "chance": 2 / 201, "rank": 150}
    return found | {"picture": {"printed": [1.05], "ours": OURS}} | changes


def without_chance(verdict: str, **changes: object) -> dict:
    found = row(verdict, **changes)
    return {key: value for key, value in found.items() if key not in ("chance", "rank", "picture")}


CURVE = row(printed="0.5;0.7;0.8", quantity="accuracy_by_epoch", source="fastbook-04") | {
    "picture": {"printed": [0.5, 0.7, 0.8], "low": [0.4] * 3, "middle": [0.5] * 3, "high": [0.9] * 3}
}
EXPLAINED = row("explained", variant="as it runs", printed="5", rank=200, explanation={"ours": [4.0, 5.0, 6.0]})
DIVERGED = row(printed="-3.2e+29", picture={"printed": [29.5], "ours": [24.0, 28.0, 36.0]}, mean=1e34, sd=1e35)
NAN = row(printed="nan", picture={}, mean=None, sd=None, low=None, high=None, rank=134)
EXACT = without_chance("exact", replicates=1, sd=0.0, low=1.05, mean=1.05, high=1.05)
UNJUDGED = without_chance("–", replicates=0, mean=None, sd=None, low=None, high=None)
ALL = [row(), CURVE, EXPLAINED, DIVERGED, NAN, EXACT, UNJUDGED]


def page_of(rows: list[dict]) -> tuple[str, dict[str, str]]:
    page, strips = printed_values_page({"rates": {"title": "Rates", "printed": rows}})
    return page.replace("\u00a0", " "), strips


def cells(page: str) -> list[list[str]]:
    """The rows of the tables of numbers."""
    lines = [line for line in page.splitlines() if line.endswith("| [Rates](rates.md) |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_one_line_a_number():
    found = cells(page_of(ALL)[0])
    assert len(found) == len(ALL)
    usual = found[0]
    assert usual[:4] == ["w₁ (`lr=0.3 X[5]*=2`)", "1.05", "1.000 ± 0.05", "0.900 … 1.100"]
    assert usual[4] == "![150 of our 200 lie below the printed 1.05](strips/rates-01.svg)"
    assert usual[5] == "✓ consistent"
    by_verdict = {line[5]: line for line in found}
    assert by_verdict["= exact"][2:5] == ["1.05", "", "no chance in it"]
    assert by_verdict["– not judged"][2:5] == ["", "", ""]
    assert by_verdict["→ explained by `as it runs`"][1] == "5"
    diverged = next(line for line in found if line[1] == "−3.2e+29")
    assert diverged[2:4] == ["1e+28 in size (median)", "1e+24 … 1e+36"]
    assert next(line for line in found if line[1] == "nan")[2:5] == ["66 of 200 not finite", "", ""]
    assert next(line for line in found if line[1].endswith("(3 values)"))[1] == "0.5 … 0.8 (3 values)"


def test_the_pictures_of_the_page_are_there():
    page, strips = page_of(ALL)
    assert sorted(re.findall(r"\(strips/([^)]+)\)", page)) == sorted(strips)
    assert sorted(strips) == ["rates-01.svg", "rates-02.svg", "rates-03.svg", "rates-04.svg"]
    assert all(alt for alt in re.findall(r"!\[([^]]*)\]", page))
    assert page_of(ALL) == (page, strips)


def test_the_counts_add_up_and_what_is_outside_comes_first():
    page = " ".join(page_of(ALL)[0].split())
    assert "7 in all, beside what we get: 1 exact, 4 consistent, 1 explained, 0 inconsistent, 1 not judged" in page
    outside = page.split("## Outside ours")[1].split("## ")[0]
    assert outside.count("- ") == 1
    assert "printed 5, ours 1.000 ± 0.05, 80 standard deviations away" in outside


def test_an_outsider_of_few_replicates_says_how_little_that_means():
    page, _ = page_of([row("inconsistent", replicates=3, chance=0.5, rank=3)])
    assert "by chance so are 50 % of all right numbers" in page


def test_a_number_without_chance_that_is_not_exact_is_named_too():
    page, _ = page_of([EXACT | {"verdict": "inconsistent", "mean": 1.2}])
    assert "printed 1.05, ours 1.2. **✗ inconsistent**" in page


def test_nothing_is_judged():
    page, strips = page_of([UNJUDGED, EXACT])
    assert "by chance" not in page
    assert not strips


@pytest.mark.parametrize("outside", [0, 1, 2, 5, 49])
def test_as_many_by_chance_as_the_binomial_says(outside):
    assert at_least(outside, [0.01] * 49) == pytest.approx(stats.binom.sf(outside - 1, 49, 0.01))


def test_as_many_by_chance_when_the_chances_differ():
    chances, rng = [0.01, 0.05, 0.5, 0.5], np.random.default_rng(0)
    drawn = (rng.random((200_000, 4)) < chances).sum(1)
    for outside in range(5):
        assert at_least(outside, chances) == pytest.approx((drawn >= outside).mean(), abs=0.004)


def test_the_table_of_chances():
    few = row(replicates=3, chance=0.5)
    table = chance_table([row(), row(), row("inconsistent"), few, few, EXACT, UNJUDGED])
    lines = [re.split(r" *\| *", line.strip("| ")) for line in table.splitlines()[2:]]
    share = stats.binom.sf(0, 3, 2 / 201)
    assert lines[0] == ["200", "3", "0.03", "1", f"{100 * share:.0f} %"]
    assert lines[1] == ["3", "2", "1.00", "0", "100 %"]
    assert lines[2][:4] == ["all", "5", "1.03", "1"]


@pytest.mark.parametrize(
    ("rank", "curve", "expected"),
    [
        (0, False, 2 / 201),
        (200, False, 2 / 201),
        (100, False, 1),
        (9, False, 20 / 201),
        (200, True, 1 / 201),
        (0, True, 1),
    ],
)
def test_how_rare_a_place_is(rank, curve, expected):
    found = (CURVE if curve else row()) | {"rank": rank}
    assert surprise(found) == pytest.approx(expected, abs=0.006 if expected == 1 else 1e-9)


def test_ranks_of_right_numbers_are_rare_as_often_as_they_say():
    for found in (row(), CURVE):
        rare = [surprise(found | {"rank": rank}) <= 0.1 for rank in range(201)]
        assert np.mean(rare) == pytest.approx(0.1, abs=0.006)


def test_a_place_in_words():
    assert place(CURVE) == "150 of our 200 curves lie nearer to the median curve than the printed one"
    assert place(DIVERGED).endswith("lie below the printed -3.2e+29 (by their size)")


def test_every_quantity_and_source_has_words():
    rows = reference()
    assert set(rows["quantity"]) <= set(QUANTITIES)
    assert set(rows["source"]) == set(SOURCES)
