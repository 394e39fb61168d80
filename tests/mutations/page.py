"""docs/mutations.md: each mistake, and what noticed it; docs/mutations.json: the same, as it is found."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from groundwork.common.files import write_text
from groundwork.reporting.tables import markdown

from .catalogue import Mutation
from .machine import Noticed

PAGE = """\
# Mutations

Would CI notice a mistake in the code? These were made on purpose, one at a time, each in a copy of the repository.
Then the stages named ran again, and `groundwork verdicts` compared their claims and printed values with the committed
ones, as CI does; and the unit tests of the code changed ran. CI also fails when any byte of a result moves. That is
not counted here, since a change that is meant moves bytes too; a verdict that moves says what went wrong.

{noticed} of {all} mistakes are noticed: {by_verdict} by a claim or a printed value, {by_test} by a unit test, {by_both}
by both.

{table}

Written by `python -m tests.mutations`, from the commit that it stands in; the mistakes are listed in
[tests/mutations/catalogue.py](../tests/mutations/catalogue.py).
"""


def page(found: Mapping[Mutation, Noticed]) -> str:
    """The page as Markdown, in the order of the mutations."""
    return PAGE.format(
        noticed=sum(map(bool, found.values())),
        all=len(found),
        by_verdict=sum(bool(noticed.verdicts) for noticed in found.values()),
        by_test=sum(bool(noticed.tests) for noticed in found.values()),
        by_both=sum(bool(noticed.verdicts and noticed.tests) for noticed in found.values()),
        table=markdown(
            ["mistake", "change", "stages", "claims and printed values that move", "unit tests that fail"],
            (
                [
                    mutation.mistake,
                    change(mutation),
                    ", ".join(mutation.stages) or "–",
                    first_of(noticed.verdicts),
                    first_of([f"`{test}`" for test in noticed.tests]),
                ]
                for mutation, noticed in found.items()
            ),
            left=5,
        ),
    )


def read_found(path: Path, mutations: Iterable[Mutation]) -> dict[Mutation, Noticed]:
    """What an earlier run found of those mutations that are still the same."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {
        mutation: Noticed(tuple(row["verdicts"]), tuple(row["tests"]))
        for mutation in mutations
        if (row := rows.get(mutation.mistake)) and row["change"] == change(mutation)
    }


def write_found(path: Path, found: Mapping[Mutation, Noticed]) -> None:
    """A mistake a key, in the order of their names."""
    rows = {
        mutation.mistake: {"change": change(mutation), "verdicts": noticed.verdicts, "tests": noticed.tests}
        for mutation, noticed in found.items()
    }
    write_text(path, json.dumps(rows, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def change(mutation: Mutation) -> str:
    """Where, and what for what, on one line."""
    old, new = (" ".join(text.split()) for text in (mutation.old, mutation.new))
    return f"{mutation.file}: `{old}` → `{new}`"


def first_of(lines: list[str] | tuple[str, ...]) -> str:
    """The first, and how many there are beside it."""
    if not lines:
        return "–"
    return lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")
