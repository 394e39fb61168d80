"""The pages of answers and of corrections: what they name is there, and they can do without what is not."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from groundwork.common.params import read_params
from groundwork.common.studies import load_study
from groundwork.overview.answers import PAGES, answers
from groundwork.overview.corrections import corrections

ROOT = Path(__file__).parents[2]
TEMPLATES = {name: ROOT / f"src/groundwork/overview/templates/{name}.md.j2" for name in (*PAGES, "corrections")}
STUDIES = set(read_params(ROOT / "params.yaml").studies)
PARSED = {name: Environment().parse(path.read_text(encoding="utf-8")) for name, path in TEMPLATES.items()}


def calls(page: str, function: str) -> list[list]:
    """The arguments of every call of a function in a template."""
    return [
        [argument.as_const() for argument in call.args]
        for call in PARSED[page].find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name == function
    ]


def facts(study: str) -> list[str]:
    """How a study's claims and printed values are referred to."""
    module = load_study(study)
    printed = [f"{value.item} {value.quantity} {value.setting}".strip() for value in module.printed()]
    return [claim.text for claim in module.claims()] + printed


@pytest.mark.parametrize("page", TEMPLATES)
def test_every_claim_that_is_named_is_one_of_the_study(page):
    named = [(study, beginning) for call in calls(page, "supported") for study, beginning, _ in call]
    named += [(study, beginning) for study, *beginnings in calls(page, "claims") for beginning in beginnings]
    named += [tuple(call) for call in calls(page, "printed")]
    found = {(study, text): [fact for fact in facts(study) if fact.startswith(text)] for study, text in named}
    assert {key for key, values in found.items() if not values} == set()


def test_every_fact_of_a_correction_is_one_only():
    named = [(study, text) for call in calls("corrections", "supported") for study, text, _ in call]
    assert named
    assert {key for key in named if sum(fact.startswith(key[1]) for fact in facts(key[0])) != 1} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_that_is_shown_is_one_of_the_study(page):
    shown = [f"{study}/{file}" for study, file in calls(page, "figure")]
    assert [figure for figure in shown if not (ROOT / "reports" / "figures" / figure).exists()] == []


def test_every_study_answers_something():
    assert {study for page in PAGES for study, *_ in calls(page, "answer")} == STUDIES


@pytest.mark.parametrize(
    ("page", "exercises"), [("answers_d2l_3_4", 9), ("answers_d2l_3_5", 5), ("answers_d2l_3_7", 6)]
)
def test_the_exercises_come_in_their_order(page, exercises):
    numbers = re.findall(r"^## Exercise (\d+): ", TEMPLATES[page].read_text(encoding="utf-8"), re.MULTILINE)
    assert numbers == [str(number) for number in range(1, exercises + 1)]


def no_runs(study: str):
    raise AssertionError(f"reads the runs of {study}")


def test_without_any_study_the_pages_say_so():
    made = answers({}, no_runs) | corrections({}, no_runs)
    assert list(made) == [*PAGES, "corrections"]
    for name, page in made.items():
        headings = re.findall(r"^## ", page, re.MULTILINE)
        assert len(re.findall("params.yaml has no study", page)) >= len(headings) - 1, name


def test_our_claims_that_fail_are_listed():
    claims = [
        {"claim": "Wrong.", "source": "ours", "verdict": "fails"},
        {"claim": "Right.", "source": "ours", "verdict": "holds"},
        {"claim": "Theirs.", "source": "d2l §3.4.6", "verdict": "fails"},
    ]
    printed = [{"item": "1", "quantity": "b", "setting": "", "printed": "2", "verdict": "inconsistent"}]
    summary = {"title": "Ohm's law", "answer": "", "page": "", "claims": claims, "printed": printed}
    page = corrections({"ohm": summary}, no_runs)["corrections"]
    assert page.endswith("says why.\n\n- Wrong. ([Ohm's law](ohm.md))\n")
    assert "of 1 numbers 1 lies outside" in page
    assert "**No longer supported** by these runs: [Ohm's law](ohm.md), “The printed set-up" in page
