"""The pages about all studies, from what made-up reports pass on."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.files import write_text
from groundwork.common.params import Params, read_params
from groundwork.overview.summary import read_summary, studies_table, write_summary
from groundwork.terminal import show

SHIPPED = Path(__file__).parents[2] / "params.yaml"


def params() -> Params:
    shipped = read_params(SHIPPED)
    return shipped.model_copy(update={"studies": {name: shipped.studies[name] for name in ("learning_rate", "planck")}})


def claim(text: str, verdict: str, effect: float | None) -> dict:
    found = {"claim": text, "source": "ours", "holds": 3, "replicates": 3, "effect": effect, "ci_low": effect}
    return found | {"ci_high": effect, "verdict": verdict}


def summary(title: str, page: str, claims: list[dict], printed: list[dict], mean: float | None) -> dict:
    return {
        "title": title,
        "question": f"What of {title}?",
        "source": "a book",
        "answer": f"So it is with {title}.",
        "page": page,
        "replicates": [3, 3],
        "headline": {"calm": {"error": 0.123456789, "diverged": 0}, "wild": {"error": mean, "diverged": 3}},
        "claims": claims,
        "printed": printed,
    }


@pytest.fixture(autouse=True)
def _two_studies():
    value = {"source": "d2l", "item": "6", "quantity": "w1", "setting": "lr=3", "printed": "2.0", "mean": 2.00000001}
    value |= {"sd": 1e-7, "low": None, "high": 1e300, "replicates": 3, "verdict": "consistent"}
    page = "# One\n\n![a figure](figures/learning_rate/loss.svg)\n\n[all](index.md) [other](planck.md)\n"
    first = summary("One", page, [claim("a|b, c", "holds", 1.0), claim("d", "fails", -1.23456789)], [value], None)
    second = summary("Two", "# Two\n", [claim("e", "undecided", None)], [], 1e300)
    for name, one in (("learning_rate", first), ("planck", second)):
        write_text(paths.summary(name), json.dumps(one))
    write_text(paths.figures("learning_rate") / "loss.svg", "<svg/>")


def test_the_csv_files():
    write_summary(params())
    claims = pd.read_csv(paths.REPORTS / "claims.csv")
    assert list(claims) == ["study", "claim", "holds", "replicates", "effect", "ci_low", "ci_high", "verdict"]
    assert claims["study"].tolist() == ["learning_rate", "learning_rate", "planck"]
    assert claims["claim"].tolist() == ["a|b, c", "d", "e"]
    assert claims["effect"].tolist()[:2] == [1, -1.23457]
    assert claims["effect"].isna().tolist() == [False, False, True]
    printed = pd.read_csv(paths.REPORTS / "printed_values.csv", dtype=str)
    names = ["source", "item", "quantity", "setting", "printed", "mean", "sd", "low", "high", "replicates", "verdict"]
    assert list(printed) == names
    assert printed.iloc[0].to_dict() | {"low": ""} == dict(
        zip(names, ["d2l", "6", "w1", "lr=3", "2.0", "2", "1e-07", "", "1e+300", "3", "consistent"], strict=True)
    )


def test_metrics():
    write_summary(params())
    metrics = json.loads((paths.REPORTS / "metrics.json").read_text())
    assert metrics["learning_rate"] == {
        "claims": {"holds": 1, "fails": 1, "undecided": 0},
        "calm": {"error": 0.123457, "diverged": 0},
        "wild": {"error": None, "diverged": 3},
    }
    assert metrics["planck"]["wild"]["error"] == 1e300


def test_the_index_counts_and_names_what_fails():
    write_summary(params())
    index = " ".join((paths.REPORTS / "index.md").read_text(encoding="utf-8").split())
    assert "2 studies, 12 training runs." in index
    assert "Of 3 claims 1 hold, 1 fail and 1 are undecided" in index
    assert "1 consistent" in index
    assert "- d (ours, [One](learning_rate.md))" in index
    for name, title in (("learning_rate", "One"), ("planck", "Two")):
        assert f"**[What of {title}?]({name}.md)** So it is with {title}." in index


def test_the_one_page_needs_nothing_else():
    write_summary(params())
    html = (paths.REPORTS / "index.html").read_text(encoding="utf-8")
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', html))
    assert not re.search(r"@import|<script|<iframe|url\(", html)
    ids = set(re.findall(r'id="([^"]*)"', html))
    anchors = set(re.findall(r'href="#([^"]*)"', html))
    assert anchors == {"index", "learning_rate", "planck"} <= ids
    assert ".md" not in html


def test_one_row_a_study():
    table = studies_table({name: read_summary(name) for name in params().studies})
    assert "| [One](learning_rate.md) | What of One? | 2 × 3 | 1 | 1 | · |" in table
    assert "| [Two](planck.md) | What of Two? | 2 × 3 | · | · | 1 |" in table


def test_the_same_again():
    write_summary(params())
    first = {path: path.read_bytes() for path in paths.REPORTS.iterdir() if path.is_file()}
    write_summary(params())
    assert {path: path.read_bytes() for path in paths.REPORTS.iterdir() if path.is_file()} == first


def test_what_the_terminal_shows(capsys):
    show(params())
    one, two = [line.split() for line in capsys.readouterr().out.splitlines()[1:3]]
    assert one == ["learning_rate", "error", "0.123", "…", "0.123,", "1", "diverge", "1", "1", "·"]
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
