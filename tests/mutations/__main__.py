"""`python -m tests.mutations`: make each mistake, see what notices it, write docs/mutations.md.

It takes minutes, so it is run by hand or at night; with the beginnings of some mistakes' names, only those are made.
docs/mutations.json keeps what noticed each, so a run that was broken off goes on with `--rest`. Exits with 1 if a
mistake is not noticed.
"""

import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from groundwork.common.errors import UserError
from groundwork.common.files import write_text

from .catalogue import MUTATIONS, Mutation
from .machine import check_anchors, check_unmutated, checked_out, notice
from .page import first_of, page, read_found, write_found

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "mutations.md"
FOUND = PAGE.with_suffix(".json")


def main(
    only: Annotated[list[str] | None, typer.Argument(help="how the names of the mistakes begin; all if none")] = None,
    rest: Annotated[bool, typer.Option("--rest", help="only those that docs/mutations.json does not have")] = False,
) -> None:
    """Make each mistake in a copy of the last commit, and see what notices it."""
    try:
        _mutate(only or [], rest)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _mutate(only: list[str], rest: bool) -> None:
    found = read_found(FOUND, MUTATIONS)
    chosen = [mutation for mutation in MUTATIONS if not only or mutation.mistake.startswith(tuple(only))]
    if not chosen:
        raise UserError(f"no mistake begins with {' or '.join(only)}: see tests/mutations/catalogue.py")
    chosen = [mutation for mutation in chosen if not (rest and mutation in found)]
    check_anchors(REPOSITORY, chosen)
    with tempfile.TemporaryDirectory() as scratch:
        pristine = checked_out(REPOSITORY, Path(scratch) / "pristine")
        check_anchors(pristine, chosen)
        check_unmutated(pristine, chosen)
        for mutation in chosen:
            began = monotonic()
            found[mutation] = noticed = notice(pristine, mutation)
            print(f"{mutation.mistake} ({monotonic() - began:.0f} s)")
            print(f"  verdicts: {first_of(noticed.verdicts)}\n  tests: {first_of(noticed.tests)}", flush=True)
            write_found(FOUND, found)
    left = [mutation for mutation in MUTATIONS if mutation not in found]
    if left:
        raise UserError(f"{len(left)} mistakes are not made yet, so {PAGE.name} is not written: go on with --rest")
    write_text(PAGE, page({mutation: found[mutation] for mutation in MUTATIONS}))
    missed: list[Mutation] = [mutation for mutation in MUTATIONS if not found[mutation]]
    if missed:
        raise UserError(f"not noticed: {'; '.join(mutation.mistake for mutation in missed)}")


typer.run(main)
