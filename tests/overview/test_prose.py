"""What the templates can ask for, on made-up summaries."""

import pytest

from groundwork.overview.prose import Prose
from groundwork.runs import MissingVariant


def claim(text: str, verdict: str, source: str = "ours") -> dict:
    return {"claim": text, "source": source, "verdict": verdict}


SUMMARY = {
    "title": "Ohm's law",
    "answer": "First.\n\nSecond.",
    "page": "# Ohm's law\n\n![A line.](figures/ohm/line.svg)\n\n*A line.*\n",
    "claims": [
        claim("It is so (really).", "holds", "d2l §3.4.6, exercise 2"),
        claim("It is not.", "fails"),
        claim("It may be.", "undecided"),
        claim("As we say.", "holds"),
    ],
    "printed": [
        {"item": "2-ohm", "quantity": "b", "setting": "lr=0.03", "printed": "-0.0321", "verdict": "consistent"},
        {"item": "gradient", "quantity": "at 3", "setting": "", "printed": "6", "verdict": "exact"},
    ],
}


def no_runs(study: str):
    raise AssertionError(f"reads the runs of {study}")


@pytest.fixture
def prose() -> Prose:
    return Prose({"ohm": SUMMARY}, no_runs)


def test_an_answer_whole_and_in_part(prose):
    assert prose.answer("ohm") == "First.\n\nSecond."
    assert prose.answer("ohm", 1) == "Second."
    assert prose.answer("ohm", 7) == ""


def test_a_figure_comes_with_its_caption(prose):
    assert prose.figure("ohm", "line.svg") == "![A line.](figures/ohm/line.svg)\n\n*A line.*"
    assert prose.figure("ohm", "other.svg") == ""


def test_the_telling_claims_are_the_sources_and_those_of_ours_that_do_not_hold(prose):
    assert prose.claims("ohm").splitlines() == [
        "- ✓ holds: It is so (really).",
        "- ✗ fails: It is not. (ours)",
        "- ? undecided: It may be. (ours)",
        "- All claims of [Ohm's law](ohm.md): 2 hold, 1 fails, 1 undecided.",
    ]


def test_claims_that_are_named(prose):
    assert prose.claims("ohm", "As we").splitlines()[:-1] == ["- ✓ holds: As we say. (ours)"]


def test_a_block_stands_while_its_facts_do(prose):
    block = prose.supported(
        ("ohm", "It is so", "holds"), ("ohm", "2-ohm b", "consistent"), caller=lambda: "\nSo\n it is.\n\nYes.\n"
    )
    assert block == (
        "So it is.\n\nYes.\n\n- ✓ holds: It is so (really). ([Ohm's law](ohm.md))\n"
        "- consistent: printed b, lr=0.03 ([Ohm's law](ohm.md))\n"
    )


@pytest.mark.parametrize(
    ("beginning", "verdict", "notice"),
    [
        ("It is so", "fails", "“It is so (really).” is now holds, and was fails."),
        ("2-ohm b", "exact", "“printed b, lr=0.03” is now consistent, and was exact."),
        ("It was", "holds", "“It was” is no longer there."),
    ],
)
def test_a_fact_that_moved_takes_the_block_with_it(prose, beginning, verdict, notice):
    block = prose.supported(("ohm", "As we", "holds"), ("ohm", beginning, verdict), caller=lambda: no_runs("ohm"))
    assert block == f"**No longer supported** by these runs: [Ohm's law](ohm.md), {notice}\n"


def test_a_variant_that_is_gone(prose):
    def body() -> str:
        raise MissingVariant("params.yaml has no variant 'a' of ohm")

    block = prose.supported(("ohm", "As we", "holds"), caller=body)
    assert block == "Nothing to say here: params.yaml has no variant 'a' of ohm.\n"


def test_a_study_that_is_gone(prose):
    notice = "Nothing to say here: params.yaml has no study `planck`.\n"
    assert prose.answer("planck") == notice
    assert prose.supported(("planck", "It is so", "holds"), caller=lambda: no_runs("planck")) == notice
    assert prose.figure("planck", "line.svg") == prose.claims("planck") == ""


def test_a_printed_number(prose):
    assert prose.printed("ohm", "2-ohm b") == "-0.0321"
    assert prose.printed("ohm", "gradient at 3") == "6"
    with pytest.raises(MissingVariant):
        prose.printed("ohm", "2-ohm w")
