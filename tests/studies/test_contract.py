"""What every study has and leaves, and that it answers whatever variants params.yaml asks for."""

import inspect
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.studies import load_study, study_names
from groundwork.judging.claims import Claim
from groundwork.judging.printed import PrintedValue
from groundwork.overview.index import SOURCES
from groundwork.reporting.study_report import question_of

SHIPPED = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")["studies"]
VERDICTS = {"holds", "fails", "undecided"}


def test_every_study_is_in_params():
    assert sorted(SHIPPED) == study_names()


@pytest.mark.parametrize("name", study_names())
def test_a_module_is_whole(name):
    study = load_study(name)
    for function, arguments in {
        "train": ["block"],
        "figures": ["results"],
        "claims": [],
        "printed": [],
        "answer": ["results"],
    }.items():
        assert list(inspect.signature(getattr(study, function)).parameters) == arguments
    question, about = question_of(study)
    assert question.endswith("?")
    assert about
    assert study.TITLE
    assert study.HEADLINE in study.METRICS
    claims = study.claims()
    assert len(claims) >= 3
    assert all(isinstance(claim, Claim) and claim.text.endswith(".") and claim.source for claim in claims)
    assert len({claim.text for claim in claims}) == len(claims)
    assert all(isinstance(value, PrintedValue) for value in study.printed())


@pytest.mark.parametrize("name", study_names())
def test_the_index_has_a_heading_for_it(name):
    """A study whose source no heading begins would be missing from the tables of reports/index.md."""
    assert sum(load_study(name).SOURCE.startswith(source) for source in SOURCES) == 1


def test_titles_differ():
    assert len({load_study(name).TITLE for name in study_names()}) == len(study_names())


@pytest.mark.parametrize("name", study_names())
def test_metrics_are_columns(name, results):
    study, runs = load_study(name), results(name)
    assert set(runs.settings).isdisjoint(study.METRICS)
    assert set(study.METRICS) <= set(runs.metrics)
    histories = {metric for run in runs for metric in run.history["metric"]}
    assert {value.metric for value in study.printed()} <= set(runs.metrics) | histories
    table = pd.read_csv(paths.runs(name) / "runs.csv")
    assert set(table["status"]) <= {"ok", "diverged"}
    assert not table.drop(columns=[*runs.settings, "status"]).isna().all().any()


@pytest.mark.parametrize("name", study_names())
def test_a_report_is_whole(name, results, params):
    runs, study = results(name), load_study(name)
    page = paths.page(name).read_text(encoding="utf-8")
    assert page.startswith(f"# {study.TITLE}\n\n**{question_of(study)[0]}**\n")
    linked = set(re.findall(r"!\[[^]]+\]\(([^)]*)\)", page))
    assert linked == {path.relative_to(paths.REPORTS).as_posix() for path in paths.figures(name).iterdir()}
    assert linked
    for claim in study.claims():
        assert claim.text.replace("|", "\\|") in page
    for metric in study.METRICS:
        assert f"(`{metric}`)" in page
    for variant in runs.variants:
        assert f"| {variant} |" in page
    assert "The answer in words compares variants that are not here" not in page
    assert list(pd.read_csv(paths.curves(name))) == ["epoch", *runs.variants]


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("name", study_names())
def test_what_a_report_passes_on(name, results):
    runs, study = results(name), load_study(name)
    summary = json.loads(paths.summary(name).read_text(encoding="utf-8"), parse_constant=refuse)
    assert summary["page"] == paths.page(name).read_text(encoding="utf-8")
    assert list(summary["headline"]) == list(runs.variants)
    for variant, values in summary["headline"].items():
        own = runs[variant]
        expected = pytest.approx(own[study.HEADLINE][own.ok].mean()) if own.ok.any() else None
        assert values == {study.HEADLINE: expected, "diverged": own.diverged.sum()}
    assert [claim["claim"] for claim in summary["claims"]] == [claim.text for claim in study.claims()]
    assert {claim["verdict"] for claim in summary["claims"]} <= VERDICTS
    assert len(summary["printed"]) == len(study.printed())


@pytest.mark.parametrize("place", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("name", study_names())
def test_one_variant_is_enough(name, place, report):
    """As after `dvc exp run -S …`: what compares others is undecided, the rest is there."""
    block = SHIPPED[name]
    changes = {"grid": {key: [values[place]] for key, values in block.get("grid", {}).items()}}
    if "variants" in block:
        chosen = list(block["variants"])[place]
        changes["variants"] = {chosen: block["variants"][chosen]}
    (variant,) = report(name, **changes).variants
    page = paths.page(name).read_text(encoding="utf-8")
    assert f"| {variant} |" in page
    claims = json.loads(paths.summary(name).read_text(encoding="utf-8"))["claims"]
    if len(block.get("variants", "1")) * math.prod(len(values) for values in block.get("grid", {}).values()) > 1:
        assert "undecided" in {claim["verdict"] for claim in claims}
