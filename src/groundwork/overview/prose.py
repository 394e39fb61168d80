"""What the templates of the answers and of the corrections can ask for, so that no number in them is typed by hand.

Whole sentences come from the studies' summaries, single numbers from their runs. Text that a result could prove wrong
stands in a `supported` block: it is shown only while the claims and printed values that it rests on are judged as they
were when it was written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from groundwork.common.settings import plain
from groundwork.overview.counts import VERDICTS, counts
from groundwork.reporting import words
from groundwork.reporting.tables import MARKS
from groundwork.runs import MissingVariant, Results

PLURALS = {"holds": "hold", "fails": "fail", "undecided": "undecided"}


@dataclass(frozen=True)
class Prose:
    """The summaries of all studies, in the order of params.yaml, and how to read the runs of one."""

    summaries: dict[str, dict[str, Any]]
    results_of: Callable[[str], Results]

    def names(self) -> dict[str, object]:
        """What a template can call."""
        return {
            "answer": self.answer,
            "figure": self.figure,
            "claims": self.claims,
            "supported": self.supported,
            "printed": self.printed,
            "of": self.results_of,
            "studies": self.summaries,
            "plain": plain,
            "number": words.number,
            "fixed": words.fixed,
            "percent": words.percent,
            "mean_sd": words.mean_sd,
            "median": np.median,
        }

    def answer(self, study: str, *paragraphs: int) -> str:
        """A study's answer, whole or some of its paragraphs, counted from 0."""
        if study not in self.summaries:
            return _absent(study)
        whole = self.summaries[study]["answer"].split("\n\n")
        return "\n\n".join(whole[index] for index in paragraphs or range(len(whole)) if index < len(whole))

    def figure(self, study: str, file: str) -> str:
        """A figure of a study's page, with its caption; nothing where that page has none of this name."""
        page = self.summaries[study]["page"] if study in self.summaries else ""
        image = next((line for line in page.splitlines() if line.endswith(f"](figures/{study}/{file})")), "")
        caption = image.removeprefix("![").rpartition("](")[0]
        return f"{image}\n\n*{caption}*" if image else ""

    def claims(self, study: str, *beginnings: str) -> str:
        """The claims that begin so; without any, those of the sources, and ours that do not hold. With their verdicts.

        The last line counts all claims of the study, and leads to it.
        """
        if study not in self.summaries:
            return ""
        summary = self.summaries[study]
        shown = [
            claim
            for claim in summary["claims"]
            if (claim["claim"].startswith(beginnings) if beginnings else _is_telling(claim))
        ]
        lines = [
            f"- {MARKS[claim['verdict']]}: {claim['claim']}" + " (ours)" * (claim["source"] == "ours")
            for claim in shown
        ]
        counted = ", ".join(
            f"{count} {verdict if count == 1 else PLURALS[verdict]}"
            for verdict, count in counts(summary["claims"], VERDICTS).items()
            if count
        )
        return "\n".join([*lines, f"- All claims of [{summary['title']}]({study}.md): {counted or 'none'}."])

    def supported(self, *facts: tuple[str, str, str], caller: Callable[[], str]) -> str:
        """The block, a paragraph a line, and what it rests on; a notice in its place where a verdict has moved.

        A fact is a study, how one of its claims or printed values (item quantity setting) begins, and its verdict.
        """
        found = []
        for study, beginning, expected in facts:
            if study not in self.summaries:
                return _absent(study)
            where = f"[{self.summaries[study]['title']}]({study}.md)"
            judged = self._judged(study)
            text, verdict = next((judged[key] for key in judged if key.startswith(beginning)), (beginning, ""))
            if verdict != expected:
                moved = f"is now {verdict}, and was {expected}" if verdict else "is no longer there"
                return f"**No longer supported** by these runs: {where}, “{text}” {moved}.\n"
            found.append(f"- {MARKS.get(verdict, verdict)}: {text} ({where})")
        try:
            body = caller()
        except MissingVariant as missing:
            return f"Nothing to say here: {missing}.\n"
        paragraphs = [" ".join(paragraph.split()) for paragraph in body.strip().split("\n\n")]
        return "\n\n".join([*paragraphs, "\n".join(found)]) + "\n"

    def printed(self, study: str, beginning: str) -> str:
        """A number as the source prints it, by how its item, quantity and setting begin."""
        for row in self.summaries[study]["printed"]:
            if _described(row).startswith(beginning):
                return str(row["printed"])
        raise MissingVariant(f"{study} compares no printed value “{beginning}”")

    def _judged(self, study: str) -> dict[str, tuple[str, str]]:
        """Every claim and printed value of a study: how to show it, and its verdict."""
        summary = self.summaries[study]
        printed = {
            _described(row): (f"printed {row['quantity']}, {row['setting'] or row['item']}", row["verdict"])
            for row in summary["printed"]
        }
        return {claim["claim"]: (claim["claim"], claim["verdict"]) for claim in summary["claims"]} | printed


def _is_telling(claim: dict[str, Any]) -> bool:
    return claim["source"] != "ours" or claim["verdict"] != "holds"


def _described(row: dict[str, Any]) -> str:
    return f"{row['item']} {row['quantity']} {row['setting']}".strip()


def _absent(study: str) -> str:
    return f"Nothing to say here: params.yaml has no study `{study}`.\n"
