"""The pages about all studies, from what made-up reports pass on."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.params import Params, read_params
from groundwork.overview.index import index_page, ladder_table, studies_table
from groundwork.overview.summary import read_summary, write_summary
from groundwork.terminal import show
from made_up import write_studies

SHIPPED = Path(__file__).parents[2] / "params.yaml"


def params() -> Params:
    shipped = read_params(SHIPPED)
    return shipped.model_copy(update={"studies": {name: shipped.studies[name] for name in ("learning_rate", "planck")}})


@pytest.fixture(autouse=True)
def _two_studies():
    write_studies()


def test_the_csv_files():
    write_summary(params())
    claims = pd.read_csv(paths.REPORTS / "claims.csv")
    assert list(claims) == ["study", "claim", "holds", "replicates", "effect", "ci_low", "ci_high", "verdict"]
    assert claims["study"].tolist() == ["learning_rate"] * 23 + ["planck"]
    assert claims["claim"].tolist()[:2] == ["It holds | a, b.", "It fails."]
    assert claims["effect"].tolist()[:2] == [1, -1.23457]
    assert claims["effect"].isna().tolist() == [False] * 23 + [True]
    printed = pd.read_csv(paths.REPORTS / "printed_values.csv", dtype=str)
    names = ["source", "item", "quantity", "setting", "printed", "mean", "sd", "low", "high", "replicates", "verdict"]
    assert list(printed) == names
    values = ["d2l-3.4.6", "6", "w1", "lr=3", "2.0", "2", "1e-07", "1.5", "300000", "3", "consistent"]
    assert printed.iloc[0].tolist() == values


def test_metrics():
    write_summary(params())
    metrics = json.loads((paths.REPORTS / "metrics.json").read_text())
    assert metrics["learning_rate"] == {
        "claims": {"holds": 22, "fails": 1, "undecided": 0},
        "calm": {"error": 0.123457, "diverged": 0},
        "wild": {"error": None, "diverged": 3},
    }
    assert metrics["planck"]["wild"]["error"] == 1e300


def test_the_index_counts_and_leads_to_the_other_pages():
    write_summary(params())
    index = (paths.REPORTS / "index.md").read_text(encoding="utf-8")
    said = " ".join(index.split())
    assert "12 training runs in 2 studies" in said
    assert "[24 claims](claims.md): 22 hold, 1 fail, 1 are undecided" in said
    assert "[1 printed values](printed_values.md): 0 exact, 1 consistent with our replicates" in said
    assert "### Linear regression from scratch (d2l §3.4)" in index
    assert "- [Weight decay: d2l §3.7 and the exercises of §3.7.6](answers_d2l_3_7.md)" in index
    corrections = (paths.REPORTS / "corrections.md").read_text(encoding="utf-8")
    for heading in re.findall("^## (.*)$", corrections, re.MULTILINE):
        assert f"- [{heading}](corrections.md#" in index


def test_the_index_in_the_one_file_names_no_other():
    summaries = {name: read_summary(name) for name in params().studies}
    assert "index.html" in index_page(summaries, {})
    assert not re.search(r"index\.html|\.csv", index_page(summaries, {}, one_file=True))


def test_the_one_page_needs_nothing_else():
    write_summary(params())
    html = (paths.REPORTS / "index.html").read_text(encoding="utf-8")
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', html))
    without_files = re.sub('"data:[^"]*"', '""', html)
    assert not re.search(r"@import|<link rel=.stylesheet|<script src|<iframe|url\(|\.md\b", without_files)
    assert "default-src 'none'" in html


def test_the_one_page_has_the_pages_in_their_order():
    write_summary(params())
    html = (paths.REPORTS / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'<article id="([^"]*)"', html)
    assert names[:4] == [f"answers_{name}" for name in ("d2l_3_4", "d2l_3_5", "d2l_3_7", "fastbook_4")]
    assert names[4:] == ["corrections", "claims", "printed_values", "learning_rate", "planck"]


def test_one_row_a_study():
    table = studies_table({name: read_summary(name) for name in params().studies})
    assert "| [One](learning_rate.md) | What of One? | 2 × 3 | 22 | 1 | · |" in table
    assert "| [Two](planck.md) | What of Two? | 2 × 3 | · | · | 1 |" in table


def test_the_ladder_has_a_row_a_model_in_the_order_of_both_studies():
    first = {"mean image": {"accuracy": 0.951}, "net as printed": {"accuracy": 0.9}, "net": {"accuracy": None}}
    second = {"mean image": {"accuracy": 0.5}, "own loss": {"accuracy": 0.25}, "net": {"accuracy": 1.0}}
    lines = ladder_table({"two": {"headline": first}, "ten": {"headline": second}}).splitlines()
    assert lines[0] == "| model | two | ten |"
    assert lines[2:] == [
        "| mean image | 95.1 % | 50.0 % |",
        "| own loss | · | 25.0 % |",
        "| net as printed | 90.0 % | · |",
        "| net | · | 100.0 % |",
    ]
    assert ladder_table({}) == ""


def test_the_same_again():
    write_summary(params())
    first = {path: path.read_bytes() for path in paths.REPORTS.iterdir() if path.is_file()}
    write_summary(params())
    assert {path: path.read_bytes() for path in paths.REPORTS.iterdir() if path.is_file()} == first


def test_what_the_terminal_shows(capsys):
    show(params())
    one, two = [line.split() for line in capsys.readouterr().out.splitlines()[1:3]]
    assert one == ["learning_rate", "error", "0.123", "…", "0.123,", "1", "diverge", "22", "1", "·"]
    assert two[0] == "planck"
    assert "1e+300" in two
    assert two[-3:] == ["·", "·", "1"]


@pytest.mark.parametrize("content", [None, "", "{", '{"title": NaN'])
def test_a_missing_or_damaged_summary_names_its_stage(content):
    paths.summary("planck").unlink()
    if content is not None:
        paths.summary("planck").write_text(content)
    with pytest.raises(UserError, match=r"data/reports/planck\.json is .*`dvc repro report@planck`") as error:
        write_summary(params())
    assert "\n" not in str(error.value)
    assert not paths.REPORTS.joinpath("claims.csv").exists()
