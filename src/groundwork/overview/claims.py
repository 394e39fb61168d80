"""The page of all claims: the sources' conclusions that do not hold come first, then every claim with its evidence."""

from pathlib import Path
from typing import Any

from groundwork.judging.claims import CONFIDENCE, MOST_CLAIMS
from groundwork.overview.counts import VERDICTS, counts
from groundwork.overview.index import SOURCES
from groundwork.reporting.pages import render
from groundwork.reporting.tables import MARKS, markdown
from groundwork.reporting.words import number, percent

TEMPLATE = Path(__file__).with_name("templates") / "claims.md.j2"


def claims_page(summaries: dict[str, dict[str, Any]]) -> str:
    """reports/claims.md: what fails and what is undecided, how verdicts are reached, and the claims study by study."""
    claims = [claim | {"study": study} for study, summary in summaries.items() for claim in summary["claims"]]
    theirs = [claim for claim in claims if claim["source"] != "ours"]
    ours = [claim for claim in claims if claim["source"] == "ours"]
    return render(
        TEMPLATE,
        {
            "summaries": summaries,
            "claims": claims,
            "counts": counts_table({"of the sources": theirs, "ours": ours, "all": claims}),
            "means": sum(claim["kind"] == "mean" for claim in claims),
            "confidence": percent(CONFIDENCE, 0),
            "chance": f"{number(1 - CONFIDENCE, 2)} / {MOST_CLAIMS}",
            "most": MOST_CLAIMS,
            "lists": {
                f"{whose} that {words}": lines
                for whose, part in (("Conclusions of the sources", theirs), ("Claims of ours", ours))
                for verdict, words in (("fails", "fail"), ("undecided", "are undecided"))
                if (lines := [_line(claim, summaries) for claim in part if claim["verdict"] == verdict])
            },
            "sources": {
                f"{heading} ({source})": {
                    f"[{summary['title']}]({study}.md)": claims_table(summary["claims"])
                    for study, summary in summaries.items()
                    if summary["source"].startswith(source)
                }
                for source, heading in SOURCES.items()
                if any(summary["source"].startswith(source) for summary in summaries.values())
            },
        },
    )


def counts_table(groups: dict[str, list[dict[str, Any]]]) -> str:
    """How many claims have each verdict, a row a group."""
    rows = [[name, str(len(group)), *map(str, counts(group, VERDICTS).values())] for name, group in groups.items()]
    return markdown(["claims", "in all", *VERDICTS], rows)


def claims_table(claims: list[dict[str, Any]]) -> str:
    """One row a claim, with its evidence."""
    rows = [
        [MARKS[claim["verdict"]], claim["claim"], claim["source"], replicates(claim), effect(claim)] for claim in claims
    ]
    header = ["verdict", "claim", "who says so", "in how many replicates", "effect [95 % interval]"]
    return markdown(header, rows, left=3)


def replicates(claim: dict[str, Any]) -> str:
    """In how many of the replicates it is so: 199 of 200."""
    return f"{claim['holds']} of {claim['replicates']}"


def effect(claim: dict[str, Any]) -> str:
    """The effect with its interval, a share in percent: 0.31 [0.28, 0.34], or 99 % [97 %, 100 %].

    "–" stands for what is not there: the interval of a mean over one replicate, or all of it.
    """
    found, low, high = (_value(claim[key], claim["kind"]) for key in ("effect", "ci_low", "ci_high"))
    return f"{found} [{low}, {high}]" if claim["effect"] is not None else "–"


def _value(value: float | None, kind: str) -> str:
    if value is None:
        return "–"
    return percent(value, 0 if value in (0, 1) else 1) if kind == "count" else number(value, 3)


def _line(claim: dict[str, Any], summaries: dict[str, dict[str, Any]]) -> str:
    link = f"[{summaries[claim['study']]['title']}]({claim['study']}.md)"
    source = "" if claim["source"] == "ours" else f"{claim['source']}; "
    return f"{claim['claim']} *{source}{replicates(claim)}, {effect(claim)}* {link}"
