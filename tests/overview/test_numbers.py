"""No number in prose is typed by hand: it is filled in when the page is made, so it cannot go stale.

Looked at are the templates of the pages about all studies, and the text of every study's answer and captions. A digit
may stand there as part of a name or of a formula, below; and in a study if by that very number the same function looks
something up, a variant or a threshold, for then params.yaml cannot change without it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment

SOURCES = Path(__file__).parents[2] / "src" / "groundwork"
TEMPLATES = sorted((SOURCES / "overview" / "templates").glob("*.md.j2"))
STUDIES = sorted(path for path in (SOURCES / "studies").glob("*.py") if path.stem != "__init__")
WRITERS = {"number", "fixed", "percent", "mean_sd", "plain", "round"}  # their second argument is a number of digits
ALLOWED = "|".join(
    [
        r"§3\.\d(\.\d)?|chapter [34]|ch\. 4|[Ee]xercises? \d",  # where it stands in a source
        r"ResNet18|float32|ℓ1|ℓ2|\bL[12]|SmoothL1Loss|d2l",  # names
        r"(?<![\d.,=] )(?<![\d.,])[37](?=s?\b(?![\d.,]\d))(?! (epochs|steps|rows|K\b))",  # the digits told apart
        r"middle 90 %|95 % confidence|central 99 %",  # what bands and intervals are, everywhere
        r"N\(0, (1\)|σ²)|\[0,|0 … 1\b|1/√|1/B|\b2/λ|2·lr|2m·|σ/2|\(2σ\)|\b2x\b|\b1 −|−1\b|· 0",  # formulas
    ]
)


def typed(text: str) -> list[str]:
    """The numbers in a text that are no part of a name or a formula."""
    return re.findall(r"\d[\d.,]*\d|\d", re.sub(ALLOWED, " ", " ".join(text.split())))


def test_what_counts_as_typed():
    assert typed("ResNet18 of ch. 4, exercise 2: a 3, all 7s, N(0, 1), 1 − lr, 2/λ_max, smooth L1") == []
    assert typed("after 3 epochs, lr = 0.3, 10,000 images, 1e-21, w₁ = 2") == ["3", "0.3", "10,000", "1", "21", "2"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_a_number_of_its_own(template):
    tokens = Environment().lex(template.read_text(encoding="utf-8"))
    assert {value.strip(): found for _, kind, value in tokens if kind == "data" and (found := typed(value))} == {}


def prose_of(function: ast.FunctionDef) -> Iterator[ast.Constant]:
    """The text that a function returns, without what is filled in."""
    parts: list[ast.AST] = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    while parts:
        part = parts.pop()
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part
        if not isinstance(part, ast.FormattedValue | ast.Call | ast.Subscript | ast.Compare):
            parts += ast.iter_child_nodes(part)


def looked_up(function: ast.FunctionDef) -> set[str]:
    """The numbers by which the code of a function looks something up: its literals, and those in names of variants."""
    prose = {id(part) for part in prose_of(function)}
    digits = {
        id(argument)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) in WRITERS
        for argument in [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    }
    code = [part for part in ast.walk(function) if isinstance(part, ast.Constant) and id(part) not in prose | digits]
    return {number for part in code for number in re.findall(r"\d+(?:\.\d+)?", str(part.value))}


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_no_study_has_a_number_that_it_does_not_look_up(study):
    wrong = {}
    for function in ast.parse(study.read_text(encoding="utf-8")).body:
        if isinstance(function, ast.FunctionDef) and function.name in ("answer", "figures"):
            known = looked_up(function)
            for text in prose_of(function):
                if found := [number for number in typed(text.value) if number not in known]:
                    wrong[" ".join(text.value.split())] = found
    assert wrong == {}
