"""The tables: read back by a Markdown parser, compared with numpy."""

import re

import numpy as np
import pytest
from markdown_it import MarkdownIt

from groundwork.judging.claims import Claim, Evidence
from groundwork.reporting.tables import (
    claims_table,
    curves_table,
    markdown,
    metric_table,
    printed_table,
    settings_table,
)


def rows_of(table: str) -> list[list[str]]:
    """The cells of a Markdown table, the header first, as a reader of Markdown sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    cells = [token.content for token in tokens if token.type == "inline"]
    columns = sum(token.type == "th_open" for token in tokens)
    assert columns
    assert len(cells) % columns == 0
    return [cells[i : i + columns] for i in range(0, len(cells), columns)]


def test_markdown_keeps_every_cell_apart():
    rows = [["a|b", "1"], ["|", "‖w‖"], ["", "x | y | z"]]
    found = rows_of(markdown(["name", "p|q"], rows))
    assert [[cell.replace("\\|", "|") for cell in row] for row in found] == [["name", "p|q"], *rows]


def test_markdown_aligns_the_first_columns_left():
    assert markdown("abc", ["123"], left=2).splitlines()[1] == "| :-- | :-- | --: |"


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_metric_table_leaves_out_the_diverged_and_counts_them(results_of):
    results = results_of(calm=[1, 2, 3], wild=[1, np.nan, 4], lost=[np.nan] * 3, one=[np.nan, np.nan, 7])
    assert rows_of(metric_table(results, "w1")) == [
        ["variant", "mean", "sd", "min", "max", "diverged"],
        ["calm", "2.0", "1", "1.0", "3.0", "0 of 3"],
        ["wild", "2.5", "2.1", "1.0", "4.0", "1 of 3"],
        ["lost", "–", "–", "–", "–", "3 of 3"],
        ["one", "7", "–", "7", "7", "2 of 3"],
    ]


def test_metric_table_agrees_with_numpy(results_of):
    values = np.float32(np.random.default_rng(0).normal(5, 0.3, 50))
    _, (_, mean, sd, low, high, _) = rows_of(metric_table(results_of(only=values.tolist()), "w1"))
    assert [float(cell) for cell in (mean, low, high)] == pytest.approx(
        [values.mean(), values.min(), values.max()], abs=0.005
    )
    assert float(sd) == pytest.approx(values.std(ddof=1), abs=0.005)


def test_curves_are_means_over_those_that_did_not_diverge(results_of):
    table = curves_table(results_of(calm=[1, 3], wild=[np.nan, 5], lost=[np.nan, np.nan]), "val/loss")
    assert list(table) == ["epoch", "calm", "wild", "lost"]
    assert table["epoch"].tolist() == [0, 1, 2]
    assert table["calm"].tolist() == [6, 4, 2]
    assert table["wild"].tolist() == [15, 10, 5]
    assert table["lost"].isna().all()


def test_curves_of_what_trains_nothing_are_a_header(results_of):
    table = curves_table(results_of(a=[1.0], b=[2.0]), "no such metric")
    assert list(table) == ["epoch", "a", "b"]
    assert len(table) == 0


# --- settings, claims, printed values --------------------------------------------------------------------------------


def test_settings_that_differ_are_columns_and_the_others_one_sentence(results_of):
    sentence, table = settings_table(results_of(slow=[1.0], fast=[1.0])).split("\n\n")
    assert sentence.startswith("All variants: ")
    shared = dict(pair.split(" = ") for pair in sentence.removeprefix("All variants: ").rstrip(".").split(", "))
    assert shared["loss"] == "squared"
    assert shared["epochs"] == "2"
    assert "lr" not in shared
    assert rows_of(table) == [["variant", "lr"], ["slow", "0.1"], ["fast", "0.2"]]


def test_settings_of_one_variant_are_all_in_the_sentence(results_of):
    sentence, table = settings_table(results_of(only=[1.0])).split("\n\n")
    assert "lr = 0.1" in sentence
    assert rows_of(table) == [["variant"], ["only"]]


def test_claims():
    def claim(text: str, *evidence) -> tuple[Claim, Evidence]:
        return Claim(text, "ours", lambda results: found), (found := Evidence(*evidence))

    found = rows_of(
        claims_table(
            [
                claim("So it is.", 3, 3, 1.0, 0.29241, 1.0, "holds"),
                claim("So it is not.", 0, 3, -0.1234, -0.2, -0.05, "fails"),
                claim("Nobody knows.", 0, 0, np.nan, np.nan, np.nan, "undecided"),
            ]
        )
    )
    assert [re.sub(r"^\W+", "", row[0]) for row in found[1:]] == ["holds", "fails", "undecided"]
    assert [row[1:] for row in found[1:]] == [
        ["So it is.", "ours", "3 of 3", "1 [0.292, 1]"],
        ["So it is not.", "ours", "0 of 3", "−0.123 [−0.2, −0.05]"],
        ["Nobody knows.", "ours", "0 of 0", "–"],
    ]


def test_printed_values():
    row = {"quantity": "w1", "setting": "lr=1; n=2", "printed": "0.40", "mean": 0.41, "low": 0.3, "high": 0.5}
    found = rows_of(
        printed_table(
            [
                row | {"verdict": "consistent", "variant": "ours"},
                row | {"verdict": "explained", "variant": "another"},
                row | {"verdict": "inconsistent", "printed": "0.1;0.2;0.3"},
            ]
        )
    )
    assert found[1:] == [
        ["w1", "lr=1, n=2", "0.40", "0.41", "0.3 … 0.5", "consistent"],
        ["w1", "lr=1, n=2", "0.40", "0.41", "0.3 … 0.5", "explained by another"],
        ["w1", "lr=1, n=2", "0.1 … 0.3 (3 values)", "0.41 (last)", "0.3 … 0.5", "inconsistent"],
    ]
