"""The page of all claims, from made-up evidence."""

import re

import pytest

from groundwork.overview.claims import claims_page, effect


def claim(text: str, verdict: str, source: str = "ours", kind: str = "mean", **changes: object) -> dict:
    found = {"claim": text, "source": source, "holds": 199, "replicates": 200, "effect": 0.25, "ci_low": 0.2}
    return found | {"ci_high": 0.3, "verdict": verdict, "kind": kind} | changes


SUMMARIES = {
    "rates": {
        "title": "Rates",
        "source": "d2l §3.4.6, exercise 6",
        "claims": [
            claim("Fast | wins.", "holds", "d2l §3.4.6, exercise 6", "count", effect=1.0, ci_low=0.9817, ci_high=1.0),
            claim("Slow wins.", "fails", "d2l §3.4.6, exercise 6"),
            claim("Neither wins.", "fails"),
        ],
    },
    "decay": {
        "title": "Decay",
        "source": "d2l §3.7",
        "claims": [
            claim("It helps.", "undecided", "d2l §3.7.1"),
            claim("It hurts.", "undecided", effect=None, ci_low=None, ci_high=None, replicates=0, holds=0),
        ],
    },
}


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_what_fails_comes_first_and_the_sources_before_us():
    found = sections(claims_page(SUMMARIES))
    assert list(found) == [
        "Conclusions of the sources that fail",
        "Conclusions of the sources that are undecided",
        "Claims of ours that fail",
        "Claims of ours that are undecided",
        "How a verdict is reached",
        "Linear regression from scratch (d2l §3.4)",
        "Weight decay (d2l §3.7)",
    ]
    assert found["Conclusions of the sources that fail"].strip() == (
        "- Slow wins. *d2l §3.4.6, exercise 6; 199 of 200, 0.25 [0.2, 0.3]* [Rates](rates.md)"
    )
    assert "- Neither wins. *199 of 200, 0.25 [0.2, 0.3]* [Rates]" in found["Claims of ours that fail"]


def test_every_claim_is_in_the_table_of_its_study():
    found = sections(claims_page(SUMMARIES))
    rates = found["Linear regression from scratch (d2l §3.4)"]
    assert "### [Rates](rates.md)" in rates
    assert (
        "| ✓ holds | Fast \\| wins. | d2l §3.4.6, exercise 6 | 199 of 200 | 100 % [98.2 %, 100 %] |"
        in rates.splitlines()
    )
    assert rates.count("\n| ") == 2 + 3
    assert "| ? undecided | It hurts. | ours | 0 of 0 | – |" in found["Weight decay (d2l §3.7)"]


def test_the_counts():
    page = claims_page(SUMMARIES)
    assert "| of the sources | 3 | 1 | 1 | 1 |" in page
    assert "| ours | 2 | 0 | 1 | 1 |" in page
    assert "| all | 5 | 1 | 2 | 2 |" in page
    assert "(1 claims)" in page
    assert "(4 claims)" in page
    assert "0.05 / 1000" in page


def test_nothing_fails():
    calm = {"rates": SUMMARIES["rates"] | {"claims": SUMMARIES["rates"]["claims"][:1]}}
    assert list(sections(claims_page(calm))) == [
        "How a verdict is reached",
        "Linear regression from scratch (d2l §3.4)",
    ]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("mean", (0.123456, -1.0, 2.5), "0.123 [−1, 2.5]"),
        ("count", (0.5, 0.0, 1.0), "50.0 % [0 %, 100 %]"),
        ("count", (1 / 3, 0.0084, 0.9057), "33.3 % [0.8 %, 90.6 %]"),
        ("mean", (0.5, None, None), "0.5 [–, –]"),
        ("mean", (None, None, None), "–"),
    ],
)
def test_an_effect_in_words(kind, values, expected):
    keys = ("effect", "ci_low", "ci_high")
    assert effect(claim("", "holds", kind=kind, **dict(zip(keys, values, strict=True)))) == expected
